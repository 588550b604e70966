"""Bench of compression: what pruning and low-rank factors cost in accuracy, over several seeds, and save."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tercet.boards.catalog import board
from tercet.cli.demos.digits import load_digits, train_mlp
from tercet.cli.demos.qdq import qdq_model
from tercet.cli.graph_inputs import random_inputs
from tercet.cli.low_rank_report import output_rows
from tercet.cli.output import progress
from tercet.compiler import compile as compile_graph
from tercet.compiler import load
from tercet.compiler.int8_network import graph_of_int8_network
from tercet.compiler.load import SUFFIXES
from tercet.golden.compress.low_rank_cnn import low_rank_cnn
from tercet.golden.compress.low_rank_graph import low_rank_graph
from tercet.golden.compress.low_rank_mlp import low_rank_mlp
from tercet.golden.compress.pipeline import Data
from tercet.golden.compress.retrain import Dense, train
from tercet.golden.networks.cnn import Cnn, train_cnn
from tercet.golden.networks.graph import Graph
from tercet.golden.networks.int8_network import quantize_mlp
from tercet.golden.networks.mlp import Mlp
from tercet.golden.npu.config import NpuConfig

from .common import Rows, model_files, print_table, run_parts
from .compress_bits import bench_bits
from .compress_int8 import bench_eie_against_npu, bench_int8
from .compress_pruning import bench_pruning, pruning_picture
from .compress_ternary import bench_binary, bench_ternary
from .compress_training import bench_dense_sparse_dense, bench_distill
from .seeds import over_seeds, percent

__all__ = ["PARTS", "TEXT", "run_bench"]

PARTS = (
    *("pruning", "int8", "bits", "ternary", "binary", "distill", "dense-sparse-dense", "low-rank", "low-rank-cnn"),
    *("low-rank-models", "eie-against-npu"),
)
TEXT = """Measure compression over five seeds of split and training: a perceptron for handwritten digits, pruned
to falling densities at once and in steps, pruned in int8 without training, with fewer bits, with weights of -1, 0
and 1, of signs alone, distilled to smaller ones, trained dense, sparse and dense again, and with low-rank layers; a
convolutional network with low-rank layers, with and without training them; products, bytes and cycles of every .tflite
and .onnx in the folder that TERCET_MODELS names, with low-rank layers, and pruned on EIE beside the NPU. About ten
minutes."""

_SEEDS = range(5)
_HIDDEN = (300, 100)
_RANKS = (4, 8, 16, 32)
_EPOCHS = 30
_BOARD = "ulx3s-85f"
_CNN_CHANNELS = (1, 12, 24)
_CNN_SAMPLES = 512
_CNN_RANKS = (2, 4, 8)
_MODEL_RANKS = (8, 16, 24)
_COUNTS = ("macs", "weight_bytes", "cycles")


def run_bench(parts: Sequence[str], output: Path) -> bool:
    """Run parts of the bench, print their tables and write the results; returns whether the NPU equals the graphs."""
    runs = {
        "pruning": bench_pruning,
        "int8": bench_int8,
        "bits": bench_bits,
        "ternary": bench_ternary,
        "binary": bench_binary,
        "distill": bench_distill,
        "dense-sparse-dense": bench_dense_sparse_dense,
        "low-rank": _bench_digits,
        "low-rank-cnn": _bench_cnn,
        "low-rank-models": _bench_models,
        "eie-against-npu": bench_eie_against_npu,
    }
    return run_parts("compress", runs, {"pruning": pruning_picture}, parts, output)


def _bench_digits() -> Rows:
    """Accuracy by rank; the network itself is trained as long as the factors are, for a fair comparison."""
    # Folding removes idle neurons, of which each seed has others.
    rows = over_seeds(_of_seed, _SEEDS, "rank", _COUNTS, ("untrained", "trained", "int8", "gain"))
    _print_ranks(
        f"{'-'.join(map(str, (64, *_HIDDEN, 10)))} on digits",
        rows,
        {"products": "macs", "weights, bytes": "weight_bytes", "cycles": "cycles"},
        {"untrained, %": "untrained", "trained, %": "trained", "int8, %": "int8"},
    )
    return rows


def _of_seed(seed: int) -> dict[int | None, dict[str, Any]]:
    """Figures by rank; None is the network without factors. ``gain`` is the trained accuracy above its."""
    digits = load_digits(seed)
    data = Data(digits.train_x, digits.train_y, digits.test_x, digits.test_y)
    mlp = train_mlp(digits, _HIDDEN, seed)
    weights = [Dense(w) for w in mlp.weights]
    plain = train(weights, mlp.biases, data.train_x, data.train_y, epochs=_EPOCHS, rate=0.05, seed=seed)
    right = plain.accuracy(data.test_x, data.test_y)
    found: dict[int | None, dict[str, Any]] = {
        None: _figures(plain, data, mlp.accuracy(data.test_x, data.test_y), right)
    }
    for rank in _RANKS:
        done = low_rank_mlp(mlp, rank=rank, data=data, epochs=_EPOCHS, seed=seed)
        found[rank] = _figures(done.mlp, data, done.accuracy["factored"], right)
    return found


def _figures(mlp: Mlp, data: Data, untrained: float, unfactored: float) -> dict[str, Any]:
    graph = graph_of_int8_network(quantize_mlp(mlp, data.train_x, int8_outputs=True)).simplified()
    out = graph.run(data.test_x)[0]
    trained = mlp.accuracy(data.test_x, data.test_y)
    return {
        **_counts(graph, data.test_x[:8]),
        "untrained": untrained,
        "trained": trained,
        "int8": float((out.argmax(axis=1) == data.test_y).mean()),
        "gain": trained - unfactored,
    }


def _bench_cnn() -> Rows:
    """Accuracy of an int8 convolutional network by rank, with and without training within that rank before."""
    rows = over_seeds(_cnn_of_seed, _SEEDS, "rank", ("layers", *_COUNTS), ("untrained", "int8", "gain"))
    _print_ranks(
        "convolutional network on digits",
        rows,
        {"layers": "layers", "products": "macs", "weights, bytes": "weight_bytes", "cycles": "cycles"},
        {"untrained, %": "untrained", "trained, %": "int8"},
    )
    return rows


def _cnn_of_seed(seed: int) -> dict[int | None, dict[str, Any]]:
    """Figures by rank; None is the network without factors, trained as long. ``gain`` is the accuracy above it."""
    digits = load_digits(seed)
    train_x, test_x = (x.reshape(-1, 8, 8, 1) for x in (digits.train_x, digits.test_x))
    network = train_cnn(train_x, digits.train_y, _CNN_CHANNELS, epochs=_EPOCHS, seed=seed)
    x, other = (images.transpose(0, 3, 1, 2).astype(np.float32) for images in (train_x, test_x))

    def right(graph: Graph) -> float:
        return float((graph.run(other)[0].argmax(axis=1) == digits.test_y).mean())

    def factored(cnn: Cnn, rank: int | None) -> tuple[Graph, int]:
        graph = SUFFIXES[".onnx"](qdq_model(cnn, train_x), "digits.onnx").simplified()
        if rank is None:
            return graph, 0
        done = low_rank_graph(graph, x[:_CNN_SAMPLES], rank=rank)
        return done.graph, len(done.layers)

    found: dict[int | None, dict[str, Any]] = {}
    for rank in (None, *_CNN_RANKS):
        # A rank that no layer can have is no bound.
        options = {"rank": rank or 10**6, "epochs": _EPOCHS, "seed": seed}
        trained, layers = factored(low_rank_cnn(network, train_x, digits.train_y, **options), rank)
        row = {"layers": layers, "untrained": right(factored(network, rank)[0]), "int8": right(trained)}
        found[rank] = {**row, **_counts(trained, other[:8])}
        found[rank]["gain"] = row["int8"] - found[None]["int8"]
    return found


def _print_ranks(what: str, rows: Rows, counts: Mapping[str, str], shares: Mapping[str, str]) -> None:
    """Print rows of `over_seeds`; `counts` and `shares` map a column's head to the name of its values."""
    print_table(
        f"{what}, {len(_SEEDS)} seeds: mean and standard deviation",
        ("rank", *counts, *shares, "against none"),
        [
            [row["rank"] or "none", *(f"{row[name]:,}" for name in counts.values())]
            + [*(percent(row, name) for name in shares.values()), percent(row, "gain", "+")]
            for row in rows
        ],
    )


def _counts(graph: Graph, x: Any) -> dict[str, int]:
    """Products, bytes, cycles, and outputs of the golden machine that differ from the graph."""
    program = compile_graph(graph, NpuConfig(**dict(board(_BOARD).preset("npu").params)))
    pairs = zip(program.run(x), graph.run(x), strict=True)
    return {
        "macs": sum(layer.macs for layer in graph.layers),
        "weight_bytes": sum(layer.weights for layer in graph.layers),
        "cycles": program.cycles,
        "mismatches": sum(int((one != other).sum()) for one, other in pairs),
    }


def _bench_models() -> Rows:
    """Products, bytes and cycles of the models, by rank of all layers in which this saves products."""
    models, rows = model_files(), []
    if not models:
        return rows
    with progress("models", total=len(models)) as advance:
        for path in models:
            graph = load(path).simplified()
            x, other = (random_inputs(graph, np.random.default_rng(seed), 16) for seed in range(2))
            rows.append({"model": path.name, "rank": None, "layers": 0, "difference": 0.0, **_counts(graph, x[:1])})
            rows += [_of_rank(path.name, graph, rank, x, other) for rank in _MODEL_RANKS]
            advance()
    print_table(
        f"low-rank layers on the npu of {_BOARD}; difference of the outputs on random inputs",
        ("model", "rank", "layers", "products", "weights, bytes", "cycles", "mean difference / deviation"),
        [
            [row["model"], row["rank"] or "none", row["layers"]]
            + [f"{row[name]:,}" for name in _COUNTS]
            + [f"{row['difference']:.2f}"]
            for row in rows
        ],
    )
    return rows


def _of_rank(model: str, graph: Graph, rank: int, x: Any, other: Any) -> dict[str, Any]:
    """Figures of one rank; the ranges are those of `x`, the outputs are compared on `other`."""
    done = low_rank_graph(graph, x, rank=rank)
    outputs = output_rows(graph, done.graph, other)[0]
    row = {"model": model, "rank": rank, "layers": len(done.layers), **_counts(done.graph, x[:1])}
    return row | {"difference": outputs["mean"] / outputs["deviation"]}
