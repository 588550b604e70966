"""Memory in the lookup tables of the Lattice ECP5, with address registers of its own."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .choice import choose
from .pipeline import register

__all__ = ["LutRam"]

# Words of a cell. Synthesis would choose among the four cells of a deeper memory with twice as many tables.
_PAGE = 16


class LutRam(wiring.Component):
    """Simple dual-port memory, one word written and one read per clock::

        read_address --[ ]--> pages of 16 words --> choice --[ ]--> read_data
        write, write_address --[ ]----^
        write_data -------------------+

    Takes ``TRELLIS_DPR16X4``, 6 lookup tables per 16 words of 4 bits. Each instance has its own address registers: an
    address drives many tables, and those of a row of memories would need wires across the chip.

    Parameters
    ----------
    width, depth : int
        Width of a word in bits, and number of words; at least 1 each.

    Members
    -------
    read_address : In(range(depth))
        Word to read.
    read_data : Out(width)
        The word, `latency` clocks after its address. A read in the clock of the word's `write_data` is undefined.
    write : In(1), write_address : In(range(depth))
        In the next clock `write_data` is the new word at that address.
    write_data : In(width)
        Word to write.
    """

    # Otherwise synthesis merges the equal address registers of several memories.
    keep_hierarchy = True

    def __init__(self, *, width: int, depth: int):
        if width < 1 or depth < 1:
            raise ValueError(f"Memory of {depth} words of {width} bits; use at least 1 each")
        self.width, self.depth = width, depth
        address = max(1, (depth - 1).bit_length())
        super().__init__(
            {
                "read_address": In(address),
                "read_data": Out(width),
                "write": In(1),
                "write_address": In(address),
                "write_data": In(width),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from an address to its word."""
        return 2

    def elaborate(self, platform) -> Module:
        m = Module()
        low = _PAGE.bit_length() - 1
        read_address = register(m, "s1_read_address", self.read_address)
        write_address = register(m, "s1_write_address", self.write_address)
        write = Signal(name="s1_write")
        m.d.sync += write.eq(self.write)
        words = []
        for n in range(-(-self.depth // _PAGE)):
            depth = min(_PAGE, self.depth - n * _PAGE)
            m.submodules[f"page_{n}"] = page = memory.Memory(
                shape=unsigned(self.width), depth=depth, init=[], attrs={"no_rw_check": "1"}
            )
            read_port = page.read_port(domain="comb")
            write_port = page.write_port()
            m.d.comb += [
                read_port.addr.eq(read_address[:low]),
                write_port.addr.eq(write_address[:low]),
                write_port.data.eq(self.write_data),
                write_port.en.eq(write & (write_address[low:] == n)),
            ]
            words.append(read_port.data)
        word = choose(m, "word", "ecp5", words, read_address[low:])
        m.d.comb += self.read_data.eq(register(m, "s2_word", word))
        return m
