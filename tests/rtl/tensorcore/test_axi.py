"""AXI ports of the tensor-core engine, driven by cocotbext-axi."""

import numpy as np
import pytest
from tercet.engines.tensorcore import SPEC
from tercet.golden.registers import joined
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.cycle_model import tiles
from tercet.golden.tensorcore.engine import FORMAT_NUMBERS, MODEL
from tercet.golden.tensorcore.model import check_mma, mma
from tercet.golden.tensorcore.stimuli import random_operands
from tercet.sim import simulators

SIMULATORS = [candidate.name for candidate in simulators.available() if candidate.simulator is not None]
CONFIG = TensorCoreConfig(m=2, n=2, l=2, fold=2, pipeline=6)


def job():
    """A product of two tiles with two steps each, and the expected parts of blocks, one row each."""
    a, b, c = random_operands(np.random.default_rng(6), CONFIG, 9, 4, 6)
    a_batch, b_batch, c_batch = (array[None] for array in check_mma(a, b, c, CONFIG))
    streams = MODEL.job(CONFIG, (a_batch, b_batch, c_batch)).inputs
    want = np.pad(mma(a, b, c, CONFIG), ((0, 1), (0, 0)))
    frames = {}
    for number, (rows, cols) in enumerate(tiles(CONFIG, 9, 6)):
        blocks = [want[2 * row : 2 * row + 2, 2 * col : 2 * col + 2] for row in rows for col in cols]
        frames[f"d{number}"] = np.stack(blocks)
    registers = {}
    for name in ("size", "formats", "numbers"):
        values = {field: getattr(CONFIG, field) for field in MODEL.registers[name].fields}
        registers[name] = joined(
            MODEL.registers[name],
            **{field: FORMAT_NUMBERS[v] if isinstance(v, str) else v for field, v in values.items()},
        )
    return {**streams, **frames, **registers, "tiles": len(frames), "busy": 5 * 3 * 2 * CONFIG.fold}


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_tiles_over_axi(simulator, over_axi):
    over_axi(SPEC, CONFIG, simulator, "tensorcore_axi_bench", job())
