"""Simulation of a feed-forward component's Verilog, with the models of FPGA blocks."""

import re

import numpy as np
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.delay import EventDelay
from tercet.rtl.emit import verilog
from tercet.rtl.primitives import used
from tercet.sim import simulators
from tercet.sim.bench import Job, StreamPort, run

# Icarus, if there: it compiles a component in a tenth of a second, and undefined outputs are errors in it.
_AVAILABLE = [candidate.name for candidate in simulators.available() if candidate.simulator is not None]
_QUICK = "icarus" if "icarus" in _AVAILABLE else None


class _Streamed(wiring.Component):
    """Inputs of a clock on a stream, outputs of the same clock `latency` clocks later on another."""

    def __init__(self, component, inputs, output, latency):
        self.component, self.inputs, self.output, self.latency = component, inputs, output, latency
        width = sum(len(Value.cast(getattr(component, name))) for name in inputs)
        self.widths = width, len(Value.cast(getattr(component, output)))
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(self.widths[1]))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.component = component = self.component
        m.submodules.valid = valid = EventDelay(clocks=self.latency, width=1)
        first = 0
        for name in self.inputs:
            port = Value.cast(getattr(component, name))
            m.d.comb += port.eq(Mux(self.i.valid, self.i.payload[first : first + len(port)], 0))
            first += len(port)
        m.d.comb += [
            valid.i.eq(self.i.valid),
            self.i.ready.eq(1),
            self.o.valid.eq(valid.o),
            self.o.payload.eq(Value.cast(getattr(component, self.output))),
        ]
        return m


def simulate_verilog(component, steps, output, latency, edit=None):
    """Return `output` `latency` clocks after each step; a step maps all inputs to integers.

    `edit` is a pattern in the Verilog and its replacement, to break it.
    """
    top = _Streamed(component, list(steps[0]), output, latency)
    text = verilog(top, name="streamed")
    if edit:
        text, changes = re.subn(edit[0], edit[1], text)
        assert changes
    i, o = StreamPort("i", top.widths[0], "in"), StreamPort("o", top.widths[1], "out")
    widths = [len(Value.cast(getattr(component, name))) for name in steps[0]]
    beats = bytearray()
    for step in steps:
        word, first = 0, 0
        for value, width in zip(step.values(), widths, strict=True):
            word |= (int(value) & (1 << width) - 1) << first
            first += width
        beats += word.to_bytes(i.bytes, "little")
    job = Job({"i": np.frombuffer(bytes(beats), np.uint8).reshape(len(steps), -1)}, {"o": len(steps)})
    sources = {"streamed.v": text, **{path.name: path.read_text() for path in used(text)}}
    (result,) = run(sources, "streamed", [i, o], [job], simulator=_QUICK)
    return [int.from_bytes(beat.tobytes(), "little") for beat in result.outputs["o"]]


def split(word, width, count):
    """Split an integer into signed ones, the inverse of `joined`."""
    values = [word >> n * width & (1 << width) - 1 for n in range(count)]
    return [value - (1 << width) if value >> width - 1 else value for value in values]
