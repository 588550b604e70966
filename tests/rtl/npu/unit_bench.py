"""Runs a unit of the NPU clock by clock: in Amaranth's simulator, or with the models of the ECP5's blocks in Icarus."""

import numpy as np
import pytest
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.streams import Job, StreamPort
from tercet.rtl.common.delay import EventDelay
from tercet.rtl.emit import verilog
from tercet.rtl.primitives import used
from tercet.sim import simulators
from tercet.sim.bench import run

__all__ = ["joined", "run_unit"]


def joined(values, width):
    """Pack signed integers into one, the first in the least significant bits."""
    return sum((int(value) & (1 << width) - 1) << n * width for n, value in enumerate(values))


class _Streamed(wiring.Component):
    """Unit on streams: a beat carries the inputs of a clock, and its output if the clock has a step, else 0."""

    def __init__(self, unit, events, output):
        self.unit, self.events, self.output = unit, events, getattr(unit, output)
        self.inputs = [name for name, member in unit.signature.members.items() if member.flow == wiring.In]
        width = sum(len(getattr(unit, name)) for name in self.inputs)
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(len(self.output)))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = self.unit
        first = 0
        for name in self.inputs:
            port = getattr(self.unit, name)
            value = self.i.payload[first : first + len(port)]
            m.d.comb += port.eq(Mux(self.i.valid, value, 0) if name in self.events else value)
            first += len(port)
        m.submodules.flags = flags = EventDelay(clocks=self.unit.latency, width=2)
        m.d.comb += [
            flags.i.eq(Cat(self.i.valid, self.unit.step)),
            self.i.ready.eq(1),
            self.o.valid.eq(flags.o[0]),
            self.o.payload.eq(Mux(flags.o[1], self.output, 0)),
        ]
        return m


def run_unit(through, unit, clocks, *, events, output, family):
    """Return the output that belongs to each clock's inputs, `latency` clocks later, where they are a step, else None.

    `clocks` maps all inputs to integers for each clock; those in `events` must not act in a clock without inputs.
    """
    steps = [inputs["step"] for inputs in clocks]
    if family == "ecp5":
        found = _icarus(_Streamed(unit, events, output), clocks)
    else:
        found = getattr(through(unit, clocks, **{output: unit.latency}), output)
    return [value if step else None for value, step in zip(found, steps, strict=True)]


def _icarus(streamed, clocks):
    try:
        simulators.find("icarus")
    except simulators.SimulatorNotFound as error:
        pytest.skip(str(error))
    i = StreamPort("i", len(streamed.i.payload), "in")
    o = StreamPort("o", len(streamed.o.payload), "out")
    beats = []
    for inputs in clocks:
        word, first = 0, 0
        for name in streamed.inputs:
            width = len(getattr(streamed.unit, name))
            word |= (inputs[name] & (1 << width) - 1) << first
            first += width
        beats.append(word.to_bytes(i.bytes, "little"))
    job = Job({"i": np.frombuffer(b"".join(beats), np.uint8).reshape(len(beats), -1)}, {"o": len(beats)})
    text = verilog(streamed, name="streamed")
    sources = {"streamed.v": text, **{path.name: path.read_text() for path in used(text)}}
    assert len(sources) > 1, "the unit instantiates no block"
    (result,) = run(sources, "streamed", [i, o], [job], simulator="icarus")
    return [int.from_bytes(beat.tobytes(), "little") for beat in result.outputs["o"]]
