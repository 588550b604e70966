"""Exact sums: the preset ``exact``, which rounds once, and integers."""

import dataclasses

import numpy as np
import pytest
from tercet.golden.numerics.floats import FORMATS
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import dot

from .tensorcore_cases import FLOATS, bits, make, near_cases, random_patterns
from .tensorcore_reference import ref_exact, ref_int_dot


@pytest.mark.parametrize("out_format", ["fp32", "fp16"])
@pytest.mark.parametrize("format", FLOATS)
def test_exact_agrees_with_fractions(format, out_format):
    rng = np.random.default_rng(8)
    config = make("exact", format, out_format=out_format)
    formats = (format, format, out_format)
    near = dataclasses.replace(config, fraction_bits=30)
    parts = []
    for k, count in ((1, 300), (5, 300), (33, 60)):
        parts.append(near_cases(rng, near, count, k))
        parts.append((*(random_patterns(rng, (count, k), format, special=0.02) for _ in range(2)), parts[-1][2]))
    # Cancellation to the last bit.
    a, b, c = near_cases(rng, near, 200, 8)
    a[:, 4:], b[:, 4:] = a[:, :4], b[:, :4] ^ b.dtype.type(1 << (FORMATS[format].width - 1))
    parts.append((a, b, c))
    for a, b, c in parts:
        got = bits(dot(a, b, c, config), out_format)
        rows = zip(a.tolist(), b.tolist(), c.tolist(), strict=True)
        assert got.tolist() == [ref_exact(*row, formats) for row in rows]


def test_exact_ties_and_sticky_bits():
    config = TensorCoreConfig.exact()
    ulp, tiny = 2.0**-23, 2.0**-48

    def run(c, *products):
        a, b = np.array(products, np.float16).T
        return float(dot(a, b, np.float32(c), config))

    half = (2.0**-12, 2.0**-12)
    least = (2.0**-24, 2.0**-24)
    assert run(1.0, half) == 1.0
    assert run(1.0, half, least) == 1 + ulp
    assert run(1.0, half, (-least[0], least[1])) == 1.0
    assert run(1 + ulp, half) == 1 + 2 * ulp
    assert run(1 + ulp, half, (-least[0], least[1])) == 1 + ulp
    # 93 bits between the ends, more than are packed.
    large = 2.0**45
    assert run(large + 2.0**22, (2.0**10, 2.0**11), least) == large + 2.0**23
    assert run(large, (2.0**10, 2.0**11)) == large
    assert run(large, (2.0**10, 2.0**11), least) == large + 2.0**22
    assert run(-large, (-(2.0**10), 2.0**11), (-least[0], least[1])) == -large - 2.0**22
    assert run(tiny, (-least[0], least[1])) == 0


def test_exact_rounds_once_over_all_of_k():
    """A chain of steps would lose all of these terms."""
    a = np.full(4096, 2.0**-12, np.float16)
    assert float(dot(a, a, np.float32(1.0), TensorCoreConfig.exact())) == 1 + 4096 * 2.0**-24
    assert float(dot(a, a, np.float32(1.0), TensorCoreConfig.volta())) == 1.0


@pytest.mark.parametrize("overflow", ["wrap", "saturate"])
@pytest.mark.parametrize(("preset", "l"), [("turing", 16), ("ampere", 16), ("hopper", 32)])
def test_int8(preset, l, overflow):  # noqa: E741
    config = make(preset, "int8", overflow=overflow)
    assert (config.l, config.out_format, config.fraction_bits, config.nan) == (l, "int32", 0, 0)
    rng = np.random.default_rng(9)
    count, k = 300, 3 * l
    a, b = (rng.integers(-128, 128, (count, k)).astype(np.int8) for _ in range(2))
    a[:40], b[:20], b[20:40] = -128, -128, 127
    c = rng.integers(-(2**31), 2**31, count).astype(np.int32)
    edge = rng.integers(0, 2**18, count)
    c = np.where(rng.random(count) < 0.7, np.where(rng.random(count) < 0.5, 2**31 - 1 - edge, edge - 2**31), c)
    got = dot(a, b, c.astype(np.int32), config)
    assert got.dtype == np.int32
    rows = zip(a.tolist(), b.tolist(), c.tolist(), strict=True)
    expected = [ref_int_dot(*row, l, overflow) for row in rows]
    assert got.tolist() == expected
    plain = (a.astype(np.int64) * b).sum(axis=-1) + c
    assert np.mean(np.asarray(expected) != plain) > 0.05


def test_int8_saturates_after_each_step():
    config = TensorCoreConfig(l=4, a_format="int8", overflow="saturate")
    a, b = np.full(8, 100, np.int8), np.repeat(np.array([100, -100], np.int8), 4)
    assert dot(a, b, np.int32(2**31 - 1), config) == 2**31 - 1 - 40_000
    assert dot(a, b, np.int32(2**31 - 1), dataclasses.replace(config, overflow="wrap")) == 2**31 - 1
