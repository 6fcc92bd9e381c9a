"""Which control groups can be made here."""

from __future__ import annotations

import pytest

from jslds_bench.processes.control_group import control_group


def _can_be_made() -> bool:
    if (group := control_group(10**9)) is None:
        return False
    group.remove()
    return True


control_groups = pytest.mark.skipif(
    not _can_be_made(), reason="this process may make no control group that limits memory"
)
