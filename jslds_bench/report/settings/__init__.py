"""What the report says and draws of each kind of data: a file per setting, by the name in the records."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jslds_bench.report.settings.base import Setting


def of(name: str) -> Setting:
    """The Setting of this name; what holds of any where this version has no such file."""
    named = name.isidentifier() and not name.startswith("_")
    known = named and importlib.util.find_spec(f"{__name__}.{name}") is not None
    # Imported here and not above: settings draw from what `RunData` holds, and it asks for them.
    setting: Setting = importlib.import_module(f"{__name__}.{name if known else 'base'}").SETTING
    return setting
