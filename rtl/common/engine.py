"""Parts common to all engines apart from their streams: counters, control members, layouts from field tables."""

from collections.abc import Iterable, Mapping

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.engine import COUNTER_BITS, EngineModel
from tercet.golden.streams import StreamPort

__all__ = ["CounterBank", "control_members", "counter_layout", "stream_ports", "struct_layout"]


def counter_layout(names: Iterable[str]) -> data.StructLayout:
    """Layout of counters of `COUNTER_BITS` each, the first in the least significant bits."""
    return data.StructLayout(dict.fromkeys(names, COUNTER_BITS))


def control_members(model: EngineModel) -> dict[str, wiring.Member]:
    """Members of every engine apart from its streams.

    ``counters`` are the performance counters, and ``clear`` zeroes them. ``running`` is 1 while work is unfinished,
    ``error`` if input has been rejected since the reset.
    """
    return {"counters": Out(counter_layout(model.counters)), "clear": In(1), "running": Out(1), "error": Out(1)}


def stream_ports(component: wiring.Component) -> list[StreamPort]:
    """List the streams of a component from its signature."""
    return [
        StreamPort(
            name, Shape.cast(member.signature.members["payload"].shape).width, "in" if member.flow == In else "out"
        )
        for name, member in component.signature.members.items()
        if member.is_signature and isinstance(member.signature, stream.Signature)
    ]


def struct_layout(fields: Mapping[str, int]) -> data.StructLayout:
    """Build a layout from field widths, negative for signed fields, with the first in the least significant bits."""
    return data.StructLayout({name: signed(-bits) if bits < 0 else bits for name, bits in fields.items()})


class CounterBank(wiring.Component):
    """Performance counters. A step is registered before it is added, so the latency is 2.

    Parameters
    ----------
    steps : mapping of str to shape
        Shape of each counter's step per clock, by counter.

    Members
    -------
    steps : In(StructLayout(steps))
        Increment of each counter in this clock.
    clear : In(1)
        Zero the counters.
    counts : Out(counter_layout(steps))
        The counters.
    """

    def __init__(self, *, steps: Mapping[str, ShapeLike]):
        super().__init__(
            {"steps": In(data.StructLayout(dict(steps))), "clear": In(1), "counts": Out(counter_layout(steps))}
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        for name in self.steps.shape().members:
            step = Signal.like(self.steps[name], name=f"s1_{name}")
            m.d.sync += step.eq(self.steps[name])
            with m.If(self.clear):
                m.d.sync += self.counts[name].eq(0)
            with m.Else():
                m.d.sync += self.counts[name].eq(self.counts[name] + step)
        return m
