"""Component and model of the ECP5 block RAM: words written are read back, two clocks after their address."""

import json
import subprocess

import numpy as np
import pytest
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.packing import join, unpack
from tercet.rtl import primitives
from tercet.rtl.common.delay import Delay
from tercet.rtl.emit import verilog, yosys_command
from tercet.rtl.primitives.dp16kd import BlockRam
from tercet.sim import simulators
from tercet.sim.bench import Job, StreamPort, run


class Streamed(wiring.Component):
    """Block RAM on streams: a write and a read per clock, or two reads with a true dual port; each beat is answered."""

    def __init__(self, *, true_dual_port=False):
        self.true_dual_port = true_dual_port
        super().__init__({"i": In(stream.Signature(39 if true_dual_port else 55)), "o": Out(stream.Signature(36))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.ram = ram = BlockRam(mode=18 if self.true_dual_port else 36, true_dual_port=self.true_dual_port)
        m.submodules.valid = valid = Delay(clocks=ram.latency, width=1)
        write = Signal()
        m.d.comb += [
            Cat(ram.write_address, ram.read_address, write, ram.write_data).eq(self.i.payload),
            ram.write.eq(write & self.i.valid),
            self.i.ready.eq(1),
            valid.i.eq(self.i.valid),
            self.o.valid.eq(valid.o),
            self.o.payload.eq(Cat(ram.read_data, ram.write_port_data) if self.true_dual_port else ram.read_data),
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


def test_both_ports_read():
    """The write port reads the word at its address, two clocks after a clock without a write."""
    rng = np.random.default_rng(1)
    count = 5000
    to, of = rng.integers(0, 1024, (2, count))
    of = np.where(of == to, (of + 1) % 1024, of)
    write = rng.random(count) < 0.4
    data = rng.integers(0, 2**18, count)
    text = verilog(Streamed(true_dual_port=True), name="streamed")
    sources = {"streamed.v": text, **{path.name: path.read_text() for path in primitives.used(text)}}
    job = Job({"i": join((to, 10), (of, 10), (write, 1), (data, 18))}, {"o": count})
    ports = [StreamPort("i", 39, "in"), StreamPort("o", 36, "out")]
    for simulator in (found.name for found in simulators.available() if found.simulator):
        out = unpack(run(sources, "streamed", ports, [job], simulator=simulator)[0].outputs["o"], 18, 2) % 2**18
        words = np.zeros(1024, np.int64)
        for n in range(count):
            assert out[n, 0] == words[of[n]]
            if write[n]:
                words[to[n]] = data[n]
            else:
                assert out[n, 1] == words[to[n]]


MODES = (36, 18, 9, 4, 2, 1)

# An inferred true dual-port memory, whose write port reads the word at its address, beside an instance of ours.
TRUE_DUAL_PORT = """
module inferred_true (input clk, read_enable, write, input [9:0] read_address, write_address,
                      input [17:0] write_data, output reg [17:0] read_data, write_port_data);
    (* no_rw_check, ram_style = "block" *) reg [17:0] words [0:1023];
    always @(posedge clk) if (write) words[write_address] <= write_data;
    always @(posedge clk) if (!write) write_port_data <= words[write_address];
    always @(posedge clk) if (read_enable) read_data <= words[read_address];
endmodule
module both (input clk, read_enable, out_enable, write, input [9:0] read_address, write_address,
             input [17:0] write_data,
             output [17:0] instance_data, inferred_data, instance_other, inferred_other);
    instance_true ours (.clk(clk), .read_enable(read_enable), .write(write), .write_data(write_data),
        .read_address(read_address), .write_address(write_address), .out_enable(out_enable),
        .read_data(instance_data), .write_port_data(instance_other));
    inferred_true theirs (.clk(clk), .read_enable(read_enable), .write(write), .write_data(write_data),
        .read_address(read_address), .write_address(write_address),
        .read_data(inferred_data), .write_port_data(inferred_other));
endmodule
"""

INFERRED = """
module inferred{mode} (input clk, read_enable, write, input [{bits}-1:0] read_address, write_address,
                       input [{mode}-1:0] write_data, output reg [{mode}-1:0] read_data);
    (* no_rw_check, ram_style = "block" *) reg [{mode}-1:0] words [0:(1 << {bits}) - 1];
    always @(posedge clk) if (write) words[write_address] <= write_data;
    always @(posedge clk) if (read_enable) read_data <= words[read_address];
endmodule
"""


@pytest.fixture(scope="module")
def wiring_of(tmp_path_factory):
    """Connections of the block RAM's pins by instance: a bit of a port of the top, "0", "1", "x" or ""."""
    folder = tmp_path_factory.mktemp("wiring")
    texts, outputs, instances = [], [], []
    for mode in MODES:
        bits = (BlockRam(mode=mode).words - 1).bit_length()
        texts += [verilog(BlockRam(mode=mode), name=f"instance{mode}"), INFERRED.format(mode=mode, bits=bits)]
        outputs.append(f"output [{mode - 1}:0] instance{mode}_data, inferred{mode}_data")
        pins = ".clk(clk), .read_enable(read_enable), .write(write), "
        pins += f".write_data(write_data[{mode - 1}:0]), "
        pins += f".read_address(read_address[{bits - 1}:0]), .write_address(write_address[{bits - 1}:0])"
        instances.append(
            f"instance{mode} ours{mode} ({pins}, .out_enable(out_enable), .read_data(instance{mode}_data));\n"
            f"inferred{mode} theirs{mode} ({pins}, .read_data(inferred{mode}_data));"
        )
    inputs = "clk, read_enable, out_enable, write, input [13:0] read_address, write_address, input [35:0] write_data"
    texts.append(f"module both (input {inputs}, {', '.join(outputs)});\n" + "\n".join(instances) + "\nendmodule\n")
    return nets(folder, "\n".join(texts))


def nets(folder, text):
    """Synthesise module `both`; return the connection of each pin of its block RAMs, by instance."""
    (folder / "both.v").write_text(text)
    script = "read_verilog both.v; synth_ecp5 -top both; write_json both.json"
    subprocess.run([*yosys_command(), "-q", "-p", script], cwd=folder, check=True)
    top = json.loads((folder / "both.json").read_text())["modules"]["both"]
    names = {bit: f"{name}[{n}]" for name, port in top["ports"].items() for n, bit in enumerate(port["bits"])}
    return {
        name.split(".")[0]: {
            pin: bits[0] if isinstance(bits[0], str) else names.get(bits[0], "")
            for pin, bits in cell["connections"].items()
            if bits
        }
        for name, cell in top["cells"].items()
        if cell["type"] == "DP16KD"
    }


@pytest.mark.parametrize("mode", MODES)
def test_wired_as_synthesis_does(wiring_of, mode):
    """Our own simulation cannot check the order of data pins; the wiring made by synthesis is proven on boards."""
    ours, theirs = wiring_of[f"ours{mode}"], wiring_of[f"theirs{mode}"]
    assert sorted(net for net in ours.values() if "_data[" in net and net.startswith("instance")) == sorted(
        f"instance{mode}_data[{n}]" for n in range(mode)
    )
    check_pins(ours, theirs, mode)


def check_pins(ours, theirs, mode):
    assert ours["OCEB"] == "out_enable[0]"
    for pin, net in theirs.items():
        if net == "x":  # write data of the port that never writes; the vendor's own netlists have 0, like ours
            assert pin.startswith("DIB")
            assert mode < 36
            assert ours[pin] == "0"
        elif net and not pin.startswith(("RST", "OCE")):
            assert ours[pin] == net.replace("inferred", "instance"), pin


def test_both_ports_are_wired_as_synthesis_does(tmp_path):
    text = verilog(BlockRam(mode=18, true_dual_port=True), name="instance_true")
    found = nets(tmp_path, text + TRUE_DUAL_PORT)
    assert [found["ours"][f"DOA{n}"] for n in range(18)] == [f"instance_other[{n}]" for n in range(18)]
    check_pins(found["ours"], found["theirs"], 18)


def test_refuses():
    with pytest.raises(ValueError, match="Block RAM mode 8 does not exist; use 36, 18, 9, 4, 2, 1"):
        BlockRam(mode=8)
    with pytest.raises(ValueError, match="Block RAM mode 36 has no second read port; use 18 or less"):
        BlockRam(mode=36, true_dual_port=True)


class Clocks(wiring.Component):
    """Block RAM with a clock for each port, and none other."""

    def __init__(self, *, mode):
        self.mode = mode
        super().__init__({"o": Out(mode)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.ram = ram = BlockRam(mode=self.mode, read_domain="engine", write_domain="sync")
        m.d.comb += self.o.eq(ram.read_data)
        return m


@pytest.mark.parametrize("mode", [36, 9])
def test_each_port_has_its_clock(mode):
    text = verilog(Clocks(mode=mode), name="clocks")
    assert ".CLKA(clk)" in text
    assert ".CLKB(engine_clk)" in text
