"""SoC of a board, without pins and clock: UART, link, buffers and engine."""

import functools

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.engines import engine_spec
from tercet.rtl import primitives
from tercet.rtl.emit import shared, verilog

from ..host.protocol import IDENTIFY_BYTES
from ..host.soc_config import SocConfig, describe
from .buffers import InputBuffer, OutputBuffer
from .commander import Commander
from .counter_reader import CounterReader
from .crossing import ControlCrossing, ResetHandshake
from .island_signature import IslandSignature
from .receiver import FrameReceiver
from .sender import FrameSender
from .uart import UartReceiver, UartTransmitter

__all__ = ["TOP", "ByteSoc", "Soc", "soc_sources", "soc_verilog"]

TOP = "tercet_soc"
"""Name of the top-level module."""


class EngineIsland(wiring.Component):
    """Engine and its buffers, in a reset domain of their own; with two clocks in one of each.

    Parameters
    ----------
    soc : SocConfig
        SoC configuration.

    Members
    -------
    port : In(IslandSignature)
        Interface to the commander.
    engine_clk : In(1)
        Clock of the engine, if it has its own.
    """

    def __init__(self, *, soc: SocConfig):
        self.soc = soc
        self._domain = "engine" if soc.two_clocks else "sync"
        sizes = [port.bytes for port in soc.kind.streams(soc.config)]
        super().__init__({"port": In(IslandSignature(sizes=sizes)), **engine_clock(soc)})

    def elaborate(self, platform) -> Module:
        m, inside = Module(), Module()
        soc = self.soc
        engine = shared(engine_spec(soc.engine).component, config=soc.config)
        inside.submodules.engine = DomainRenamer(self._domain)(engine)
        control = self._control(inside, engine)
        ports = soc.kind.streams(soc.config)
        running = []
        for n, (port, (_, depth)) in enumerate(zip(ports, soc.depths, strict=True)):
            kind = InputBuffer if port.direction == "in" else OutputBuffer
            two_clocks = {"two_clocks": True} if soc.two_clocks else {}
            buffer = shared(kind, width=port.width, depth=depth, family=soc.family, **two_clocks)
            inside.submodules[f"{port.name}_buffer"] = buffer
            self._connect(inside, n, buffer, control)
            running.append(buffer.run.running)
            if port.direction == "in":
                self._feed(inside, n, port.bytes, buffer, getattr(engine, port.name))
            else:
                self._collect(inside, n, buffer, getattr(engine, port.name))
        inside.d.comb += control.running.eq(Cat(running).any())
        m.submodules.inside = inside = DomainRenamer({"sync": "island"})(inside)
        self._domains(m)
        return m

    def _control(self, m: Module, engine):
        """Connect the engine itself, and return the control signals in its clock."""
        port, soc = self.port, self.soc
        streams = len(port.fits)
        if soc.two_clocks:
            bits = max(depth for _, depth in soc.depths).bit_length()
            m.submodules.crossing = crossing = ControlCrossing(streams=streams, count_bits=bits)
            wiring.connect(m, wiring.flipped(port.control), crossing.link)
            control, self._pending = crossing.engine, crossing.pending
        else:
            control, self._pending = port.control, Const(0)
        reader = CounterReader(size=len(Value.cast(engine.counters)) // 8)
        m.submodules.counter_reader = DomainRenamer(self._domain)(reader)
        m.d.comb += [
            reader.counters.eq(engine.counters),
            reader.request.eq(control.read_counters),
            engine.clear.eq(control.clear_counters),
            control.refused.eq(engine.error),
        ]
        wiring.connect(m, reader.o, control.counters if soc.two_clocks else wiring.flipped(control.counters))
        return control

    def _domains(self, m: Module) -> None:
        """Add the clock domains, reset at power-up and by the host."""
        m.domains.island = island = ClockDomain("island", local=True)
        m.d.comb += island.clk.eq(ClockSignal("sync"))
        if not self.soc.two_clocks:
            m.d.comb += island.rst.eq(self._reset(m))
            return
        m.domains.engine = engine = ClockDomain("engine", local=True)
        m.submodules.reset = reset = ResetHandshake()
        m.d.comb += [
            reset.request.eq(self.port.reset),
            reset.engine_clk.eq(self.engine_clk),
            island.rst.eq(reset.link),
            engine.clk.eq(self.engine_clk),
            engine.rst.eq(reset.engine),
            self.port.pending.eq(self._pending | reset.pending),
        ]

    def _connect(self, m: Module, n: int, buffer, control) -> None:
        """Connect the signals common to all buffers."""
        port = self.port
        m.d.comb += [
            buffer.address.eq(port.address),
            buffer.words.eq(port.words),
            buffer.count.eq(port.control.count),
            buffer.set.eq(port.control.set[n]),
            buffer.run.count.eq(control.count),
            buffer.run.set.eq(control.set[n]),
            buffer.run.start.eq(control.start),
            port.fits[n].eq(buffer.fits),
            port.enough[n].eq(buffer.enough),
        ]

    def _feed(self, m: Module, n: int, size: int, buffer, stream) -> None:
        """Connect commander, input buffer and engine."""
        port = self.port
        m.d.comb += [
            buffer.load.eq(port.load[n]),
            buffer.write.eq(port.write[n]),
            buffer.commit.eq(port.commit[n]),
            buffer.word.eq(port.word[len(port.word) - 8 * size :]),
            Value.cast(stream.payload).eq(buffer.o.payload),
            stream.valid.eq(buffer.o.valid),
            buffer.o.ready.eq(stream.ready),
        ]

    def _collect(self, m: Module, n: int, buffer, stream) -> None:
        """Connect engine, output buffer and commander."""
        port = self.port
        m.d.comb += [
            buffer.start.eq(port.control.start),
            buffer.read.eq(port.read[n]),
            buffer.i.payload.eq(Value.cast(stream.payload)),
            buffer.i.valid.eq(stream.valid),
            stream.ready.eq(buffer.i.ready),
        ]
        with m.If(port.select == n):
            m.d.comb += [
                port.bytes.payload.eq(buffer.data.payload),
                port.bytes.valid.eq(buffer.data.valid),
                buffer.data.ready.eq(port.bytes.ready),
                port.reading.eq(buffer.reading),
            ]

    def _reset(self, m: Module) -> Signal:
        reset = Signal(init=1)
        m.d.sync += reset.eq(self.port.reset)
        return reset


def commander_parameters(soc: SocConfig, description: bytes) -> dict:
    """Return the parameters of a board's `Commander`."""
    ports = soc.kind.streams(soc.config)
    return {
        "sizes": tuple(port.bytes for port in ports),
        "inputs": tuple(port.direction == "in" for port in ports),
        "description": description,
        "frame_bytes": soc.frame_bytes,
    }


def engine_clock(soc: SocConfig) -> dict:
    """Member of a component with the engine in it: its clock, if it is not the link's."""
    return {"engine_clk": In(1)} if soc.two_clocks else {}


class ByteSoc(wiring.Component):
    """SoC with byte streams in place of the UART.

    Parameters
    ----------
    soc : SocConfig
        SoC configuration.
    description : bytes
        Description returned by IDENTIFY.

    Members
    -------
    i : In(stream.Signature(8)), o : Out(stream.Signature(8))
        Bytes from and to the host; `i` is always ready.
    busy : Out(1)
        A request is being processed, or the engine is running.
    engine_clk : In(1)
        Clock of the engine, if it has its own; unrelated to that of the link.
    """

    def __init__(self, *, soc: SocConfig, description: bytes):
        self.soc, self.description = soc, description
        super().__init__(
            {"i": In(stream.Signature(8)), "o": Out(stream.Signature(8)), "busy": Out(1), **engine_clock(soc)}
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        soc = self.soc
        m.submodules.receiver = receiver = FrameReceiver(frame_bytes=soc.frame_bytes, family=soc.family)
        m.submodules.sender = sender = FrameSender(frame_bytes=soc.frame_bytes, family=soc.family)
        m.submodules.commander = commander = Commander(**commander_parameters(soc, self.description))
        m.submodules.island = island = EngineIsland(soc=soc)
        wiring.connect(m, wiring.flipped(self.i), receiver.i)
        wiring.connect(m, receiver.requests, commander.requests)
        wiring.connect(m, commander.replies, sender.replies)
        wiring.connect(m, sender.o, wiring.flipped(self.o))
        m.d.comb += self.busy.eq(commander.busy)
        wiring.connect(m, commander.island, island.port)
        if soc.two_clocks:
            m.d.comb += island.engine_clk.eq(self.engine_clk)
        return m


class Soc(wiring.Component):
    """Complete SoC of a board, without pins and clock.

    Parameters
    ----------
    soc : SocConfig
        SoC configuration.
    description : bytes
        Description returned by IDENTIFY.

    Members
    -------
    rx : In(1), tx : Out(1)
        UART, idle high.
    busy : Out(1)
        A request is being processed, or the engine is running.
    engine_clk : In(1)
        Clock of the engine, if it has its own; unrelated to that of the link.
    """

    def __init__(self, *, soc: SocConfig, description: bytes):
        self.soc, self.description = soc, description
        super().__init__({"rx": In(1), "tx": Out(1), "busy": Out(1), **engine_clock(soc)})

    def elaborate(self, platform) -> Module:
        m = Module()
        rate = {"clock_hz": self.soc.uart_hz, "baud": self.soc.baud}
        m.submodules.receiver = receiver = UartReceiver(**rate)
        m.submodules.transmitter = transmitter = UartTransmitter(**rate)
        m.submodules.soc = soc = ByteSoc(soc=self.soc, description=self.description)
        wiring.connect(m, receiver.o, soc.i)
        wiring.connect(m, soc.o, transmitter.i)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx), self.busy.eq(soc.busy)]
        if self.soc.two_clocks:
            m.d.comb += soc.engine_clk.eq(self.engine_clk)
        return m


@functools.lru_cache(maxsize=8)
def soc_verilog(soc: SocConfig, *, uart: bool = True) -> tuple[str, bytes]:
    """Return the Verilog of a SoC with the top module `TOP`, and its description.

    Parameters
    ----------
    soc : SocConfig
        SoC configuration.
    uart : bool
        Whether to include the UART; otherwise the ports are byte streams.
    """
    # The description contains a hash of all other gateware, regardless of the top chosen here.
    description = describe(soc, verilog(Soc(soc=soc, description=bytes(IDENTIFY_BYTES)), name=TOP))
    return verilog((Soc if uart else ByteSoc)(soc=soc, description=description), name=TOP), description


def soc_sources(soc: SocConfig, *, uart: bool = True) -> dict[str, str]:
    """Return the Verilog of a SoC and models of the primitives in it, file name to text."""
    text, _ = soc_verilog(soc, uart=uart)
    return {f"{TOP}.v": text, **{path.name: path.read_text() for path in primitives.used(text)}}
