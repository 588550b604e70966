"""Network compiled for the NPU: memory images, tensor placements, and host operators."""

import dataclasses
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..networks.graph import Edge, Tensor, input_arrays
from . import serial
from .config import NpuConfig
from .cycle_model import InstructionCycles, instruction_cycles
from .instructions import decode, disassemble
from .machine import Machine, Memories
from .report import LayerReport, utilisation
from .session import Placement, Request, Session, Step, on_golden

__all__ = ["PROGRAM_SUFFIX", "Program", "Region", "same_configuration"]

PROGRAM_SUFFIX = ".tercetn"
"""Suffix of program files."""

_MAGIC, _VERSION = b"TERCETNP", 2
_HEADER = struct.Struct("<8sIIQ")
_PARTS = ("steps", "placements", "inputs", "outputs", "known", "layers", "regions")


@dataclass(frozen=True)
class Region:
    """Buffer region: `size` bytes at `address`, live from operator `first` to `last`; -1 is the input."""

    name: str
    address: int
    size: int
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Program:
    """Network compiled for one NPU configuration.

    Attributes
    ----------
    config : NpuConfig
        Target configuration.
    memories : Memories
        Memories loaded before the first run.
    constants : tuple of (int, int8 array)
        Address and bytes of constants in the unified buffer, loaded before every run.
    steps : tuple of Step
        Steps in execution order.
    placements : tuple of Placement
        Placements of tensors that the host writes or reads: those of the graph's edges and the host operators.
    inputs, outputs : tuple of Edge
        Edges of the graph, as in its file.
    known : mapping of str to Tensor
        Tensors of the edges and the host operators.
    layers : tuple of LayerReport
        Operators in execution order.
    regions : tuple of Region
        Address ranges and lifetimes in the unified buffer.
    peak_bytes : int
        Buffer space taken by activations, in bytes.
    source : str
        Name of the model.
    clipped : int
        Number of weights clipped from -128 to -127.
    """

    config: NpuConfig
    memories: Memories
    constants: tuple[tuple[int, np.ndarray], ...]
    steps: tuple[Step, ...]
    placements: tuple[Placement, ...]
    inputs: tuple[Edge, ...]
    outputs: tuple[Edge, ...]
    known: dict[str, Tensor]
    layers: tuple[LayerReport, ...]
    regions: tuple[Region, ...]
    peak_bytes: int
    source: str = ""
    clipped: int = 0

    @property
    def host(self) -> list[str]:
        """Names of the host operators."""
        return [step.operator.name for step in self.steps if step.operator is not None]

    @property
    def memory(self) -> dict[str, int]:
        """Usage of each memory, in the units of its configuration field."""
        constants = sum(len(data) for _, data in self.constants)
        return {
            "buffer_bytes": self.peak_bytes + constants,
            "weight_bytes": self.memories.weights.size,
            "channels": len(self.memories.bias),
            "tables": len(self.memories.tables),
            "operators": len(self.memories.instructions),
        }

    @cached_property
    def instruction_cycles(self) -> tuple[InstructionCycles, ...]:
        """Clocks of each instruction, without those of the HALTs."""
        found: list[InstructionCycles] = []
        decoded = [decode(row.tobytes()) for row in self.memories.instructions]
        for step in self.steps:
            found += instruction_cycles(decoded[step.first : step.first + step.count], self.config)
        return tuple(found)

    @property
    def cycles(self) -> int:
        """Clocks of an inference, from the start of each run to its last byte written."""
        return sum(part.cycles for part in self.instruction_cycles)

    def report(self, clock_hz: float) -> dict[str, Any]:
        """Return clocks, memory and layers as a JSON-serialisable dict.

        Parameters
        ----------
        clock_hz : float
            Clock frequency, for the time in ``ms``.
        """
        macs = sum(layer.macs for layer in self.layers)
        return {
            "model": self.source,
            "config": dataclasses.asdict(self.config),
            "clock_hz": clock_hz,
            "cycles": self.cycles,
            "ms": 1000 * self.cycles / clock_hz,
            "macs": macs,
            "utilisation": utilisation(macs, self.cycles, self.config),
            "memory": self.memory,
            "clipped": self.clipped,
            "host": self.host,
            "layers": [{**vars(layer), "shape": list(layer.shape)} for layer in self.layers],
        }

    def listing(self) -> str:
        """Return the instructions as assembler text."""
        return disassemble(decode(row.tobytes()) for row in self.memories.instructions)

    def run(self, x: Any) -> list[np.ndarray]:
        """Run on the golden machine; inputs and outputs as for `Graph.run`.

        Raises
        ------
        TypeError, ValueError
            As for `Graph.run`.
        MachineError
            If an instruction cannot be executed.
        """
        arrays, batched = input_arrays(self.inputs, x)
        machine = Machine(self.config, self.memories, len(arrays[0]))
        requests = self.session(arrays)
        request = next(requests)
        try:
            while True:
                request = requests.send(on_golden(machine, request))
        except StopIteration as ended:
            return [out if batched else out[0] for out in ended.value]

    def session(self, arrays: Sequence[np.ndarray]) -> Generator[Request, np.ndarray | None, list[np.ndarray]]:
        """Inference as a sequence of requests to a machine; see `Session.requests`."""
        host = Session(self.constants, self.steps, self.placements, self.inputs, self.outputs, self.known)
        return host.requests(arrays)

    def dumps(self) -> bytes:
        """Return the content of a program file."""
        arrays = {
            "weights": self.memories.weights,
            "bias": self.memories.bias.astype(np.int32),
            "multiplier": self.memories.multiplier.astype(np.int32),
            "shift": self.memories.shift.astype(np.int8),
            "tables": self.memories.tables,
            "instructions": self.memories.instructions,
            **{f"constant{n}": data for n, (_, data) in enumerate(self.constants)},
        }
        plain = serial.Packer(arrays)
        meta = {
            "config": dataclasses.asdict(self.config),
            "constants": [address for address, _ in self.constants],
            "peak_bytes": self.peak_bytes,
            "source": self.source,
            "clipped": self.clipped,
            **{name: plain.pack(getattr(self, name)) for name in _PARTS},
        }
        arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **arrays)
        payload = file.getvalue()
        return _HEADER.pack(_MAGIC, _VERSION, zlib.crc32(payload), len(payload)) + payload

    def save(self, path: Path | str) -> None:
        """Write a program file.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        Path(path).write_bytes(self.dumps())

    @classmethod
    def loads(cls, data: bytes) -> "Program":
        """Parse the content of a program file.

        Raises
        ------
        ValueError
            If it is damaged, has another version, or is not a program.
        """
        if len(data) < _HEADER.size or data[:8] != _MAGIC:
            raise ValueError("it is not an NPU program; compile the model")
        _, version, checksum, size = _HEADER.unpack_from(data)
        payload = data[_HEADER.size :]
        if version != _VERSION:
            raise ValueError(f"it has format version {version}, not {_VERSION}; compile the model again")
        if len(payload) != size or zlib.crc32(payload) != checksum:
            raise ValueError("the program is damaged or truncated; compile the model again")
        try:
            return cls._of(dict(np.load(io.BytesIO(payload), allow_pickle=False)))
        except (KeyError, TypeError, zipfile.BadZipFile, json.JSONDecodeError) as error:
            raise ValueError(f"the program is malformed ({error}); compile the model again") from None

    @classmethod
    def load(cls, path: Path | str) -> "Program":
        """Read a program file; raises the errors of `loads`, and OSError."""
        try:
            return cls.loads(Path(path).read_bytes())
        except ValueError as error:
            raise ValueError(f"{str(path)!r}: {error}") from None

    @classmethod
    def _of(cls, arrays: dict[str, np.ndarray]) -> "Program":
        meta = json.loads(arrays["meta"].tobytes())
        unpack = serial.Unpacker(arrays).unpack
        parts: dict[str, Any] = {name: unpack(meta[name]) for name in _PARTS}
        memories = Memories(
            weights=arrays["weights"],
            bias=arrays["bias"].astype(np.int64),
            multiplier=arrays["multiplier"].astype(np.int64),
            shift=arrays["shift"].astype(np.int64),
            tables=arrays["tables"],
            instructions=arrays["instructions"],
        )
        constants = tuple((address, arrays[f"constant{n}"]) for n, address in enumerate(meta["constants"]))
        config = NpuConfig(**meta["config"])
        others = {name: meta[name] for name in ("peak_bytes", "source", "clipped")}
        return cls(config, memories, constants, **parts, **others)


def same_configuration(program: Program, config: NpuConfig) -> None:
    """Reject a program for another configuration.

    Raises
    ------
    ValueError
        If the configurations differ; the message names each differing field.
    """
    wrong = [
        f"{f.name} {getattr(program.config, f.name)}, not {getattr(config, f.name)}"
        for f in dataclasses.fields(NpuConfig)
        if getattr(program.config, f.name) != getattr(config, f.name)
    ]
    if wrong:
        raise ValueError(f"The program is for a machine with {'; '.join(wrong)}; compile the model for this one")
