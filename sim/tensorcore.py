"""The tensor-core engine's RTL as a function on NumPy arrays."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tercet.golden.tensorcore import TensorCoreConfig, check_mma, result_array
from tercet.golden.tensorcore_cycles import block_parts, tiles
from tercet.rtl import primitives
from tercet.rtl.emit import verilog
from tercet.rtl.tensorcore.counters import COUNTER_BITS, COUNTERS
from tercet.rtl.tensorcore.engine import Engine
from tercet.rtl.tensorcore.layouts import addend_layout, column_layout, command_layout, row_layout
from tercet.rtl.tensorcore.plan import Plan

from .bench import Job, JobResult, StreamPort, run
from .packing import join, pack, unpack

__all__ = ["TensorCoreRun", "job", "mma", "mmas", "result", "sources", "streams"]

TOP = "tensorcore"

Operands = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class TensorCoreRun:
    """Result of products on the RTL.

    Attributes
    ----------
    out : (..., M, N) float32, float16 or int32 array
        What the RTL delivered.
    cycles : int
        Clocks from the first command to the last result, both included, the whole batch.
    counters : dict[str, int]
        The engine's performance counters: clocks in which a part was started, and in which one waited for what.
    """

    out: np.ndarray
    cycles: int
    counters: dict[str, int]


def mma(config: TensorCoreConfig, a: Any, b: Any, c: Any, **options: Any) -> TensorCoreRun:
    """``a @ b + c`` on the RTL.

    Parameters
    ----------
    config : TensorCoreConfig
        The engine.
    a, b, c : (..., M, K), (..., K, N) and (..., M, N) arrays
        As in `tercet.golden.tensorcore.mma`; the products of a batch run in one simulation, one after the other.
    simulator, stall, seed, waves
        As in :func:`tercet.sim.bench.run`.

    Returns
    -------
    TensorCoreRun

    Raises
    ------
    TypeError, ValueError
        If arrays do not fit each other or the config, or the config is for the golden model only.
    SimulationError
        If the RTL gets stuck or breaks the stream protocol.
    """
    return mmas(config, [(a, b, c)], **options)[0]


def mmas(config: TensorCoreConfig, items: Sequence[tuple[Any, Any, Any]], **options: Any) -> list[TensorCoreRun]:
    """Run several products, each from reset, in one simulator process; see `mma`."""
    operands = [check_mma(a, b, c, config) for a, b, c in items]
    jobs = [job(config, *arrays) for arrays in operands]
    results = run(sources(config), TOP, streams(config), jobs, probes=dict.fromkeys(COUNTERS, COUNTER_BITS), **options)
    return [result(config, arrays, done) for arrays, done in zip(operands, results, strict=True)]


@functools.lru_cache(maxsize=32)
def _engine(config: TensorCoreConfig) -> str:
    return verilog(Engine(config=config), name=TOP)


def sources(config: TensorCoreConfig) -> dict[str, str]:
    """File name to Verilog text: the engine, and models of the primitives in it."""
    text = _engine(config)
    return {f"{TOP}.v": text, **{path.name: path.read_text() for path in primitives.used(text)}}


def streams(config: TensorCoreConfig) -> list[StreamPort]:
    """The engine's streams."""
    block = addend_layout(config).size
    return [
        StreamPort("commands", command_layout().size, "in"),
        StreamPort("a", row_layout(config).size, "in"),
        StreamPort("b", column_layout(config).size, "in"),
        StreamPort("c", block, "in"),
        StreamPort("d", block + 1, "out"),
    ]


def _flat(arrays: Operands) -> Operands:
    """With one leading dimension."""
    a, b, c = (array.reshape(-1, *array.shape[-2:]) for array in arrays)
    return a, b, c


def _blocks(array: np.ndarray, rows: int, cols: int, by_rows: int, by_cols: int = 1) -> np.ndarray:
    """Patterns (batch, M, N) as blocks (batch, M / rows, N / cols, parts, elements), filled up with zeros.

    A block is cut into `by_rows` times `by_cols` parts.
    """
    batch, m, n = array.shape
    padded = np.pad(array, ((0, 0), (0, -m % rows), (0, -n % cols)))
    high, wide = -(-m // rows), -(-n // cols)
    cut = padded.reshape(batch, high, by_rows, rows // by_rows, wide, by_cols, cols // by_cols)
    return cut.transpose(0, 1, 4, 2, 5, 3, 6).reshape(batch, high, wide, by_rows * by_cols, -1)


def job(config: TensorCoreConfig, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Job:
    """The beats of products, from patterns as `check_mma` gives them."""
    a, b, c = _flat((a, b, c))
    plan = Plan(config)
    batch, steps = len(a), a.shape[-1] // config.l
    by_rows, by_cols = block_parts(config)
    a_blocks, c_blocks = _blocks(a, config.m, config.l, by_rows), _blocks(c, config.m, config.n, by_rows, by_cols)
    # A column of B lies side by side.
    b_blocks = _blocks(np.swapaxes(b, -1, -2), config.n, config.l, by_cols)
    commands: list[tuple[int, int, int]] = []
    beats: dict[str, list[np.ndarray]] = {"a": [], "b": [], "c": []}
    for rows, cols in tiles(config, a.shape[-2], b.shape[-1]):
        commands.append((len(rows) - 1, len(cols) - 1, steps - 1))
        # All blocks of a step, then those of the next.
        beats["a"].append(a_blocks[:, rows.start : rows.stop].swapaxes(1, 2))
        beats["b"].append(b_blocks[:, cols.start : cols.stop].swapaxes(1, 2))
        beats["c"].append(c_blocks[:, rows.start : rows.stop, cols.start : cols.stop])
    fields = zip(np.array(commands * batch).T, (field.width for _, field in command_layout()), strict=True)
    inputs = {"commands": join(*fields)}
    for name, width in {"a": plan.a_width, "b": plan.b_width, "c": plan.c_width}.items():
        parts = [part.reshape(batch, -1, part.shape[-1]) for part in beats[name]]
        inputs[name] = pack(np.concatenate(parts, axis=1).reshape(-1, parts[0].shape[-1]), width)
    return Job(inputs, {"d": len(inputs["c"])})


def result(config: TensorCoreConfig, arrays: Operands, done: JobResult) -> TensorCoreRun:
    """What a job has given, as an array."""
    shape = arrays[2].shape
    m, n = shape[-2:]
    high, wide = -(-m // config.m), -(-n // config.n)
    width = Plan(config).c_width
    by_rows, by_cols = block_parts(config)
    rows, cols = config.m // by_rows, config.n // by_cols
    parts = unpack(done.outputs["d"], width, rows * cols) & (2**width - 1)
    blocks = parts.reshape(-1, high * wide, by_rows, by_cols, rows, cols).swapaxes(3, 4)
    blocks = blocks.reshape(-1, high * wide, config.m, config.n)
    out = np.empty((len(blocks), high, wide, config.m, config.n), np.int64)
    at = 0
    for tile_rows, tile_cols in tiles(config, m, n):
        here = blocks[:, at : at + len(tile_rows) * len(tile_cols)]
        at += here.shape[1]
        tile = here.reshape(-1, len(tile_rows), len(tile_cols), config.m, config.n)
        out[:, tile_rows.start : tile_rows.stop, tile_cols.start : tile_cols.stop] = tile
    whole = out.swapaxes(2, 3).reshape(-1, high * config.m, wide * config.n)[:, :m, :n]
    return TensorCoreRun(result_array(whole.reshape(shape), config), done.cycles, dict(done.probes))
