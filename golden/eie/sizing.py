"""Memory depths of an EIE engine: computed for a network, or checked against those given.

`encode`, `link` and callers that choose an engine for a network share one count. So a chosen engine holds its network
exactly, and an error names all insufficient depths at once.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..checks import integer
from .config import EieConfig
from .layer import EieLayer

__all__ = [
    "DEPTHS",
    "LEAST",
    "DepthsExceeded",
    "check_depths",
    "exceeded",
    "required_depths",
    "set_depths",
    "size_engine",
    "unbounded",
]

DEPTHS = ("matrix_depth", "pointer_depth", "act_depth", "constant_depth", "program_depth")
"""Config fields determined by a network's size."""

_BOUNDS = {field.name: field.metadata["bounds"] for field in dataclasses.fields(EieConfig) if field.name in DEPTHS}
LEAST = {name: low for name, (low, _) in _BOUNDS.items()}
"""Lower bound of each depth."""

# More PEs divide these; the others are replicated in each PE or exist once.
_SHARED = ("matrix_depth", "act_depth", "constant_depth")


class DepthsExceeded(ValueError):
    """An engine's memories are too small for a network.

    Attributes
    ----------
    shortage : str
        First half of the message: depths needed and depths available.
    needs : dict
        Required depth of each field that is too small.
    possible : bool
        Whether the required depths are within an engine's bounds.
    """

    def __init__(self, shortage: str, needs: Mapping[str, int]):
        self.shortage, self.needs = shortage, dict(needs)
        impossible = [name for name, need in needs.items() if need > _BOUNDS[name][1]]
        self.possible = not impossible
        if impossible:
            most = ", ".join(f"{name}={_BOUNDS[name][1]}" for name in impossible)
            fix = f"the maximum is {most}; use more PEs, or fewer or sparser layers"
        else:
            fix = "use " + ", ".join(f"{name}={need}" for name, need in needs.items())
            fix += " or more PEs" if any(name in _SHARED for name in needs) else ""
        super().__init__(f"{shortage}; {fix}")


def required_depths(config: EieConfig, layers: Sequence[EieLayer]) -> dict[str, int]:
    """Minimum depths of an engine that holds a chain of layers.

    Parameters
    ----------
    config : EieConfig
        The engine. Of its depths only ``act_depth`` matters: longer inputs are loaded in several steps.
    layers : sequence of EieLayer
        At least one layer, encoded for such an engine; the depths of the layers' own configs are ignored.

    Returns
    -------
    dict
        Minimum value of each of `DEPTHS`, at least the field's lower bound.

    Notes
    -----
    The matrix depth is that of the fullest PE. A layer has one pointer per position of its input, plus one; the input
    has ``n_pe`` positions for each row of its fullest PE. Constants are the distinct codebooks, the zeros shared by
    layers without bias, and the biases. The program is one load step, then one step per layer, or per part of the first
    layer's input.
    """
    rows = [_rows(layer) for layer in layers]
    positions = [layers[0].shape[1], *(most * config.n_pe for most in rows[:-1])]
    codebooks = len({layer.codebook.tobytes() for layer in layers})
    plain = [most for layer, most in zip(layers, rows, strict=True) if layer.bias is None]
    biased = [most for layer, most in zip(layers, rows, strict=True) if layer.bias is not None]
    parts = -(-_groups(config, layers) // max(config.act_depth, *rows))
    needs = {
        "matrix_depth": max(_words(config, layers)),
        "pointer_depth": sum(positions) + len(layers),
        "act_depth": max(rows),
        "constant_depth": codebooks * 2**config.code_bits + max(plain, default=0) + sum(biased),
        "program_depth": parts + len(layers),
    }
    return {name: max(need, _BOUNDS[name][0]) for name, need in needs.items()}


def check_depths(config: EieConfig, layers: Sequence[EieLayer]) -> None:
    """Check an engine's depths against those that a chain of layers needs.

    Raises
    ------
    DepthsExceeded
        If any depth is too small; the message names all of them.
    """
    error = exceeded({name: getattr(config, name) for name in DEPTHS}, config, layers)
    if error is not None:
        raise error


def unbounded(fields: Mapping[str, Any]) -> EieConfig:
    """Engine with the given fields and maximum depths; depths do not affect the encoding of layers.

    Raises
    ------
    TypeError, ValueError
        If a field is of the wrong type or out of range.
    """
    return EieConfig(**{**fields, **{name: most for name, (_, most) in _BOUNDS.items()}})


def size_engine(
    make: Callable[[EieConfig], Sequence[EieLayer]],
    fields: Mapping[str, Any],
    *,
    least: Mapping[str, int] | None = None,
) -> list[EieLayer]:
    """Encode a network for an engine whose depths are sized to it.

    Parameters
    ----------
    make : callable
        Encodes the layers for a config; called once, with an `unbounded` config.
    fields : mapping
        Given fields of `EieConfig`. Depths among them are checked; the others are chosen.
    least : mapping or None
        None chooses minimum depths with buffers that hold the first layer's whole input. Otherwise a lower limit for
        each of `DEPTHS`, used where it suffices; longer inputs are then loaded in several steps.

    Returns
    -------
    list of EieLayer
        Layers encoded for the engine, which is the ``config`` of each.

    Raises
    ------
    TypeError, ValueError
        If a field is of the wrong type or out of range, or from `make`.
    DepthsExceeded
        If given depths are too small, or no depth suffices; the message names all of them.
    """
    given, least = (
        {name: integer(name, depths[name], _BOUNDS[name]) for name in DEPTHS if name in depths}
        for depths in (fields, least or {})
    )
    engine = unbounded(fields)
    layers = list(make(engine))
    acts = least["act_depth"] if least else _groups(engine, layers)
    acts = given.get("act_depth", max(acts, *map(_rows, layers)))
    # A depth beyond its bound is reported below as exceeded.
    engine = replace(engine, act_depth=min(acts, _BOUNDS["act_depth"][1]))
    chosen = {**least, "act_depth": acts}
    depths = {name: max(need, chosen.get(name, 0)) for name, need in required_depths(engine, layers).items()}
    depths = {name: min(depth, _BOUNDS[name][1]) for name, depth in depths.items()} | given
    error = exceeded(depths, engine, layers)
    if error is not None:
        raise error
    return set_depths(layers, depths)


def set_depths(layers: Sequence[EieLayer], depths: Mapping[str, int]) -> list[EieLayer]:
    """Copy layers with other engine depths, in which they must fit."""
    return [replace(layer, config=replace(layer.config, **depths)) for layer in layers]


def exceeded(depths: Mapping[str, int], config: EieConfig, layers: Sequence[EieLayer]) -> DepthsExceeded | None:
    """Error for the depths that are too small, or None if all suffice.

    Parameters
    ----------
    depths : mapping
        Available depth for some of `DEPTHS`; the others are not checked.
    config : EieConfig
        As in `required_depths`.
    layers : sequence of EieLayer
        The network.
    """
    needs = {name: need for name, need in required_depths(config, layers).items() if need > depths.get(name, need)}
    if not needs:
        return None
    words = _words(config, layers)
    units = {
        "matrix_depth": f"words of entries in PE {words.index(max(words))}",
        "pointer_depth": "pointers in each PE",
        "act_depth": "rows in a PE",
        "constant_depth": "constants in each PE",
        "program_depth": "steps",
    }
    count = "1 layer needs" if len(layers) == 1 else f"{len(layers)} layers need"
    listed = ", ".join(f"{need} {units[name]} but {name} is {depths[name]}" for name, need in needs.items())
    return DepthsExceeded(f"{count} {listed}", needs)


def _rows(layer: EieLayer) -> int:
    """Largest number of rows in a PE."""
    return max(rows.size for rows in layer.rows)


def _groups(config: EieConfig, layers: Sequence[EieLayer]) -> int:
    """Number of groups of ``n_pe`` activations in a network's input."""
    return -(-layers[0].shape[1] // config.n_pe)


def _words(config: EieConfig, layers: Sequence[EieLayer]) -> list[int]:
    """Words of entries in each PE."""
    entries = (sum(layer.values[k].size for layer in layers) for k in range(config.n_pe))
    return [-(-count // config.entries_per_word) for count in entries]
