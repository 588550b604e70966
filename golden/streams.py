"""Streams of an engine, and the jobs that pass through them: NumPy on both sides, without hardware."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .checks import natural

__all__ = ["Job", "JobResult", "StreamPort", "check_port_name"]


@dataclass(frozen=True)
class StreamPort:
    """A stream of a design: ports ``<name>__payload`` [width-1:0], ``<name>__valid`` and ``<name>__ready``.

    Attributes
    ----------
    name : str
        A Verilog name.
    width : int
        Bits of a payload; of an engine's output, its flag ``last`` included, which is the highest bit.
    direction : str
        "in" or "out", seen from the design.
    packing : str
        Contents of a beat, in words, for the manifest.
    """

    name: str
    width: int
    direction: str
    packing: str = field(default="", compare=False)

    def __post_init__(self):
        check_port_name("Stream", self.name)
        if natural("Stream width", self.width) < 1:
            raise ValueError(f"Stream {self.name!r} has width {self.width}; use at least 1")
        if self.direction not in ("in", "out"):
            raise ValueError(f"Stream {self.name!r} has direction {self.direction!r}; use 'in' or 'out'")

    @property
    def bytes(self) -> int:
        """Bytes of a beat."""
        return (self.width + 7) // 8


@dataclass(frozen=True)
class Job:
    """Input of a job, and the amount of its output.

    Attributes
    ----------
    inputs : dict[str, np.ndarray]
        uint8 (beats, ceil(width / 8)) for every input stream: payloads, least significant byte first.
    expect : dict[str, int]
        Number of beats to collect from every output stream.
    cut_after : int
        Clocks after which the job is cut off by a reset of a single clock, wherever it is; 0 lets it end.
    keep : bool
        The job starts from the state in which the one before has left the design: no reset in between. Counters go on.
    """

    inputs: Mapping[str, np.ndarray]
    expect: Mapping[str, int]
    cut_after: int = 0
    keep: bool = False


@dataclass(frozen=True)
class JobResult:
    """Output of a job.

    Attributes
    ----------
    outputs : dict[str, np.ndarray]
        uint8 (beats, ceil(width / 8)) of every output stream: payloads, least significant byte first.
    cycles : int
        Clocks from the first input handshake to the last expected output handshake, both included. A job without inputs
        counts from its first output, one without outputs to its last input. Of a job that was cut off, to the last
        handshake that it had of those. 0 where nobody counts: on a board.
    probes : dict[str, int]
        Value of every probe when the job had ended and the design was quiet for 8 clocks, or when it was cut off.
    """

    outputs: dict[str, np.ndarray]
    cycles: int
    probes: dict[str, int] = field(default_factory=dict)


def check_port_name(what: str, name: Any) -> None:
    """Raise ValueError unless `name` is a name in Verilog; `what` opens the message."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise ValueError(f"{what} name {name!r} is not a Verilog name")
