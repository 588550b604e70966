"""Commands and beats of the NPU's streams: programs, inputs and outputs.

`commands` carries what to do, `data` the words that WRITE stores, `results` the bytes that READ sends; see
`tercet.golden.npu.commands`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..networks.graph import input_arrays
from ..packing import join, pack
from ..streams import Job, StreamPort
from .commands import COMMAND_FIELDS, PARAMETER_FIELDS, Command, Memory, beats_per_word
from .config import NpuConfig
from .instructions import BYTES
from .program import Program, same_configuration
from .session import Read, Request, Run, Write

__all__ = ["Batch", "Transcript", "bind", "collect", "job", "load", "replay", "streams"]

_BEAT = 4  # bytes
_BEATS = BYTES // _BEAT  # of an instruction


def streams(config: NpuConfig) -> tuple[StreamPort, ...]:
    """Streams of the engine, with a description of their beats."""
    fields = ", ".join(f"{name}: {bits} bits" for name, bits in COMMAND_FIELDS.items())
    return (
        StreamPort("commands", sum(COMMAND_FIELDS.values()), "in", f"{fields}; least significant first"),
        StreamPort("data", 8 * _BEAT, "in", "words for a memory, least significant part first"),
        StreamPort("results", 8 * _BEAT + 1, "out", "4 bytes of the buffer; tlast on the final beat of a command"),
    )


@dataclass(eq=False)
class Transcript:
    """Commands in order, each with its beats of data."""

    config: NpuConfig
    commands: list[tuple[int, int, int, int]] = field(default_factory=list)
    data: list[np.ndarray] = field(default_factory=list)

    def write(self, memory: Memory, address: int, count: int, beats: np.ndarray) -> None:
        """Store words; `beats` is (beats, 4) uint8."""
        if count:
            self._add((Command.WRITE, memory, address, count), beats)

    def _add(self, command: tuple[int, int, int, int], beats: np.ndarray | None = None) -> None:
        self.commands.append(command)
        self.data.append(np.zeros((0, _BEAT), np.uint8) if beats is None else beats)

    def request(self, request: Request) -> None:
        """Add a request of a sample, a batch of 1."""
        if isinstance(request, Write):
            size = request.data.shape[1]
            beats = np.zeros((-(-size // _BEAT) * _BEAT,), np.uint8)
            beats[:size] = request.data[0].view(np.uint8)
            self.write(Memory.BUFFER, request.address, size, beats.reshape(-1, _BEAT))
        elif isinstance(request, Run):
            self._add((Command.RUN, 0, request.first * _BEATS, 0))
        else:
            for address, size in request.spans:
                self._add((Command.READ, 0, address, size))

    def job(self, *, keep: bool = False) -> Job:
        """Job of these commands."""
        table = np.array(self.commands, np.int64).reshape(-1, len(COMMAND_FIELDS))
        commands = join(*zip(table.T, COMMAND_FIELDS.values(), strict=True))
        data = np.concatenate(self.data) if self.data else np.zeros((0, _BEAT), np.uint8)
        results = sum(-(-count // _BEAT) for command, _, _, count in self.commands if command == Command.READ)
        return Job({"commands": commands, "data": data}, {"results": results}, keep=keep)

    def parts(self, depths: Mapping[str, int]) -> "Iterator[Transcript]":
        """Cut into transcripts that fit streams with buffers of these depths, in words."""
        part, left = Transcript(self.config), dict(depths)
        for command, data in zip(self.commands, self.data, strict=True):
            for piece, beats in _pieces(self.config, command, data, depths):
                need = {"commands": 1, "data": len(beats)}
                need["results"] = -(-piece[3] // _BEAT) if piece[0] == Command.READ else 0
                if any(need[name] > left[name] for name in need):
                    yield part
                    part, left = Transcript(self.config), dict(depths)
                part._add(piece, beats)
                left = {name: left[name] - need[name] for name in need}
        if part.commands:
            yield part


def _pieces(
    config: NpuConfig, command: tuple[int, int, int, int], data: np.ndarray, depths: Mapping[str, int]
) -> Iterator[tuple[tuple[int, int, int, int], np.ndarray]]:
    """Cut a command whose words exceed a buffer."""
    code, memory, address, count = command
    if code == Command.RUN:
        yield command, data
        return
    in_bytes = code == Command.READ or memory == Memory.BUFFER
    beats = 1 if in_bytes else beats_per_word(config, Memory(memory))
    words = depths["results" if code == Command.READ else "data"] // beats
    if not words:
        raise ValueError(f"A word of {beats} beats does not fit the data buffer of {depths['data']}; make it deeper")
    step = words * _BEAT if in_bytes else words
    for start in range(0, count, step):
        piece = (code, memory, address + start, min(step, count - start))
        yield piece, data[start // (_BEAT if in_bytes else 1) * beats :][: words * beats]


def load(program: Program, transcript: Transcript) -> None:
    """Add the commands that load the memories of a program."""
    config, memories = program.config, program.memories
    assert config.weight_rows is not None
    size = config.weight_rows * config.cols
    weights = memories.weights.reshape(-1, size).view(np.uint8)
    width = beats_per_word(config, Memory.WEIGHTS) * _BEAT
    padded = np.zeros((len(weights), width), np.uint8)
    padded[:, :size] = weights
    transcript.write(Memory.WEIGHTS, 0, len(weights), padded.reshape(-1, _BEAT))
    parts = (memories.bias, memories.multiplier, memories.shift)
    entries = join(*((part, abs(bits)) for part, bits in zip(parts, PARAMETER_FIELDS.values(), strict=True)))
    padded = np.zeros((len(entries), beats_per_word(config, Memory.PARAMETERS) * _BEAT), np.uint8)
    padded[:, : entries.shape[1]] = entries
    transcript.write(Memory.PARAMETERS, 0, len(entries), padded.reshape(-1, _BEAT))
    words = pack(memories.tables.reshape(-1, 1), 32)
    transcript.write(Memory.TABLES, 0, len(words), words)
    beats = np.ascontiguousarray(memories.instructions, np.uint8).reshape(-1, _BEAT)
    transcript.write(Memory.INSTRUCTIONS, 0, len(beats), beats)


def replay(session: Any, transcript: Transcript, known: Sequence[np.ndarray]) -> list[np.ndarray] | Read:
    """Add the requests of a sample up to the first `Read` whose bytes are not known.

    Returns
    -------
    list of arrays, or Read
        The session's outputs, or the request at which it stands.
    """
    answers = iter(known)
    try:
        request = next(session)
        while True:
            transcript.request(request)
            answer = None
            if isinstance(request, Read):
                answer = next(answers, None)
                if answer is None:
                    return request
            request = session.send(answer)
    except StopIteration as ended:
        return ended.value


@dataclass(frozen=True, eq=False)
class Batch:
    """A program and its inputs, a batch of each."""

    program: Program
    arrays: tuple[np.ndarray, ...]
    batched: bool

    @property
    def samples(self) -> list[list[np.ndarray]]:
        """Inputs of each sample, as batches of 1."""
        return [[array[n : n + 1] for array in self.arrays] for n in range(len(self.arrays[0]))]


def bind(config: NpuConfig, program: Program, x: Any) -> Batch:
    """Check a program and its inputs.

    Raises
    ------
    TypeError
        If `program` is not a `Program`.
    ValueError
        If it is for another configuration, or an input does not fit it.
    """
    if not isinstance(program, Program):
        raise TypeError(f"program is a {type(program).__name__}, not a Program; use tercet.compiler.compile")
    same_configuration(program, config)
    arrays, batched = input_arrays(program.inputs, x)
    return Batch(program, tuple(arrays), batched)


def job(batch: Batch) -> Job:
    """Load the program and run it on every sample, up to the first answer that the host needs.

    Raises
    ------
    ValueError
        If the host computes operators between instructions, so that one job cannot hold the run.
    """
    if sum(step.operator is None for step in batch.program.steps) > 1:
        names = ", ".join(batch.program.host)
        raise ValueError(f"The host computes {names} between instructions; use tercet.sim.npu.run")
    transcript = Transcript(batch.program.config)
    load(batch.program, transcript)
    for sample in batch.samples:
        replay(batch.program.session(sample), transcript, ())
    return transcript.job()


def read_bytes(results: np.ndarray, spans: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Bytes of a `Read` from the front of the beats of `results`, (1, sizes) int8, and the remaining beats."""
    parts = []
    for _, size in spans:
        beats = -(-size // _BEAT)
        parts.append(np.ascontiguousarray(results[:beats, :_BEAT]).reshape(-1)[:size].view(np.int8))
        results = results[beats:]
    return np.concatenate(parts)[None], results


def collect(batch: Batch, outputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Outputs of a program as `Graph.run` returns them."""
    results, found = outputs["results"], []
    for sample in batch.samples:
        known: list[np.ndarray] = []
        while isinstance(got := replay(batch.program.session(sample), Transcript(batch.program.config), known), Read):
            data, results = read_bytes(results, got.spans)
            known.append(data)
        found.append(got)
    return joined(batch, found)


def joined(batch: Batch, found: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Join the outputs of the samples."""
    whole = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    return whole if batch.batched else [part[0] for part in whole]
