"""Host port: commands that load the memories, run the program and read the buffer."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.commands import COMMAND_FIELDS, Command, Memory, beats_per_word
from tercet.golden.npu.instructions import BYTES
from tercet.golden.npu.latencies import READ_CLOCKS
from tercet.rtl.common.delay import EventDelay
from tercet.rtl.common.engine import struct_layout
from tercet.rtl.common.outlet import Outlet
from tercet.rtl.common.pipeline import register

from .layouts import ADDRESS_BITS

__all__ = ["HostPort", "capacities", "result_layout"]

_BYTES = 4  # of a beat


def capacities(config: NpuConfig) -> dict[Memory, int]:
    """Words of each memory; bytes of the buffer."""
    assert config.weight_rows is not None
    return {
        Memory.BUFFER: config.buffer_bytes,
        Memory.WEIGHTS: config.weight_bytes // (config.weight_rows * config.cols),
        Memory.PARAMETERS: config.channels,
        Memory.TABLES: 256 * config.tables,
        Memory.INSTRUCTIONS: config.operators * BYTES // 4,
    }


def result_layout() -> data.StructLayout:
    """Four bytes of the buffer; ``last`` marks the final beat of a command."""
    return data.StructLayout({"data": 32, "last": 1})


class HostPort(wiring.Component):
    """Execute commands one after another.

    Parameters
    ----------
    config : NpuConfig
        Sizes of the memories.

    Members
    -------
    commands : In(stream.Signature(struct_layout(COMMAND_FIELDS)))
        Commands.
    data : In(stream.Signature(32))
        Beats of WRITE commands.
    results : Out(stream.Signature(result_layout()))
        Bytes of READ commands.
    write : Out(len(Memory)), address, beat, value : Out
        Write `value` to this memory, one-hot: its word, and the part of the word. In the buffer, `count` bytes.
    read_address : Out(24), read_data : In(32)
        Port of the buffer, `READ_CLOCKS` plus two clocks.
    start : Out(1), first : Out(range), done : In(1)
        Run the program whose first instruction has this address; it has ended.
    loading, unloading, running : Out(1)
        A WRITE, READ or RUN command is being executed.
    error : Out(1)
        A command is malformed or reaches beyond its memory. Then RUN is not executed; WRITE takes its data and READ
        sends its results, so that the commands behind keep theirs.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        beats = max(beats_per_word(config, memory) for memory in Memory)
        super().__init__(
            {
                "commands": In(stream.Signature(struct_layout(COMMAND_FIELDS))),
                "data": In(stream.Signature(32)),
                "results": Out(stream.Signature(result_layout())),
                "write": Out(len(Memory)),
                "address": Out(COMMAND_FIELDS["address"]),
                "beat": Out(range(beats)),
                "value": Out(32),
                "count": Out(range(_BYTES + 1)),
                "read_address": Out(ADDRESS_BITS),
                "read_data": In(32),
                "start": Out(1),
                "first": Out(range(capacities(config)[Memory.INSTRUCTIONS])),
                "done": In(1),
                "loading": Out(1),
                "unloading": Out(1),
                "running": Out(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        command = Signal(self.commands.payload.shape(), reset_less=True, name="command")
        address, left = (Signal(command.count.shape(), reset_less=True, name=name) for name in ("next_address", "left"))
        in_buffer, write, read = (Signal(name=name) for name in ("in_buffer", "write_now", "read_now"))
        last, advance = Signal(reset_less=True, name="last"), Signal(name="advance")
        refused, check = Signal(name="refused"), Signal(name="check")
        malformed = self._malformed(m, command)
        m.d.sync += self.error.eq(check & malformed)
        step = Mux(in_buffer, _BYTES, 1)
        word_end = self._write(m, write, command.memory, address, left)
        outlet = self._read(m, read, address, last)
        m.d.comb += [in_buffer.eq(command.memory == Memory.BUFFER), self.first.eq(address)]
        m.d.comb += advance.eq(write & word_end | read)
        # Compared a step ahead; a command has two clocks before its first step.
        m.d.sync += last.eq(Mux(advance, left <= 2 * step, left <= step))
        with m.If(advance):
            m.d.sync += [address.eq(address + step), left.eq(left - step)]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.commands.ready.eq(1)
                new = self.commands.payload
                m.d.sync += [command.eq(new), address.eq(new.address), left.eq(new.count)]
                with m.If(self.commands.valid):
                    m.next = "MEASURE"
            with m.State("MEASURE"):
                m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += check.eq(1)
                m.d.sync += refused.eq(malformed)
                m.next = "IDLE"
                with m.If(command.command == Command.RUN):
                    m.next = "START"
                with m.Elif(left != 0):
                    m.next = "READ"
                    with m.If(command.command == Command.WRITE):
                        m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += [self.loading.eq(1), self.data.ready.eq(1), write.eq(self.data.valid)]
                with m.If(write & word_end & last):
                    m.next = "IDLE"
            with m.State("START"):
                m.d.comb += self.start.eq(~refused)
                m.next = "RUN"
                with m.If(refused):
                    m.next = "IDLE"
            with m.State("RUN"):
                m.d.comb += self.running.eq(1)
                with m.If(self.done):
                    m.next = "IDLE"
            with m.State("READ"):
                m.d.comb += [self.unloading.eq(1), read.eq(outlet.ready)]
                with m.If(read & last):
                    m.next = "FINISH"
            with m.State("FINISH"):
                m.d.comb += self.unloading.eq(1)
                with m.If(outlet.empty):
                    m.next = "IDLE"
        return m

    def _malformed(self, m: Module, command) -> Value:
        """Whether a command is unknown or reaches beyond its memory; a clock after the command."""
        sizes = Array([*capacities(self.config).values(), 0, 0, 0])
        buffer = self.config.buffer_bytes
        runs, writes = command.command == Command.RUN, command.command == Command.WRITE
        instructions = capacities(self.config)[Memory.INSTRUCTIONS]
        size = Mux(runs, instructions, Mux(writes, sizes[command.memory], buffer))
        s1_end = register(m, "s1_end", command.address + command.count + runs)
        s1_size = register(m, "s1_size", size)
        return (command.command > max(Command)) | (s1_end > s1_size)

    def _write(self, m: Module, write: Value, memory: Value, address: Value, left: Value) -> Value:
        """Write a beat, a clock later; return whether it is the last of its word."""
        beat = Signal(self.beat.shape(), name="next_beat")
        lasts = Array([*(beats_per_word(self.config, memory) - 1 for memory in Memory), 0, 0, 0])
        word_end = Signal(name="word_end")
        last_beat = Signal(self.beat.shape(), reset_less=True, name="last_beat")
        m.d.sync += last_beat.eq(lasts[memory])
        m.d.comb += word_end.eq(beat == last_beat)
        with m.If(write):
            m.d.sync += beat.eq(Mux(word_end, 0, beat + 1))
        in_buffer = memory == Memory.BUFFER
        m.d.sync += [
            self.write.eq(Mux(write, 1 << memory, 0)),
            self.address.eq(address),
            self.beat.eq(beat),
            self.value.eq(self.data.payload),
            self.count.eq(Mux(write & in_buffer, Mux(left < _BYTES, left, _BYTES), 0)),
        ]
        return word_end

    def _read(self, m: Module, read: Value, address: Value, last: Value) -> Outlet:
        """Read four bytes; they leave through the outlet that is returned."""
        latency = READ_CLOCKS + 2
        m.submodules.outlet = outlet = Outlet(shape=result_layout(), latency=latency)
        m.submodules.reading = reading = EventDelay(clocks=latency, width=2)
        m.d.sync += self.read_address.eq(address)
        m.d.comb += [
            outlet.start.eq(read),
            reading.i.eq(Cat(read, last)),
            Cat(outlet.arrive, outlet.value.last).eq(reading.o),
            outlet.value.data.eq(self.read_data),
        ]
        wiring.connect(m, outlet.o, wiring.flipped(self.results))
        return outlet
