"""Networks for ``tercet low-rank``: read, factored, trained, quantised, and compared with what they were."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tercet.compiler import compile as compile_graph
from tercet.compiler import load
from tercet.compiler.int8_network import graph_of_int8_network
from tercet.golden.compress.low_rank_graph import low_rank_graph
from tercet.golden.compress.low_rank_mlp import LowRankMlp, low_rank_mlp
from tercet.golden.compress.pipeline import Data
from tercet.golden.networks.graph import Graph
from tercet.golden.networks.int8_network import quantize_mlp
from tercet.golden.networks.mlp import Mlp
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.program import Program

from .arrays import SAMPLES, read_array
from .graph_samples import kept, layer_name, sample_parts
from .low_rank_report import Factoring, layer_rows, output_rows
from .mlp_files import read_data, read_mlp
from .output import progress

__all__ = ["Machine", "Wanted", "factor_float", "factor_int8"]


@dataclass(frozen=True)
class Wanted:
    """Rank or error, names of layers or () for all, and whether only those that get faster."""

    rank: int | None
    error: float | None
    layers: tuple[str, ...]
    faster: bool

    @property
    def bound(self) -> dict[str, Any]:
        """Rank and error as arguments."""
        return {"rank": self.rank, "error": self.error}


@dataclass(frozen=True)
class Machine:
    """NPU that counts the cycles, with options of the compiler."""

    config: NpuConfig
    options: dict[str, bool]

    def compiled(self, graph: Graph) -> Program | str:
        """Compile as the graph is; returns the reason where that is not possible."""
        try:
            return compile_graph(graph, self.config, fold=False, **self.options)
        except ValueError as error:
            return " ".join(str(error).split())

    def faster(self, found: Factoring) -> list[int]:
        """Numbers of the factored operators that take fewer cycles.

        Raises
        ------
        ValueError
            If there are none, or one of the graphs has no program.
        """
        programs = [self.compiled(graph) for graph in (found.before, found.after)]
        reasons = [program for program in programs if isinstance(program, str)]
        if reasons:
            raise ValueError(f"--only-faster needs the cycles of both networks: {reasons[0]}")
        rows = layer_rows(found, [program for program in programs if isinstance(program, Program)])
        taken = [n for n, row in enumerate(rows) if row["rank"] is not None and row["cycles"][1] < row["cycles"][0]]
        if not taken:
            raise ValueError("No layer takes fewer cycles with these factors; use a smaller rank or a larger error")
        return taken


def factor_int8(
    model: Path, wanted: Wanted, inputs: Path | None, seed: int, machine: Machine
) -> tuple[Factoring, dict[str, Any]]:
    """Factor a quantised network; also returns how its outputs have changed."""
    graph = load(model).simplified()
    names = [layer_name(graph, layer) for layer in wanted.layers] or None
    ranges, compared = sample_parts(graph, inputs, seed)
    found = _factored_graph(graph, ranges, wanted, names)
    if wanted.faster:
        names = [graph.operators[n].name for n in machine.faster(found)]
        found = _factored_graph(graph, ranges, wanted, names)
    extra = {"samples": graph.batch(compared), "random": inputs is None}
    return found, extra | {"outputs": output_rows(graph, found.after, compared)}


def _factored_graph(graph: Graph, x: Any, wanted: Wanted, names: Sequence[str] | None) -> Factoring:
    done = low_rank_graph(graph, x, layers=names, **wanted.bound)
    layers = {layer.index: layer for layer in done.layers}
    chosen = [layers.get(n) for n in range(len(graph.operators))]
    ranks = [None if layer is None else layer.rank for layer in chosen]
    return Factoring(graph, done.graph, ranks, [None if layer is None else layer.error for layer in chosen])


def factor_float(
    model: Path, wanted: Wanted, inputs: Path | None, data: Path | None, epochs: int, seed: int, machine: Machine
) -> tuple[Factoring, dict[str, Any]]:
    """Factor a perceptron, train it with data, and quantise it; also returns accuracy and agreement."""
    mlp = read_mlp(model)
    if (inputs is None) == (data is None):
        raise ValueError("A network of real numbers needs samples for its codes; give one of --data and --inputs")
    samples = None if data is None else read_data(data, mlp, seed)
    ranges, compared = _real_inputs(mlp, inputs) if samples is None else (samples.train_x, samples.test_x)
    numbers = [_layer_number(mlp, layer) for layer in wanted.layers] or None
    if wanted.faster:
        draft = low_rank_mlp(mlp, layers=numbers, **wanted.bound)
        numbers = machine.faster(_quantised(model, mlp, draft, ranges))
    with progress("training", total=0 if samples is None else max(epochs, 0)) as advance:
        options = {"data": samples, "epochs": epochs, "seed": seed, "progress": advance}
        done = low_rank_mlp(mlp, layers=numbers, **wanted.bound, **options)
    found = _quantised(model, mlp, done, ranges)
    extra: dict[str, Any] = {"samples": len(compared), "random": False}
    extra["outputs"] = output_rows(found.before, found.after, compared)
    if samples is not None:
        extra["accuracy"] = done.accuracy | _int8_accuracy(found, samples)
    return found, extra


def _quantised(model: Path, mlp: Mlp, done: LowRankMlp, x: np.ndarray) -> Factoring:
    """Both networks in int8 and folded, outputs included, as the npu gives no INT32 sums."""
    networks = [quantize_mlp(each, x, int8_outputs=True) for each in (mlp, done.mlp)]
    before, after = (graph_of_int8_network(network, model.name).simplified() for network in networks)
    errors = [None if rank is None else error for rank, error in zip(done.ranks, done.errors, strict=True)]
    return Factoring(before, after, done.ranks, errors)


def _layer_number(mlp: Mlp, wanted: str) -> int:
    names = [f"layer{n}" for n in range(len(mlp.weights))]
    if wanted not in names:
        raise ValueError(f"There is no layer {wanted!r}; use {', '.join(names)}")
    return names.index(wanted)


def _real_inputs(mlp: Mlp, path: Path | None) -> tuple[np.ndarray, np.ndarray]:
    assert path is not None
    x, width = read_array("x", path, SAMPLES), mlp.weights[0].shape[0]
    if x.dtype.kind != "f" or x.ndim != 2 or x.shape[1] != width or not len(x):
        raise ValueError(f"{str(path)!r} has x of {x.dtype} {x.shape}; use real numbers (samples, {width})")
    return (x[kept(len(x))], x[~kept(len(x))]) if len(x) >= 5 else (x, x)


def _int8_accuracy(found: Factoring, data: Data) -> dict[str, float]:
    return {
        name: float((graph.run(data.test_x)[0].argmax(axis=1) == data.test_y).mean())
        for name, graph in {"int8": found.before, "retrained int8": found.after}.items()
    }
