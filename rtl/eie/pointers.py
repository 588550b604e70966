"""Pointer read: the first entry of a column in a PE's matrix memory, and the number of its entries."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.eie.config import EieConfig
from tercet.rtl.common.pipeline import register
from tercet.rtl.common.ram import Ram
from tercet.rtl.primitives.dp16kd import BlockRam

from .layouts import address_width, column_layout, count_width

__all__ = ["PointerRead"]


class PointerRead(wiring.Component):
    """Read both pointers of a column in one clock.

    They come from the two ports of one block RAM, if the FPGA has a true dual-port block that is large enough, or from
    two banks selected by the LSB of the column's number::

        address ------>[p_1, p_3, p_5 ...]--> lower or upper --> begin
        next_address ->[p_0, p_2, p_4 ...]--> upper or lower --> less begin: entries

    The read takes two clocks and forming the column two more; a shallow engine takes one clock for both.

    It never stalls, so it sits in front of the queue: a queued column can start at once, and a column that is empty in
    this PE is never queued.

    Parameters
    ----------
    config : EieConfig
        Widths and depths.

    Members
    -------
    column, item, end, act, address, next_address : In
        Fields of `broadcast_layout`.
    load : In(1), load_data : In
        Write the pointer at `address`: the word in the upper bits, the entry within the word in the lower.
    o : Out(column_layout(config))
        The column, `latency` clocks later.
    keep, drop : Out(1)
        `o` is a column to queue; `o` is an empty column and not the last.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        address = address_width(config.pointer_depth)
        super().__init__(
            {
                "column": In(1),
                "item": In(1),
                "end": In(1),
                "act": In(signed(16)),
                "address": In(address),
                "next_address": In(address),
                "load": In(1),
                "load_data": In(config.pointer_width),
                "o": Out(column_layout(config)),
                "keep": Out(1),
                "drop": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from a column's addresses to `o`."""
        return self.config.timing.pointers

    def elaborate(self, platform) -> Module:
        m = Module()
        shallow = self.config.shallow
        # Latency of the memory, and registers behind its words.
        self._read, self._between = (1, 0) if shallow else (2, 1)
        self._domain = "comb" if shallow else "sync"
        # With a power of two of entries per word a pointer is a linear index.
        linear = 1 << self.config.offset_width == self.config.entries_per_word
        if self.true_dual_port:
            # Treat every column as odd: its own pointer takes the odd bank's role.
            odd, even, s2_odd = *self._ports(m), C(1, 1)
        else:
            odd, even = self._banks(m)
            s2_odd = register(m, "s2_odd", self.address[0], self._read)
        begin = Signal.like(odd)
        m.d.comb += begin.eq(Mux(s2_odd, odd, even))
        before = self._read + self._between
        item = register(m, "s_item", self.item, before)
        more = (self._count if linear else self._count_words)(m, odd, even, s2_odd)
        m.d[self._domain] += [
            self.o.begin.eq(register(m, "s3_begin", begin, self._between)),
            self.o.more.eq(Mux(item, more, -1)),
            self.o.act.eq(register(m, "s_act", self.act, before)),
            self.o.end.eq(register(m, "s_end", self.end, before)),
        ]
        column = self.column
        for stage in range(1, self.latency + 1):
            moved = Signal(name=f"s{stage}_column")
            m.d.sync += moved.eq(column)
            column = moved
        kept = Signal()
        m.d.comb += [
            kept.eq((self.o.more >= 0) | self.o.end),
            self.keep.eq(column & kept),
            self.drop.eq(column & ~kept),
        ]
        return m

    @property
    def true_dual_port(self) -> bool:
        """Whether a single true dual-port block holds all pointers."""
        config = self.config
        return config.family == "ecp5" and config.pointer_depth <= 1024 and config.pointer_width <= 18

    def _ports(self, m: Module) -> list[Value]:
        """Return the words at `address` and `next_address`, two clocks later."""
        m.submodules.block = block = BlockRam(mode=18, true_dual_port=True)
        m.d.comb += [
            block.read_address.eq(self.next_address),
            block.write_address.eq(self.address),
            block.write.eq(self.load),
            block.write_data.eq(self.load_data),
        ]
        width = self.config.pointer_width
        return [block.write_port_data[:width], block.read_data[:width]]

    def _banks(self, m: Module) -> list[Value]:
        """Return the words of the odd and of the even bank, `_read` clocks after their addresses."""
        depth = -(-self.config.pointer_depth // 2)
        words = []
        for name, address, here in (
            ("odd", self.address, self.address[0]),
            ("even", self.next_address, ~self.address[0]),
        ):
            width, family = self.config.pointer_width, self.config.family
            m.submodules[name] = bank = Ram(width=width, depth=depth, family=family, latency=self._read)
            m.d.comb += [
                bank.read_enable.eq(1),
                bank.out_enable.eq(1),
                bank.read_address.eq(address[1:]),
                bank.write.eq(self.load & here),
                bank.write_address.eq(self.address[1:]),
                bank.write_data.eq(self.load_data),
            ]
            words.append(bank.read_data)
        return words

    def _count(self, m: Module, odd: Value, even: Value, s2_odd: Value) -> Value:
        """Return the number of entries of a column less one, at s3.

        The even bank's pointer minus the odd one's is the count or its negative: ``odd - even - 1 == ~(even - odd)``.
        The lower bits can count all entries of a column, so the upper bits, equal or one carry apart, are left out.
        """
        low = count_width(self.config)
        s3_difference = Signal(low + 1, reset_less=True)
        # An extra bit below the LSB supplies the borrow of 1: synthesis folds no third term into a carry chain.
        m.d[self._domain] += s3_difference.eq(Cat(C(0, 1), even[:low]) - Cat(s2_odd, odd[:low]))
        s3_even = register(m, "s3_even", ~s2_odd, self._between)
        return (s3_difference[1:] ^ s3_even.replicate(low)).as_signed()

    def _count_words(self, m: Module, odd: Value, even: Value, s2_odd: Value) -> Value:
        """Return the number of entries less one, from pointers of a word and an offset within it."""
        offsets, low = self.config.offset_width, count_width(self.config)
        words = Signal(low, name="s3_words", reset_less=True)
        places = Signal(signed(offsets + 1), name="s3_places", reset_less=True)
        m.d[self._domain] += [words.eq(even[offsets:] - odd[offsets:]), places.eq(even[:offsets] - odd[:offsets])]
        # Shifts and adds: a multiplication would take a multiplier block.
        per_word = self.config.entries_per_word
        entries = sum((words << bit for bit in range(offsets) if per_word >> bit & 1), places)
        s3_odd = register(m, "s3_odd", s2_odd, self._between)
        difference = Signal(low)
        m.d.comb += difference.eq(entries - s3_odd)
        return (difference ^ (~s3_odd).replicate(low)).as_signed()
