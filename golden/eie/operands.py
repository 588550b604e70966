"""Order and packing of a network's program and vectors on the streams of the EIE engine.

`frames` carries the program of `tercet.golden.eie.program`, then a frame that runs it. Activation j of a vector is in
group ``j // n_pe``, lane ``j % n_pe``. Results follow the same order by the positions to which their rows were dealt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..packing import pack, unpack
from ..streams import Job, StreamPort
from .config import EieConfig
from .layer import EieLayer
from .product import check_acts
from .program import Program, frame_head, link

__all__ = ["Vectors", "bind", "collect", "frame_beats", "job", "program_beats", "run_job", "streams"]

ACT_BITS = 16


def streams(config: EieConfig) -> tuple[StreamPort, ...]:
    """Streams of the engine, with a description of their beats."""
    lane = "least significant first, two's complement"
    width = ACT_BITS * config.n_pe
    return (
        StreamPort("frames", 64, "in", "a frame header, or one of the words that follow it; see frames"),
        StreamPort(
            "acts",
            width,
            "in",
            f"{config.n_pe} activations of {ACT_BITS} bits, {lane}; the last group of a vector is padded with zeros",
        ),
        StreamPort(
            "outs",
            width + 1,
            "out",
            f"{config.n_pe} results of {ACT_BITS} bits, {lane}; lanes without a row undefined; tlast on the last group "
            "of a vector",
        ),
    )


@dataclass(frozen=True, eq=False)
class Vectors:
    """A program and its input activations, (in,) or (batch, in) int16."""

    program: Program
    acts: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """The vectors as (batch, in)."""
        return self.acts.reshape(-1, self.acts.shape[-1])


def bind(config: EieConfig, layers: Sequence[EieLayer] | Program, acts: Any) -> Vectors:
    """Link layers, unless they are already a program, and check activations.

    Raises
    ------
    TypeError, ValueError
        If layers or activations do not match each other or the config.
    """
    program = layers if isinstance(layers, Program) else link(config, layers)
    return Vectors(program, check_acts(program.layers[0].layer, acts).astype(np.int16))


def frame_beats(words: np.ndarray) -> np.ndarray:
    """Convert frame words to beats."""
    return words.astype("<u8").view(np.uint8).reshape(-1, 8)


def program_beats(program: Program) -> np.ndarray:
    """Beats that load a program without running it."""
    return frame_beats(program.frames())


def job(vectors: Vectors) -> Job:
    """Job that loads a program and runs it on vectors."""
    return _job(vectors, frame_beats(vectors.program.frames(len(vectors.rows))), keep=False)


def run_job(vectors: Vectors) -> Job:
    """Job that runs vectors on an engine that still holds the program from the previous job."""
    return _job(vectors, frame_beats(frame_head("run", 0, 0, len(vectors.rows))), keep=True)


def _job(vectors: Vectors, frames: np.ndarray, *, keep: bool) -> Job:
    program = vectors.program
    acts = program.layers[0].arrange(vectors.rows).reshape(-1, program.config.n_pe)
    expect = {"outs": len(vectors.rows) * program.layers[-1].rows}
    return Job({"frames": frames, "acts": pack(acts, ACT_BITS)}, expect, keep=keep)


def collect(vectors: Vectors, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Unpack the results in original row order: (out,) or (batch, out) int16."""
    n_pe, last = vectors.program.config.n_pe, vectors.program.layers[-1]
    groups = unpack(outputs["outs"], ACT_BITS, n_pe).reshape(-1, last.rows, n_pe)
    return last.collect(groups.astype(np.int16)).reshape(*vectors.acts.shape[:-1], -1)
