"""The machine alone: what it refuses, and a program written by hand."""

import numpy as np
import pytest
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import BYTES, Instruction, Opcode, assemble, encoded
from tercet.golden.npu.machine import Machine, MachineError, Memories

CONFIG = NpuConfig(rows=4, cols=2, requant_lanes=1, weight_rows=1, buffer_bytes=256, acc_depth=8)


def machine(program, config=CONFIG, **images):
    found = {
        "weights": np.zeros((8, 2), np.int8),
        "bias": np.zeros(2, np.int64),
        "multiplier": np.full(2, 2**30),
        "shift": np.ones(2, np.int64),
        "tables": np.zeros((1, 256), np.int32),
        "instructions": encoded([*program, Instruction(Opcode.HALT)]),
    }
    return Machine(config, Memories(**{**found, **images}))


def test_by_hand():
    """A row of three pixels of one channel, a window of two, two outputs; padding reads the fill code."""
    text = """
    CONVOLVE source=16 source_row=3 source_pixel=1 height=1 width=3 depth=1 kernel_cols=2 left=1 fill=10 \
      target=100 target_row=6 target_pixel=2 out_rows=1 out_cols=3 channels=2 block=1 parameter_channel=1 zero_point=1
    MAXIMUM source=100 source_row=6 source_pixel=2 height=1 width=3 depth=2 kernel_cols=3 fill=-128 \
      target=120 out_rows=1 out_cols=1 channels=2
    """
    weights = np.zeros((4, 2), np.int8)
    weights[:2] = [[1, 2], [-1, 3]]
    found = machine(assemble(text.replace("\\\n", "")), weights=weights, bias=np.array([0, 5]))
    found.buffer[0, 16:19] = [4, -6, 7]
    found.run()
    pairs = np.array([[10, 4], [4, -6], [-6, 7]])
    want = pairs @ [[1, 2], [-1, 3]] + [0, 5] + 1
    np.testing.assert_array_equal(found.buffer[0, 100:106].reshape(3, 2), want)
    np.testing.assert_array_equal(found.buffer[0, 120:122], want.max(axis=0))


RESULT = {"out_rows": 1, "out_cols": 1, "channels": 1}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"opcode": Opcode.LOOKUP, "out_rows": 1, "out_cols": 1}, "its result has no element"),
        ({"opcode": Opcode.LOOKUP, **RESULT, "low": 3, "high": 2}, "low 3 is above high 2"),
        ({"opcode": Opcode.LOOKUP, **RESULT, "table": 1}, "reads table 1 of 1"),
        ({"opcode": Opcode.LOOKUP, **RESULT, "source": 256}, "reaches byte 256 of a buffer of 256"),
        ({"opcode": Opcode.LOOKUP, **RESULT, "target": 300}, "reaches byte 300 of a buffer of 256"),
        ({"opcode": Opcode.ADD, **RESULT, "parameters": 2}, "reads parameter 2 of 2"),
        ({"opcode": Opcode.ADD, **RESULT, "rounding": 3}, "rounding 3 is unknown"),
        ({"opcode": Opcode.CONVOLVE, **RESULT, "block": 9, "depth": 1}, "a block of 9 rows of 1 sums exceeds 8"),
        ({"opcode": Opcode.CONVOLVE, **RESULT, "block": 1, "depth": 1, "weights": 6}, "reads word 9 of 8"),
        ({"opcode": Opcode.DEPTHWISE, **RESULT, "kernel_rows": 9}, "reads word 8 of 8"),
        ({"opcode": Opcode.MAXIMUM, **RESULT, "height": 1, "width": 1, "source": 256}, "reads byte 256 of"),
    ],
)
def test_ill_formed(fields, message):
    fields = dict(fields)
    with pytest.raises(MachineError, match=message) as found:
        machine([Instruction(fields.pop("opcode"), **fields)]).run()
    assert str(found.value).startswith("instruction 0, ")


def test_no_halt():
    with pytest.raises(MachineError, match="no HALT"):
        machine([], instructions=encoded([Instruction(Opcode.LOOKUP, **RESULT)])).run()
    with pytest.raises(MachineError, match="instruction 0: 9 is not a valid Opcode"):
        machine([], instructions=np.array([[9, *[0] * (BYTES - 1)]], np.uint8)).run()


def test_too_large_for_the_memories():
    small = NpuConfig(rows=4, cols=2, requant_lanes=1, weight_rows=1, weight_bytes=256)
    with pytest.raises(ValueError, match="has 258 weights, the machine room for 256"):
        machine([], small, weights=np.zeros((129, 2), np.int8))
    with pytest.raises(ValueError, match="Instructions have shape"):
        machine([], instructions=np.zeros((1, 3), np.uint8))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"requant_lanes": 17}, "requant_lanes 17 is above cols 16"),
        ({"weight_rows": 16, "rows": 8}, "weight_rows 16 is above rows 8"),
        ({"rows": 1}, "rows 1 is outside"),
        ({"mac": "asic"}, "mac 'asic' is unknown"),
    ],
)
def test_config(fields, message):
    with pytest.raises(ValueError, match=message):
        NpuConfig(**fields)
