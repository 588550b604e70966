"""The ECP5 block RAM's component and model: what is written is read, two clocks after its address."""

import json
import subprocess

import numpy as np
from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl import primitives
from tercet.rtl.common.delay import Delay
from tercet.rtl.emit import verilog, yosys_command
from tercet.rtl.primitives.dp16kd import BlockRam
from tercet.sim import simulators
from tercet.sim.bench import Job, StreamPort, run
from tercet.sim.packing import join, unpack


class Streamed(wiring.Component):
    """A write and a read a clock; every read is answered."""

    def __init__(self):
        super().__init__({"i": In(stream.Signature(55)), "o": Out(stream.Signature(36))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.ram = ram = BlockRam()
        m.submodules.valid = valid = Delay(clocks=ram.latency, width=1)
        write = Signal()
        m.d.comb += [
            Cat(ram.write_address, ram.read_address, write, ram.write_data).eq(self.i.payload),
            ram.write.eq(write & self.i.valid),
            self.i.ready.eq(1),
            valid.i.eq(self.i.valid),
            self.o.valid.eq(valid.o),
            self.o.payload.eq(ram.read_data),
        ]
        return m


def test_reads_what_was_written():
    rng = np.random.default_rng(0)
    count = 5000
    to, of = rng.integers(0, 512, (2, count))
    of = np.where(of == to, (of + 1) % 512, of)
    write = rng.random(count) < 0.7
    data = rng.integers(0, 2**36, count)
    text = verilog(Streamed(), name="streamed")
    sources = {"streamed.v": text, **{path.name: path.read_text() for path in primitives.used(text)}}
    job = Job({"i": join((to, 9), (of, 9), (write, 1), (data, 36))}, {"o": count})
    ports = [StreamPort("i", 55, "in"), StreamPort("o", 36, "out")]
    for simulator in (found.name for found in simulators.available() if found.simulator):
        out = run(sources, "streamed", ports, [job], simulator=simulator)[0].outputs["o"]
        words = np.zeros(512, np.int64)
        for n in range(count):
            assert unpack(out[n : n + 1], 18, 2)[0].tolist() == [
                int(half) - 2**18 * (int(half) >= 2**17) for half in (words[of[n]] & 0x3FFFF, words[of[n]] >> 18)
            ]
            if write[n]:
                words[to[n]] = data[n]


class Inferred(BlockRam):
    """The same words, left to synthesis."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = memory.Memory(
            shape=unsigned(36), depth=512, init=[], attrs={"no_rw_check": "1", "ram_style": "block"}
        )
        write_port = words.write_port()
        read_port = words.read_port()
        m.d.comb += [
            write_port.addr.eq(self.write_address),
            write_port.data.eq(self.write_data),
            write_port.en.eq(self.write),
            read_port.addr.eq(self.read_address),
            read_port.en.eq(1),
            self.read_data.eq(read_port.data),
        ]
        return m


def wiring_of(component, folder):
    """What each pin of the one block RAM in a synthesised component is connected to: a port's bit, or a constant."""
    (folder / "ram.v").write_text(verilog(component, name="ram"))
    script = "read_verilog -sv ram.v; synth_ecp5 -top ram; write_json ram.json"
    subprocess.run([*yosys_command(), "-q", "-p", script], cwd=folder, check=True)
    top = json.loads((folder / "ram.json").read_text())["modules"]["ram"]
    names = {bit: f"{name}[{n}]" for name, port in top["ports"].items() for n, bit in enumerate(port["bits"])}
    (ram,) = (cell for cell in top["cells"].values() if cell["type"] == "DP16KD")
    return {pin: str(names.get(bits[0], bits[0])) for pin, bits in ram["connections"].items() if bits}


def test_wired_as_synthesis_does(tmp_path):
    """Which half of a word is on which pins no simulation of ours can tell; synthesis' own wiring runs on boards."""
    ours, theirs = (wiring_of(component, tmp_path) for component in (BlockRam(), Inferred()))
    for pin, net in theirs.items():
        if pin.startswith(("DI", "DO", "AD", "CLK", "CS", "WE")):
            assert ours[pin] == net, pin
    assert sum("read_data" in net for net in ours.values()) == 36
