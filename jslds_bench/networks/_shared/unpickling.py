"""Reads a pickle of dicts, lists and numeric arrays without making anything that it names.

A pickle can name any function and have it called. Nothing is resolved here: a name becomes a stand-in that
refuses to be called, made an object of, or given a state. The names that rebuild a NumPy array become
stand-ins of ours that keep its type, shape and bytes, and the array is made from these. No object of NumPy's
is ever given a state from the pickle: a dtype takes flags that way by which raw bytes count as pointers.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from typing import Any

import numpy as np

from jslds_bench.errors import UsageError

_NUMERIC = frozenset(("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"))
_OBJECTS = "O8"
_LONGEST = 2**31  # of one axis: keeps the product of a hostile shape small enough to multiply
_MAX_AXES = 8
_MAX_NAMES = 100


class _Sealed(type):
    """The type of stand-ins for names: none of the ways in which a pickle can use a name works."""

    said = ""

    def refuse(cls, *args: Any, **kwargs: Any) -> Any:
        raise UsageError(
            f"refuses to load {cls.said}: only NumPy arrays in dicts and lists are admitted, and names that "
            "nothing is done with"
        )

    __call__ = refuse
    __setstate__ = refuse


def _stand_in(module: str, name: str) -> _Sealed:
    """A class, since a pickle asks only classes for objects: so it is asked, and refuses by name."""

    def refuse(cls: _Sealed, *args: Any, **kwargs: Any) -> Any:
        return cls.refuse()

    return _Sealed("name", (), {"said": f"{module}.{name}", "__new__": refuse})


_NDARRAY = _stand_in("numpy", "ndarray")


class _DType:
    """What a pickle says of an array's type: its code, and as its state the byte order alone."""

    def __init__(self, code: Any, align: Any = False, copy: Any = True) -> None:
        if not isinstance(code, str) or code not in (*_NUMERIC, _OBJECTS):
            raise UsageError(
                f"an array in it has type {code!r}, expected one of {', '.join(sorted(_NUMERIC))}"
            )
        self.code = code
        self.order = "<"

    def __setstate__(self, state: Any) -> None:
        plain = (None, None, None, -1, -1, 63 if self.code == _OBJECTS else 0)  # fields, sizes, flags
        if not (isinstance(state, tuple) and len(state) == 8 and state[0] == 3 and state[2:] == plain):
            raise UsageError(
                f"type {self.code!r} in it has a state of its own ({state!r:.80}), expected none"
            )
        if state[1] not in ("<", ">", "|"):
            raise UsageError(f"type {self.code!r} in it has byte order {state[1]!r:.20}, expected <, > or |")
        self.order = state[1]


class _Array:
    """An array in the making, ``_reconstruct(ndarray, (0,), b"b")``: its state gives it shape and content.

    Attributes:
        content: the numeric array, read-only; of a 0-dimensional array of objects, the object.
    """

    content: Any = None

    def __init__(self, kind: Any, shape: Any, code: Any) -> None:
        if kind is not _NDARRAY or shape != (0,) or code != b"b":
            raise UsageError("an array in it is of an unknown kind, expected numpy.ndarray")

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5 or state[0] != 1:
            raise UsageError("an array in it has a state in an unknown form")
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _DType) or not isinstance(fortran, bool) or not _is_shape(shape):
            raise UsageError("an array in it has no proper shape and type")
        if dtype.code == _OBJECTS:
            if shape != () or not isinstance(data, list) or len(data) != 1:
                raise UsageError("an array in it holds objects, expected numbers")
            self.content = data[0]
            return
        plain = np.dtype(dtype.order + dtype.code)
        if not isinstance(data, bytes) or len(data) != math.prod(shape) * plain.itemsize:
            raise UsageError(f"an array in it, {list(shape)} of {plain}, has not as many bytes")
        self.content = np.frombuffer(data, plain).reshape(shape, order="F" if fortran else "C")


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, tuple)
        and len(shape) <= _MAX_AXES
        and all(type(n) is int and 0 <= n <= _LONGEST for n in shape)
    )


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.names: dict[tuple[str, str], Any] = {
            ("numpy.core.multiarray", "_reconstruct"): _Array,
            ("numpy._core.multiarray", "_reconstruct"): _Array,
            ("numpy", "ndarray"): _NDARRAY,
            ("numpy", "dtype"): _DType,
        }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.names:
            if len(self.names) >= _MAX_NAMES:
                raise UsageError(f"it names more than {_MAX_NAMES} functions and classes, expected arrays")
            self.names[module, name] = _stand_in(module, name)
        return self.names[module, name]


def unpickle(data: bytes) -> Any:
    """The content of a pickle: dicts, lists, and arrays and names that only `value_of` tells from others.

    Raises:
        UsageError: it asks for something to be called or made, or for an array that is not numeric.
        Exception: it is damaged; whatever `pickle` raises then.
    """
    for opcode, argument, _ in pickletools.genops(data):
        # The place to remember something in: the unpickler makes room up to it, whatever the number.
        if opcode.name in ("PUT", "LONG_BINPUT") and isinstance(argument, int) and argument >= len(data):
            raise UsageError(f"it remembers a {argument}th object and has {len(data)} bytes")
    return _Unpickler(io.BytesIO(data)).load()


def value_of(found: Any, what: str) -> Any:
    """What stands at one place of an unpickled file, arrays as arrays; UsageError if it is a name only."""
    content = found.content if isinstance(found, _Array) else found
    if isinstance(content, _Sealed):
        raise UsageError(f"{what} is {content.said}, which is not loaded: expected arrays, dicts or lists")
    return content
