"""Bench of int8 networks' layers on the EIE engine: accuracy by density, and clocks and bytes beside the NPU's."""

from typing import Any

import numpy as np
from tercet.cli.demos.digits import load_digits, train_mlp
from tercet.cli.eie_against_npu import Engines, LayerCosts, density_text, layer_costs, npu_program
from tercet.cli.graph_inputs import random_inputs
from tercet.cli.npu_program import short_name
from tercet.cli.output import progress
from tercet.compiler import load
from tercet.compiler.int8_network import graph_of_int8_network
from tercet.golden.compress.eie import sized_layers
from tercet.golden.compress.eie_section import EieSection, compress_layers, with_sections
from tercet.golden.compress.graph_layers import graph_layers
from tercet.golden.eie.encoding import network_cycles
from tercet.golden.networks.graph import Graph
from tercet.golden.networks.int8_network import quantize_mlp
from tercet.golden.npu.program import Program

from .common import Rows, model_files, print_table
from .seeds import over_seeds, percent

__all__ = ["bench_eie_against_npu", "bench_int8"]

_SEEDS = range(5)
_HIDDEN = (300, 100)
_DENSITIES = (1.0, 0.5, 0.3, 0.2, 0.1)
_BOARD = "ulx3s-85f"
_ENTRY = {"code_bits": 4, "index_bits": 4}
_LEARNED, _TIMED = 128, 4
_MODEL_DENSITY = 0.2


def bench_int8() -> Rows:
    """Accuracy of a pruned int8 perceptron without training, by density, and clocks of both engines."""
    rows = over_seeds(_of_seed, _SEEDS, "density", ("eie_cycles", "npu_cycles"), ("plain", "corrected", "int8"))
    engines = Engines.of(_BOARD, **_ENTRY)
    shape = "-".join(map(str, (64, *_HIDDEN, 10)))
    print_table(
        f"int8 {shape} on digits, {len(_SEEDS)} seeds, pruned and not trained; {engines}",
        ("density", "int8, %", "on EIE, %", "with corrected biases, %", "EIE clocks", "NPU clocks"),
        [
            [f"{row['density']:g}", *(percent(row, name) for name in ("int8", "plain", "corrected"))]
            + [f"{row[name]:,}" for name in ("eie_cycles", "npu_cycles")]
            for row in rows
        ],
    )
    return rows


def _of_seed(seed: int) -> dict[float, dict[str, Any]]:
    digits = load_digits(seed)
    network = quantize_mlp(train_mlp(digits, _HIDDEN, seed), digits.train_x, int8_outputs=True)
    graph = graph_of_int8_network(network).simplified()
    layers, tensors = graph_layers(graph), graph.tensors(digits.train_x[:_LEARNED])
    engines, timed = Engines.of(_BOARD, **_ENTRY), graph.tensors(digits.test_x[:_TIMED])

    def right(changed: Graph) -> float:
        return float((changed.run(digits.test_x)[0].argmax(axis=1) == digits.test_y).mean())

    found: dict[float, dict[str, Any]] = {}
    program = npu_program(graph, layers, engines.npu)
    assert isinstance(program, Program), program
    for density in _DENSITIES:
        row: dict[str, Any] = {"int8": right(graph), "npu_cycles": program.cycles}
        for name, given in {"plain": None, "corrected": tensors}.items():
            compressed = compress_layers(layers, density=density, tensors=given, **_ENTRY)
            encoded = sized_layers(compressed, {"n_pe": engines.eie.n_pe}, permute="balance")
            section = EieSection.of(graph, layers, encoded)
            row[name] = right(with_sections(graph, [section]))
            cycles = network_cycles(encoded, section.acts(timed[section.inputs[0]]))
            row["eie_cycles"] = cycles.total / _TIMED
        found[density] = row
    return found


def bench_eie_against_npu() -> Rows:
    """Clocks and bytes of each layer of the models on both engines, and the densities up to which EIE wins."""
    models, rows = model_files(), []
    if not models:
        return rows
    engines = Engines.of(_BOARD, **_ENTRY)
    with progress("models", total=len(models)) as advance:
        for path in models:
            graph = load(path).simplified()
            tensors = graph.tensors(random_inputs(graph, np.random.default_rng(0), _TIMED))
            try:
                layers = graph_layers(graph)
            except ValueError as error:
                advance(f"{path.name}: {error}")
                continue
            found = [layer_costs(graph, layer, _MODEL_DENSITY, tensors, engines) for layer in layers]
            rows += [{"model": path.name, **_row(costs)} for costs in found]
            advance()
    print_table(
        f"layers at a density of {_MODEL_DENSITY:g}, on {_TIMED} random inputs; {engines}",
        ("layer", "vectors", "EIE clocks", "NPU clocks", "EIE bytes", "NPU bytes")
        + ("fewer clocks to", "fewer bytes to"),
        [
            [f"{row['model'].partition('_')[0]} {short_name(row['layer'], 20)}", row["vectors"]]
            + ["-" if row[name] is None else f"{row[name]:,.0f}" for name in _COUNTS]
            + [density_text(row[name]) for name in ("clocks_up_to", "bytes_up_to")]
            for row in rows
        ],
    )
    return rows


_COUNTS = ("eie_cycles", "npu_cycles", "eie_bytes", "npu_bytes")


def _row(costs: LayerCosts) -> dict[str, Any]:
    row = {"layer": costs.name, "vectors": costs.vectors, "density": costs.density}
    row |= {name: getattr(costs, name) for name in _COUNTS}
    return row | {f"{name}_up_to": costs.wins.get(name) for name in ("clocks", "time", "bytes")}
