"""Request execution in gateware; see `tercet.boards.host.protocol` for the semantics."""

from collections.abc import Sequence

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.register_slice import RegisterSlice

from ..host.protocol import (
    LINK_COUNTER_BYTES,
    LINK_COUNTERS,
    Command,
    Reply,
)
from .frame_signatures import ReplySignature, RequestSignature
from .info_reader import NONCE_BYTES, InfoReader
from .island_signature import IslandSignature
from .word_packer import WordPacker

__all__ = ["Commander"]


class Commander(wiring.Component):
    """Executes each request once and answers it::

        FrameReceiver --> [Commander] --> FrameSender
                            |    ^
                            v    |
                       buffers, engine

    Parameters
    ----------
    sizes : sequence of int
        Word size of each stream in bytes.
    inputs : sequence of bool
        Whether each stream is an input of the engine; inputs precede outputs.
    description : bytes
        Description read by IDENTIFY.
    frame_bytes : int
        As for `FrameReceiver` and `FrameSender`.

    Members
    -------
    requests : In(RequestSignature)
        From `FrameReceiver`.
    replies : Out(ReplySignature)
        To `FrameSender`.
    island : Out(IslandSignature)
        Engine and buffers.
    busy : Out(1)
        A request is being processed, or the engine is running.
    """

    def __init__(self, *, sizes: Sequence[int], inputs: Sequence[bool], description: bytes, frame_bytes: int):
        self._sizes, self._inputs, self._description = tuple(sizes), tuple(inputs), description
        super().__init__(
            {
                "requests": In(RequestSignature(frame_bytes=frame_bytes)),
                "replies": Out(ReplySignature()),
                "island": Out(IslandSignature(sizes=sizes)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        streams = len(self._sizes)
        # Arguments, first byte lowest once complete; number of argument bytes still to come.
        self._args, self._need = Signal(48, name="args"), Signal(range(7), name="need")
        # Data bytes still to come, minus one: the sign bit tells that there are none.
        self._left = Signal(signed(len(self.requests.length) + 1))
        self._chosen = Signal(streams)
        self._any_running = Signal()
        m.d.comb += [
            self.island.select.eq(self._args[:8]),
            self.island.words.eq(self._args[8:24]),
            self.island.address.eq(self._args[24:48]),
            self.island.control.count.eq(self._args[24:48]),
        ]
        m.d.sync += [
            self._chosen.eq(Cat(self._args[:8] == n for n in range(streams))),
            self._any_running.eq(self.island.control.running),
        ]
        # Byte dispatch is a long combinational path; register both sides to keep it out of receiver and sender.
        m.submodules.inlet, m.submodules.outlet = inlet, outlet = RegisterSlice(shape=8), RegisterSlice(shape=8)
        self._data, self._append, self._appended = inlet.o, outlet.i, ~outlet.o.valid
        wiring.connect(m, wiring.flipped(self.requests.data), inlet.i)
        wiring.connect(m, outlet.o, wiring.flipped(self.replies.data))
        m.d.comb += [inlet.clear.eq(self.requests.done), outlet.clear.eq(self.replies.clear)]
        # The strobes go to blocks all over the chip: drive them from registers, for one clock each.
        for strobe in (
            self.replies.clear,
            self.replies.send,
            self.requests.done,
            self.island.load,
            self.island.commit,
            self.island.read,
            self.island.control.set,
            self.island.control.start,
            self.island.control.read_counters,
            self.island.control.clear_counters,
        ):
            m.d.sync += strobe.eq(0)
        self._count_frames(m)
        with m.FSM() as fsm:
            self._begin(m)
            self._take_arguments(m)
            self._load(m)
            self._run(m)
            self._read(m)
            self._tell(m)
            with m.State("RESET"):
                m.d.comb += self.island.reset.eq(1)
                m.next = "RESETTING"
            with m.State("RESETTING"), m.If(~self.island.pending):
                self._reply(m, Reply.OK)
        m.d.sync += self.busy.eq(
            ~fsm.ongoing("IDLE") | self.replies.busy | self._any_running | self.island.pending | self.requests.frame
        )
        return m

    def _reply(self, m: Module, code: Reply, *, empty: bool = True) -> None:
        """Reply with a code; `empty` discards the data appended so far."""
        m.d.sync += [self.replies.code.eq(code), self.replies.clear.eq(int(empty))]
        m.next = "REPLY"

    def _count_frames(self, m: Module) -> None:
        self._is = {name: Signal(name=f"is_{name}") for name in LINK_COUNTERS}
        self._wrong = Signal()
        # The two sources of `dropped` never coincide: that would take two frames at once.
        m.d.comb += [
            self._is["damaged"].eq(self.requests.damaged),
            self._is["dropped"].eq(self.requests.dropped | self._wrong),
        ]
        counts = []
        for name, strobe in self._is.items():
            count = Signal(8 * LINK_COUNTER_BYTES, name=f"count_{name}")
            with m.If(strobe):
                m.d.sync += count.eq(count + 1)
            counts.append(count)
        self._link_counts = Cat(counts)

    def _begin(self, m: Module) -> None:
        """Classify requests by sequence number, and finish them."""
        last, known = Signal(8, name="last"), Signal(name="known")
        follows, same, identify = Signal(name="follows"), Signal(name="same"), Signal(name="identify")
        m.d.sync += [
            follows.eq(known & (self.requests.sequence == (last + 1)[:8])),
            same.eq(known & (self.requests.sequence == last)),
            identify.eq(self.requests.code == Command.IDENTIFY),
        ]
        # Requests find the engine's status up to date, and room for their commands.
        with m.State("IDLE"), m.If(self.requests.frame & ~self.replies.busy & ~self.island.pending):
            m.next = "SORT"
        with m.State("SORT"):
            m.next = "SORTED"
        with m.State("SORTED"):
            with m.If(identify | follows):
                m.d.comb += self._is["accepted"].eq(1)
                m.d.sync += [
                    last.eq(self.requests.sequence),
                    known.eq(1),
                    self.replies.sequence.eq(self.requests.sequence),
                ]
                m.d.sync += self.replies.clear.eq(1)
                m.next = "LENGTH"
            with m.Elif(same):
                m.d.comb += self._is["repeated"].eq(1)
                m.d.sync += [self.replies.send.eq(1), self.requests.done.eq(1)]
                m.next = "LEAVE"
            with m.Else():
                m.d.comb += self._wrong.eq(1)
                m.d.sync += self.requests.done.eq(1)
                m.next = "LEAVE"
        with m.State("REPLY"), m.If(self._appended):
            m.d.sync += [self.replies.send.eq(1), self.requests.done.eq(1)]
            m.next = "LEAVE"
        with m.State("LEAVE"):
            # Receiver and sender act on the strobes now; their status is up to date in the next clock.
            m.next = "IDLE"

    def _take_arguments(self, m: Module) -> None:
        """Check command and length, and take the argument bytes."""
        first = {
            Command.IDENTIFY: 6,
            Command.LOAD: 6,
            Command.RUN: 0,
            Command.STATUS: 0,
            Command.READ: 6,
            Command.COUNTERS: 1,
            Command.RESET: 0,
        }
        at_rest = (Command.LOAD, Command.RUN, Command.READ, Command.COUNTERS)
        whole = {**first, Command.RUN: 3 * len(self._sizes)}
        right, waited = Signal(name="right"), Signal(range(4), name="waited")
        with m.State("LENGTH"), m.Switch(self.requests.code):
            for command in Command:
                with m.Case(command):
                    length_right = (
                        self.requests.length >= 6 if command == Command.LOAD else self.requests.length == whole[command]
                    )
                    m.d.sync += [right.eq(length_right), self._need.eq(first[command])]
                    m.d.sync += self._left.eq(self.requests.length - (first[command] + 1))
                    m.next = "LENGTH_KNOWN"
                    if command in at_rest:
                        with m.If(self._any_running):
                            self._reply(m, Reply.RUNNING)
            with m.Default():
                self._reply(m, Reply.UNKNOWN_COMMAND)
        with m.State("LENGTH_KNOWN"):
            m.next = "ARGUMENTS"
            with m.If(~right):
                self._reply(m, Reply.WRONG_LENGTH)
        with m.State("ARGUMENTS"):
            m.d.sync += waited.eq(0)
            with m.If(self._need == 0):
                m.next = "EXECUTE"
            with m.Elif(self._data.valid):
                m.d.comb += self._data.ready.eq(1)
                m.d.sync += [self._args.eq(Cat(self._args[8:], self._data.payload)), self._need.eq(self._need - 1)]
        with m.State("EXECUTE"):
            # Meanwhile the buffers check the request, within three clocks, and the result is registered.
            m.d.sync += waited.eq(waited + 1)
            with m.If(waited == 3), m.Switch(self.requests.code):
                for command in Command:
                    with m.Case(command):
                        m.next = command.name

    def _load(self, m: Module) -> None:
        inputs = Cat(map(int, self._inputs))
        fits = Signal()
        m.submodules.builder = builder = WordPacker(sizes=self._sizes)
        m.d.sync += fits.eq((self._chosen & inputs & self.island.fits).any())
        m.d.comb += [
            builder.select.eq(self.island.select),
            builder.begin.eq(self.island.load.any()),
            builder.words.eq(self.island.words),
            builder.byte.eq(self._data.payload),
            self.island.word.eq(builder.word),
            self.island.write.eq(self._chosen & builder.write.replicate(len(self._sizes))),
        ]
        with m.State("LOAD"):
            with m.If(fits):
                m.d.sync += self.island.load.eq(self._chosen)
                m.next = "LOAD_BYTES"
            with m.Else():
                self._reply(m, Reply.OUT_OF_RANGE)
        with m.State("LOAD_BYTES"):
            with m.If(self._left < 0):
                m.next = "LOADED"
            with m.Elif(self._data.valid):
                m.d.comb += [self._data.ready.eq(1), builder.take.eq(1)]
                m.d.sync += self._left.eq(self._left - 1)
        with m.State("LOADED"):
            # The last word is being written in this clock.
            with m.If(builder.whole):
                m.d.sync += self.island.commit.eq(self._chosen)
                self._reply(m, Reply.OK)
            with m.Else():
                self._reply(m, Reply.WRONG_LENGTH)

    def _run(self, m: Module) -> None:
        streams = len(self._sizes)
        one = Signal(streams)
        third = Signal(range(3))
        inputs = Cat(map(int, self._inputs))
        with m.State("RUN"):
            m.d.sync += [one.eq(1), third.eq(0)]
            m.next = "RUN_COUNTS"
        with m.State("RUN_COUNTS"), m.If(self._data.valid):
            m.d.comb += self._data.ready.eq(1)
            m.d.sync += [self._args.eq(Cat(self._args[8:], self._data.payload)), third.eq(third + 1)]
            with m.If(third == 2):
                m.d.sync += third.eq(0)
                m.next = "RUN_SET"
        with m.State("RUN_SET"):
            m.d.sync += [self.island.control.set.eq(one), one.eq(one << 1)]
            m.next = "RUN_COUNTS"
            with m.If(one[-1]):
                m.next = "RUN_WAIT"
        with m.State("RUN_WAIT"):
            m.next = "RUN_CHECK"
        with m.State("RUN_CHECK"):
            with m.If((inputs & ~self.island.enough).any()):
                self._reply(m, Reply.NOT_LOADED)
            with m.Elif(~self.island.enough.all()):
                self._reply(m, Reply.OUT_OF_RANGE)
            with m.Else():
                m.d.sync += self.island.control.start.eq(1)
                self._reply(m, Reply.OK)

    def _read(self, m: Module) -> None:
        inputs = Cat(map(int, self._inputs))
        fits = Signal()
        # Buffers send no bytes in other states.
        m.d.comb += self.island.bytes.ready.eq(self._append.ready)
        m.d.sync += fits.eq((self._chosen & ~inputs & self.island.fits).any())
        with m.State("READ"):
            with m.If(fits):
                m.d.sync += self.island.read.eq(self._chosen)
                m.next = "READ_BEGIN"
            with m.Else():
                self._reply(m, Reply.OUT_OF_RANGE)
        with m.State("READ_BEGIN"):
            m.next = "READ_BYTES"
        with m.State("READ_BYTES"):
            m.d.comb += [
                self._append.payload.eq(self.island.bytes.payload),
                self._append.valid.eq(self.island.bytes.valid),
            ]
            with m.If(~self.island.reading & self._appended):
                m.next = "READ_END"
        with m.State("READ_END"):
            with m.If(self.replies.overflow):
                self._reply(m, Reply.OUT_OF_RANGE)
            with m.Else():
                self._reply(m, Reply.OK, empty=False)

    def _tell(self, m: Module) -> None:
        """Answer requests that only report: STATUS, IDENTIFY and COUNTERS."""
        info = InfoReader(description=self._description, counters=len(self._link_counts) // 8)
        m.submodules.info = info
        wiring.connect(m, wiring.flipped(self.island.control.counters), info.engine)
        m.d.comb += [
            info.nonce.eq(self._args[: 8 * NONCE_BYTES]),
            info.offset.eq(self._args[8 * NONCE_BYTES :]),
            info.counters.eq(self._link_counts),
        ]
        with m.State("STATUS"):
            status = Cat(self._any_running, self.island.control.refused)
            m.d.comb += [self._append.payload.eq(status), self._append.valid.eq(1)]
            with m.If(self._append.ready):
                self._reply(m, Reply.OK, empty=False)
        with m.State("IDENTIFY"):
            with m.If(info.missing):
                self._reply(m, Reply.OUT_OF_RANGE)
            with m.Else():
                m.d.comb += info.identify.eq(1)
                m.next = "ANSWER"
        with m.State("COUNTERS"):
            m.d.comb += info.count.eq(1)
            m.d.sync += self.island.control.read_counters.eq(1)
            m.next = "ANSWER"
        with m.State("ANSWER"):
            wiring.connect(m, info.o, self._append)
            with m.If(info.last & self._append.ready):
                m.d.sync += self.island.control.clear_counters.eq(
                    (self.requests.code == Command.COUNTERS) & self._args[40]
                )
                self._reply(m, Reply.OK, empty=False)
