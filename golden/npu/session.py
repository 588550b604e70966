"""An inference as requests of the host to a machine: write bytes, run instructions, read bytes."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from ..networks.graph import Edge, Tensor
from ..networks.operators import Operator
from .machine import Machine

__all__ = ["Placement", "Read", "Request", "Run", "Session", "Step", "Write", "on_golden"]


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
        First instruction and number of instructions, without the HALT behind them; the count is 0 for a host operator.
    operator : Operator or None
        Operator for the host to compute.
    """

    first: int = 0
    count: int = 0
    operator: Operator | None = None


@dataclass(frozen=True, eq=False)
class Write:
    """Request: write (batch, bytes) int8 data to the unified buffer."""

    address: int
    data: np.ndarray


@dataclass(frozen=True)
class Run:
    """Request: execute the instructions from instruction `first` to HALT."""

    first: int


@dataclass(frozen=True)
class Read:
    """Request: read the spans (address, size) of the unified buffer, one after another."""

    spans: tuple[tuple[int, int], ...]


Request = Write | Run | Read
"""Action of the host on a machine."""


@dataclass(frozen=True, eq=False)
class Session:
    """What the host does for a program; the attributes are those of `Program`."""

    constants: tuple[tuple[int, np.ndarray], ...]
    steps: tuple[Step, ...]
    placements: tuple[Placement, ...]
    inputs: tuple[Edge, ...]
    outputs: tuple[Edge, ...]
    known: dict[str, Tensor]

    def requests(self, arrays: Sequence[np.ndarray]) -> Generator[Request, np.ndarray | None, list[np.ndarray]]:
        """Inference as a sequence of requests to a machine whose memories are loaded.

        Parameters
        ----------
        arrays : sequence of (batch, ...) arrays
            Inputs, as returned by `tercet.golden.networks.graph.input_arrays`. A machine that holds one sample takes a
            batch of 1.

        Yields
        ------
        Request
            Next action; a `Read` is answered with its bytes, (batch, sizes) int8, others with None.

        Returns
        -------
        list of (batch, ...) arrays
            Outputs, as `Graph.run` returns them.
        """
        for address, data in self.constants:
            yield Write(address, np.broadcast_to(data, (len(arrays[0]), len(data))))
        values = {
            edge.tensor: edge.inside(array, self.known[edge.tensor])
            for edge, array in zip(self.inputs, arrays, strict=True)
        }
        placed = {placement.name: placement for placement in self.placements}
        for name, value in values.items():
            if name in placed:
                yield Write(placed[name].address, value.reshape(len(value), -1))
        for number, step in enumerate(self.steps):
            if step.operator is None:
                yield Run(step.first)
                values |= yield from self._read_back(number, set(values))
                continue
            value = step.operator.run(*(values[name] for name in step.operator.inputs))
            values[step.operator.output] = value
            if step.operator.output in placed:
                yield Write(placed[step.operator.output].address, value.reshape(len(value), -1))
        if not any(step.operator is None for step in self.steps):
            # Without instructions, an output may still be an input.
            values |= yield from self._read_back(len(self.steps), set(values))
        return [edge.outside(values[edge.tensor], self.known[edge.tensor]) for edge in self.outputs]

    def _read_back(self, number: int, have: set[str]) -> Generator[Request, np.ndarray | None, dict[str, np.ndarray]]:
        """Read what the host needs until the machine continues after step `number`."""
        wanted: list[str] = []
        made = set(have)
        for step in self.steps[number + 1 :]:
            if step.operator is None:
                break
            wanted += [name for name in step.operator.inputs if name not in made]
            made.add(step.operator.output)
        else:
            wanted += [edge.tensor for edge in self.outputs if edge.tensor not in made]
        placed = {placement.name: placement for placement in self.placements}
        parts = [placed[name] for name in dict.fromkeys(wanted)]
        if not parts:
            return {}
        data = yield Read(tuple((part.address, int(np.prod(part.shape))) for part in parts))
        assert data is not None
        found, at = {}, 0
        for part in parts:
            size = int(np.prod(part.shape))
            found[part.name] = data[:, at : at + size].reshape(-1, *part.shape[1:])
            at += size
        return found


def on_golden(machine: Machine, request: Request) -> np.ndarray | None:
    """Execute a request on the golden machine."""
    if isinstance(request, Write):
        machine.buffer[:, request.address : request.address + request.data.shape[1]] = request.data
        return None
    if isinstance(request, Run):
        machine.run(request.first)
        return None
    # A copy, as the host may keep it while the machine continues.
    return np.concatenate([machine.buffer[:, address : address + size] for address, size in request.spans], axis=1)
