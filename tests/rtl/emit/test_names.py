"""Names that Verilog would have to escape."""

import re
import subprocess

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.emit import verilog, yosys_command
from tercet.rtl.emit.names import plain_names


class Reserved(wiring.Component):
    """Signals and a memory named by Verilog's reserved words, and two signals of the same name."""

    def __init__(self):
        super().__init__({"i": In(8), "o": Out(8)})

    def elaborate(self, platform):
        m = Module()
        total = self.i
        for word in ("begin", "logic", "program", "program_", "same", "same"):
            register = Signal(8, name=word)
            m.d.sync += register.eq(total)
            total = register + 1
        m.submodules.table = words = memory.Memory(shape=8, depth=8, init=[3, 1])
        read, write = words.read_port(), words.write_port()
        m.d.comb += [read.addr.eq(total), read.en.eq(1), write.addr.eq(self.i), write.en.eq(self.i[0])]
        m.d.comb += [write.data.eq(total), self.o.eq(read.data)]
        return m


def test_reserved_words_are_told_apart(tmp_path):
    text = verilog(Reserved(), name="top")
    assert "\\" not in text
    for name in ("begin_", "logic_", "program_", "program__", "same", r"same__\d+"):
        assert re.search(rf" {name} = 8.h00;\n", text)
    assert " table_ [7:0]" in text
    (tmp_path / "top.v").write_text(text)
    script = "read_verilog top.v; hierarchy -check -top top; proc; check -assert"
    subprocess.run([*yosys_command(), "-q", "-p", script], cwd=tmp_path, check=True)


def test_two_names_stay_two():
    names = [r"\a$1", r"\a__1", r"\a-b", r"\a_b", r"\3"]
    found = plain_names("".join(f"wire {name} \n" for name in names))
    assert re.findall(r"wire (\S+)", found) == [r"\a__1_", r"\a__1", r"\a_b_", r"\a_b", r"\n3"]
