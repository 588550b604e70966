"""Fields of an engine's configuration: default, help text and bounds in one place, shared by all layers."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from .checks import integer, show

__all__ = ["check_fields", "option"]


def option(default: Any, text: str, bounds: tuple[int, int] | None = None, words: tuple[str, ...] = ()) -> Any:
    """A dataclass field with its help text on the command line and, for an int, its inclusive bounds.

    Each of `words` is accepted instead of an int; the config resolves it to an int or None.
    """
    return dataclasses.field(default=default, metadata={"help": text, "bounds": bounds, "words": words})


def check_fields(owner: Any, choices: Mapping[str, tuple[str, ...]] | None = None) -> None:
    """Check every field of a frozen dataclass made of `option` fields and store integers as ints.

    Parameters
    ----------
    owner : dataclass instance
        Fields not in ``choices`` are integers, or None if that is the default or the field accepts words.
    choices : mapping of str to tuple of str
        Fields that hold a string, with the strings allowed.

    Raises
    ------
    TypeError, ValueError
        If a field is of the wrong type or out of range.
    """
    for f in dataclasses.fields(owner):
        value = getattr(owner, f.name)
        words = (choices or {}).get(f.name)
        if words:
            if not isinstance(value, str):
                raise TypeError(f"{f.name} {show(value)} is not a string; use one of {', '.join(words)}")
            if value not in words:
                raise ValueError(f"{f.name} {value!r} is unknown; use one of {', '.join(words)}")
        elif value is not None or not (f.default is None or f.metadata["words"]):
            object.__setattr__(owner, f.name, integer(f.name, value, f.metadata["bounds"]))
