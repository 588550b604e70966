"""Memory in lookup tables: contents and latency, and the cells that it becomes."""

import json
import random
import subprocess

import pytest
from tercet.rtl.common.lut_ram import LutRam
from tercet.rtl.emit import verilog, yosys_command

from ..npu.feed_forward import simulate_verilog


@pytest.mark.parametrize(("width", "depth"), [(32, 64), (9, 50), (5, 40), (3, 16), (1, 1)])
def test_reads_what_was_written(width, depth):
    memory = LutRam(width=width, depth=depth)
    generator = random.Random(depth)
    words, previous = [0] * depth, None
    steps, shown = [], []
    for _ in range(1000):
        read, write = generator.randrange(depth), generator.randrange(depth)
        enable, data = generator.random() < 0.5, generator.getrandbits(width)
        # The data belong to the address of the clock before; the word is read in the clock after its address.
        if previous is not None:
            words[previous] = data
        previous = write if enable else None
        shown.append(None if read == previous else words[read])
        steps.append({"read_address": read, "write": enable, "write_address": write, "write_data": data})
    found = simulate_verilog(memory, steps, "read_data", memory.latency)
    assert sum(word is not None and word != 0 for word in shown) > 200
    assert [None if word is None else mine for word, mine in zip(shown, found, strict=True)] == shown


@pytest.mark.parametrize(("depth", "cells"), [(64, 32), (40, 24), (16, 8)])
def test_synthesis_uses_lookup_tables(tmp_path, depth, cells):
    (tmp_path / "ram.v").write_text(verilog(LutRam(width=32, depth=depth), name="ram"))
    script = "read_verilog ram.v; synth_ecp5 -top ram -json ram.json"
    subprocess.run([*yosys_command(), "-q", "-p", script], cwd=tmp_path, check=True)
    cells_found = json.loads((tmp_path / "ram.json").read_text())["modules"]["ram"]["cells"]
    kinds = [cell["type"] for cell in cells_found.values()]
    assert kinds.count("TRELLIS_DPR16X4") == cells
    assert "DP16KD" not in kinds
    # Registers of both addresses and of the word, not of every cell's word.
    assert kinds.count("TRELLIS_FF") <= 32 + 2 * 6 + 1


@pytest.mark.parametrize(("width", "depth"), [(0, 4), (4, 0)])
def test_refuses(width, depth):
    with pytest.raises(ValueError, match=f"Memory of {depth} words of {width} bits; use at least 1 each"):
        LutRam(width=width, depth=depth)
