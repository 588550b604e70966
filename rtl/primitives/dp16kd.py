"""The block RAM of the Lattice ECP5 with its output register in use.

Synthesis infers the RAM but leaves that register in the fabric, and the unregistered output comes 5.6 ns after the
clock.
"""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["BlockRam"]


class BlockRam(wiring.Component):
    """512 words of 36 bits, one written and one read every clock; one ``DP16KD``.

    All words are 0 after configuration. What is read while the same word is written is undefined.

    Members
    -------
    read_address : In(9)
        Word to read.
    read_data : Out(36)
        The word, `latency` clocks later.
    write : In(1), write_address : In(9), write_data : In(36)
        Write a word.
    """

    def __init__(self):
        super().__init__(
            {
                "read_address": In(9),
                "read_data": Out(36),
                "write": In(1),
                "write_address": In(9),
                "write_data": In(36),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from an address to its word."""
        return 2

    def elaborate(self, platform) -> Module:
        m = Module()
        # The lower half of a word is on the pins of port A, the upper half on those of port B, for both directions.
        data = {f"i_DI{'AB'[n // 18]}{n % 18}": self.write_data[n] for n in range(36)}
        data |= {f"o_DO{'AB'[n // 18]}{n % 18}": self.read_data[n] for n in range(36)}
        addresses = {f"i_ADA{n + 5}": self.write_address[n] for n in range(9)}
        addresses |= {f"i_ADB{n + 5}": self.read_address[n] for n in range(9)}
        # At this width the low bits of the writing port's address enable its bytes.
        addresses |= {f"i_ADA{n}": self.write for n in range(4)} | {f"i_ADB{n}": Const(0, 1) for n in range(5)}
        selects = {f"i_CS{port}{n}": Const(0, 1) for port in "AB" for n in range(3)}
        modes = {f"p_DATA_WIDTH_{port}": 36 for port in "AB"} | {f"p_REGMODE_{port}": "OUTREG" for port in "AB"}
        modes |= {f"p_CSDECODE_{port}": "0b000" for port in "AB"}
        enables = {f"i_{name}{port}": Const(1, 1) for port in "AB" for name in ("CE", "OCE")}
        m.submodules.ram = Instance(
            "DP16KD",
            p_RESETMODE="SYNC",
            p_GSR="DISABLED",
            **modes,
            **data,
            **addresses,
            i_ADA4=Const(0, 1),
            **selects,
            **enables,
            i_CLKA=ClockSignal(),
            i_CLKB=ClockSignal(),
            i_WEA=Const(1, 1),
            i_WEB=Const(0, 1),
            i_RSTA=Const(0, 1),
            i_RSTB=Const(0, 1),
        )
        return m
