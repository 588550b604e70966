"""Demo of the systolic array: handwritten digits, trained, quantised, run on the golden model and on the RTL."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tercet.cli.engines import ENGINES
from tercet.cli.figures import figure, png
from tercet.cli.output import check_folder, console, progress, table, write_files
from tercet.engines.export import export
from tercet.golden.networks.int8_network import Int8Layer, quantize_mlp
from tercet.golden.networks.mlp import Mlp
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.operands import MatmulOperands
from tercet.sim import systolic
from tercet.sim.engine import EngineRun

from .digits import Digits, load_digits, npy, train_mlp

__all__ = ["TEXT", "run_demo"]

TEXT = """Handwritten digits through a 16x16 systolic array, bit for bit.

Trains a small network on scikit-learn's digits, quantises it to INT8, and runs the test images on the golden model
and on the simulated RTL. Writes the Verilog, its manifest and a plot to the output folder."""

_HIDDEN = (64, 32)


def _size(layer: Int8Layer) -> tuple[int, int]:
    """Number of inputs and outputs of a layer."""
    k, n = layer.weights.shape
    return k, n


def _accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    return float((scores.argmax(axis=1) == labels).mean())


def run_demo(output: Path, simulator: str | None) -> bool:
    """Run the demo, print its table and write its files; returns whether RTL and golden model are bit-identical."""
    check_folder(output)
    config = SystolicConfig()
    with progress("digits", total=4) as advance:
        digits = load_digits()
        mlp = train_mlp(digits, _HIDDEN)
        advance(f"trained 64-{'-'.join(map(str, _HIDDEN))}-10 on {len(digits.train_x)} digits")
        network = quantize_mlp(mlp, digits.train_x)
        layers = network.layers
        golden = network.run(digits.test_x, config)
        advance("quantised to INT8, and run on the golden model")
        files = export(ENGINES["systolic"], config)
        advance("generated the Verilog")
        runs = _simulate(config, layers, golden[0], simulator)
        advance(f"ran {len(digits.test_x)} test digits on the RTL")
    same = all((run.out == want).all() for run, want in zip(runs, golden[1:], strict=True))
    console().print(_summary(config, digits, mlp, golden[-1], layers, runs, same))
    board = {"digits_int8.npz": network.dumps(), "digits.npy": npy(digits.test_x)}
    paths = write_files(output, {**files, **board, "digits.png": _picture(digits, layers, runs)})
    for path in paths:
        console().print(str(path), soft_wrap=True)
    return same


def _simulate(
    config: SystolicConfig, layers: Sequence[Int8Layer], x: np.ndarray, simulator: str | None
) -> list[EngineRun]:
    """Run layer after layer on the RTL, each on the RTL's results of the one before."""
    runs: list[EngineRun] = []
    for layer in layers:
        runs += systolic.matmuls(
            config, [MatmulOperands(x, layer.weights, layer.bias, layer.requant)], simulator=simulator
        )
        x = runs[-1].out
    return runs


def _summary(
    config: SystolicConfig,
    digits: Digits,
    mlp: Mlp,
    scores: np.ndarray,
    layers: Sequence[Int8Layer],
    runs: list[EngineRun],
    same: bool,
):
    images = len(digits.test_x)
    cycles = sum(run.cycles for run in runs)
    model = sum(config.cycles(images, *_size(layer), layer.requant is not None) for layer in layers)
    work = sum(images * layer.weights.size for layer in layers) / (config.rows * config.cols)
    result = table(f"{images} handwritten digits on a {config.rows}x{config.cols} systolic array", "item", "value")
    result.add_row("accuracy, float", f"{_accuracy(mlp.activations(digits.test_x)[-1], digits.test_y):.2%}")
    result.add_row("accuracy, INT8 golden model", f"{_accuracy(scores, digits.test_y):.2%}")
    result.add_row("accuracy, RTL", f"{_accuracy(runs[-1].out, digits.test_y):.2%}")
    result.add_row("RTL equals golden model", "yes, every bit" if same else "NO")
    result.add_row("cycles", str(cycles))
    result.add_row("cycles per image", f"{cycles / images:.1f}")
    result.add_row("array utilisation", f"{work / cycles:.1%}")
    result.add_row("cycle model", f"{model}, {'exact' if model == cycles else 'NOT EQUAL'}")
    return result


def _picture(digits: Digits, layers: Sequence[Int8Layer], runs: list[EngineRun]) -> bytes:
    """Plot the confusion matrix, and the use of clocks by layer."""
    picture, (left, right) = figure(2, 11, 4.5)
    predicted = runs[-1].out.argmax(axis=1)
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (digits.test_y, predicted), 1)
    left.imshow(np.sqrt(counts), cmap="Blues")
    for (row, col), count in np.ndenumerate(counts):
        if count:
            left.text(col, row, str(count), ha="center", va="center", color="white" if row == col else "black")
    left.set(title=f"{len(predicted)} test digits on the RTL", xlabel="answered", ylabel="written")
    left.set(xticks=range(10), yticks=range(10))
    names = [f"{w.shape[0]} to {w.shape[1]}" for w in (layer.weights for layer in layers)]
    base = np.zeros(len(runs))
    labels = {"active": "active", "weight_stall": "weight stall", "weight_shift": "weight shift", "non_matrix": "idle"}
    colours = {"active": "#2a6fb0", "weight_stall": "#c44e52", "weight_shift": "#dd8452", "non_matrix": "#b0b0b0"}
    for name, label in labels.items():
        clocks = np.array([run.counters[name] for run in runs])
        right.bar(names, clocks, bottom=base, label=label, color=colours[name])
        base += clocks
    right.set(title="What the clocks went into", xlabel="layer", ylabel="clocks")
    right.legend()
    return png(picture)
