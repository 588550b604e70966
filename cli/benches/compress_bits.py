"""Bench of bits against accuracy."""

from typing import Any

from tercet.cli.demos.digits import load_digits, train_mlp
from tercet.golden.compress.bits import bits_against_accuracy
from tercet.golden.compress.pipeline import Data

from .common import Rows, print_table
from .seeds import over_seeds, percent

__all__ = ["bench_bits"]

_SEEDS = range(5)
_HIDDEN = (300, 100)
_BITS = (8, 6, 5, 4, 3, 2)


def bench_bits() -> Rows:
    """Measure the accuracy with fewer bits of each tensor, of all weights, all activations, and both."""
    rows = over_seeds(_of_seed, _SEEDS, "tensor", (), [*map(_name, _BITS), "real"])
    shape = "-".join(map(str, (64, *_HIDDEN, 10)))
    print_table(
        f"{shape} on digits, {len(_SEEDS)} seeds: accuracy by bits, %, nothing retrained",
        ("rounded", "none", *(f"{bits} bits" for bits in _BITS)),
        [[row["tensor"], percent(row, "real"), *(percent(row, _name(bits)) for bits in _BITS)] for row in rows],
    )
    return rows


def _of_seed(seed: int) -> dict[str, dict[str, Any]]:
    digits = load_digits(seed)
    mlp = train_mlp(digits, _HIDDEN, seed)
    data = Data(digits.train_x, digits.train_y, digits.test_x, digits.test_y)
    found: dict[str, dict[str, Any]] = {}
    for point in bits_against_accuracy(mlp, data, _BITS):
        layer = "all" if point.layer is None else f"layer {point.layer}"
        row = found.setdefault(f"{layer}, {point.tensor}", {"real": mlp.accuracy(digits.test_x, digits.test_y)})
        row[_name(point.bits)] = point.accuracy
    return found


def _name(bits: int) -> str:
    return f"bits_{bits}"
