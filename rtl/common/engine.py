"""What all engines have beside their streams: counters, a control port, and layouts from tables of fields."""

from collections.abc import Iterable, Mapping

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.engine import COUNTER_BITS, EngineModel
from tercet.golden.streams import StreamPort

__all__ = ["CounterBank", "control_members", "counter_layout", "stream_ports", "struct_layout"]


def counter_layout(names: Iterable[str]) -> data.StructLayout:
    """Counters side by side."""
    return data.StructLayout(dict.fromkeys(names, COUNTER_BITS))


def control_members(model: EngineModel) -> dict[str, wiring.Member]:
    """Members of every engine beside its streams.

    ``counters`` are performance counters, ``clear`` sets them to zero; ``running``: work is not finished; ``error``:
    input was refused since the reset.
    """
    return {"counters": Out(counter_layout(model.counters)), "clear": In(1), "running": Out(1), "error": Out(1)}


def stream_ports(component: wiring.Component) -> list[StreamPort]:
    """Streams of a component, from its signature."""
    return [
        StreamPort(
            name, Shape.cast(member.signature.members["payload"].shape).width, "in" if member.flow == In else "out"
        )
        for name, member in component.signature.members.items()
        if member.is_signature and isinstance(member.signature, stream.Signature)
    ]


def struct_layout(fields: Mapping[str, int]) -> data.StructLayout:
    """A layout of fields by their bits, negative for a signed one, the first in the least significant ones."""
    return data.StructLayout({name: signed(-bits) if bits < 0 else bits for name, bits in fields.items()})


class CounterBank(wiring.Component):
    """Performance counters. A step is registered before it is added: latency 2.

    Parameters
    ----------
    steps : mapping of str to shape
        Counter to the shape of its step in a clock.

    Members
    -------
    steps : In(StructLayout(steps))
        What each counter grows by in this clock.
    clear : In(1)
        Set the counters to zero.
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
