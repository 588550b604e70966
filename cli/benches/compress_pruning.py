"""Bench of pruning: accuracy against density, without retraining, at once, in steps, and with shared weights."""

from typing import Any

from tercet.cli.demos.digits import load_digits, train_mlp
from tercet.cli.pruning_curve import CURVE_DENSITIES, CURVE_STEPS, curve_picture, curve_row
from tercet.golden.compress.curve import pruning_curve
from tercet.golden.compress.pipeline import Data

from .common import Rows, print_table
from .seeds import over_seeds, percent

__all__ = ["bench_pruning", "pruning_picture"]

_SEEDS = range(5)
_HIDDEN = (300, 100)
_DENSITIES = CURVE_DENSITIES
_STEPS = CURVE_STEPS
_EPOCHS = 30
_CODE_BITS = 4
_MEASURED = ("untrained", "once", "iterative", "shared", "gain")


def bench_pruning() -> Rows:
    """Measure accuracy by density, with the same number of epochs at once and in steps."""
    rows = over_seeds(_of_seed, _SEEDS, "density", ("weights", "size"), _MEASURED)
    print_table(
        f"{_title()}: mean and standard deviation of the accuracy, %",
        ("density", "weights", "bytes", "not retrained", "at once", "in steps", "shared", "steps against once"),
        [
            [f"{row['density']:g}", f"{row['weights']:,}", f"{row['size']:,}"]
            + [percent(row, name) for name in _MEASURED[:-1]]
            + [percent(row, "gain", "+")]
            for row in rows
        ],
    )
    return rows


def pruning_picture(rows: Rows) -> bytes:
    """Plot the curves."""
    return curve_picture(rows, _title())


def _title() -> str:
    return f"{'-'.join(map(str, (64, *_HIDDEN, 10)))} on digits, {len(_SEEDS)} seeds"


def _of_seed(seed: int) -> dict[float, dict[str, Any]]:
    digits = load_digits(seed)
    mlp = train_mlp(digits, _HIDDEN, seed)
    data = Data(digits.train_x, digits.train_y, digits.test_x, digits.test_y)
    options: dict[str, Any] = {"steps": _STEPS, "epochs": _EPOCHS, "code_bits": _CODE_BITS, "seed": seed}
    points = pruning_curve(mlp, data, _DENSITIES, **options)
    return {point.density: curve_row(point) for point in points}
