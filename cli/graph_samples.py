"""Layers and samples of int8 graphs, as commands name them: part of a layer's name, and inputs to learn and test on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tercet.golden.networks.graph import Graph, input_arrays

from .graph_inputs import graph_inputs, random_inputs

__all__ = ["kept", "layer_name", "sample_parts"]

_RANDOM = 64
# Inputs to learn from: all their tensors are in memory at once.
_MOST = 128


def layer_name(graph: Graph, wanted: str) -> str:
    """Return the name of the only operator with this name, or whose name, up to a semicolon, ends like this.

    Raises
    ------
    ValueError
        If there is none, or more than one.
    """
    names = [operator.name for operator in graph.operators]
    if wanted in names:
        return wanted
    found = [name for name in names if name.partition(";")[0].endswith(wanted.removeprefix("..."))]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{len(found)} layers end in {wanted!r}: {_listed(found)}; name more of it")
    raise ValueError(f"There is no layer {wanted!r}; use {_listed(names)}")


def _listed(names: Sequence[str]) -> str:
    """List names up to their first semicolon, behind which are those of fused nodes."""
    return ", ".join(repr(name.partition(";")[0]) for name in names)


def sample_parts(graph: Graph, inputs: Path | None, seed: int) -> tuple[Any, Any]:
    """Return inputs to learn from and inputs to compare on, in the form that `Graph.run` expects.

    Of a file, a fifth is to compare on, and most of the others, 128 at most, to learn from; all of them are for both if
    there are fewer than five. Without a file, both are random codes.

    Raises
    ------
    TypeError, ValueError
        If the arrays do not match the inputs, or random inputs are impossible.
    OSError
        If the file cannot be read.
    """
    if inputs is None:
        rng = np.random.default_rng(seed)
        return random_inputs(graph, rng, _RANDOM), random_inputs(graph, rng, _RANDOM)
    arrays, batched = input_arrays(graph.inputs, graph_inputs(graph, inputs))
    arrays = arrays if batched else [array[None] for array in arrays]
    count = len(arrays[0])
    if count < 5:
        return arrays, arrays
    learned = np.flatnonzero(kept(count))
    learned = learned[:: -(-len(learned) // _MOST)]
    return [array[learned] for array in arrays], [array[~kept(count)] for array in arrays]


def kept(count: int) -> np.ndarray:
    """Mask of four samples of five."""
    return np.arange(count) % 5 != 4
