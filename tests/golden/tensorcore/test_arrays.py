"""Tensor-core products of matrices, and what arrays the golden model takes."""

import numpy as np
import pytest
from tercet.golden.numerics.floats import FORMATS, convert
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import check_mma, dot, mma, result_array

from .tensorcore_cases import FLOATS, TYPES, bits


def make(**fields):
    return TensorCoreConfig(**fields)


# mma.


@pytest.mark.parametrize("preset", ["volta", "hopper", "exact"])
def test_mma_is_dot_everywhere(preset):
    rng = np.random.default_rng(10)
    config = getattr(TensorCoreConfig, preset)()
    k = 2 * max(config.l, 4)
    for batch, m, n in (((), 5, 3), ((2,), 1, 7), ((2, 3), 4, 4), ((), 1, 1)):
        a = rng.standard_normal((*batch, m, k)).astype(np.float16)
        b = rng.standard_normal((*batch, k, n)).astype(np.float16)
        c = rng.standard_normal((*batch, m, n)).astype(np.float32)
        got = mma(a, b, c, config)
        assert (got.shape, got.dtype) == ((*batch, m, n), np.float32)
        for place in np.ndindex(*batch, m, n):
            *at, row, col = place
            one = dot(a[(*at, row)], b[(*at, slice(None), col)], c[place], config)
            assert bits(got[place]) == bits(one)


def test_mma_of_many_blocks():
    """More elements than are processed at a time, so rows and columns meet across blocks."""
    rng = np.random.default_rng(11)
    config = TensorCoreConfig.volta()
    a, b = rng.standard_normal((3, 90, 8)).astype(np.float16), rng.standard_normal((3, 8, 110)).astype(np.float16)
    c = rng.standard_normal((3, 90, 110)).astype(np.float32)
    got = mma(a, b, c, config)
    pairs = (
        np.broadcast_to(a[:, :, None], (3, 90, 110, 8)),
        np.broadcast_to(np.moveaxis(b, 1, 2)[:, None], (3, 90, 110, 8)),
    )
    np.testing.assert_array_equal(bits(got), bits(dot(*pairs, c, config)))
    exact = np.einsum("bmk,bkn->bmn", a.astype(np.float64), b.astype(np.float64)) + c
    assert np.abs(got - exact).max() < 1e-5


def test_mma_int8():
    rng = np.random.default_rng(12)
    a, b = (rng.integers(-128, 128, shape).astype(np.int8) for shape in ((2, 5, 32), (2, 32, 6)))
    c = rng.integers(-(2**20), 2**20, (2, 5, 6)).astype(np.int32)
    expected = a.astype(np.int64) @ b.astype(np.int64) + c
    np.testing.assert_array_equal(mma(a, b, c, TensorCoreConfig.turing(a_format="int8")), expected)


# What arrays can be.


def test_arrays_of_every_type():
    rng = np.random.default_rng(13)
    for format in FLOATS:
        config = make(a_format=format)
        values = rng.standard_normal((10, 4)).astype(np.float32)
        a = values.astype(TYPES[format])
        c = rng.standard_normal(10).astype(np.float32)
        raw = a.view(FORMATS[format].dtype)
        right = bits(dot(a, a, c, config))
        np.testing.assert_array_equal(bits(dot(raw, a, c, config)), right)
        np.testing.assert_array_equal(bits(dot(a, raw, bits(c), config)), right)
        reverse = np.ascontiguousarray(a[::-1])[::-1]
        np.testing.assert_array_equal(bits(dot(reverse, a, c, config)), right)
    big = values.astype(">f4")
    config = TensorCoreConfig(a_format="tf32")
    np.testing.assert_array_equal(dot(big, big, c.astype(">f4"), config), dot(values, values, c, config))


def test_fp16_addends_are_widened():
    rng = np.random.default_rng(14)
    c = np.arange(2**16, dtype=np.uint32).astype(np.uint16).view(np.float16)
    a, b = (rng.integers(0, 2**16, (2**16, 4)).astype(np.uint16) for _ in range(2))
    wide = convert(bits(c, "fp16"), "fp16", "fp32")
    config = TensorCoreConfig.volta()
    np.testing.assert_array_equal(bits(dot(a, b, c, config)), bits(dot(a, b, wide, config)))


def test_tf32_ignores_its_low_bits():
    rng = np.random.default_rng(15)
    a, b = (rng.integers(0, 2**32, (500, 4)).astype(np.uint32) for _ in range(2))
    c = rng.standard_normal(500).astype(np.float32)
    config = TensorCoreConfig.ampere(a_format="tf32")
    cut = np.uint32(0xFFFFE000)
    np.testing.assert_array_equal(bits(dot(a, b, c, config)), bits(dot(a & cut, b & cut, c, config)))


def test_shapes_and_inputs_are_kept():
    config = TensorCoreConfig.volta()
    a, c = np.ones((2, 3, 4), np.float16), np.ones((2, 3), np.float32)
    for array in (a, c):
        array.flags.writeable = False
    d = dot(a, a, c, config)
    assert (d.shape, d.dtype) == ((2, 3), np.float32)
    d[0, 0] = 7  # an array of its own
    one = dot(a[0, 0], a[0, 0], c[0, 0], config)
    assert isinstance(one, np.ndarray)
    assert (one.shape, one.dtype, float(one)) == ((), np.float32, 5.0)
    assert dot(np.ones((0, 4), np.float16), np.ones((0, 4), np.float16), np.ones(0, np.float32), config).shape == (0,)
    half = TensorCoreConfig.volta(out_format="fp16")
    assert mma(a, np.ones((2, 4, 5), np.float16), np.ones((2, 3, 5), np.float16), half).dtype == np.float16
    # Where c is not contiguous, D is still in its order.
    c = np.arange(6, dtype=np.float32).reshape(3, 2).T
    np.testing.assert_array_equal(dot(a, a, c, config), c + 4)


HALF4, FLOAT0 = np.ones(4, np.float16), np.float32(0)


@pytest.mark.parametrize(
    ("args", "config", "error", "match"),
    [
        (
            (HALF4.astype(float), HALF4, FLOAT0),
            {},
            TypeError,
            "A have dtype float64, but the format is fp16; use float16",
        ),
        ((HALF4, HALF4.astype(np.float32), FLOAT0), {}, TypeError, "B have dtype float32"),
        ((HALF4, HALF4, 0.0), {}, TypeError, "C have dtype float64, but the format is fp32; use float32, or uint32"),
        ((HALF4, HALF4, np.uint16(0)), {}, TypeError, "C have dtype uint16"),
        ((HALF4, HALF4, FLOAT0), {"out_format": "fp16"}, TypeError, "C have dtype float32, but the format is fp16"),
        ((HALF4, HALF4, FLOAT0), {"a_format": "bf16"}, TypeError, "A have dtype float16, but the format is bf16"),
        ((HALF4, HALF4, np.int32(0)), {"a_format": "int8"}, TypeError, "A have dtype float16, but operands are int8"),
        (
            (HALF4.astype(np.int8), HALF4.astype(np.uint8), np.int32(0)),
            {"a_format": "int8"},
            TypeError,
            "B have dtype u",
        ),
        (
            (HALF4.astype(np.int8),) * 2 + (np.int64(0),),
            {"a_format": "int8"},
            TypeError,
            "C have dtype int64.*use int32",
        ),
        ((HALF4[0], HALF4[0], FLOAT0), {}, ValueError, r"A has shape \(\); use an array \(..., K\)"),
        ((HALF4, HALF4[None], FLOAT0), {}, ValueError, r"A \(4,\), B \(1, 4\) and C \(\) do not match; use"),
        ((HALF4, HALF4, np.zeros(1, np.float32)), {}, ValueError, r"C \(1,\) do not match"),
        ((HALF4[:3], HALF4[:3], FLOAT0), {}, ValueError, "K is 3, not a positive multiple of l 4; .* with zeros to 4"),
        ((HALF4[:0], HALF4[:0], FLOAT0), {}, ValueError, "K is 0, not a positive multiple of l 4"),
        ((HALF4, HALF4, FLOAT0), {"l": 8}, ValueError, "K is 4, not a positive multiple of l 8"),
    ],
)
def test_dot_refuses(args, config, error, match):
    with pytest.raises(error, match=match) as caught:
        dot(args[0], args[1], args[2], TensorCoreConfig(**config))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("shapes", "match"),
    [
        (((4,), (4, 4), (4,)), r"A \(4,\) and B \(4, 4\) are not matrices"),
        (((3, 4), (5, 2), (3, 2)), r"A \(3, 4\), B \(5, 2\) and C \(3, 2\) do not match"),
        (((3, 4), (4, 2), (2, 3)), "do not match"),
        (((2, 3, 4), (4, 2), (2, 3, 2)), r"do not match; use \(..., M, K\), \(..., K, N\) and \(..., M, N\)"),
        (((2, 3, 4), (2, 4, 2), (3, 2)), "do not match"),
        (((3, 4), (4, 0), (3, 0)), r"C has shape \(3, 0\); every size must be at least 1"),
        (((3, 6), (6, 2), (3, 2)), "K is 6, not a positive multiple of l 4; pad A and B with zeros to 8"),
    ],
)
def test_mma_refuses(shapes, match):
    a, b = (np.ones(shape, np.float16) for shape in shapes[:2])
    with pytest.raises(ValueError, match=match) as caught:
        mma(a, b, np.ones(shapes[2], np.float32), TensorCoreConfig.volta())
    assert "\n" not in str(caught.value)


def test_check_mma_gives_patterns():
    a, b = np.full((2, 4), 1.5, np.float16), np.full((4, 3), -2, np.float16)
    left, right, addend = check_mma(a, b, np.full((2, 3), 0.5, np.float16), TensorCoreConfig.volta())
    assert (left.dtype, right.dtype, addend.dtype) == (np.uint16, np.uint16, np.uint32)
    assert (left[0, 0], right[0, 0], addend[0, 0]) == (0x3E00, 0xC000, 0x3F000000)
    a = np.ones((2, 4), np.int8)
    parts = check_mma(a, a.T, np.ones((2, 2), np.int32), make(a_format="int8"))
    assert [part.dtype for part in parts] == [np.int8, np.int8, np.int32]


def test_result_array():
    assert result_array([0x3F800000, 0x7FFFFFFF], TensorCoreConfig()).view(np.uint32).tolist() == [
        0x3F800000,
        0x7FFFFFFF,
    ]
    half = result_array(np.array([[0x3C00]], np.int64), make(out_format="fp16"))
    assert (half.dtype, half.tolist()) == (np.float16, [[1.0]])
    assert result_array([-1, 2**32 - 1, 2**31], make(a_format="int8")).tolist() == [-1, -1, -(2**31)]
    with pytest.raises(ValueError, match=r"D 65536 at index \(0,\) is outside \[0, 65535\]; a pattern has 16 bits"):
        result_array([65536], make(out_format="fp16"))
    with pytest.raises(ValueError, match="D -1"):
        result_array([-1], TensorCoreConfig())
    with pytest.raises(TypeError, match="D has dtype float64"):
        result_array([1.0], TensorCoreConfig())


def test_a_config_is_needed():
    with pytest.raises(TypeError, match="Config None is not a TensorCoreConfig; use one"):
        dot(HALF4, HALF4, FLOAT0, None)  # type: ignore[arg-type]
