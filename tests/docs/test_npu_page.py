"""The NPU's page against the code: instructions, commands, counters, cycles."""

import re
from itertools import product
from pathlib import Path
from typing import Literal

import pytest
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.commands import Command, Memory
from tercet.golden.npu.cycle_model import instruction_cycles
from tercet.golden.npu.engine import MODEL
from tercet.golden.npu.instructions import BYTES, FIELDS, Instruction, Opcode

PAGE = (Path(__file__).parents[2] / "docs" / "engines" / "npu.md").read_text()


def section(name):
    return PAGE.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0]


def cells(text):
    """Rows of a table, without its head."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in row] for row in rows[2:]]


def test_fields():
    want = [f"| `{field.name}` | {'s' if field.signed else ''}{field.bits} | {field.text} |" for field in FIELDS]
    assert section("fields").split("\n")[3:-2] == want
    assert f"An instruction takes {BYTES} bytes" in PAGE


def test_opcodes():
    assert [(row[0], row[1]) for row in cells(section("opcodes"))] == [(code.name, str(int(code))) for code in Opcode]


def test_commands():
    rows = cells(section("commands"))
    memories = ", ".join(f"{int(memory)} {memory.name}" for memory in Memory)
    assert [(row[0], row[1]) for row in rows] == [(command.name, str(int(command))) for command in Command]
    assert memories in section("commands")


def test_counters():
    table = re.search(r"## Counters\n\n(.*?)\n\n", PAGE, re.S)
    assert table is not None
    assert [row[0] for row in cells(table[1])] == list(MODEL.counters)


@pytest.mark.parametrize("mac", ["infer", "ecp5", "ice40"])
@pytest.mark.parametrize("opcode", [Opcode.CONVOLVE, Opcode.DEPTHWISE, Opcode.MAXIMUM, Opcode.ADD])
def test_formula(mac: Literal["infer", "ecp5", "ice40"], opcode):
    """Cycles of an instruction of one block that follows another, by the formula on the page."""
    multiplier = {"infer": 1, "ecp5": 4, "ice40": 3}[mac]
    unit = {"infer": 1, "ecp5": 1, "ice40": 2}[mac]
    for (rows, cols), lanes, taps in product([(8, 2), (16, 8), (16, 16)], (1, 2), (1, 3, 4)):
        config = NpuConfig(rows=rows, cols=cols, requant_lanes=lanes, depthwise_taps=taps, mac=mac)
        window = {"kernel_rows": 3, "kernel_cols": 2, "run": 3 * rows if opcode == Opcode.CONVOLVE else 0}
        if opcode == Opcode.ADD:
            window = {}
        if opcode == Opcode.DEPTHWISE:
            window |= {"taps": taps, "stride_cols": 2}
        size = {"out_rows": 4, "out_cols": 15, "block": 4, "channels": cols, "parameter_channel": 1}
        i = Instruction(opcode, **window, **size)
        passes = 2 if opcode == Opcode.ADD else i.kernel_rows * i.kernel_cols * (3 if opcode == Opcode.CONVOLVE else 1)
        reads = passes * i.out_rows * ((i.out_cols - 1) * i.stride_cols + i.taps)
        drain = i.out_rows * i.out_cols * -(-cols // lanes)
        u = {
            Opcode.CONVOLVE: rows + cols // unit + multiplier + 1,
            Opcode.DEPTHWISE: 5 + (taps - 1).bit_length(),
        }.get(opcode, 6)
        q = 26 if mac == "ecp5" else 23
        first, second = instruction_cycles([i, i], config)
        assert second.cycles == reads + drain + 20 + u + q
        tables = 2 * 258 if opcode == Opcode.ADD else 0
        assert tables + 20 < first.cycles - second.cycles < tables + 40
