"""All of a board but pins and clock: UART, link, buffers and engine."""

import functools

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl import primitives
from tercet.rtl.emit import prototype, shared, verilog

from .link.buffers import InputBuffer, OutputBuffer
from .link.commander import COUNTER_BYTES, Commander
from .link.receiver import FrameReceiver
from .link.sender import FrameSender
from .link.uart import UartReceiver, UartTransmitter
from .soc_config import SocConfig, describe

__all__ = ["TOP", "ByteSoc", "Soc", "soc_sources", "soc_verilog"]

TOP = "tercet_soc"
"""Name of the top module."""


class EngineIsland(wiring.Component):
    """The engine between its buffers, with a reset of their own.

    Parameters
    ----------
    soc : SocConfig
        Everything.

    Members
    -------
    address, words, count, word, fits, enough, running, load, write, commit, set, read, start, select, bytes, reading
        As those of `Commander`, the other way round.
    reset, clear_counters, refused, counters
        The same.
    """

    def __init__(self, *, soc: SocConfig):
        self.soc = soc
        members = prototype(Commander, **commander_parameters(soc, b"")).signature.members
        names = ("address", "words", "count", "word", "fits", "enough", "running", "load", "write", "commit", "set")
        names += ("read", "start", "select", "bytes", "reading", "refused", "counters", "clear_counters", "reset")
        super().__init__({name: members[name].flip() for name in names})

    def elaborate(self, platform) -> Module:
        m = Module()
        soc = self.soc
        # One clock, and the reset of power-up and host.
        m.domains.engine = domain = ClockDomain("engine", local=True)
        m.d.comb += [domain.clk.eq(ClockSignal("sync")), domain.rst.eq(self._reset(m))]
        inside = Module()
        inside.submodules.engine = engine = shared(soc.kind.component, config=soc.config)
        ports = soc.kind.streams(soc.config)
        for n, (port, (_, depth)) in enumerate(zip(ports, soc.depths, strict=True)):
            kind = InputBuffer if port.direction == "in" else OutputBuffer
            buffer = shared(kind, width=port.width, depth=depth, family=soc.family)
            inside.submodules[f"{port.name}_buffer"] = buffer
            outer = getattr(engine, port.name)
            inside.d.comb += [
                buffer.address.eq(self.address),
                buffer.words.eq(self.words),
                buffer.count.eq(self.count),
                buffer.set.eq(self.set[n]),
                buffer.start.eq(self.start),
                self.fits[n].eq(buffer.fits),
                self.enough[n].eq(buffer.enough),
                self.running[n].eq(buffer.running),
            ]
            if port.direction == "in":
                size = -(-port.width // 8)
                inside.d.comb += [
                    buffer.load.eq(self.load[n]),
                    buffer.write.eq(self.write[n]),
                    buffer.commit.eq(self.commit[n]),
                    buffer.word.eq(self.word[len(self.word) - 8 * size :]),
                    Value.cast(outer.payload).eq(buffer.o.payload),
                    outer.valid.eq(buffer.o.valid),
                    buffer.o.ready.eq(outer.ready),
                ]
            else:
                inside.d.comb += [
                    buffer.read.eq(self.read[n]),
                    buffer.i.payload.eq(Value.cast(outer.payload)),
                    buffer.i.valid.eq(outer.valid),
                    outer.ready.eq(buffer.i.ready),
                ]
                with inside.If(self.select == n):
                    inside.d.comb += [
                        self.bytes.payload.eq(buffer.data.payload),
                        self.bytes.valid.eq(buffer.data.valid),
                        buffer.data.ready.eq(self.bytes.ready),
                        self.reading.eq(buffer.reading),
                    ]
        for n, name in enumerate(soc.kind.counters):
            place = self.counters[8 * COUNTER_BYTES * n : 8 * COUNTER_BYTES * (n + 1)]
            inside.d.comb += place.eq(getattr(engine, name))
        inside.d.comb += [
            engine.clear.eq(self.clear_counters),
            self.refused.eq(getattr(engine, "error", Const(0))),
        ]
        m.submodules.inside = DomainRenamer("engine")(inside)
        return m

    def _reset(self, m: Module) -> Signal:
        reset = Signal(init=1)
        m.d.sync += reset.eq(self.reset)
        return reset


def commander_parameters(soc: SocConfig, description: bytes) -> dict:
    """Parameters of the `Commander` of a board."""
    ports = soc.kind.streams(soc.config)
    return {
        "sizes": tuple(-(-port.width // 8) for port in ports),
        "inputs": tuple(port.direction == "in" for port in ports),
        "counters": len(soc.kind.counters),
        "description": description,
        "frame_bytes": soc.frame_bytes,
    }


class ByteSoc(wiring.Component):
    """A board behind its UART.

    Parameters
    ----------
    soc : SocConfig
        Everything.
    description : bytes
        What it says of itself.

    Members
    -------
    i : In(stream.Signature(8)), o : Out(stream.Signature(8))
        Bytes from and to the host; `i` is always ready.
    busy : Out(1)
        Something goes on.
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
        wiring.connect(m, receiver.data, commander.data)
        wiring.connect(m, commander.reply, sender.data)
        wiring.connect(m, sender.o, wiring.flipped(self.o))
        m.d.comb += [
            commander.frame.eq(receiver.frame),
            commander.sequence.eq(receiver.sequence),
            commander.code.eq(receiver.code),
            commander.length.eq(receiver.length),
            commander.damaged.eq(receiver.damaged),
            commander.missed.eq(receiver.dropped),
            receiver.done.eq(commander.done),
            sender.clear.eq(commander.clear),
            sender.sequence.eq(commander.reply_sequence),
            sender.code.eq(commander.reply_code),
            sender.send.eq(commander.send),
            commander.sending.eq(sender.busy),
            commander.overflow.eq(sender.overflow),
            self.busy.eq(commander.busy),
        ]
        for name, member in island.signature.members.items():
            if name == "bytes":
                wiring.connect(m, island.bytes, commander.bytes)
            elif member.flow == In:
                m.d.comb += getattr(island, name).eq(getattr(commander, name))
            else:
                m.d.comb += getattr(commander, name).eq(getattr(island, name))
        return m


class Soc(wiring.Component):
    """All of a board but pins and clock.

    Parameters
    ----------
    soc : SocConfig
        Everything.
    description : bytes
        What it says of itself.

    Members
    -------
    rx : In(1), tx : Out(1)
        UART, idle high.
    busy : Out(1)
        Something goes on.
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
    """Verilog of a board, its top module `TOP`, and its description.

    Parameters
    ----------
    soc : SocConfig
        Everything.
    uart : bool
        With its UART, or with the streams of bytes behind it.
    """
    # It holds a hash of everything else that is built, whichever top is asked for.
    description = describe(soc, verilog(Soc(soc=soc, description=describe(soc, "")), name=TOP))
    return verilog((Soc if uart else ByteSoc)(soc=soc, description=description), name=TOP), description


def soc_sources(soc: SocConfig, *, uart: bool = True) -> dict[str, str]:
    """File name to Verilog text: the board, and models of the primitives in it."""
    text, _ = soc_verilog(soc, uart=uart)
    return {f"{TOP}.v": text, **{path.name: path.read_text() for path in primitives.used(text)}}
