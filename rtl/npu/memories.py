"""Memory of wide words, written by the host 32 bits at a time: weights, parameters or instructions."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.lut_ram import LutRam
from tercet.rtl.common.pipeline import event, register
from tercet.rtl.common.ram import Ram
from tercet.rtl.emit import shared

__all__ = ["WordMemory"]

_BEAT = 32
_SMALL, _LARGEST = 512, 16384  # words of the widest and of the deepest block of ECP5
_LUT_RAM_WORDS = 64  # depth up to which the rest of a deep memory does without a block


class WordMemory(wiring.Component):
    """Read whole words, write 32-bit beats of them; one of each per clock::

                                             +--> bits 0 to 31 -----+
        write_data --[ ]--[ ]----------------+--> bits 32 to 63 ----+--> data
        write, address, beat --[ ]--[ ]--> enable of a column       |
                                             +--> bits 64 to ... ---+

    A read of a word that is being written, in the clock of the write or the two after it, is undefined. Words are
    initially 0.

    Parameters
    ----------
    width : int
        Width of a word in bits; the last beat of a word may be shorter than 32 bits.
    depth : int
        Number of words.
    family : str
        FPGA family, as in `Ram`.

    Members
    -------
    address : In(range(depth))
        Word to read; always enabled.
    data : Out(width)
        The word, `latency` clocks later.
    write : In(1), write_address : In(range(depth)), write_beat : In(range(beats)), write_data : In(32)
        Write bits ``32 * write_beat`` to ``32 * write_beat + 31`` of a word.

    Raises
    ------
    ValueError
        If `width` or `depth` is below 1.
    """

    def __init__(self, *, width: int, depth: int, family: str = "any"):
        for name, value in (("width", width), ("depth", depth)):
            if value < 1:
                raise ValueError(f"Memory {name} is {value}; use at least 1")
        self.width, self.depth, self.family = width, depth, family
        address = max(1, (depth - 1).bit_length())
        super().__init__(
            {
                "address": In(address),
                "data": Out(width),
                "write": In(1),
                "write_address": In(address),
                "write_beat": In(range(max(2, self.beats))),
                "write_data": In(_BEAT),
            }
        )

    @property
    def beats(self) -> int:
        """Beats of a word."""
        return -(-self.width // _BEAT)

    @property
    def latency(self) -> int:
        """Clocks from an address to its word."""
        return 2

    def elaborate(self, platform) -> Module:
        m = Module()
        # Written two clocks later: the blocks are all over the chip.
        s1_address = register(m, "s1_write_address", self.write_address)
        s1_write = Signal(self.beats, name="s1_write")
        m.d.sync += s1_write.eq(Cat(self.write & (self.write_beat == n) for n in range(self.beats)))
        s2_data = register(m, "s2_write_data", self.write_data, 2)
        # That of lookup tables is written another clock later.
        s3_data = register(m, "s3_write_data", s2_data)
        pieces = _pieces(self.depth, self.family)
        starts = [sum(pieces[:n]) for n in range(len(pieces))]
        s2_pieces = [register(m, f"s2_piece_{n}", self.address >= start, 2) for n, start in enumerate(starts[1:], 1)]
        s2_addresses = [register(m, f"s2_write_address_{n}", s1_address - start) for n, start in enumerate(starts)]
        address = self.write_address
        s1_here = [
            register(m, f"s1_here_{n}", (address >= start) & (address < start + depth)) if len(pieces) > 1 else C(1)
            for n, (start, depth) in enumerate(zip(starts, pieces, strict=True))
        ]
        for n in range(self.beats):
            part, words = self.data[n * _BEAT : (n + 1) * _BEAT], []
            for number, (start, depth) in enumerate(zip(starts, pieces, strict=True)):
                name = f"column_{n}_{number}" if number else f"column_{n}"
                s2_write = event(m, f"s2_write_{name}", s1_write[n] & s1_here[number])
                if number and depth <= _LUT_RAM_WORDS:
                    m.submodules[name] = ram = shared(LutRam, width=len(part), depth=depth)
                    m.d.comb += ram.write_data.eq(s3_data)
                else:
                    m.submodules[name] = ram = shared(Ram, width=len(part), depth=depth, family=self.family)
                    m.d.comb += [ram.read_enable.eq(1), ram.out_enable.eq(1), ram.write_data.eq(s2_data)]
                m.d.comb += [
                    ram.read_address.eq(self.address - start),
                    ram.write.eq(s2_write),
                    ram.write_address.eq(s2_addresses[number]),
                ]
                words.append(ram.read_data)
            word = words[0]
            for chosen, other in zip(s2_pieces, words[1:], strict=True):
                word = Mux(chosen, other, word)
            m.d.comb += part.eq(word)
        return m


def _pieces(depth: int, family: str) -> list[int]:
    """Split a depth so that block RAMs, whose depth is a power of two, are well used."""
    if family != "ecp5" or depth <= _SMALL:
        return [depth]
    found = []
    while depth > _SMALL:
        found.append(min(1 << depth.bit_length() - 1, _LARGEST))
        depth -= found[-1]
    return [*found, depth] if depth else found
