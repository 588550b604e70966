"""Network compiled for the NPU: memory images, tensor placements, and host operators."""

import dataclasses
import io
import json
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..networks.graph import Edge, Tensor, input_arrays
from ..networks.operators import Operator
from . import serial
from .config import NpuConfig
from .instructions import decode, disassemble
from .machine import Machine, Memories

__all__ = ["LayerReport", "Placement", "Program", "Region", "Step", "same_configuration"]

_MAGIC, _VERSION = b"TERCETNP", 1
_HEADER = struct.Struct("<8sIIQ")
_PARTS = ("steps", "placements", "inputs", "outputs", "known", "layers", "regions")


@dataclass(frozen=True)
class Placement:
    """Placement of a dense tensor in the unified buffer.

    Attributes
    ----------
    name : str
        Name of the graph tensor.
    address : int
        Address of its first byte.
    shape : tuple of int
        Channels last, with a leading batch of 1.
    """

    name: str
    address: int
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a run: consecutive NPU instructions, or one host operator.

    Attributes
    ----------
    first, count : int
        First instruction and number of instructions; the count is 0 for a host operator.
    operator : Operator or None
        Operator for the host to compute.
    """

    first: int = 0
    count: int = 0
    operator: Operator | None = None


@dataclass(frozen=True)
class Region:
    """Buffer region: `size` bytes at `address`, live from operator `first` to `last`; -1 is the input."""

    name: str
    address: int
    size: int
    first: int
    last: int


@dataclass(frozen=True)
class LayerReport:
    """Report of one operator: name, kind, output shape, MACs, weights, instructions, and live buffer bytes."""

    name: str
    op: str
    shape: tuple[int, ...]
    macs: int
    weight_bytes: int
    instructions: int
    live_bytes: int


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
        for address, data in self.constants:
            machine.buffer[:, address : address + len(data)] = data
        values = {
            edge.tensor: edge.inside(array, self.known[edge.tensor])
            for edge, array in zip(self.inputs, arrays, strict=True)
        }
        placed = {placement.name: placement for placement in self.placements}
        for name, value in values.items():
            _write(machine, placed.get(name), value)
        for step in self.steps:
            if step.operator is None:
                machine.run(step.first, step.count)
                continue
            given = [values[name] if name in values else _read(machine, placed[name]) for name in step.operator.inputs]
            values[step.operator.output] = step.operator.run(*given)
            _write(machine, placed.get(step.operator.output), values[step.operator.output])
        found = []
        for edge in self.outputs:
            inside = values[edge.tensor] if edge.tensor in values else _read(machine, placed[edge.tensor])
            out = edge.outside(inside, self.known[edge.tensor])
            found.append(out if batched else out[0])
        return found

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


def _span(placement: Placement) -> slice:
    return slice(placement.address, placement.address + int(np.prod(placement.shape)))


def _write(machine: Machine, placement: Placement | None, value: np.ndarray) -> None:
    if placement is not None:
        machine.buffer[:, _span(placement)] = value.reshape(len(value), -1)


def _read(machine: Machine, placement: Placement) -> np.ndarray:
    # A copy, as the host may keep it while the machine continues.
    return machine.buffer[:, _span(placement)].reshape(-1, *placement.shape[1:]).copy()


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
