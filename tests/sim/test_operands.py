"""Operands that nearly fit: byte order, and the same errors from golden models and simulation of all engines."""

import numpy as np
import pytest
from tercet.golden.eie import encoding as golden_eie
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import encode
from tercet.golden.eie.operands import bind
from tercet.golden.eie.operands import job as eie_job
from tercet.golden.systolic import model as golden_systolic
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.operands import MatmulOperands
from tercet.golden.systolic.operands import job as systolic_job
from tercet.golden.tensorcore import model as golden_tensorcore
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import check_mma
from tercet.golden.tensorcore.operands import job as tensorcore_job
from tercet.sim import eie, systolic, tensorcore

SYSTOLIC, EIE = SystolicConfig(rows=2, cols=2), EieConfig(n_pe=2)
HALF, BYTES = TensorCoreConfig(), TensorCoreConfig.turing(a_format="int8")
CODEBOOK = np.arange(16, dtype=np.int16)
LAYER = encode(np.eye(3, 5, dtype=np.uint8), CODEBOOK, EIE)


def test_byte_order_of_systolic():
    config = SystolicConfig(rows=2, cols=2, act_width=16, weight_width=16)
    acts, weights = np.array([[300, -2]], np.int16), np.array([[3], [-400]], np.int16)
    bias = np.array([70000], np.int32)
    a, w, b = (array.astype(array.dtype.newbyteorder(">")) for array in (acts, weights, bias))
    np.testing.assert_array_equal(golden_systolic.matmul(a, w, b, config), [[900 + 800 + 70000]])
    products = MatmulOperands(acts, weights, bias), MatmulOperands(a, w, b)
    jobs = [systolic_job(config, product) for product in products]
    for name, beats in jobs[0].inputs.items():
        np.testing.assert_array_equal(jobs[1].inputs[name], beats)


def test_byte_order_of_eie():
    layer = encode(np.eye(3, 5, dtype=np.uint8), CODEBOOK.astype(">i2"), EIE, bias=np.array([1, 2, 3], ">i8"), shift=0)
    acts = np.array([[300, -2, 7, 0, 1]], np.int16)
    np.testing.assert_array_equal(golden_eie.spmv(layer, acts.astype(">i2")), [[301, 0, 10]])
    jobs = [eie_job(bind(EIE, [layer], each)) for each in (acts, acts.astype(">i2"))]
    for name, beats in jobs[0].inputs.items():
        np.testing.assert_array_equal(jobs[1].inputs[name], beats)


@pytest.mark.parametrize("patterns", [False, True])
def test_byte_order_of_tensor_core(patterns):
    a, b, c = np.full((1, 4), 1.5, np.float16), np.full((4, 1), -2, np.float16), np.full((1, 1), 0.25, np.float32)
    if patterns:
        a, b, c = a.view(np.uint16), b.view(np.uint16), c.view(np.uint32)
    x, y, z = (array.astype(array.dtype.newbyteorder(">")) for array in (a, b, c))
    np.testing.assert_array_equal(golden_tensorcore.mma(x, y, z, HALF), [[-11.75]])
    jobs = [tensorcore_job(HALF, check_mma(*operands, HALF)) for operands in ((a, b, c), (x, y, z))]
    for name, beats in jobs[0].inputs.items():
        np.testing.assert_array_equal(jobs[1].inputs[name], beats)


def refused(error, match, *calls):
    """Check that all calls raise the error, in one line."""
    for call in calls:
        with pytest.raises(error, match=match) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_empty_batches():
    """Every engine rejects an empty batch."""
    message = r"have shape \(0, 5\); every size must be at least 1"
    acts, weights = np.zeros((0, 5), np.int8), np.zeros((5, 3), np.int8)
    refused(
        ValueError,
        message,
        lambda: golden_systolic.matmul(acts, weights, None, SYSTOLIC),
        lambda: systolic.matmul(SYSTOLIC, acts, weights),
    )
    empty = np.zeros((0, 5), np.int16)
    refused(
        ValueError,
        message,
        lambda: golden_eie.spmv(LAYER, empty),
        lambda: golden_eie.cycles(LAYER, empty),
        lambda: eie.spmv(EIE, LAYER, empty),
    )
    message = r"C has shape .*0.*; every size must be at least 1"
    for batch in ((0, 4, 4), (2, 0, 4), (0, 4)):
        a, b, c = (np.zeros(shape, np.float16) for shape in (batch, (*batch[:-2], 4, 4), batch))
        refused(
            ValueError,
            message,
            lambda a=a, b=b, c=c: golden_tensorcore.mma(a, b, c, HALF),
            lambda a=a, b=b, c=c: tensorcore.mma(HALF, a, b, c),
        )


def test_transposed_weights():
    acts, weights = np.zeros((2, 5), np.int8), np.zeros((3, 5), np.int8)
    refused(
        ValueError,
        r"; weights are \(in, out\): if yours is \(out, in\), use \.T$",
        lambda: golden_systolic.matmul(acts, weights, None, SYSTOLIC),
        lambda: systolic.matmul(SYSTOLIC, acts, weights),
    )
    a, b, c = np.zeros((2, 8), np.float16), np.zeros((3, 8), np.float16), np.zeros((2, 3), np.float32)
    refused(
        ValueError,
        r"; B is \(K, N\): if yours is \(N, K\), use \.T$",
        lambda: golden_tensorcore.mma(a, b, c, HALF),
        lambda: tensorcore.mma(HALF, a, b, c),
    )
    refused(
        ValueError,
        r"; codes are \(out, in\): if yours is \(in, out\), use \.T$",
        lambda: golden_eie.spmv(LAYER, np.zeros((2, 3), np.int16)),
        lambda: eie.spmv(EIE, LAYER, np.zeros(3, np.int16)),
    )
    # If neither orientation fits, there is no hint.
    refused(ValueError, r"must be equal$", lambda: golden_systolic.matmul(acts, weights[:, :4], None, SYSTOLIC))
    refused(ValueError, r"and \(\.\.\., M, N\)$", lambda: golden_tensorcore.mma(a, b[:, :4], c, HALF))
    refused(ValueError, r"or \(batch, 5\)$", lambda: golden_eie.spmv(LAYER, np.zeros(4, np.int16)))


def test_uint8_codes():
    """The hint for uint8 is right: codes and zero point less 128 give the same numbers; astype alone wraps."""
    acts, weights = np.array([[0, 128, 255, 7]], np.uint8), np.ones((4, 1), np.int8)
    message = r"subtract 128 from codes and zero point: \(x.astype\(np.int16\) - 128\).astype\(np.int8\)"
    c = np.zeros((1, 1), np.int32)
    refused(
        TypeError,
        message,
        lambda: golden_systolic.matmul(acts, weights, None, SYSTOLIC),
        lambda: systolic.matmul(SYSTOLIC, acts, weights),
        lambda: golden_tensorcore.mma(np.repeat(acts, 4, 1), np.repeat(weights, 4, 0), c, BYTES),
    )
    zero_point = 130
    shifted = (acts.astype(np.int16) - 128).astype(np.int8)
    real = golden_systolic.matmul(shifted, weights, None, SYSTOLIC) - 4 * (zero_point - 128)
    assert real == (acts.astype(int) - zero_point).sum()
    wide = SystolicConfig(act_width=16)
    refused(TypeError, "convert them first$", lambda: golden_systolic.matmul(acts, weights, None, wide))
