"""Compressed networks on an EIE engine."""

from collections.abc import Mapping, Sequence

import numpy as np
from tercet.golden.eie import EieLayer, check_acts
from tercet.golden.eie_program import Program, frame_head, link
from tercet.sim import eie
from tercet.sim.bench import Job

from .player import Player
from .soc_config import SocConfig

__all__ = ["check", "network", "short_buffers", "vector_words"]

_PROGRAM = "program"


def network(player: Player, layers: Sequence[EieLayer], acts: np.ndarray) -> np.ndarray:
    """See `tercet.boards.host.Device.network`."""
    program, vectors = check(player.soc, layers, acts)
    depths, words = dict(player.soc.depths), vector_words(program)
    flat = vectors.reshape(-1, vectors.shape[-1])
    most = min(depths[name] // need for name, need in words.items())
    frames = program.frames().astype("<u8").view(np.uint8).reshape(-1, 8)
    known = player.known(_PROGRAM)
    if known is not None and np.array_equal(known, frames):
        frames = frames[:0]
    else:
        player.keep(_PROGRAM, None)
    chunks = [frames[at : at + depths["frames"]] for at in range(0, len(frames), depths["frames"])]
    batches = [flat[at : at + most] for at in range(0, len(flat), most)]
    out = []
    with player.transfer(len(chunks) + len(batches)):
        for chunk in chunks:
            player.play(Job({"frames": chunk, "acts": np.empty((0, 1), np.uint8)}, {"outs": 0}))
        if chunks:
            player.keep(_PROGRAM, frames)
        for batch in batches:
            job = eie.job(program, batch)
            run = frame_head("run", 0, 0, len(batch)).astype("<u8").view(np.uint8).reshape(-1, 8)
            done = player.play(Job({**job.inputs, "frames": run}, job.expect))
            out.append(eie.result(program, batch, done).out)
    return np.concatenate(out).reshape(*vectors.shape[:-1], -1)


def check(soc: SocConfig, layers: Sequence[EieLayer], acts: np.ndarray) -> tuple[Program, np.ndarray]:
    """The program of layers and the vectors that it takes, as arrays.

    Raises
    ------
    TypeError, ValueError
        If layers or activations do not fit each other, the engine or its buffers.
    """
    program = link(soc.config, layers)
    vectors = check_acts(program.layers[0].layer, acts)
    short = short_buffers(vector_words(program), dict(soc.depths))
    if short:
        raise ValueError(f"{short[0].upper()}{short[1:]}; build it with deeper buffers")
    return program, vectors


def vector_words(program: Program) -> dict[str, int]:
    """Words that a vector takes in the buffers of the streams, on its way in and out."""
    return {"acts": program.layers[0].groups, "outs": program.layers[-1].rows}


def short_buffers(words: Mapping[str, int], depths: Mapping[str, int]) -> str:
    """What is short of those buffers whose depths are told, nothing if all suffice."""
    short = {name: need for name, need in words.items() if need > depths.get(name, need)}
    return ", ".join(
        f"a vector needs {need} words of {name} but its buffer has {depths[name]}" for name, need in short.items()
    )
