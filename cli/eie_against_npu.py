"""The same layer on the EIE engine and on the NPU of a board: clocks, bytes, and the density below which EIE wins."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tercet.boards.catalog import board
from tercet.compiler import compile as compile_graph
from tercet.golden.compress.eie_costs import break_even, held_bytes, pruned_cycles, pruned_layer
from tercet.golden.compress.graph_layers import GraphLayer, chain_graph
from tercet.golden.eie.config import EieConfig
from tercet.golden.engine import BoardPreset
from tercet.golden.networks.graph import Graph
from tercet.golden.npu.config import NpuConfig
from tercet.golden.npu.program import Program

from .npu_program import short_name
from .output import table

__all__ = ["Engines", "LayerCosts", "costs_table", "density_text", "layer_costs", "npu_program", "wins_table"]

# A channel's bias and multiplier of 32 bits, and its shift.
_CHANNEL_BYTES = 9


@dataclass(frozen=True)
class Engines:
    """EIE engine and NPU of a board's presets, with their clocks in Hz."""

    board: str
    eie: EieConfig
    npu: NpuConfig
    eie_hz: float
    npu_hz: float

    @classmethod
    def of(cls, name: str, **entry: int) -> "Engines":
        """Presets of a board; `entry` are the EIE engine's ``code_bits`` and ``index_bits``.

        Raises
        ------
        ValueError
            If the board has no preset of one of them.
        """
        eie, npu = (board(name).preset(engine) for engine in ("eie", "npu"))
        return cls(name, EieConfig(**{**_params(eie), **entry}), NpuConfig(**_params(npu)), eie.clock_hz, npu.clock_hz)

    def __str__(self) -> str:
        return (
            f"EIE of {self.eie.n_pe} PEs at {self.eie_hz / 1e6:g} MHz, "
            f"NPU of {self.npu.rows}x{self.npu.cols} at {self.npu_hz / 1e6:g} MHz"
        )


def _params(preset: BoardPreset) -> dict[str, Any]:
    return dict(preset.params)


@dataclass(frozen=True)
class LayerCosts:
    """A layer on both engines, for one sample.

    Attributes
    ----------
    name, op : str
        Name and kind of the operator.
    weights : int
        Number of weights.
    vectors : int
        Vectors that the weights multiply: pixels of a convolution.
    active : float
        Share of activations that are not zero, on the samples.
    density : float
        Share of weights that are kept.
    eie_cycles, npu_cycles : float
        Clocks; EIE's are a mean over the samples. The NPU's are None where it has no program for the layer.
    eie_bytes, npu_bytes : int
        Bytes in the engine's memories: entries, pointers, codebook and biases; weights, as padded for the array, and
        parameters of the channels.
    wins : dict
        Largest density at which EIE takes fewer ``clocks``, less ``time`` at the boards' clocks, or fewer ``bytes``.
    reason : str
        Why there is no program.
    """

    name: str
    op: str
    weights: int
    vectors: int
    active: float
    density: float
    eie_cycles: float
    npu_cycles: int | None
    eie_bytes: int
    npu_bytes: int | None
    wins: Mapping[str, float]
    reason: str = ""


def layer_costs(
    graph: Graph, layer: GraphLayer, density: float, tensors: Mapping[str, np.ndarray], engines: Engines
) -> LayerCosts:
    """Measure a layer by itself, with its inputs from the host and its outputs to it.

    `tensors` are those of the graph on samples, from `Graph.tensors`. Clocks are the exact ones of the RTL. Within a
    network the NPU's are a little fewer, as it loads the weights of the next layer in the meantime.
    """
    codes = tensors[layer.operator.inputs[0]]
    # Clocks depend on which activations are zero, not on their values.
    acts = np.sign(layer.vectors(codes)).astype(np.int16)
    samples = len(codes)

    @functools.cache
    def clocks(share: float) -> float:
        return pruned_cycles(layer.weights, share, acts, engines.eie) / samples

    @functools.cache
    def size(share: float) -> float:
        return held_bytes([pruned_layer(layer.weights, share, engines.eie)])

    program, wins, cycles, held = npu_program(graph, [layer], engines.npu), {}, None, None
    if isinstance(program, Program):
        cycles = program.cycles
        held = program.memory["weight_bytes"] + _CHANNEL_BYTES * program.memory["channels"]
        limits: dict[str, tuple[Callable[[float], float], float]] = {
            "clocks": (clocks, cycles),
            "time": (clocks, cycles * engines.eie_hz / engines.npu_hz),
            "bytes": (size, held),
        }
        wins = {name: break_even(*limit) for name, limit in limits.items()}
    return LayerCosts(
        name=layer.name,
        op=layer.operator.op,
        weights=layer.weights.size,
        vectors=len(acts) // samples,
        active=float(np.count_nonzero(acts) / acts.size),
        density=density,
        eie_cycles=clocks(density),
        npu_cycles=cycles,
        eie_bytes=int(size(density)),
        npu_bytes=held,
        wins=wins,
        reason="" if isinstance(program, Program) else program,
    )


def npu_program(graph: Graph, layers: Sequence[GraphLayer], config: NpuConfig) -> Program | str:
    """Program of a chain of layers alone; or the reason that there is none."""
    try:
        # Clocks and bytes are the same for any weights.
        return compile_graph(chain_graph(graph, layers), config, fold=False, clip_weights=True)
    except ValueError as error:
        return " ".join(str(error).split())


def costs_table(title: str, rows: Sequence[LayerCosts]) -> Any:
    """Table of the layers on both engines."""
    columns = ("weights", "vectors", "active", "density", "EIE clocks", "NPU clocks", "EIE bytes", "NPU bytes")
    result = table(title, "layer", *columns)
    for row in rows:
        counts = (row.eie_cycles, row.npu_cycles, row.eie_bytes, row.npu_bytes)
        result.add_row(
            short_name(row.name, 20),
            f"{row.weights:,}",
            f"{row.vectors:,}",
            f"{row.active:.0%}",
            f"{row.density:g}",
            *("-" if count is None else f"{count:,.0f}" for count in counts),
        )
    return result


def wins_table(rows: Sequence[LayerCosts]) -> Any:
    """Table of the densities up to which EIE wins."""
    result = table("density of weights up to which EIE takes", "layer", "fewer clocks", "less time", "fewer bytes")
    for row in rows:
        shares = (row.wins.get(name) for name in ("clocks", "time", "bytes"))
        result.add_row(short_name(row.name), *map(density_text, shares))
    return result


def density_text(share: float | None) -> str:
    """Largest density at which EIE wins, as text."""
    if share is None:
        return "-"
    return {0.0: "never", 1.0: "always"}.get(share, f"{share:.3f}")
