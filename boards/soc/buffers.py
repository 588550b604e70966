"""Buffers between the slow link and the full-speed streams of an engine.

Each has a half in the clock of the link, domain ``sync``, and one in that of the engine. With `two_clocks` the latter
is domain ``engine``, and nothing but words in the RAM crosses: the commander does not use the link's half while the
engine's is running. With one clock the halves share a pointer.
"""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.outlet import Outlet
from tercet.rtl.common.ram import Ram, has_latency_1
from tercet.rtl.emit import shared

from ..host.protocol import ADDRESS_BITS, WORDS_BITS
from .word_packer import byte_clocks, byte_of

__all__ = ["InputBuffer", "OutputBuffer"]


class RunSignature(wiring.Signature):
    """Control of the engine's half of a buffer.

    Members
    -------
    count : Out(24), set : Out(1)
        Number of words of the next run, and its strobe.
    start : Out(1)
        Start sending or receiving, at the first word.
    running : In(1)
        Words are still to be sent or received.
    """

    def __init__(self):
        super().__init__({"count": Out(ADDRESS_BITS), "set": Out(1), "start": Out(1), "running": In(1)})


def _ram(width: int, depth: int, family: str, **domains: str):
    """RAM that is never read and written at the same time."""
    latency = 1 if has_latency_1(family, depth) else 2
    domains = {} if set(domains.values()) == {"sync"} else domains
    return shared(Ram, width=width, depth=depth, family=family, exclusive=True, latency=latency, **domains)


def _at_most(value: Value, limit: Value | int) -> Value:
    """``value <= limit``, with a carry chain no wider than the limit."""
    limit = Value.cast(limit)
    return ~value[len(limit) :].any() & (value[: len(limit)] <= limit)


class InputBuffer(wiring.Component):
    """Buffer that the host loads and that then feeds a stream at full speed.

    Parameters
    ----------
    width, depth : int
        Word width in bits, and number of words.
    family : str
        FPGA family.
    two_clocks : bool
        Whether the engine has its own clock, domain ``engine``.

    Members
    -------
    address : In(24), words : In(16)
        Start address and number of words of a load request.
    fits : Out(1)
        The request is within the buffer and leaves no gap; valid 2 clocks after `address` and `words`.
    load : In(1)
        Set the write pointer to `address`.
    write : In(1), word : In(width)
        Store a word and advance the pointer.
    commit : In(1)
        End the content of the buffer at the pointer.
    count : In(24), set : In(1)
        Number of words of the next run, and its strobe.
    enough : Out(1)
        `count` words are loaded; valid from the clock after `set`.
    run : In(RunSignature)
        The engine's half; gets the same numbers, and runs only if they are `enough`.
    o : Out(stream.Signature(width))
        Words.
    """

    def __init__(self, *, width: int, depth: int, family: str, two_clocks: bool = False):
        self.width, self.depth, self.family, self.two_clocks = width, depth, family, two_clocks
        self._engine = "engine" if two_clocks else "sync"
        super().__init__(
            {
                "address": In(ADDRESS_BITS),
                "words": In(WORDS_BITS),
                "fits": Out(1),
                "load": In(1),
                "write": In(1),
                "word": In(width),
                "commit": In(1),
                "count": In(ADDRESS_BITS),
                "set": In(1),
                "enough": Out(1),
                "run": In(RunSignature()),
                "o": Out(stream.Signature(width)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.ram = ram = _ram(
            self.width, self.depth, self.family, read_domain=self._engine, write_domain="sync"
        )
        loaded, pointer, left = (Signal(range(self.depth + 1), name=name) for name in ("loaded", "pointer", "left"))
        sent = Signal.like(pointer, name="sent") if self.two_clocks else pointer
        going = Signal()
        end = Signal(ADDRESS_BITS + 1)
        m.d.sync += [
            end.eq(self.address + self.words),
            self.fits.eq(_at_most(end, self.depth) & _at_most(self.address, loaded)),
        ]
        m.d.comb += [
            ram.write.eq(self.write),
            ram.write_address.eq(pointer),
            ram.write_data.eq(self.word),
            ram.read_address.eq(sent),
        ]
        with m.If(self.load):
            m.d.sync += pointer.eq(self.address)
        with m.If(self.write):
            m.d.sync += pointer.eq(pointer + 1)
        with m.If(self.commit):
            m.d.sync += loaded.eq(pointer)
        with m.If(self.set):
            m.d.sync += self.enough.eq(_at_most(self.count, loaded))
        with m.If(self.run.set):
            m.d[self._engine] += left.eq(self.run.count)
        fetch, waiting = Signal(name="fetch"), Signal(name="waiting")
        if self.family == "ecp5":
            self._give_ahead(m, ram, going, fetch, waiting)
        else:
            self._give_in_step(m, ram, going, fetch, waiting)
        m.d.comb += self.run.running.eq(going | waiting)
        with m.If(self.run.start):
            m.d[self._engine] += [sent.eq(0), going.eq(left != 0)]
        with m.Elif(going & fetch):
            m.d[self._engine] += [sent.eq(sent + 1), left.eq(left - 1), going.eq(left != 1)]
        return m

    def _give_ahead(self, m: Module, ram, going: Signal, fetch: Signal, waiting: Signal) -> None:
        """Send through a small FIFO in distributed RAM, so that the engine's `ready` stays out of the counters here."""
        outlet = shared(Outlet, shape=unsigned(self.width), latency=ram.latency)
        m.submodules.outlet = DomainRenamer(self._engine)(outlet)
        under_way = Signal(ram.latency)
        m.d.comb += [
            ram.read_enable.eq(1),
            ram.out_enable.eq(1),
            fetch.eq(outlet.ready),
            outlet.start.eq(going & fetch),
            outlet.arrive.eq(under_way[-1]),
            outlet.value.eq(ram.read_data),
            waiting.eq(~outlet.empty),
        ]
        m.d[self._engine] += under_way.eq(Cat(outlet.start, under_way))
        wiring.connect(m, outlet.o, wiring.flipped(self.o))

    def _give_in_step(self, m: Module, ram, going: Signal, fetch: Signal, waiting: Signal) -> None:
        """Stall the RAM's latch and output register under back-pressure, which takes no extra cells."""
        take = Signal()
        m.d.comb += self.o.payload.eq(ram.read_data)
        m.d.comb += [take.eq(~self.o.valid | self.o.ready), ram.out_enable.eq(take)]
        if ram.latency == 1:
            latched = Const(0)
            m.d.comb += fetch.eq(take)
            with m.If(take):
                m.d[self._engine] += self.o.valid.eq(going)
        else:
            latched = Signal()
            m.d.comb += fetch.eq(~latched | take)
            with m.If(fetch):
                m.d[self._engine] += latched.eq(going)
            with m.If(take):
                m.d[self._engine] += self.o.valid.eq(latched)
        m.d.comb += [ram.read_enable.eq(going & fetch), waiting.eq(latched | self.o.valid)]


class OutputBuffer(wiring.Component):
    """Buffer that stores a stream at full speed and that the host then reads byte by byte.

    Parameters
    ----------
    width, depth : int
        Word width in bits, and number of words.
    family : str
        FPGA family.
    two_clocks : bool
        Whether the engine has its own clock, domain ``engine``.

    Members
    -------
    address : In(24), words : In(16)
        Start address and number of words of a read request.
    fits : Out(1)
        All requested words have arrived, now that no run is under way; valid 2 clocks after `address` and `words`.
    read : In(1)
        Start reading.
    data : Out(stream.Signature(8))
        Bytes of the words, least significant byte first.
    reading : Out(1)
        Bytes are still to be read.
    count : In(24), set : In(1)
        Number of words of the next run, and its strobe.
    enough : Out(1)
        There is room for `count` words; valid from the clock after `set`.
    start : In(1)
        The run starts. From here on all its words count as received, since they are when it ends.
    run : In(RunSignature)
        The engine's half; gets the same numbers, and runs only if they are `enough`.
    i : In(stream.Signature(width))
        Words.
    """

    def __init__(self, *, width: int, depth: int, family: str, two_clocks: bool = False):
        self.width, self.depth, self.family, self.two_clocks = width, depth, family, two_clocks
        self._engine = "engine" if two_clocks else "sync"
        super().__init__(
            {
                "address": In(ADDRESS_BITS),
                "words": In(WORDS_BITS),
                "fits": Out(1),
                "read": In(1),
                "data": Out(stream.Signature(8)),
                "reading": Out(1),
                "count": In(ADDRESS_BITS),
                "set": In(1),
                "enough": Out(1),
                "start": In(1),
                "run": In(RunSignature()),
                "i": In(stream.Signature(width)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.ram = ram = _ram(
            self.width, self.depth, self.family, read_domain="sync", write_domain=self._engine
        )
        stored, left = Signal(range(self.depth + 1), name="stored"), Signal(range(self.depth + 1), name="left")
        filled, running = self._filled(m) if self.two_clocks else stored, self.run.running
        end = Signal(ADDRESS_BITS + 1)
        m.d.sync += [end.eq(self.address + self.words), self.fits.eq(_at_most(end, filled))]
        with m.If(self.set):
            m.d.sync += self.enough.eq(_at_most(self.count, self.depth))
        with m.If(self.run.set):
            m.d[self._engine] += left.eq(self.run.count)
        store = Signal()
        m.d.comb += [self.i.ready.eq(running), store.eq(running & self.i.valid)]
        ports = (("write", store), ("write_address", stored), ("write_data", self.i.payload))
        for name, now in ports:
            value = now
            if self.family == "ecp5":
                # The RAM's blocks are far apart. It is read much later: the host has to ask for that first.
                value = Signal(now.shape(), name=f"s1_{name}", reset_less=name != "write")
                m.d[self._engine] += value.eq(now)
            m.d.comb += getattr(ram, name).eq(value)
        with m.If(self.run.start):
            m.d[self._engine] += [stored.eq(0), running.eq(left != 0)]
        with m.Elif(store):
            m.d[self._engine] += [stored.eq(stored + 1), left.eq(left - 1), running.eq(left != 1)]
        self._read(m, ram)
        return m

    def _filled(self, m: Module) -> Signal:
        """Words that a run has received, for the link: once it has ended, as many as it was started with."""
        filled = Signal(range(self.depth + 1), name="filled")
        asked = Signal.like(filled, name="asked")
        with m.If(self.set):
            m.d.sync += asked.eq(self.count)
        with m.If(self.start):
            m.d.sync += filled.eq(asked)
        return filled

    def _read(self, m: Module, ram) -> None:
        size = -(-self.width // 8)
        pointer, words = Signal(range(self.depth + 1), name="pointer"), Signal(WORDS_BITS, name="words")
        byte, wait = Signal(range(max(2, size)), name="byte"), Signal(range(ram.latency + 1), name="wait")
        chosen = byte_of(m, ram.read_data, byte)
        choose = "CHOOSE" if byte_clocks(self.width) else "BYTE"
        m.d.comb += [
            ram.read_address.eq(pointer),
            ram.read_enable.eq(1),
            ram.out_enable.eq(1),
        ]
        with m.FSM():
            with m.State("IDLE"), m.If(self.read):
                m.d.sync += [pointer.eq(self.address), words.eq(self.words), wait.eq(ram.latency), byte.eq(0)]
                m.next = "WORD"
            with m.State("WORD"):
                m.d.comb += self.reading.eq(1)
                m.d.sync += wait.eq(wait - 1)
                with m.If(words == 0):
                    m.next = "IDLE"
                with m.Elif(wait == 0):
                    m.next = choose
            if choose == "CHOOSE":
                with m.State(choose):
                    m.d.comb += self.reading.eq(1)
                    m.next = "BYTE"
            with m.State("BYTE"):
                m.d.comb += self.reading.eq(1)
                m.d.sync += [self.data.payload.eq(chosen), self.data.valid.eq(1)]
                m.next = "GIVEN"
            with m.State("GIVEN"):
                m.d.comb += self.reading.eq(1)
                with m.If(self.data.ready):
                    m.d.sync += [self.data.valid.eq(0), byte.eq(byte + 1)]
                    m.next = choose
                    with m.If(byte == size - 1):
                        m.d.sync += [byte.eq(0), pointer.eq(pointer + 1), words.eq(words - 1), wait.eq(ram.latency)]
                        m.next = "WORD"
