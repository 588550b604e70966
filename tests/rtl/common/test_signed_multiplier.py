"""The signed multiplier on every family."""

import random

import numpy as np
import pytest
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.packing import join, unpack
from tercet.rtl.common.delay import Delay
from tercet.rtl.common.signed_multiplier import SignedMultiplier
from tercet.rtl.emit import shared, verilog
from tercet.rtl.primitives import used
from tercet.sim import simulators
from tercet.sim.bench import Job, StreamPort, run

CORNERS = (-(2**15), -(2**15) + 1, -1, 0, 1, 2, 2**15 - 1)


def operands(count, seed):
    """Operand pairs: all pairs of corners, and random ones."""
    generator = random.Random(seed)
    pairs = [(a, b) for a in CORNERS for b in CORNERS]
    pairs += [(generator.randrange(-(2**15), 2**15), generator.randrange(-(2**15), 2**15)) for _ in range(count)]
    generator.shuffle(pairs)
    return pairs


@pytest.mark.parametrize("latency", [2, 3])
def test_left_to_synthesis(simulate, latency):
    """A new pair per clock; its product follows `latency` clocks later."""
    product = SignedMultiplier(latency=latency)
    assert product.latency == latency
    pairs = operands(300, seed=1)

    async def bench(ctx):
        for act, weight in pairs:
            ctx.set(product.act, act)
            ctx.set(product.weight, weight)
            await ctx.tick()

    trace = simulate(product, bench, product=product.product)
    assert trace.product[product.latency :][: len(pairs)] == [act * weight for act, weight in pairs]


class Streamed(wiring.Component):
    """Multiplier on streams: one pair per beat, its product `latency` clocks later."""

    def __init__(self, family, latency):
        self.family, self.latency = family, latency
        super().__init__({"i": In(stream.Signature(32)), "o": Out(stream.Signature(32))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.product = product = shared(SignedMultiplier, family=self.family, latency=self.latency)
        m.submodules.valid = valid = Delay(clocks=product.latency, width=1)
        m.d.comb += [
            Cat(product.act, product.weight).eq(self.i.payload),
            self.i.ready.eq(1),
            valid.i.eq(self.i.valid),
            self.o.valid.eq(valid.o),
            self.o.payload.eq(product.product),
        ]
        return m


@pytest.mark.parametrize(
    ("family", "latency", "model"),
    [("ecp5", 3, "MULT18X18D.v"), ("ice40", 3, "SB_MAC16.v"), ("ice40", 2, "SB_MAC16.v")],
)
def test_block(family, latency, model):
    try:
        simulators.find("icarus")
    except simulators.SimulatorNotFound as error:
        pytest.skip(str(error))
    text = verilog(Streamed(family, latency), name="streamed")
    models = used(text)
    assert [path.name for path in models] == [model]
    pairs = np.array(operands(300, seed=2))
    ports = [StreamPort("i", 32, "in"), StreamPort("o", 32, "out")]
    job = Job({"i": join((pairs[:, 0] & 0xFFFF, 16), (pairs[:, 1] & 0xFFFF, 16))}, {"o": len(pairs)})
    sources = {"streamed.v": text, **{path.name: path.read_text() for path in models}}
    (result,) = run(sources, "streamed", ports, [job], simulator="icarus")
    np.testing.assert_array_equal(unpack(result.outputs["o"], 32, 1)[:, 0], pairs[:, 0] * pairs[:, 1])
