"""Model-file demo: a CNN for handwritten digits, from training to its ``.onnx`` on simulated RTL."""

import time
from pathlib import Path

import numpy as np
from tercet.cli.output import check_folder, console, progress, table, write_files
from tercet.compiler import load
from tercet.compiler.report import totals
from tercet.golden.networks.cnn import Cnn, train_cnn
from tercet.golden.networks.graph import Graph
from tercet.golden.systolic.config import SystolicConfig
from tercet.sim import systolic

from .digits import Digits, load_digits, npy
from .qdq import qdq_model

__all__ = ["TEXT", "model_files", "run_demo"]

TEXT = """A model file on the array: handwritten digits, a convolutional network, its quantised .onnx.

Trains a small convolutional network on scikit-learn's digits, writes it as a quantised .onnx, reads it back like any
other model file, and runs all test digits in int8. A few of them also run with every matrix product on the simulated
RTL of an 8x8 systolic array. Writes the model and its inputs for tercet compile and tercet run."""

_CHANNELS = (1, 12, 24)
_ON_RTL = 4  # digits


def _pictures(x: np.ndarray) -> np.ndarray:
    """Reshape digits to (N, 8, 8, 1)."""
    return x.reshape(-1, 8, 8, 1)


def _accuracy(scores: np.ndarray, labels: np.ndarray) -> str:
    return f"{(scores.argmax(axis=1) == labels).mean():.2%}"


def model_files(digits: Digits) -> tuple[Cnn, dict[str, str | bytes]]:
    """Train a network; return it and the content of its ``.onnx``, of the test digits and of their labels."""
    network = train_cnn(_pictures(digits.train_x), digits.train_y, _CHANNELS, epochs=30)
    inputs = _pictures(digits.test_x).transpose(0, 3, 1, 2).astype(np.float32)
    return network, {
        "digits.onnx": qdq_model(network, _pictures(digits.train_x)),
        "digits_inputs.npy": npy(inputs),
        "digits_labels.npy": npy(digits.test_y),
    }


def run_demo(output: Path, simulator: str | None) -> bool:
    """Run the demo, print its table and write its files; return whether RTL and NumPy are bit-identical."""
    check_folder(output)
    with progress("digits", total=4) as advance:
        digits = load_digits()
        network, files = model_files(digits)
        advance(f"trained a convolutional network on {len(digits.train_x)} digits")
        paths = write_files(output, files)
        inputs = np.load(output / "digits_inputs.npy")
        graph = load(output / "digits.onnx").simplified()
        advance("wrote it as a quantised .onnx, and read that back")
        started = time.monotonic()
        scores = graph.run(inputs)[0]
        seconds = time.monotonic() - started
        advance(f"ran {len(inputs)} test digits in int8")
        config = SystolicConfig(rows=8, cols=8)
        on = systolic.product(config, simulator=simulator)
        same = graph.run(inputs[:_ON_RTL], on=on)[0].tobytes() == scores[:_ON_RTL].tobytes()
        advance(f"ran {_ON_RTL} of them on the RTL")
    console().print(_summary(digits, network, graph, scores, seconds, same))
    for path in paths:
        console().print(str(path), soft_wrap=True)
    return same


def _summary(digits: Digits, network: Cnn, graph: Graph, scores: np.ndarray, seconds: float, same: bool):
    found = totals(graph)
    result = table(f"{len(scores)} digits, convolutional network", "item", "value")
    result.add_row("accuracy, float", _accuracy(network.activations(_pictures(digits.test_x))[-1], digits.test_y))
    result.add_row("accuracy, int8", _accuracy(scores, digits.test_y))
    result.add_row("products per digit", f"{found.macs:,}")
    result.add_row("weights", f"{found.weights:,}")
    result.add_row("milliseconds per digit in NumPy", f"{1000 * seconds / len(scores):.2f}")
    result.add_row(f"RTL equals NumPy, {_ON_RTL} digits", "yes, every bit" if same else "NO")
    return result
