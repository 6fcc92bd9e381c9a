"""An entry and its parameters as one text, "leaky(alpha=0.1, f=relu)": how cells are named."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from jslds_bench.errors import UsageError


def parsed(text: str) -> tuple[str, dict[str, Any]]:
    """The name and the parameters that `text` states; what is left out has its default.

    Raises:
        UsageError: it has another form.
    """
    found = re.fullmatch(r"(\w+)\s*(?:\((.*)\))?", text.strip())
    items = [] if found is None else [item for item in (found[2] or "").split(",") if item.strip()]
    if found is None or not all("=" in item for item in items):
        raise UsageError(f"unknown cell {text!r}: expected a name, or NAME(KEY=VALUE, …)")
    pairs = (item.split("=", 1) for item in items)
    return found[1], {key.strip(): _value(value.strip()) for key, value in pairs}


def name_in(text: str) -> str:
    """The name that `text` begins with, of whatever form the rest is."""
    return text.partition("(")[0].strip()


def text_of(entry: Any) -> str:
    """The text that `parsed` reads back: all parameters of a made entry, in their order."""
    values = {f.name: getattr(entry, f.name) for f in dataclasses.fields(entry) if f.init}
    stated = ", ".join(f"{key}={_text(value)}" for key, value in values.items())
    return f"{entry.name}({stated})" if stated else entry.name


def _value(text: str) -> Any:
    """A number or a truth value where it reads as one, else the text."""
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text, text)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else repr(value)
