"""Argument checks shared by the golden functions: TypeError for the kind, then ValueError for the range."""

import difflib
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = [
    "INT8",
    "INT16",
    "INT32",
    "ByValue",
    "channels",
    "check_names",
    "check_qrange",
    "float_array",
    "index_text",
    "int_array",
    "int_or_channels",
    "integer",
    "native",
    "natural",
    "scale_value",
    "show",
    "transposed",
    "unsigned_codes",
    "where",
]

INT8 = (-128, 127)
INT32 = (-(2**31), 2**31 - 1)
# The widest weight that an engine accepts.
INT16 = (-(2**15), 2**15 - 1)


def show(value: Any) -> str:
    """Format a value for a one-line message, in at most 60 characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def check_names(
    found: Iterable[str], required: Iterable[str], optional: Iterable[str] = (), *, what: str = "it", expected: str = ""
) -> None:
    """Reject unknown and missing names in a file; an unknown name is never silently skipped.

    Parameters
    ----------
    found : iterable of str
        The names present.
    required, optional : iterable of str
        The names that must and that may be present.
    what : str
        Subject of the message.
    expected : str
        Description of the valid names; they are listed by default.

    Raises
    ------
    ValueError
        Names each unknown name, the valid name it resembles, the missing names, and what is expected.
    """
    found, required = list(found), list(required)
    allowed = [*required, *optional]
    unknown = [name for name in found if name not in allowed]
    missing = [name for name in required if name not in found]
    if not unknown and not missing:
        return
    absent = [name for name in allowed if name not in found]
    problems = []
    if unknown:
        shown = [_with_suggestion(name, missing, absent) for name in unknown]
        problems.append(f"has unknown name{'s' if len(unknown) > 1 else ''} {_first_few(shown)}")
    if missing:
        problems.append(f"lacks {_first_few(missing)}")
    raise ValueError(f"{what} {' and '.join(problems)}; use {expected or ', '.join(allowed)}")


def _with_suggestion(name: str, *candidate_lists: list[str]) -> str:
    """A name, with the similar name from the first list that has one."""
    for candidates in candidate_lists:
        same = [candidate for candidate in candidates if candidate.lower() == name.lower()]
        similar = same or difflib.get_close_matches(name, candidates, n=1)
        if similar:
            return f"{show(name)} (did you mean {similar[0]!r}?)"
    return show(name)


def _first_few(names: list[str]) -> str:
    """List up to six names and count the rest."""
    most = 6
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def native(array: np.ndarray) -> np.ndarray:
    """Convert an array to this machine's byte order, which belongs to a file and never to the values."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def transposed(what: str, fits: bool, form: str = "(in, out)") -> str:
    """Hint to append to a shape message if the transposed array would fit."""
    if not fits:
        return ""
    first, second = form.strip("()").split(", ")
    return f"; {what} {form}: if yours is ({second}, {first}), use .T"


def unsigned_codes(array: np.ndarray) -> str:
    """Hint to append to a dtype message for uint8 codes: the conversion to int8."""
    if array.dtype != np.uint8:
        return ""
    return (
        "; for uint8 codes subtract 128 from codes and zero point: (x.astype(np.int16) - 128).astype(np.int8), because "
        ".astype(np.int8) alone wraps"
    )


def integer(name: str, value: Any, bounds: tuple[int, int]) -> int:
    """Return an integer within inclusive bounds as an int."""
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
    """Index of the first true element, as ints."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))


def index_text(index: tuple[int, ...]) -> str:
    """Text that names an element in a message; empty for a scalar, which has no index."""
    return f" at index {index}" if index else ""


def int_array(name: str, value: Any, bounds: tuple[int, int], fix: str) -> np.ndarray:
    """Return an int64 copy of an integer array whose elements are all within the bounds."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {array.dtype}, not an integer type; {fix}")
    bad = (array < bounds[0]) | (array > bounds[1])
    if bad.any():
        index = where(bad)
        raise ValueError(f"{name} {array[index]}{index_text(index)} is outside [{bounds[0]}, {bounds[1]}]; {fix}")
    return array.astype(np.int64)


def int_or_channels(name: str, value: Any, bounds: tuple[int, int]) -> int | np.ndarray:
    """Return an int, or a read-only int64 vector with one element per channel."""
    if np.ndim(value) == 0:
        return integer(name, value, bounds)
    array = int_array(name, value, bounds, "use integers in that range, one per channel")
    return channels(name, array)


def channels(name: str, array: np.ndarray) -> np.ndarray:
    """Require a vector with at least one value and make it read-only."""
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name} has shape {array.shape}; use a scalar or a vector (N,) with one value per channel")
    array.flags.writeable = False
    return array


def float_array(name: str, value: Any) -> np.ndarray:
    """Return a finite floating-point array as float64."""
    array = np.asarray(value)
    if array.dtype.kind != "f":
        raise TypeError(f"{name} has dtype {array.dtype}, not a float type; convert with .astype(np.float32)")
    bad = ~np.isfinite(array)
    if bad.any():
        index = where(bad)
        first = f"{array[index]}{index_text(index)}"
        raise ValueError(
            f"{name} has {int(bad.sum())} of {bad.size} values not finite, the first {first}; "
            "remove or replace them, for instance with np.nan_to_num"
        )
    return array.astype(np.float64)


def scale_value(name: str, value: Any, *, zero: bool = False) -> float | np.ndarray:
    """Return a finite scale as a float or a read-only float64 vector; positive, unless ``zero`` is allowed."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} {show(value)} is not real; use a float or a float vector (N,)")
    array = array.astype(np.float64)
    bad = ~(np.isfinite(array) & (array >= 0 if zero else array > 0))
    if bad.any():
        index = where(bad)
        floor = "at least 0" if zero else "above 0"
        raise ValueError(f"{name} {array[index]}{index_text(index)} is not finite and {floor}; use a scale {floor}")
    return float(array) if array.ndim == 0 else channels(name, array)


def check_qrange(owner: Any) -> None:
    """Check qmin and qmax of a frozen dataclass and store them as ints."""
    for name in ("qmin", "qmax"):
        object.__setattr__(owner, name, integer(name, getattr(owner, name), INT8))
    if owner.qmin > owner.qmax:
        raise ValueError(f"qmin {owner.qmin} is above qmax {owner.qmax}; use -128 <= qmin <= qmax <= 127")


def _value_key(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_value_key(v) for v in value)
    return (value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value


class ByValue:
    """Equality and hash by value for frozen dataclasses whose fields may be arrays or tuples of arrays."""

    def _key(self) -> tuple:
        return _value_key(tuple(vars(self).values()))

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, type(self)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())


def natural(what: str, value: Any) -> int:
    """Return `value` as an int of at least 0.

    Raises
    ------
    TypeError, ValueError
        If it is not an integer, or negative.
    """
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be an int, not {type(value).__name__}") from None
    if value < 0:
        raise ValueError(f"{what} is {value}; use at least 0")
    return value
