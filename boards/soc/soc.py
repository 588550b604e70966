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
from .island_signature import IslandSignature
from .receiver import FrameReceiver
from .sender import FrameSender
from .uart import UartReceiver, UartTransmitter

__all__ = ["TOP", "ByteSoc", "Soc", "soc_sources", "soc_verilog"]

TOP = "tercet_soc"
"""Name of the top-level module."""


class EngineIsland(wiring.Component):
    """Engine and its buffers, in a reset domain of their own.

    Parameters
    ----------
    soc : SocConfig
        SoC configuration.

    Members
    -------
    port : In(IslandSignature)
        Interface to the commander.
    """

    def __init__(self, *, soc: SocConfig):
        self.soc = soc
        sizes = [port.bytes for port in soc.kind.streams(soc.config)]
        super().__init__({"port": In(IslandSignature(sizes=sizes, counters=len(soc.kind.counters)))})

    def elaborate(self, platform) -> Module:
        m = Module()
        soc = self.soc
        # Same clock; reset at power-up and by the host.
        m.domains.engine = domain = ClockDomain("engine", local=True)
        m.d.comb += [domain.clk.eq(ClockSignal("sync")), domain.rst.eq(self._reset(m))]
        inside = Module()
        inside.submodules.engine = engine = shared(engine_spec(soc.engine).component, config=soc.config)
        ports = soc.kind.streams(soc.config)
        for n, (port, (_, depth)) in enumerate(zip(ports, soc.depths, strict=True)):
            kind = InputBuffer if port.direction == "in" else OutputBuffer
            buffer = shared(kind, width=port.width, depth=depth, family=soc.family)
            inside.submodules[f"{port.name}_buffer"] = buffer
            self._connect(inside, n, buffer)
            if port.direction == "in":
                self._feed(inside, n, port.bytes, buffer, getattr(engine, port.name))
            else:
                self._collect(inside, n, buffer, getattr(engine, port.name))
        inside.d.comb += [
            self.port.counters.eq(engine.counters),
            engine.clear.eq(self.port.clear_counters),
            self.port.refused.eq(engine.error),
        ]
        m.submodules.inside = DomainRenamer("engine")(inside)
        return m

    def _connect(self, m: Module, n: int, buffer) -> None:
        """Connect the signals common to all buffers."""
        port = self.port
        m.d.comb += [
            buffer.address.eq(port.address),
            buffer.words.eq(port.words),
            buffer.count.eq(port.count),
            buffer.set.eq(port.set[n]),
            buffer.start.eq(port.start),
            port.fits[n].eq(buffer.fits),
            port.enough[n].eq(buffer.enough),
            port.running[n].eq(buffer.running),
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
        "counters": len(soc.kind.counters),
        "description": description,
        "frame_bytes": soc.frame_bytes,
    }


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
    """

    def __init__(self, *, soc: SocConfig, description: bytes):
        self.soc, self.description = soc, description
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8)), "busy": Out(1)})

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
    """

    def __init__(self, *, soc: SocConfig, description: bytes):
        self.soc, self.description = soc, description
        super().__init__({"rx": In(1), "tx": Out(1), "busy": Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        rate = {"clock_hz": self.soc.clock_hz, "baud": self.soc.baud}
        m.submodules.receiver = receiver = UartReceiver(**rate)
        m.submodules.transmitter = transmitter = UartTransmitter(**rate)
        m.submodules.soc = soc = ByteSoc(soc=self.soc, description=self.description)
        wiring.connect(m, receiver.o, soc.i)
        wiring.connect(m, soc.o, transmitter.i)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx), self.busy.eq(soc.busy)]
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
