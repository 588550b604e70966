"""Bench of Winograd's F(2x2, 3x3): its products on the systolic engine, and what an NPU would gain from it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tercet.cli.output import progress
from tercet.compiler import compile as compile_graph
from tercet.compiler import load
from tercet.golden.networks.graph import Graph
from tercet.golden.networks.operators import Conv2D, Window
from tercet.golden.npu.board_presets import BOARD_PRESETS
from tercet.golden.npu.config import NpuConfig
from tercet.golden.npu.instructions import decode
from tercet.golden.npu.program import Program
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.winograd import WinogradConvolution, refusal
from tercet.golden.winograd.cycle_model import LayerClocks, layer_clocks, one_product, two_products
from tercet.golden.winograd.transforms import operand_widths
from tercet.sim import systolic

from .common import Rows, model_files, print_table, run_parts

__all__ = ["PARTS", "TEXT", "run_bench"]

PARTS = ("products", "layers")
TEXT = """Measure Winograd convolutions F(2x2, 3x3): their sixteen products on the RTL of the systolic engine, against
direct convolution; clocks of the 3x3 layers of every .tflite and .onnx in the folder that TERCET_MODELS names, by the
NPU's cycle model. A minute."""

_ROWS, _COLS = 8, 8
# Height, width, input and output channels of layers on the RTL; the second has odd sizes.
_LAYERS = ((16, 16, 16, 16), (13, 13, 32, 16), (8, 8, 64, 64))
_DEVICES = ("ecp5-85k", "ecp5-45k", "ecp5-25k")


def run_bench(parts: Sequence[str], output: Path) -> bool:
    """Run parts of the bench, print their tables and write the results; returns whether everything agreed."""
    return run_parts("winograd", {"products": _bench_products, "layers": _bench_layers}, {}, parts, output)


def _bench_products() -> Rows:
    """Layers on engines of as many multiplier blocks: one int8 product each, two, and one of the transformed operands.

    The array of two products has twice the columns.
    """
    acts, weights = operand_widths()
    one = SystolicConfig(rows=_ROWS, cols=_COLS, mac="ecp5")
    two = replace(one, cols=2 * _COLS, mac="ecp5-dual")
    wide = replace(one, act_width=acts, weight_width=weights)
    rows: Rows = []
    with progress("layers on the RTL", total=3 * len(_LAYERS)) as advance:
        for number, shape in enumerate(_LAYERS):
            operator, x = _layer(shape, number)
            want = operator.sums(x, None)
            row = {"layer": "x".join(map(str, shape)), "outputs": want.size, "mismatches": 0, "off_model": 0}
            convolution = WinogradConvolution(operator)
            engines = {
                "direct": (one, [(operator.matrix(x), operator.columns, operator.folded)]),
                "two_products": (two, [(operator.matrix(x), operator.columns, operator.folded)]),
                "winograd": (
                    wide,
                    list(zip(convolution.inputs(x), convolution.weights, convolution.bias, strict=True)),
                ),
            }
            for name, (config, operands) in engines.items():
                jobs = [systolic.MatmulOperands(np.ascontiguousarray(a), w, b) for a, w, b in operands]
                runs = systolic.matmuls(config, jobs)
                sums = np.stack([run.out for run in runs])
                found = convolution.outputs(sums, x.shape) if name == "winograd" else sums[0].reshape(want.shape)
                row["mismatches"] += int((found != want).sum())
                row[name] = sum(run.cycles for run in runs)
                sizes = [(*a.shape, w.shape[1]) for a, w, _ in operands]
                row["off_model"] += abs(row[name] - sum(config.cycles(*size) for size in sizes))
                advance()
            rows.append(row)
    print_table(
        f"direct and Winograd on {_ROWS * _COLS} multipliers, RTL",
        ("layer", "outputs", "mismatches", "clocks off", "direct", "two products a block", "Winograd, products")
        + ("times direct", "times two products"),
        [
            [*row.values(), f"{row['direct'] / row['winograd']:.2f}", f"{row['two_products'] / row['winograd']:.2f}"]
            for row in rows
        ],
    )
    return rows


def _layer(shape: tuple[int, int, int, int], seed: int) -> tuple[Conv2D, np.ndarray]:
    """A random layer with SAME padding, and an input."""
    height, width, depth, channels = shape
    rng = np.random.default_rng(seed)
    operator = Conv2D(
        name="layer",
        inputs=("x",),
        output="y",
        weights=rng.integers(-127, 128, (channels, 3, 3, depth)).astype(np.int8),
        bias=rng.integers(-1000, 1000, channels),
        requant=None,
        input_zero_point=-5,
        window=Window(kernel=(3, 3), padding=(1, 1, 1, 1)),
    )
    return operator, rng.integers(-128, 128, (1, height, width, depth)).astype(np.int8)


def _bench_layers() -> Rows:
    """Clocks by layer and, in the last row of a model and device, of the whole network."""
    models, rows = model_files(), []
    if not models:
        return rows
    with progress("models", total=len(models) * len(_DEVICES)) as advance:
        for path in models:
            graph = load(path).simplified()
            for device in _DEVICES:
                found = _of_graph(graph, NpuConfig(**BOARD_PRESETS[device].params))
                rows += [{"model": path.name, "device": device, **row} for row in found]
                advance()
    print_table(
        "clocks on the same multiplier blocks: direct, of one or two int8 products, and Winograd",
        ("model", "blocks of", "layer", "direct", "two products", "Winograd, products", "and transform")
        + ("times direct", "times two products"),
        [[row["model"], row["device"], row["layer"], *_cells(row)] for row in rows],
    )
    return rows


def _cells(row: dict[str, int]) -> list[str]:
    """Clocks, and the gain of Winograd in time for products and transform, and if the transform took none."""
    clocks = [f"{row[name]:,}" for name in ("direct", "two_products", "products", "winograd")]
    gains = [f"{row[name] / row['winograd']:.2f} ({row[name] / row['products']:.2f})" for name in _DIRECT]
    return clocks + gains


_DIRECT = ("direct", "two_products")


def _of_graph(graph: Graph, config: NpuConfig) -> Rows:
    """Clocks of the 3x3 layers, and of the network with the faster method in each; without such layers, none."""
    one, two = (compile_graph(graph, _roomy(make(config))) for make in (one_product, two_products))
    layers = _layers_of(graph, one)
    if not layers:
        return []
    found: Rows = [{"layer": name, **vars(clocks), "winograd": clocks.winograd} for name, clocks in layers]
    rest = one.cycles - sum(row["direct"] for row in found)
    whole = {name: rest + sum(min(row["direct"], row[name]) for row in found) for name in ("products", "winograd")}
    return [*found, {"layer": "network", "direct": one.cycles, "two_products": two.cycles, **whole}]


def _layers_of(graph: Graph, program: Program) -> list[tuple[str, LayerClocks]]:
    instructions = iter([decode(row.tobytes()) for row in program.memories.instructions])
    found = []
    for operator, layer in zip(graph.operators, program.layers, strict=True):
        own = [next(instructions) for _ in range(layer.instructions)]
        if not refusal(operator):
            assert isinstance(operator, Conv2D)
            WinogradConvolution(operator)  # rejects sums that do not fit
            channels = operator.weights.shape[3], operator.channels
            name = "x".join(map(str, (*layer.shape[1:3], channels[0]))) + f" to {channels[1]}"
            clocks = [layer_clocks(each, program.config) for each in own]
            found.append(
                (name, LayerClocks(*(sum(values) for values in zip(*(vars(c).values() for c in clocks), strict=True))))
            )
    return found


def _roomy(config: NpuConfig) -> NpuConfig:
    """The configuration with memories that hold any of the models: only clocks are asked for."""
    return replace(config, buffer_bytes=2**20, weight_bytes=2**21, channels=2**14, operators=256, tables=64)
