"""Each class of difference, provoked by changing results."""

import numpy as np
import pytest
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.gpu.compare import CLASSES, Comparison, compare

FP32, FP16 = TensorCoreConfig.ampere(), TensorCoreConfig.ampere(out_format="fp16")
FP8, INT8 = TensorCoreConfig.hopper(a_format="e4m3"), TensorCoreConfig.ampere(a_format="int8")


def operands(config, shape=(2, 4, 4), k=8):
    operand = {"fp16": np.uint16, "e4m3": np.uint8, "int8": np.int8}[config.a_format]
    sums = {"fp32": np.uint32, "fp16": np.uint16, "int32": np.int32}[config.out_format]
    a = np.arange(shape[0] * shape[1] * k).reshape(shape[0], shape[1], k).astype(operand)
    b = np.arange(shape[0] * shape[2] * k).reshape(shape[0], k, shape[2]).astype(operand)
    return a, b, np.full(shape, -2).astype(sums)


CASES = [
    (FP32, 0x7FC00000, 0x7FFFFFFF, "nan_pattern"),
    (FP32, 0xFFFFFFFF, 0x7FFFFFFF, "nan_pattern"),
    (FP32, 0x7FFFFFFF, 0x3F800000, "nan"),
    (FP32, 0x7F800000, 0x7FFFFFFF, "nan"),
    (FP32, 0x7F800000, 0x7F7FFFFF, "infinite"),
    (FP32, 0x7F7FFFFF, 0x7F800000, "infinite"),
    (FP32, 0xFF800000, 0x7F800000, "sign"),
    (FP32, 0x80000000, 0x00000000, "zero_sign"),
    (FP32, 0x00000000, 0x007FFFFF, "flushed"),
    (FP32, 0x80000000, 0x00000001, "flushed"),
    (FP32, 0x00000000, 0x00800000, "further"),
    (FP32, 0x00000001, 0x00000000, "last_place"),
    (FP32, 0xBF800000, 0x3F800000, "sign"),
    (FP32, 0x3F800001, 0x3F800000, "last_place"),
    (FP32, 0x3F7FFFFF, 0x3F800000, "last_place"),
    (FP32, 0x3F800002, 0x3F800000, "further"),
    (FP16, 0x3C01, 0x3C00, "last_place"),
    (FP16, 0x7C00, 0x7BFF, "infinite"),
    (FP16, 0x7E00, 0x7FFF, "nan_pattern"),
    (FP8, 0x3F800001, 0x3F800000, "more_bits"),
    (FP8, 0x3F800400, 0x3F800000, "last_place"),
    (FP8, 0x3F800800, 0x3F800000, "further"),
    (INT8, 0x7FFFFFFF, 0x80000001, "saturated"),
    (INT8, 0xFFFFFFFF, 0x00000000, "sign"),
    (INT8, 0x00000011, 0x00000010, "last_place"),
    (INT8, 0x00000012, 0x00000010, "further"),
]


def of(config, values):
    return np.array(values, np.uint16 if config.out_format == "fp16" else np.uint32)


@pytest.mark.parametrize(("config", "got", "want", "kind"), CASES)
def test_a_difference_is_of_one_class(config, got, want, kind):
    wanted = np.full((2, 4, 4), want).astype(of(config, 0).dtype)
    results = wanted.copy()
    results[1, 2, 3] = results[1, 3, 0] = got
    comparison = compare(config, operands(config), results, wanted)
    assert (comparison.total, comparison.equal, comparison.counts) == (32, 30, {kind: 2})
    case = comparison.first[kind]
    digits = 4 if config.out_format == "fp16" else 8
    assert (case.got, case.want) == (f"{got:0{digits}x}", f"{want:0{digits}x}")
    assert case.c == "fffffffe"[-digits:]
    # Row 2 of A and column 3 of B in tile 1.
    width = 4 if config.a_format == "fp16" else 2
    assert case.a == tuple(f"{value:0{width}x}" for value in range(48, 56))
    assert case.b == tuple(f"{value:0{width}x}" for value in range(35, 67, 4))


def test_every_class_is_provoked():
    assert {case[3] for case in CASES} == set(CLASSES)


def test_equal_results_have_no_class():
    wanted = of(FP32, [[[0x7FFFFFFF, 0x80000000, 0xFF800000, 1]] * 4] * 2)
    comparison = compare(FP32, operands(FP32), wanted.copy(), wanted)
    assert (comparison.total, comparison.equal, comparison.counts, comparison.first) == (32, 32, {}, {})


def test_comparisons_add_up():
    total = Comparison()
    for got in (0x3F800001, 0x3F800000, 0x3F7FFFFF):
        wanted = np.full((1, 4, 4), 0x3F800000, np.uint32)
        results = wanted.copy()
        results[0, 0, 0] = got
        total.add(compare(FP32, operands(FP32, (1, 4, 4)), results, wanted))
    assert (total.total, total.equal, total.counts) == (48, 46, {"last_place": 2})
    assert total.first["last_place"].got == "3f800001"


def test_results_of_another_shape_are_refused():
    results = np.zeros((2, 4, 4), np.uint32)
    with pytest.raises(ValueError, match=r"uint32 \(1, 4, 4\) and uint32 \(2, 4, 4\)"):
        compare(FP32, operands(FP32), results[:1], results)
    with pytest.raises(ValueError, match="Results are uint16"):
        compare(FP32, operands(FP32), results.astype(np.uint16), results)
