"""Array of units: each gets its row of A, its column of B and its own addend."""

import numpy as np
import pytest
from tercet.golden.numerics.floats import FORMATS
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import dot
from tercet.rtl.tensorcore.grid import Grid

from .dot_cases import make_cases

CONFIGS = {
    "2x2": ({"l": 2}, 2, 2),
    "1x3 of mixed FP8": ({"l": 4, "a_format": "e4m3", "b_format": "e5m2", "fraction_bits": 13}, 1, 3),
    "3x1 in 5 clocks": ({"l": 2, "pipeline": 5, "out_format": "fp16"}, 3, 1),
    "1x1": ({"l": 2, "a_format": "bf16"}, 1, 1),
}


def flat(values, width):
    """Concatenate values into an integer, the first in the LSBs."""
    return sum(int(value) << width * n for n, value in enumerate(np.ravel(values)))


@pytest.mark.parametrize(("fields", "rows", "cols"), CONFIGS.values(), ids=CONFIGS)
def test_every_unit(through, fields, rows, cols):
    config = TensorCoreConfig(**fields)
    a_form, b_form, c_form = (FORMATS[name] for name in (config.a_format, config.b_format, config.out_format))
    cases = iter(make_cases(config, 3 * rows * cols, seed=rows))
    inputs, want = [], []
    for _ in range(20):
        dots = [next(cases) for _ in range(rows * cols)]
        a = np.array([dots[row * cols][0] for row in range(rows)], a_form.dtype)
        b = np.array([dots[col][1] for col in range(cols)], b_form.dtype)
        c = np.array([c for _, _, c in dots], c_form.dtype).reshape(rows, cols)
        inputs.append({"a": flat(a, a_form.width), "b": flat(b, b_form.width), "c": flat(c, c_form.width)})
        left, right = (np.broadcast_to(operand, (rows, cols, config.l)) for operand in (a[:, None], b[None]))
        want.append(flat(dot(left, right, c, config).view(c_form.dtype), c_form.width))
    grid = Grid(config=config, rows=rows, cols=cols)
    assert grid.latency == grid.lead + config.pipeline
    assert through(grid, inputs, {"c": grid.lead}, d=grid.latency).d == want
