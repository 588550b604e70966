"""Memories with the same latency in clocks on every FPGA family."""

from collections import Counter

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.emit import shared
from tercet.rtl.primitives.dp16kd import BlockRam
from tercet.rtl.primitives.sb_spram256ka import SinglePortRam

__all__ = ["Ram", "has_latency_1", "ram_blocks"]

_FAMILIES = ("any", "ecp5", "ice40")
_BLOCK = 16384  # depth of the deepest block, in both families
_ECP5_MODES = {512: 36, 1024: 18, 2048: 9, 4096: 4, 8192: 2, _BLOCK: 1}  # depth of a block: width of a word
_ECP5_DISTRIBUTED = 32  # depth up to which logic cells are cheaper
_ICE40_BLOCK_RAM = 1024  # depth up to which the small blocks, of which there are many, are preferable


def has_latency_1(family: str, depth: int) -> bool:
    """Return whether a `Ram` can do without an output register; ECP5 blocks are only used with theirs."""
    return family != "ecp5" or depth <= _ECP5_DISTRIBUTED


def ram_blocks(
    *, width: int, depth: int, family: str, exclusive: bool = False
) -> tuple[Counter[str], list[tuple[int, int]]]:
    """Count the blocks that a `Ram` with these parameters instantiates.

    Returns
    -------
    Counter
        Blocks by kind, "bram" or "spram".
    list of tuple
        (width, depth) of each memory left to synthesis.
    """
    blocks: Counter[str] = Counter()
    if depth <= _inferred_words(family, depth, exclusive):
        return blocks, [(width, depth)]
    rest = []
    for start in range(0, depth, _BLOCK):
        words = min(_BLOCK, depth - start)
        if words <= _inferred_words(family, words, exclusive):
            rest.append((width, words))
        elif family == "ecp5":
            blocks["bram"] += -(-width // _ecp5_mode(words))
        else:
            blocks["spram"] += -(-width // 16)
    return blocks, rest


def _inferred_words(family: str, depth: int, exclusive: bool) -> int:
    """Return the depth up to which a memory is left to synthesis."""
    return {"ecp5": _ECP5_DISTRIBUTED, "ice40": _ICE40_BLOCK_RAM if exclusive else depth}.get(family, depth)


def _ecp5_mode(depth: int) -> int:
    """Return the width of a block used at `depth` words."""
    return _ECP5_MODES[max(512, 1 << (depth - 1).bit_length())]


class Ram(wiring.Component):
    """Simple dual-port memory: one word written and one read per clock::

        read_address --> words --[latch]--[output register]--> read_data
                                  read_enable   out_enable

    A read of a word in the clock of its write is undefined. Words are initially 0; those of a single-port memory (see
    `exclusive`) are initially undefined.

    On "ecp5" more than 32 words go into ``DP16KD`` blocks with their output registers: 36 bits wide up to 512 words,
    then 18, 9, 4, 2 and 1 as the depth doubles. On "ice40", with `exclusive`, more than 1024 words go into
    ``SB_SPRAM256KA`` blocks of 16384 words of 16 bits. Deeper memories consist of several such banks, with a
    multiplexer behind their output registers. All other memories are inferred, with the output register in logic cells.

    Parameters
    ----------
    width, depth : int
        Width of a word in bits, and number of words; at least 1 each.
    family : "any", "ecp5" or "ice40"
        Family whose blocks are instantiated; "any" leaves the choice to synthesis.
    exclusive : bool
        The user never reads and writes in the same clock, so a single-port memory suffices. A write may then destroy a
        word that is only in the latch.
    latency : 1 or 2
        Clocks from an address to its word; with 1 there is no output register, and `read_data` is the latch.
    read_domain, write_domain : str
        Clock domains of the two ports. If they differ, a word may be read once the reader knows by other means that its
        write is complete.

    Members
    -------
    read_enable : In(1)
        Load the word at `read_address` into the latch.
    read_address : In(range(depth))
        Word to read.
    out_enable : In(1)
        Load the latch into the output register; no effect without one.
    read_data : Out(width)
        Output register: with both enables 1, the word `latency` clocks after its address.
    write : In(1), write_address : In(range(depth)), write_data : In(width)
        Write a word.

    Raises
    ------
    ValueError
        If `width` or `depth` is below 1, the family is unknown, the family does not have that latency, or a single-port
        memory would need two clocks.
    """

    def __init__(
        self,
        *,
        width: int,
        depth: int,
        family: str = "any",
        exclusive: bool = False,
        latency: int = 2,
        read_domain: str = "sync",
        write_domain: str = "sync",
    ):
        for name, value in (("width", width), ("depth", depth)):
            if value < 1:
                raise ValueError(f"Memory {name} is {value}; use at least 1")
        if family not in _FAMILIES:
            raise ValueError(f"Memory family {family!r} is unknown; use {', '.join(_FAMILIES)}")
        if latency not in (1, 2) or (latency == 1 and not has_latency_1(family, depth)):
            raise ValueError(
                f"Memory latency is {latency} for {depth} words on family {family!r}; use 2, or 1 on any, on ice40, or "
                f"up to {_ECP5_DISTRIBUTED} words on ecp5"
            )
        self.width, self.depth, self.family, self.exclusive = width, depth, family, exclusive
        if read_domain != write_domain and family == "ice40" and exclusive:
            raise ValueError("Single-port memories have one clock; use the same domain to read and write")
        self.clocks, self.read_domain, self.write_domain = latency, read_domain, write_domain
        address = max(1, (depth - 1).bit_length())
        super().__init__(
            {
                "read_enable": In(1),
                "read_address": In(address),
                "out_enable": In(1),
                "read_data": Out(width),
                "write": In(1),
                "write_address": In(address),
                "write_data": In(width),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from an address to its word."""
        return self.clocks

    @property
    def _domains(self) -> dict[str, str]:
        """Parameters of the memories inside; none with one clock, which keeps their names short."""
        domains = {"read_domain": self.read_domain, "write_domain": self.write_domain}
        return {} if set(domains.values()) == {"sync"} else domains

    def elaborate(self, platform) -> Module:
        m = Module()
        if self.depth <= _inferred_words(self.family, self.depth, self.exclusive):
            self._infer(m)
        elif self.depth > _BLOCK:
            self._banks(m)
        elif self.family == "ecp5":
            self._block_rams(m)
        else:
            self._single_port_rams(m)
        return m

    def _infer(self, m: Module):
        m.submodules.cells = words = memory.Memory(
            shape=unsigned(self.width), depth=self.depth, init=[], attrs={"no_rw_check": "1"}
        )
        write_port = words.write_port(domain=self.write_domain)
        read_port = words.read_port(domain=self.read_domain)
        m.d.comb += [
            write_port.addr.eq(self.write_address),
            write_port.data.eq(self.write_data),
            write_port.en.eq(self.write),
            read_port.addr.eq(self.read_address),
            read_port.en.eq(self.read_enable),
        ]
        self._register(m, read_port.data)

    def _register(self, m: Module, latch: Value):
        """Add an output register in logic cells, for memories without their own."""
        if self.latency == 1:
            m.d.comb += self.read_data.eq(latch)
            return
        out = Signal(self.width, reset_less=True)
        with m.If(self.out_enable):
            m.d[self.read_domain] += out.eq(latch)
        m.d.comb += self.read_data.eq(out)

    def _block_rams(self, m: Module):
        """Split the word over blocks side by side, each as wide as this depth allows."""
        mode = _ecp5_mode(self.depth)
        for first in range(0, self.width, mode):
            last = min(first + mode, self.width)
            m.submodules[f"block_{first // mode}"] = ram = shared(BlockRam, mode=mode, **self._domains)
            m.d.comb += [
                ram.read_enable.eq(self.read_enable),
                ram.read_address.eq(self.read_address),
                ram.out_enable.eq(self.out_enable),
                self.read_data[first:last].eq(ram.read_data),
                ram.write.eq(self.write),
                ram.write_address.eq(self.write_address),
                ram.write_data.eq(self.write_data[first:last]),
            ]

    def _single_port_rams(self, m: Module):
        latch = Signal(self.width)
        for first in range(0, self.width, 16):
            last = min(first + 16, self.width)
            m.submodules[f"block_{first // 16}"] = ram = shared(SinglePortRam)
            m.d.comb += [
                ram.address.eq(Mux(self.write, self.write_address, self.read_address)),
                ram.read.eq(self.read_enable),
                latch[first:last].eq(ram.read_data),
                ram.write.eq(self.write),
                ram.write_data.eq(self.write_data[first:last]),
            ]
        self._register(m, latch)

    def _banks(self, m: Module):
        """Stack banks; the bank's index follows the word through latch and output register."""
        low = _BLOCK.bit_length() - 1
        s1_bank = Signal(len(self.read_address) - low, reset_less=True)
        shown = s1_bank
        with m.If(self.read_enable):
            m.d[self.read_domain] += s1_bank.eq(self.read_address[low:])
        if self.latency == 2:
            shown = Signal.like(s1_bank, name="s2_bank")
            with m.If(self.out_enable):
                m.d[self.read_domain] += shown.eq(s1_bank)
        words = []
        for n in range(-(-self.depth // _BLOCK)):
            depth = min(_BLOCK, self.depth - n * _BLOCK)
            bank = shared(
                Ram,
                width=self.width,
                depth=depth,
                family=self.family,
                exclusive=self.exclusive,
                latency=self.latency,
                **self._domains,
            )
            m.submodules[f"bank_{n}"] = bank
            m.d.comb += [
                bank.read_enable.eq(self.read_enable),
                bank.read_address.eq(self.read_address[:low]),
                bank.out_enable.eq(self.out_enable),
                bank.write.eq(self.write & (self.write_address[low:] == n)),
                bank.write_address.eq(self.write_address[:low]),
                bank.write_data.eq(self.write_data),
            ]
            words.append(bank.read_data)
        m.d.comb += self.read_data.eq(Array(words)[shown])
