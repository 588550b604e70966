"""Block RAM of the Lattice ECP5 with its output register in use.

Synthesis infers the RAM but leaves that register in the fabric, and the unregistered output is valid only 5.6 ns after
the clock edge.
"""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["BlockRam"]

_UNUSED = {36: 5, 18: 4, 9: 3, 4: 2, 2: 1, 1: 0}  # mode: number of low address pins that select no word


class BlockRam(wiring.Component):
    """Memory of 512 to 16384 words, one written and one read per clock; one ``DP16KD``::

        mode    36   18    9     4     2     1
        words   512  1024  2048  4096  8192  16384

        read_address --> words --[latch]--[output register]--> read_data
                                  read_enable   out_enable

    All words are 0 after configuration. A read of a word in the clock of its write is undefined.

    Parameters
    ----------
    mode : int
        Width of a word in bits: 36, 18, 9, 4, 2 or 1.
    true_dual_port : bool
        The write port also reads, in clocks without a write; not in mode 36, whose words occupy both ports.
    read_domain, write_domain : str
        Clock domains of the two ports.

    Members
    -------
    read_enable : In(1)
        Load the word at `read_address` into the latch; 1 if not driven.
    read_address : In(range(words))
        Word to read.
    out_enable : In(1)
        Load the latch into the output register; 1 if not driven.
    read_data : Out(mode)
        Output register: with both enables 1, the word `latency` clocks after its address.
    write : In(1), write_address : In(range(words)), write_data : In(mode)
        Write a word.
    write_port_data : Out(mode)
        With `true_dual_port`: the word at `write_address`, `latency` clocks later; always enabled.

    Raises
    ------
    ValueError
        If the mode does not exist, or has no second read port for `true_dual_port`.
    """

    def __init__(
        self,
        *,
        mode: int = 36,
        true_dual_port: bool = False,
        read_domain: str = "sync",
        write_domain: str = "sync",
    ):
        if mode not in _UNUSED:
            raise ValueError(f"Block RAM mode {mode} does not exist; use {', '.join(map(str, _UNUSED))}")
        if true_dual_port and mode == 36:
            raise ValueError("Block RAM mode 36 has no second read port; use 18 or less")
        self.mode, self.true_dual_port = mode, true_dual_port
        self._read_domain, self._write_domain = read_domain, write_domain
        address = 14 - _UNUSED[mode]
        super().__init__(
            {
                "read_enable": In(1, init=1),  # pyright: ignore[reportCallIssue]
                "read_address": In(address),
                "out_enable": In(1, init=1),  # pyright: ignore[reportCallIssue]
                "read_data": Out(mode),
                "write": In(1),
                "write_address": In(address),
                "write_data": In(mode),
                **({"write_port_data": Out(mode)} if true_dual_port else {}),
            }
        )

    @property
    def words(self) -> int:
        """Number of words."""
        return 1 << 14 - _UNUSED[self.mode]

    @property
    def latency(self) -> int:
        """Clocks from an address to its word."""
        return 2

    def elaborate(self, platform) -> Module:
        m = Module()
        modes = {f"p_DATA_WIDTH_{port}": self.mode for port in "AB"}
        modes |= {f"p_REGMODE_{port}": "OUTREG" for port in "AB"} | {f"p_CSDECODE_{port}": "0b000" for port in "AB"}
        selects = {f"i_CS{port}{n}": Const(0, 1) for port in "AB" for n in range(3)}
        m.submodules.ram = Instance(
            "DP16KD",
            p_RESETMODE="SYNC",
            p_GSR="DISABLED",
            **modes,
            **self._data(),
            **self._addresses(),
            **selects,
            i_CLKA=ClockSignal(self._write_domain),
            i_CLKB=ClockSignal(self._read_domain),
            i_CEA=Const(1, 1),
            i_OCEA=Const(1, 1),
            i_CEB=self.read_enable,
            i_OCEB=self.out_enable,
            i_WEA=self.write if self.mode < 36 else Const(1, 1),
            i_WEB=Const(0, 1),
            i_RSTA=Const(0, 1),
            i_RSTB=Const(0, 1),
        )
        return m

    def _data(self) -> dict:
        """Map the data pins; in mode 36 port A has the lower half of a word, port B the upper half."""
        pins = {f"i_DI{'AB'[n // 18]}{n % 18}": self.write_data[n] if n < self.mode else Const(0, 1) for n in range(36)}
        if self.mode == 36:
            return pins | {f"o_DO{'AB'[n // 18]}{n % 18}": self.read_data[n] for n in range(36)}
        if self.true_dual_port:
            pins |= {f"o_DOA{n}": self.write_port_data[n] for n in range(self.mode)}
        return pins | {f"o_DOB{n}": self.read_data[n] for n in range(self.mode)}

    def _addresses(self) -> dict:
        """Map the address pins.

        In modes 36 and 18 the lowest of the pins that select no word are write enables for 9 bits each.
        """
        unused = _UNUSED[self.mode]
        enables = self.mode // 9 if self.mode >= 18 else 0
        writes = Cat(self.write.replicate(enables), Const(0, unused - enables), self.write_address)
        reads = Cat(Const(0, unused), self.read_address)
        return {f"i_ADA{n}": writes[n] for n in range(14)} | {f"i_ADB{n}": reads[n] for n in range(14)}
