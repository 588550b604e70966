"""Ill-formed instructions on the NPU's RTL: the run ends with the error flag set, and the next one is right."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from tercet.engines.npu import SPEC
from tercet.golden.npu.commands import Command, Memory
from tercet.golden.npu.instructions import Instruction, Opcode, decode, encoded
from tercet.golden.npu.machine import Machine, MachineError, Memories
from tercet.golden.npu.operands import Transcript, load
from tercet.golden.npu.session import Run, Write
from tercet.sim.engine import run_jobs

from .npu_inferences import SMALL as CONFIG
from .npu_inferences import random_inferences

SIZE = CONFIG.buffer_bytes
WORDS = CONFIG.weight_bytes // (CONFIG.memory_word_rows * CONFIG.cols)
# Copy 2 rows of 3 pixels of 4 bytes.
COPY = Instruction(
    Opcode.MAXIMUM,
    source_row=12,
    source_pixel=4,
    height=2,
    row_bytes=12,
    stride_rows=1,
    target=100,
    target_row=12,
    target_pixel=4,
    out_rows=2,
    out_cols=3,
    channels=4,
    block=2,
)
ILL_FORMED = {
    "reads before the buffer": {"source": -SIZE},
    "reads behind it": {"source": SIZE},
    "its second row is behind it": {"source_row": SIZE},
    "reads the second operand behind it": {"opcode": Opcode.LARGER, "other": SIZE},
    "writes behind it": {"target": SIZE},
    "writes its last byte behind it": {"target": SIZE - 23},
    "planes behind the weights": {"opcode": Opcode.CONVOLVE, "run": 4, "weights": WORDS},
    "the last plane behind the weights": {"opcode": Opcode.CONVOLVE, "run": 4, "weights": WORDS - 3, "kernel_rows": 2},
    "windows behind the weights": {"opcode": Opcode.DEPTHWISE, "weights": 2**20 - 1},
    "parameters behind their memory": {"parameters": CONFIG.channels},
    "the last parameter behind it": {"parameters": CONFIG.channels - 3, "parameter_channel": 1},
    "a block above the accumulators": {"block": 3, "out_rows": 3, "height": 3},
    "a row above the accumulators": {"block": 1, "out_cols": 9},
    "a table that is not there": {"opcode": Opcode.LOOKUP, "table": CONFIG.tables},
    "no rows": {"out_rows": 0},
    "an empty range": {"low": 1, "high": 0},
}


def memories(instructions):
    """Memories of a program with one weight of each and an entry that keeps values as they are."""
    return Memories(
        weights=np.zeros((CONFIG.memory_word_rows, CONFIG.cols), np.int8),
        bias=np.array([0]),
        multiplier=np.array([2**30]),
        shift=np.array([1]),
        tables=np.zeros((1, 256), np.int32),
        instructions=encoded(instructions),
    )


def copies(broken, data):
    """Job of a copy, an ill-formed instruction and another copy; then, without a reset, of a copy to elsewhere."""
    halt = Instruction(Opcode.HALT)
    program = memories([COPY, broken, COPY, halt, COPY.replaced(target=200), halt])
    with pytest.raises(MachineError):
        Machine(CONFIG, program).run()
    transcript = Transcript(CONFIG)
    load(SimpleNamespace(config=CONFIG, memories=program), transcript)  # pyright: ignore[reportArgumentType]
    transcript.request(Write(0, data[None]))
    transcript.request(Run(0))
    transcript.request(Run(4))
    transcript.commands.append((Command.READ, 0, 200, len(data)))
    transcript.data.append(np.zeros((0, 4), np.uint8))
    return transcript.job()


@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_ill_formed_instructions(stall):
    rng = np.random.default_rng(0)
    data = rng.integers(-128, 128, (len(ILL_FORMED), 24)).astype(np.int8)
    jobs = [copies(COPY.replaced(**fields), each) for fields, each in zip(ILL_FORMED.values(), data, strict=True)]
    results = run_jobs(SPEC, CONFIG, jobs, stall=stall)
    for name, each, result in zip(ILL_FORMED, data, results, strict=True):
        assert result.probes["error"] == 1, name
        assert result.outputs["results"][:, :4].tobytes() == each.tobytes(), name


BROKEN = ({"target": SIZE - 1}, {"parameters": CONFIG.channels}, {"low": 1, "high": 0}, {"source": -SIZE})


@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_recovery(stall):
    """Networks in which any one instruction is ill-formed; then, without a reset, as they are."""
    rng = np.random.default_rng(1)
    items = random_inferences(CONFIG, range(20))
    jobs = []
    for item in items:
        whole = item.program.memories
        instructions = [decode(row.tobytes()) for row in whole.instructions]
        number = int(rng.choice([n for n, i in enumerate(instructions) if i.opcode != Opcode.HALT]))
        fields = {"channels": max(2, instructions[number].channels), **BROKEN[rng.integers(len(BROKEN))]}
        instructions[number] = instructions[number].replaced(**fields)
        broken = dataclasses.replace(whole, instructions=encoded(instructions))
        transcript = Transcript(CONFIG)
        load(dataclasses.replace(item.program, memories=broken), transcript)
        item.add(transcript)
        instructions = np.ascontiguousarray(whole.instructions).reshape(-1, 4)
        transcript.write(Memory.INSTRUCTIONS, 0, len(instructions), instructions)
        item.add(transcript)
        jobs += [transcript.job(), item.job()]
    results = run_jobs(SPEC, CONFIG, jobs, stall=stall)
    for item, broken, after in zip(items, results[::2], results[1::2], strict=True):
        assert (broken.probes["error"], after.probes["error"]) == (1, 0)
        beats = broken.outputs["results"]
        assert len(item.compare(beats[len(beats) // 2 :])) == 0
        assert len(item.compare(after.outputs["results"])) == 0
