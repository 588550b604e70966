"""Benches of perceptrons with weights of -1, 0 and 1, and of signs, against int8."""

from typing import Any

from tercet.cli.demos.digits import load_digits, train_mlp
from tercet.golden.compress.binary_mlp import binary_mlp
from tercet.golden.compress.pipeline import Data
from tercet.golden.compress.retrain import Dense, train
from tercet.golden.compress.ternary_mlp import ternary_mlp
from tercet.golden.networks.int8_network import quantize_mlp

from .common import Rows, print_table
from .seeds import over_seeds, percent

__all__ = ["bench_binary", "bench_ternary"]

_SEEDS = range(5)
_NETWORKS = ((300, 100), (64, 32), (16,))
_EPOCHS = 60
_RATE = 0.05
_REFERENCE = (64, 32)
_SIGNS = ((64,), (256,), (1024,))
_LEVELS = (1, 3, 7)


def bench_ternary() -> Rows:
    """Measure ternary perceptrons against int8 ones that were trained as long."""
    names = ("int8", "rounded", "trained", "ternary", "gain", "zeros")
    rows = over_seeds(_of_seed, _SEEDS, "network", ("weights",), names)
    print_table(
        f"weights of -1, 0 and 1 on digits, {len(_SEEDS)} seeds: mean and standard deviation",
        (
            "network",
            "weights",
            "int8, %",
            "rounded, %",
            "trained, %",
            "int8 activations, %",
            "against int8",
            "zeros, %",
        ),
        [
            [row["network"], f"{row['weights']:,}"]
            + [percent(row, name) for name in ("int8", "rounded", "trained", "ternary")]
            + [percent(row, "gain", "+"), f"{100 * row['zeros']:.1f}"]
            for row in rows
        ],
    )
    return rows


def _of_seed(seed: int) -> dict[str, dict[str, Any]]:
    digits = load_digits(seed)
    data = Data(digits.train_x, digits.train_y, digits.test_x, digits.test_y)
    found = {}
    for hidden in _NETWORKS:
        mlp = train_mlp(digits, hidden, seed)
        options = {"epochs": _EPOCHS, "rate": _RATE, "seed": seed}
        longer = train([Dense(w) for w in mlp.weights], mlp.biases, data.train_x, data.train_y, **options)
        whole = quantize_mlp(longer, data.train_x).run(data.test_x)[-1].argmax(axis=1) == data.test_y
        done = ternary_mlp(mlp, data, **options)
        row = {"int8": float(whole.mean()), "ternary": done.accuracy["int8"], "zeros": done.zeros}
        row |= {name: done.accuracy[name] for name in ("rounded", "trained")}
        row |= {"gain": row["ternary"] - row["int8"], "weights": sum(w.size for w in mlp.weights)}
        found[_shape(hidden)] = row
    return found


def bench_binary() -> Rows:
    """Measure networks of signs by hidden neurons and signs per input, beside an int8 one of 64-64-32-10."""
    rows = over_seeds(_of_signs, _SEEDS, "network", ("weights",), ("accuracy", "gain"))
    print_table(
        f"networks of signs on digits, {len(_SEEDS)} seeds: mean and standard deviation",
        ("network", "weights", "bytes of weights", "accuracy, %", f"against int8 {_shape(_REFERENCE)}"),
        [
            [row["network"], f"{row['weights']:,}", f"{-(-row['weights'] // row['per_byte']):,}"]
            + [percent(row, "accuracy"), percent(row, "gain", "+")]
            for row in ({**row, "per_byte": 1 if row["network"].startswith("int8") else 8} for row in rows)
        ],
    )
    return rows


def _of_signs(seed: int) -> dict[str, dict[str, Any]]:
    digits = load_digits(seed)
    data = Data(digits.train_x, digits.train_y, digits.test_x, digits.test_y)
    mlp = train_mlp(digits, _REFERENCE, seed)
    out = quantize_mlp(mlp, data.train_x).run(data.test_x)[-1]
    right = float((out.argmax(axis=1) == data.test_y).mean())
    weights = sum(w.size for w in mlp.weights)
    found: dict[str, dict[str, Any]] = {f"int8 {_shape(_REFERENCE)}": {"accuracy": right, "weights": weights}}
    for levels in _LEVELS:
        for hidden in _SIGNS:
            done = binary_mlp(data, hidden, 10, levels=levels, epochs=_EPOCHS, seed=seed)
            weights = sum(layer.weights.size for layer in done.network.layers)
            found[f"64x{_shape(hidden, levels)}"] = {"accuracy": done.accuracy, "weights": weights}
    return {name: {**row, "gain": row["accuracy"] - right} for name, row in found.items()}


def _shape(hidden: tuple[int, ...], inputs: int = 64) -> str:
    return "-".join(map(str, (inputs, *hidden, 10)))
