"""What every golden function demands of its arguments: TypeError for the kind, then ValueError for the range."""

import operator
from typing import Any

import numpy as np

__all__ = [
    "INT8",
    "INT16",
    "INT32",
    "ByValue",
    "channels",
    "check_qrange",
    "float_array",
    "int_array",
    "int_or_channels",
    "integer",
    "place",
    "scale_value",
    "show",
    "where",
]

INT8 = (-128, 127)
INT32 = (-(2**31), 2**31 - 1)
# The widest weight an engine takes.
INT16 = (-(2**15), 2**15 - 1)


def show(value: Any) -> str:
    """A value on one line of a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def integer(name: str, value: Any, bounds: tuple[int, int]) -> int:
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} {value} is a bool; use an int in [{bounds[0]}, {bounds[1]}]")
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} {show(value)} is not an integer; use an int in [{bounds[0]}, {bounds[1]}]") from None
    if not bounds[0] <= value <= bounds[1]:
        raise ValueError(f"{name} {value} is outside [{bounds[0]}, {bounds[1]}]; use an int in that range")
    return value


def where(bad: np.ndarray) -> tuple[int, ...]:
    """Index of the first true element, as plain ints."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))


def place(index: tuple[int, ...]) -> str:
    """How a message names an element; one without dimensions has no index."""
    return f" at index {index}" if index else ""


def int_array(name: str, value: Any, bounds: tuple[int, int], fix: str) -> np.ndarray:
    """Copy of an integer array as int64, every element inside the bounds."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {array.dtype}, not an integer type; {fix}")
    bad = (array < bounds[0]) | (array > bounds[1])
    if bad.any():
        index = where(bad)
        raise ValueError(f"{name} {array[index]}{place(index)} is outside [{bounds[0]}, {bounds[1]}]; {fix}")
    return array.astype(np.int64)


def int_or_channels(name: str, value: Any, bounds: tuple[int, int]) -> int | np.ndarray:
    """An int, or a read-only int64 vector with one element per channel."""
    if np.ndim(value) == 0:
        return integer(name, value, bounds)
    array = int_array(name, value, bounds, "use integers in that range, one per channel")
    return channels(name, array)


def channels(name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name} has shape {array.shape}; use a scalar or a vector (N,) with one value per channel")
    array.flags.writeable = False
    return array


def float_array(name: str, value: Any) -> np.ndarray:
    """A finite floating-point array as float64."""
    array = np.asarray(value)
    if array.dtype.kind != "f":
        raise TypeError(f"{name} has dtype {array.dtype}, not a float type; convert with .astype(np.float32)")
    bad = ~np.isfinite(array)
    if bad.any():
        index = where(bad)
        raise ValueError(
            f"{name} has {int(bad.sum())} of {bad.size} values not finite, the first {array[index]}{place(index)}; "
            "remove or replace them, for instance with np.nan_to_num"
        )
    return array.astype(np.float64)


def scale_value(name: str, value: Any, *, zero: bool = False) -> float | np.ndarray:
    """A finite scale, positive unless ``zero`` is allowed: a float, or a read-only float64 vector."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} {show(value)} is not real; use a float or a float vector (N,)")
    array = array.astype(np.float64)
    bad = ~(np.isfinite(array) & (array >= 0 if zero else array > 0))
    if bad.any():
        index = where(bad)
        floor = "at least 0" if zero else "above 0"
        raise ValueError(f"{name} {array[index]}{place(index)} is not finite and {floor}; use a scale {floor}")
    return float(array) if array.ndim == 0 else channels(name, array)


def check_qrange(owner: Any) -> None:
    """Check qmin and qmax of a frozen dataclass, and store them as ints."""
    for name in ("qmin", "qmax"):
        object.__setattr__(owner, name, integer(name, getattr(owner, name), INT8))
    if owner.qmin > owner.qmax:
        raise ValueError(f"qmin {owner.qmin} is above qmax {owner.qmax}; use -128 <= qmin <= qmax <= 127")


def _value_key(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_value_key(v) for v in value)
    return (value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value


class ByValue:
    """Equality and hash for frozen dataclasses some of whose fields may be arrays, or tuples of arrays."""

    def _key(self) -> tuple:
        return _value_key(tuple(vars(self).values()))

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, type(self)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())
