"""Streams of an engine and the jobs that pass through them, as NumPy arrays."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .checks import natural

__all__ = ["Job", "JobResult", "StreamPort", "check_port_name"]


@dataclass(frozen=True)
class StreamPort:
    """A stream of a design, with ports ``<name>__payload`` [width-1:0], ``<name>__valid`` and ``<name>__ready``.

    Attributes
    ----------
    name : str
        Verilog identifier.
    width : int
        Payload width in bits. An engine's output includes its ``last`` flag as the MSB.
    direction : str
        "in" or "out", as seen from the design.
    packing : str
        Description of a beat's contents, for the manifest.
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
        """Size of a beat in bytes."""
        return (self.width + 7) // 8


@dataclass(frozen=True)
class Job:
    """Input of a job and the amount of output to expect.

    Attributes
    ----------
    inputs : dict[str, np.ndarray]
        Payloads of each input stream: uint8 (beats, ceil(width / 8)), least significant byte first.
    expect : dict[str, int]
        Number of beats to collect from each output stream.
    cut_after : int
        Clock cycles after which a one-cycle reset aborts the job; 0 lets it finish.
    keep : bool
        Whether to start from the state left by the previous job, without a reset in between. Counters keep counting.
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
        Payloads of each output stream: uint8 (beats, ceil(width / 8)), least significant byte first.
    cycles : int
        Clock cycles from the first input handshake to the last expected output handshake, inclusive. A job without
        inputs counts from its first output, one without outputs to its last input, and an aborted job to the last of
        these handshakes that took place. 0 on a board, where cycles are not counted.
    probes : dict[str, int]
        Value of each probe once the job has ended and the design has been idle for 8 cycles, or at the abort.
    """

    outputs: dict[str, np.ndarray]
    cycles: int
    probes: dict[str, int] = field(default_factory=dict)


def check_port_name(what: str, name: Any) -> None:
    """Raise ValueError unless `name` is a Verilog identifier; `what` is the subject of the message."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise ValueError(f"{what} name {name!r} is not a Verilog name")
