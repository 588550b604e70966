"""Tilings: each tile fits the buffers, and together they cover the product once."""

import numpy as np
import pytest
from tercet.boards.host.tiling import systolic_tiling, tensorcore_tiling
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.operands import MatmulOperands
from tercet.golden.systolic.operands import job as systolic_job
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.operands import job as tensorcore_job

SYSTOLIC = {
    "weight stationary": SystolicConfig(rows=4, cols=2, acc_depth=8, requant_lanes=1),
    "output stationary": SystolicConfig(rows=2, cols=4, dataflow="os", requant_lanes=1),
}


def covered(tiling, shape):
    """Count how often each multiplication of a product is covered."""
    m, k, n = shape
    count = np.zeros((m, k, n), int)
    for rows, parts, columns in tiling:
        for part in parts:
            count[rows, part, columns] += 1
    return count


@pytest.mark.parametrize("config", SYSTOLIC.values(), ids=SYSTOLIC)
@pytest.mark.parametrize("shape", [(1, 1, 1), (30, 17, 9), (3, 200, 3), (100, 5, 1), (2, 3, 70)], ids=str)
def test_systolic(config, shape):
    depths = {"commands": 2, "acts": 64, "weights": 48, "params": 16, "sums": 40, "outs": 100}
    tiling = systolic_tiling(config, shape, depths, params=True, requant=False)
    assert (covered(tiling, shape) == 1).all()
    assert len(tiling) == sum(len(parts) for _, parts, _ in tiling)
    for rows, parts, columns in tiling:
        for part in parts:
            a = np.zeros((rows.stop - rows.start, part.stop - part.start), np.int8)
            w = np.zeros((a.shape[1], columns.stop - columns.start), np.int8)
            job = systolic_job(config, MatmulOperands(a, w, np.zeros(w.shape[1], np.int32)))
            for name, count in [*((name, len(beats)) for name, beats in job.inputs.items()), *job.expect.items()]:
                assert count <= depths[name]


@pytest.mark.parametrize("shape", [(1, 2, 1), (30, 18, 9), (3, 200, 3), (100, 6, 1), (2, 4, 70)], ids=str)
@pytest.mark.parametrize("fold", [1, 4])
def test_tensor_core(fold, shape):
    config = TensorCoreConfig(m=2, n=2, l=2, fold=fold)
    depths = {"commands": 2, "a": 64, "b": 40, "c": 100, "d": 80}
    tiling = tensorcore_tiling(config, shape, depths)
    assert (covered(tiling, shape) == 1).all()
    for rows, parts, columns in tiling:
        for part in parts:
            m, k, n = (cut.stop - cut.start for cut in (rows, part, columns))
            assert k % config.l == 0
            a, b = (np.zeros(size, np.uint16) for size in ((m, k), (k, n)))
            job = tensorcore_job(config, (a, b, np.zeros((m, n), np.uint32)))
            for name, count in [*((name, len(beats)) for name, beats in job.inputs.items()), *job.expect.items()]:
                assert count <= depths[name]


def test_one_tile_if_it_fits():
    config = SystolicConfig(rows=4, cols=4)
    depths: dict[str, int] = dict.fromkeys(("commands", "acts", "weights", "params", "sums", "outs"), 1000)
    assert len(systolic_tiling(config, (20, 16, 8), depths, params=True, requant=True)) == 1


def test_rejects_buffers_that_are_too_small():
    config = SystolicConfig(rows=4, cols=4)
    depths = {"commands": 2, "acts": 64, "weights": 3, "params": 16, "sums": 40, "outs": 100}
    with pytest.raises(ValueError, match="needs 4 words of weights, but the board has room for 3; build"):
        systolic_tiling(config, (8, 8, 8), depths, params=False, requant=False)
