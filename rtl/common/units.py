"""Parts of an engine by their names, for synthesis alone."""

from collections.abc import Callable, Mapping
from typing import Any

from amaranth.lib import wiring

__all__ = ["Units", "make_unit"]

Units = Mapping[str, Callable[[Any], wiring.Component]]
"""Name of a part, and what makes it from the engine's config."""


def make_unit(units: Units, config: Any, name: str) -> wiring.Component:
    """Make a part of an engine.

    Raises
    ------
    ValueError
        If there is no such part.
    """
    if name not in units:
        raise ValueError(f"Unit {name!r} is unknown; use one of {', '.join(units)}")
    return units[name](config)
