"""Memories of an EIE engine: the depths that a network needs, chosen for it or held against those that are given.

`encode`, `link` and whoever chooses an engine for a network count by the same function, so that an engine that was
chosen holds its network, with nothing to spare, and a refusal names all depths that are too small at once.
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
"""Fields of the config that a network's size decides."""

_BOUNDS = {field.name: field.metadata["bounds"] for field in dataclasses.fields(EieConfig) if field.name in DEPTHS}
LEAST = {name: low for name, (low, _) in _BOUNDS.items()}
"""The least that each can be."""

# More PEs share these; of the others each PE has its own, or there is one for all.
_SHARED = ("matrix_depth", "act_depth", "constant_depth")


class DepthsExceeded(ValueError):
    """Memories of an engine are too small for a network.

    Attributes
    ----------
    shortage : str
        What is needed and what there is, the first half of the message.
    needs : dict
        Field of the config to the depth that is needed, of those that are too small.
    possible : bool
        Whether an engine can have such depths.
    """

    def __init__(self, shortage: str, needs: Mapping[str, int]):
        self.shortage, self.needs = shortage, dict(needs)
        impossible = [name for name, need in needs.items() if need > _BOUNDS[name][1]]
        self.possible = not impossible
        if impossible:
            most = ", ".join(f"{name}={_BOUNDS[name][1]}" for name in impossible)
            fix = f"the most there can be is {most}; use more PEs, or fewer or sparser layers"
        else:
            fix = "use " + ", ".join(f"{name}={need}" for name, need in needs.items())
            fix += " or more PEs" if any(name in _SHARED for name in needs) else ""
        super().__init__(f"{shortage}; {fix}")


def required_depths(config: EieConfig, layers: Sequence[EieLayer]) -> dict[str, int]:
    """Least depths of an engine that holds layers, each fed by the one before.

    Parameters
    ----------
    config : EieConfig
        The engine. Of its depths only ``act_depth`` counts: inputs beyond it are loaded in several steps.
    layers : sequence of EieLayer
        At least one, encoded for such an engine; their own depths do not count.

    Returns
    -------
    dict
        Each of `DEPTHS` to its least value, within the field's lower bound.

    Notes
    -----
    Words of entries are those of the fullest PE. A layer has a pointer for each place of its input, of which there are
    ``n_pe`` for each row of the PE that has most, and one more. Constants are the codebooks that differ, the zeros that
    layers without bias share, and the biases. The program is a step that loads, and one for each layer, or for each
    part of the first layer's input.
    """
    rows = [_rows(layer) for layer in layers]
    places = [layers[0].shape[1], *(most * config.n_pe for most in rows[:-1])]
    codebooks = len({layer.codebook.tobytes() for layer in layers})
    plain = [most for layer, most in zip(layers, rows, strict=True) if layer.bias is None]
    biased = [most for layer, most in zip(layers, rows, strict=True) if layer.bias is not None]
    parts = -(-_groups(config, layers) // max(config.act_depth, *rows))
    needs = {
        "matrix_depth": max(_words(config, layers)),
        "pointer_depth": sum(places) + len(layers),
        "act_depth": max(rows),
        "constant_depth": codebooks * 2**config.code_bits + max(plain, default=0) + sum(biased),
        "program_depth": parts + len(layers),
    }
    return {name: max(need, _BOUNDS[name][0]) for name, need in needs.items()}


def check_depths(config: EieConfig, layers: Sequence[EieLayer]) -> None:
    """Hold an engine's depths against those that layers need, each fed by the one before.

    Raises
    ------
    DepthsExceeded
        If any is too small; the message names all that are.
    """
    error = exceeded({name: getattr(config, name) for name in DEPTHS}, config, layers)
    if error is not None:
        raise error


def unbounded(fields: Mapping[str, Any]) -> EieConfig:
    """Engine with these fields, but with the greatest depths there can be; layers encode the same for any depths.

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
    """Encode a network for an engine whose depths are chosen for it.

    Parameters
    ----------
    make : callable
        Encodes the layers for a config; called once, with an `unbounded` one.
    fields : mapping
        Fields of `EieConfig` that are given. Depths among them are checked, the others chosen.
    least : mapping or None
        None chooses the least depths, the whole input of the first layer in the buffers at once. Otherwise, for every
        one of `DEPTHS`, a depth that is taken where it suffices; longer inputs are then loaded in several steps.

    Returns
    -------
    list of EieLayer
        Encoded for the engine, which is the ``config`` of each.

    Raises
    ------
    TypeError, ValueError
        If a field is of the wrong type or out of range, or as `make` does.
    DepthsExceeded
        If depths that are given are too small, or none would do; the message names all of them.
    """
    given, least = (
        {name: integer(name, depths[name], _BOUNDS[name]) for name in DEPTHS if name in depths}
        for depths in (fields, least or {})
    )
    engine = unbounded(fields)
    layers = list(make(engine))
    acts = least["act_depth"] if least else _groups(engine, layers)
    acts = given.get("act_depth", max(acts, *map(_rows, layers)))
    # What goes beyond a bound shows as a depth that is exceeded.
    engine = replace(engine, act_depth=min(acts, _BOUNDS["act_depth"][1]))
    chosen = {**least, "act_depth": acts}
    depths = {name: max(need, chosen.get(name, 0)) for name, need in required_depths(engine, layers).items()}
    depths = {name: min(depth, _BOUNDS[name][1]) for name, depth in depths.items()} | given
    error = exceeded(depths, engine, layers)
    if error is not None:
        raise error
    return set_depths(layers, depths)


def set_depths(layers: Sequence[EieLayer], depths: Mapping[str, int]) -> list[EieLayer]:
    """Layers as if encoded for engines with these of the `DEPTHS`, all of which they must fit."""
    return [replace(layer, config=replace(layer.config, **depths)) for layer in layers]


def exceeded(depths: Mapping[str, int], config: EieConfig, layers: Sequence[EieLayer]) -> DepthsExceeded | None:
    """The refusal of those of some depths that are too small, None if all suffice.

    Parameters
    ----------
    depths : mapping
        Some of `DEPTHS` to what there is.
    config : EieConfig
        As of `required_depths`.
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
    """Rows of the PE that has most."""
    return max(rows.size for rows in layer.rows)


def _groups(config: EieConfig, layers: Sequence[EieLayer]) -> int:
    """Groups of activations, one of each PE, of a network's input."""
    return -(-layers[0].shape[1] // config.n_pe)


def _words(config: EieConfig, layers: Sequence[EieLayer]) -> list[int]:
    """Words of entries in each PE."""
    entries = (sum(layer.values[k].size for layer in layers) for k in range(config.n_pe))
    return [-(-count // config.entries_per_word) for count in entries]
