"""Bench of perceptrons with weights of -1, 0 and 1 against int8."""

from typing import Any

from tercet.cli.demos.digits import load_digits, train_mlp
from tercet.golden.compress.pipeline import Data
from tercet.golden.compress.retrain import Dense, train
from tercet.golden.compress.ternary_mlp import ternary_mlp
from tercet.golden.networks.int8_network import quantize_mlp

from .common import Rows, print_table
from .seeds import over_seeds, percent

__all__ = ["bench_ternary"]

_SEEDS = range(5)
_NETWORKS = ((300, 100), (64, 32), (16,))
_EPOCHS = 60
_RATE = 0.05


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
        found["-".join(map(str, (64, *hidden, 10)))] = row
    return found
