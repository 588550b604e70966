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
        "bias": np.zeros(3, np.int64),
        "multiplier": np.full(3, 2**30),
        "shift": np.ones(3, np.int64),
        "tables": np.zeros((1, 256), np.int32),
        "instructions": encoded([*program, Instruction(Opcode.HALT)]),
    }
    return Machine(config, Memories(**{**found, **images}))


def test_by_hand():
    """A row of three pixels of one channel, a window of two, two outputs; padding reads the fill code."""
    text = """
    CONVOLVE source=15 source_pixel=1 first_byte=-1 height=1 row_bytes=3 run=2 fill=10 \
      target=100 target_pixel=2 out_rows=1 out_cols=3 channels=2 parameter_channel=1 zero_point=1
    MAXIMUM source=100 kernel_pixel=2 height=1 row_bytes=6 kernel_cols=3 fill=-128 rounding=1 \
      target=120 out_rows=1 out_cols=1 channels=2 parameters=2
    """
    weights = np.zeros((4, 2), np.int8)
    weights[:2] = [[1, 2], [-1, 3]]
    found = machine(assemble(text.replace("\\\n", "")), weights=weights, bias=np.array([0, 5, 0]))
    found.buffer[0, 16:19] = [4, -6, 7]
    found.run()
    pairs = np.array([[10, 4], [4, -6], [-6, 7]])
    want = pairs @ [[1, 2], [-1, 3]] + [0, 5] + 1
    np.testing.assert_array_equal(found.buffer[0, 100:106].reshape(3, 2), want)
    np.testing.assert_array_equal(found.buffer[0, 120:122], want.max(axis=0))


def test_windows_of_several_columns():
    """Two passes of two kernel columns; row s of a word multiplies the s-th newest pixel; the last has one column."""
    config = NpuConfig(rows=2, cols=2, weight_rows=2, depthwise_taps=2, buffer_bytes=256, acc_depth=8)
    fields = {"source_pixel": 1, "kernel_pixel": 2, "height": 1, "row_bytes": 9, "kernel_cols": 2, "taps": 2}
    fields |= {"stride_cols": 3, "weights": 1, "target": 100, "target_pixel": 1, "out_rows": 1, "out_cols": 3}
    program = [Instruction(Opcode.DEPTHWISE, **fields, channels=1)]
    weights = np.zeros((6, 2), np.int8)
    weights[2:, 0] = [3, 2, 0, 5]
    found = machine(program, config, weights=weights)
    found.buffer[0, :9] = x = np.array([1, -2, 3, -4, 5, 6, -7, 0, 2])
    found.run()
    np.testing.assert_array_equal(found.buffer[0, 100:103], [x[n : n + 3] @ [2, 3, 5] for n in (0, 3, 6)])


def test_vector_of_blocks():
    """A sum of two operands in blocks of two rows; the second repeats one code over channels."""
    fields = {"source_pixel": 3, "source_row": 8, "source_block": 16, "height": 1, "row_bytes": 2**20 - 1, "block": 2}
    fields |= {"other": 100, "other_row": 2, "other_pixel": 1, "other_block": 5, "target": 120, "target_row": 6}
    fields |= {"target_pixel": 3, "out_rows": 3, "out_cols": 2, "channels": 3, "other_table": 1, "low": -100}
    tables = np.stack([np.arange(-128, 128), 2 * np.arange(-128, 128)]).astype(np.int32)
    found = machine([Instruction(Opcode.ADD, **fields)], tables=tables)
    rng = np.random.default_rng(0)
    found.buffer[0, :120] = rng.integers(-50, 50, 120)
    x = found.buffer[0].astype(int)
    found.run()
    first = np.array([[x[at : at + 3], x[at + 3 : at + 6]] for at in (0, 8, 16)])
    second = np.array([[x[at], x[at + 1]] for at in (100, 102, 105)])[..., None]
    want = np.clip(first + 2 * second, -100, 127)
    np.testing.assert_array_equal(found.buffer[0, 120:138].reshape(3, 2, 3), want)


RESULT = {"out_rows": 1, "out_cols": 1, "channels": 1}
READ = {**RESULT, "height": 1, "row_bytes": 1}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"opcode": Opcode.LOOKUP, "out_rows": 1, "out_cols": 1}, "its result has no element"),
        ({"opcode": Opcode.LOOKUP, **RESULT, "low": 3, "high": 2}, "low 3 is above high 2"),
        ({"opcode": Opcode.LOOKUP, **RESULT, "table": 1}, "reads table 1 of 1"),
        ({"opcode": Opcode.LOOKUP, **READ, "source": 256}, "reads byte 256 of a buffer of 256"),
        ({"opcode": Opcode.LOOKUP, **READ, "source": -1}, "reads byte -1 of a buffer of 256"),
        ({"opcode": Opcode.LOOKUP, **RESULT, "target": 300}, "writes byte 300 of a buffer of 256"),
        ({"opcode": Opcode.ADD, **RESULT, "other": 256}, "reads byte 256 of a buffer of 256"),
        ({"opcode": Opcode.ADD, **RESULT, "parameters": 3}, "reads parameter 3 of 3"),
        ({"opcode": Opcode.MAXIMUM, **RESULT, "parameters": 3}, "reads parameter 3 of 3"),
        ({"opcode": Opcode.ADD, **RESULT, "rounding": 3}, "rounding 3 is unknown"),
        (
            {"opcode": Opcode.CONVOLVE, **RESULT, "out_rows": 9, "block": 9, "run": 1},
            "a block of 9 rows of 1 sums exceeds 8",
        ),
        ({"opcode": Opcode.MAXIMUM, **RESULT, "out_cols": 9}, "a block of 1 rows of 9 sums exceeds 8"),
        ({"opcode": Opcode.CONVOLVE, **RESULT, "run": 1, "weights": 6}, "reads word 9 of 8"),
        ({"opcode": Opcode.CONVOLVE, **RESULT}, "run is 0"),
        *(
            ({"opcode": Opcode.MAXIMUM, **RESULT, name: 0}, f"{name} is 0")
            for name in ("kernel_rows", "kernel_cols", "block", "taps", "stride_cols")
        ),
        ({"opcode": Opcode.DEPTHWISE, **RESULT, "taps": 4}, "taps 4 is above 3"),
        ({"opcode": Opcode.DEPTHWISE, **RESULT, "kernel_rows": 3}, "reads word 8 of 8"),
        ({"opcode": Opcode.DEPTHWISE, **RESULT, "channels": 5, "same_rows": 1, "kernel_rows": 9}, "reads word 8 of 8"),
        ({"opcode": Opcode.MAXIMUM, **READ, "source": 256}, "reads byte 256 of"),
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
        ({"weight_rows": 16, "rows": 8}, "weight_rows 16 does not divide rows 8; use 8"),
        ({"weight_rows": 4, "rows": 6}, "weight_rows 4 does not divide rows 6; use 3"),
        ({"depthwise_taps": 0, "rows": 8}, "rows 8 is below cols 16; use depthwise_taps=1 or more, or rows=16"),
        ({"cols": 15, "mac": "ice40"}, "cols 15 is odd"),
        ({"rows": 1}, "rows 1 is outside"),
        ({"mac": "asic"}, "mac 'asic' is unknown"),
    ],
)
def test_config(fields, message):
    with pytest.raises(ValueError, match=message) as found:
        NpuConfig(**fields)
    assert "\n" not in str(found.value)


def test_derived_sizes():
    """Divisors, powers of two and words of the default and of an odd machine."""
    config = NpuConfig()
    assert (config.weight_rows, config.plane_words, config.tap_words, config.chunks) == (4, 4, 1, 2)
    assert (config.read_bytes, config.write_bytes, config.family) == (16, 8, "any")
    assert config.array.requant_lanes == config.lanes == 8
    odd = NpuConfig(rows=9, cols=5, requant_lanes=2, depthwise_taps=7, mac="ecp5")
    assert (odd.weight_rows, odd.plane_words, odd.tap_words, odd.chunks) == (3, 3, 3, 3)
    assert (odd.read_bytes, odd.write_bytes, odd.family) == (16, 4, "ecp5")
    none = NpuConfig(rows=5, cols=3, depthwise_taps=0)
    assert (none.weight_rows, none.tap_words, none.window_taps, none.window_words) == (1, 0, 1, 1)
