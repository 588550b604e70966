"""Clocks and utilisation of a program, per operator."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .config import NpuConfig
from .cycle_model import InstructionCycles

__all__ = ["LayerReport", "timed", "utilisation"]


@dataclass(frozen=True)
class LayerReport:
    """Report of one operator.

    Attributes
    ----------
    name, op : str
        Node name and kind of operator.
    shape : tuple of int
        Output shape, channels last, with a leading batch of 1.
    macs : int
        Multiply-accumulate operations.
    weight_bytes : int
        Weights, without padding.
    instructions : int
        Number of instructions; 0 if it runs on the host or moves no bytes.
    live_bytes : int
        Bytes of the unified buffer that hold live tensors while it runs.
    cycles : int
        Clocks of its instructions.
    utilisation : float
        Multiply-accumulate operations per clock and processing element of the array.
    bound : str
        `InstructionCycles.bound` of its longest instruction; "" without instructions.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    macs: int
    weight_bytes: int
    instructions: int
    live_bytes: int
    cycles: int = 0
    utilisation: float = 0.0
    bound: str = ""


def utilisation(macs: int, cycles: int, config: NpuConfig) -> float:
    """Return the multiply-accumulate operations per clock and processing element; 0 without clocks."""
    return macs / (cycles * config.rows * config.cols) if cycles else 0.0


def timed(
    layers: Sequence[LayerReport], instructions: Iterable[InstructionCycles], config: NpuConfig
) -> tuple[LayerReport, ...]:
    """Return the reports with the clocks of their instructions, which follow each other in the same order."""
    rest, found = iter(instructions), []
    for layer in layers:
        parts = [next(rest) for _ in range(layer.instructions)]
        cycles = sum(part.cycles for part in parts)
        found.append(
            dataclasses.replace(
                layer,
                cycles=cycles,
                utilisation=utilisation(layer.macs, cycles, config),
                bound=max(parts, key=lambda part: part.cycles).bound if parts else "",
            )
        )
    return tuple(found)
