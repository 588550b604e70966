"""Runs compressed networks on an EIE engine."""

from collections.abc import Mapping, Sequence

import numpy as np
from tercet.golden.eie.layer import EieLayer
from tercet.golden.eie.operands import Vectors, bind, collect, program_beats, run_job
from tercet.golden.eie.program import Program
from tercet.golden.streams import Job

from .session import Session
from .soc_config import SocConfig

__all__ = ["check", "network", "short_buffers", "vector_words"]

_PROGRAM = "program"


def network(session: Session, layers: Sequence[EieLayer], acts: np.ndarray) -> np.ndarray:
    """See `tercet.boards.host.device.Device.network`."""
    vectors = check(session.soc, layers, acts)
    depths, words = dict(session.soc.depths), vector_words(vectors.program)
    most = min(depths[name] // need for name, need in words.items())
    frames = program_beats(vectors.program)
    known = session.known(_PROGRAM)
    resident = known is not None and np.array_equal(known, frames)
    chunks = [] if resident else [frames[at : at + depths["frames"]] for at in range(0, len(frames), depths["frames"])]
    batches = [vectors.rows[at : at + most] for at in range(0, len(vectors.rows), most)]
    out = []
    with session.transfer(len(chunks) + len(batches)):
        if chunks:
            session.keep(_PROGRAM, None)
        for chunk in chunks:
            session.run(Job({"frames": chunk, "acts": np.empty((0, 1), np.uint8)}, {"outs": 0}, keep=True))
        if chunks:
            session.keep(_PROGRAM, frames)
        for batch in batches:
            part = Vectors(vectors.program, batch)
            out.append(collect(part, session.run(run_job(part)).outputs))
    return np.concatenate(out).reshape(*vectors.acts.shape[:-1], -1)


def check(soc: SocConfig, layers: Sequence[EieLayer], acts: np.ndarray) -> Vectors:
    """Link layers to a program and bind its input vectors.

    Raises
    ------
    TypeError, ValueError
        If layers or activations do not match each other, the engine or its buffers.
    """
    vectors = bind(soc.config, layers, acts)
    short = short_buffers(vector_words(vectors.program), dict(soc.depths))
    if short:
        raise ValueError(f"{short[0].upper()}{short[1:]}; build it with deeper buffers")
    return vectors


def vector_words(program: Program) -> dict[str, int]:
    """Words of one vector in the input and output stream buffers."""
    return {"acts": program.layers[0].groups, "outs": program.layers[-1].rows}


def short_buffers(words: Mapping[str, int], depths: Mapping[str, int]) -> str:
    """Describe the buffers that are too small, among those in `depths`; empty if all suffice."""
    short = {name: need for name, need in words.items() if need > depths.get(name, need)}
    return ", ".join(
        f"a vector needs {need} words of {name} but its buffer has {depths[name]}" for name, need in short.items()
    )
