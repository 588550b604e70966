"""Initial contents of memories: loops instead of one line per word."""

import re
import subprocess

import pytest
from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.emit import verilog, yosys_command


class Table(wiring.Component):
    """A memory, written and read."""

    def __init__(self, width, depth, content):
        self.content, self.depth, self.width = content, depth, width
        super().__init__({"address": In(range(depth)), "i": In(width), "en": In(1), "o": Out(width)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = memory.Memory(shape=self.width, depth=self.depth, init=self.content)
        write, read = words.write_port(), words.read_port()
        m.d.comb += [write.addr.eq(self.address), write.data.eq(self.i), write.en.eq(self.en)]
        m.d.comb += [read.addr.eq(self.address), read.en.eq(1), self.o.eq(read.data)]
        return m


@pytest.mark.parametrize("width", [1, 8, 31, 32, 33, 64])
def test_zeros_of_any_width(width):
    text = verilog(Table(width, 4096, []), name="top")
    zero = "0" * -(-width // 4)
    assert f"    for (n = 0; n <= 4095; n = n + 1) words[n] = {width}'h{zero};\n" in text
    assert len(text) < 2000


def test_runs_of_equal_words(tmp_path):
    """yosys reads back the given words, including those between the runs."""
    content = [7, 7, 7, 7, 0, 5, 5, 2**32 - 1, *[9] * 20]
    text = verilog(Table(32, 64, content), name="top")
    assert text.count("for (") == 3
    (tmp_path / "top.v").write_text(text)
    script = "read_verilog top.v; proc; memory_collect; write_rtlil top.il"
    subprocess.run([*yosys_command(), "-q", "-p", script], cwd=tmp_path, check=True)
    bits = re.search(r"parameter \\INIT 2048'([01]+)", (tmp_path / "top.il").read_text())
    assert bits is not None
    words = [int(bits[1][at : at + 32], 2) for at in range(0, 2048, 32)][::-1]
    assert words == content + [0] * (64 - len(content))
