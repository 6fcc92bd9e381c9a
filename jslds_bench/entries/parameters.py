"""The values of parameters, checked against the types of the fields that they are for."""

from __future__ import annotations

import difflib
import math
import types
import typing
from typing import Any

import msgspec

from jslds_bench.errors import UsageError


def nearest(word: str, words: list[str]) -> str:
    """``; did you mean 'x'?`` for the closest of `words` in any case, or the empty string: none is close."""
    by_lower = {other.lower(): other for other in reversed(words)}  # the first of those that differ in case
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.5)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""


def checked(value: Any, hint: Any, what: str) -> Any:
    """`value` as the type `hint`, inside tuples too: an int serves as a float, a list as a tuple.

    Raises:
        UsageError: a value of another type, or a number that is not finite.
    """
    if not _finite(value):
        raise UsageError(f"{what} is {value}, expected a finite number")
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        raise UsageError(f"{what} is {value!r}{_expected(value, hint)}") from error
    except TypeError:  # of the hint, not of the value: a type that the entry has to check by itself
        return value


def _finite(value: Any) -> bool:
    """No parameter means anything at NaN, infinity or 10**400."""
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    try:
        return not isinstance(value, int | float) or math.isfinite(value)
    except OverflowError:
        return False


def _expected(value: Any, hint: Any) -> str:
    """What follows a value in the complaint about it."""
    union = typing.get_origin(hint) in (types.UnionType, typing.Union)  # `Literal[…] | None` is the latter
    options = typing.get_args(hint) if union else (hint,)
    choices = [c for o in options if typing.get_origin(o) is typing.Literal for c in typing.get_args(o)]
    if choices:
        near = nearest(str(value), [str(c) for c in choices])
        return f"{near} (expected one of {', '.join(map(repr, choices))})"
    names = ("none" if o is types.NoneType else o.__name__ if type(o) is type else str(o) for o in options)
    return f" ({type(value).__name__}), expected {' or '.join(names)}"
