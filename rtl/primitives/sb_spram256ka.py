"""Large single-port RAM of the Lattice iCE40 UltraPlus, of which a device has four.

Synthesis infers it only for memories without initial values, and Amaranth's memories are always initialised to 0.
"""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SinglePortRam"]


class SinglePortRam(wiring.Component):
    """Memory of 16384 words of 16 bits, one written or one read per clock; one ``SB_SPRAM256KA``::

        address --> words --[latch]--> read_data
                             read

    The words are undefined after configuration, and so is the latch after each write.

    Members
    -------
    address : In(14)
        Word to read or to write.
    read : In(1)
        Load the word into the latch; no effect in a clock that writes.
    read_data : Out(16)
        Latch, `latency` clocks after the address; holds its word until the next read or write.
    write : In(1), write_data : In(16)
        Write a word.
    """

    def __init__(self):
        super().__init__(
            {
                "address": In(14),
                "read": In(1),
                "read_data": Out(16),
                "write": In(1),
                "write_data": In(16),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from an address to its word."""
        return 1

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.ram = Instance(
            "SB_SPRAM256KA",
            i_CLOCK=ClockSignal(),
            i_ADDRESS=self.address,
            i_DATAIN=self.write_data,
            i_MASKWREN=Const(0b1111, 4),
            i_WREN=self.write,
            i_CHIPSELECT=self.read | self.write,
            i_STANDBY=Const(0, 1),
            i_SLEEP=Const(0, 1),
            i_POWEROFF=Const(1, 1),  # active low
            o_DATAOUT=self.read_data,
        )
        return m
