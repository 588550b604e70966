"""Queue of the elements of C, which are needed later than they are taken."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.lut_ram import LutRam
from tercet.rtl.common.pipeline import register
from tercet.rtl.emit import shared

__all__ = ["Addends"]


class Addends(wiring.Component):
    """Keep a few parts of C in lookup tables. Neither `take` nor ``c.ready`` reaches the wide registers in the same
    clock, so a clock is not lost to wires across the chip::

        c --[ ]--> memory --[ ]--> part
                     ^
        take ----[place]

    Block RAM is all that an iCE40 has for it: there the parts stay in the stream until they are taken.

    Parameters
    ----------
    rows : int
        Rows of units; each has a memory of its own.
    width : int
        Bits of C for a row.
    family : str
        FPGA family.

    Members
    -------
    c : In(stream.Signature(rows * width))
        Parts of C.
    valid : Out(1)
        There is a part to take.
    take : In(1)
        Take the oldest part; only while `valid`.
    part : Out(rows * width)
        The part taken `latency` clocks ago.
    """

    def __init__(self, *, rows: int, width: int, family: str):
        self.rows, self.family = rows, family
        bits = rows * width
        super().__init__({"c": In(stream.Signature(bits)), "valid": Out(1), "take": In(1), "part": Out(bits)})

    @property
    def latency(self) -> int:
        """Clocks from `take` to the part."""
        return 2

    def elaborate(self, platform) -> Module:
        m = Module()
        if self.family == "ice40":
            m.d.comb += [
                self.c.ready.eq(self.take),
                self.valid.eq(self.c.valid),
                self.part.eq(register(m, "taken", self.c.payload, self.latency)),
            ]
        else:
            self._keep(m)
        return m

    def _keep(self, m: Module) -> None:
        """Add the memory, twice as deep as the number of waiting parts from which no more are accepted.

        That number is known a clock late, and a part is read a clock after it was taken.
        """
        depth = 16
        write_place, read_place = (Signal(range(depth), name=f"{name}_place") for name in ("write", "read"))
        waiting = Signal(range(depth))
        arrives = Signal()
        change = Cat(arrives, self.take)
        m.d.comb += arrives.eq(self.c.valid & self.c.ready)
        m.d.sync += [
            write_place.eq(write_place + arrives),
            read_place.eq(read_place + self.take),
            waiting.eq(waiting + arrives - self.take),
            self.c.ready.eq(waiting < depth // 2),
        ]
        with m.Switch(change):
            with m.Case(0b01):
                m.d.sync += self.valid.eq(1)
            with m.Case(0b10):
                m.d.sync += self.valid.eq(waiting != 1)
        payload = register(m, "s1_payload", self.c.payload)
        for n in range(self.rows):
            width = len(self.part) // self.rows
            m.submodules[f"row_{n}"] = row = shared(LutRam, width=width, depth=depth)
            m.d.comb += [
                row.write.eq(arrives),
                row.write_address.eq(write_place),
                row.write_data.eq(payload[n * width : (n + 1) * width]),
                row.read_address.eq(read_place),
                self.part[n * width : (n + 1) * width].eq(row.read_data),
            ]
