"""Which machine a record was made on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_MACHINE = ("machine", "cpu", "cores", "threads", "device")


def fingerprint(env: Mapping[str, Any]) -> str:
    """Twelve hex digits that agree exactly where speeds may be compared: machine, cores in use and device."""
    return hashlib.sha256(json.dumps([env.get(k) for k in _MACHINE]).encode()).hexdigest()[:12]
