"""The systolic engine's RTL as a function on NumPy arrays."""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tercet.golden.requantize import Requant, rounding_code
from tercet.golden.systolic import SystolicConfig, check_operands
from tercet.rtl import primitives
from tercet.rtl.emit import verilog
from tercet.rtl.systolic.counters import COUNTER_BITS, COUNTERS
from tercet.rtl.systolic.engine import Engine
from tercet.rtl.systolic.layouts import command_layout, param_layout

from .bench import Job, JobResult, StreamPort, run
from .packing import join, pack, unpack
from .simulators import Simulator

__all__ = ["MatmulRun", "Product", "job", "matmul", "matmuls", "result", "sources", "streams"]

TOP = "systolic"


@dataclass(frozen=True)
class MatmulRun:
    """Result of a product on the RTL.

    Attributes
    ----------
    out : (M, N) int32 array, int8 with requantisation
        What the RTL delivered.
    cycles : int
        Clocks from the first command to the last result, both included.
    counters : dict[str, int]
        The engine's performance counters: ``active``, ``weight_stall``, ``weight_shift``, ``non_matrix``.
    """

    out: np.ndarray
    cycles: int
    counters: dict[str, int]


@dataclass(frozen=True)
class Product:
    """Operands of one product, as `matmul` takes them."""

    acts: np.ndarray
    weights: np.ndarray
    bias: np.ndarray | None = None
    requant: Requant | None = None


def matmul(
    config: SystolicConfig,
    acts: np.ndarray,
    weights: np.ndarray,
    bias: np.ndarray | None = None,
    requant: Requant | None = None,
    *,
    simulator: Simulator | str | None = None,
    stall: float = 0.0,
    seed: int = 0,
    waves: str | os.PathLike | None = None,
) -> MatmulRun:
    """Run ``acts @ weights + bias`` on the RTL.

    Parameters
    ----------
    config : SystolicConfig
        The engine.
    acts, weights, bias
        As in :func:`tercet.golden.systolic.matmul`.
    requant : Requant or None
        Let results leave as int8.
    simulator, stall, seed, waves
        As in :func:`tercet.sim.bench.run`.

    Returns
    -------
    MatmulRun

    Raises
    ------
    TypeError, ValueError
        If operands do not fit each other or the config.
    SimulationError
        If the RTL gets stuck or breaks the stream protocol.
    """
    return matmuls(
        config, [Product(acts, weights, bias, requant)], simulator=simulator, stall=stall, seed=seed, waves=waves
    )[0]


def matmuls(config: SystolicConfig, products: Sequence[Product], **options: Any) -> list[MatmulRun]:
    """Run several products, each from reset, in one simulator process; see `matmul`."""
    jobs = [job(config, product) for product in products]
    counters = {str(name): COUNTER_BITS for name in COUNTERS}
    results = run(sources(config), TOP, streams(config), jobs, probes=counters, **options)
    return [result(config, product, done) for product, done in zip(products, results, strict=True)]


@functools.lru_cache(maxsize=32)
def _engine(config: SystolicConfig) -> str:
    return verilog(Engine(config=config), name=TOP)


def sources(config: SystolicConfig) -> dict[str, str]:
    """File name to Verilog text: the engine, and models of the primitives in it."""
    text = _engine(config)
    return {f"{TOP}.v": text, **{path.name: path.read_text() for path in primitives.used(text)}}


def streams(config: SystolicConfig) -> list[StreamPort]:
    """The engine's streams."""
    lanes = config.requant_lanes or 0
    return [
        StreamPort("commands", command_layout(config).size, "in"),
        StreamPort("acts", config.rows * config.act_width, "in"),
        StreamPort("weights", config.cols * config.weight_width, "in"),
        StreamPort("params", param_layout(config).size, "in"),
        StreamPort("sums", config.cols * config.acc_width + 1, "out"),
        *([StreamPort("outs", lanes * 8 + 1, "out")] if lanes else []),
    ]


def job(config: SystolicConfig, product: Product) -> Job:
    """The beats of a product; errors as of `matmul`."""
    a, w, b = check_operands(product.acts, product.weights, product.bias, config)
    requant = product.requant
    if requant is not None and not isinstance(requant, Requant):
        raise TypeError(f"requant {requant!r} is no Requant; use tercet.golden.quantize.Requant")
    if requant is not None and not config.requant_lanes:
        raise ValueError("requant_lanes is 0: the engine has no requantiser; use at least 1")
    (m, k), n = a.shape, w.shape[1]
    with_params = product.bias is not None or requant is not None
    acts, weights = (_ws_operands if config.dataflow == "ws" else _os_operands)(config, a, w)
    tiles = config.tiles(m, k, n)[2]
    beats = m * tiles
    inputs = {
        "commands": _command(config, (m, k, n), requant, with_params),
        "acts": pack(acts, config.act_width),
        "weights": pack(weights, config.weight_width),
        "params": _params(config, b, tiles, requant)[: None if with_params else 0],
    }
    expect = {"sums": 0 if requant else beats}
    if config.requant_lanes:
        expect["outs"] = beats * -(-config.cols // config.requant_lanes) if requant else 0
    return Job(inputs, expect)


def _command(config: SystolicConfig, shape: tuple[int, int, int], requant: Requant | None, params: bool) -> np.ndarray:
    m, k, n = shape
    _, k_tiles, n_tiles = config.tiles(m, k, n)
    fields = {"m": m, "k_steps": k_tiles if config.dataflow == "ws" else k, "n_tiles": n_tiles, "params": params}
    if requant is not None:
        fields |= {"requant": 1, "rounding": rounding_code(requant.rounding), "zero_point": requant.zero_point}
        fields |= {"qmin": requant.qmin, "qmax": requant.qmax}
    layout = command_layout(config)
    return join(*((np.array([int(fields.get(name, 0))]), field.width) for name, field in layout))


def _padded(matrix: np.ndarray, rows: int, cols: int) -> np.ndarray:
    return np.pad(matrix, ((0, -matrix.shape[0] % rows), (0, -matrix.shape[1] % cols)))


def _ws_operands(config: SystolicConfig, a: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Beats of activations and weights in the order of the passes."""
    blocks, k_tiles, n_tiles = config.tiles(a.shape[0], a.shape[1], w.shape[1])
    by_tile = _padded(a, 1, config.rows).reshape(len(a), k_tiles, config.rows).transpose(1, 0, 2)
    ends = np.cumsum(blocks)[:-1]
    acts = np.concatenate([block.reshape(-1, config.rows) for block in np.split(by_tile, ends, axis=1)])
    planes = _padded(w, config.rows, config.cols).reshape(-1, n_tiles, config.cols).transpose(1, 0, 2)
    weights = np.repeat(planes[:, None], len(blocks), axis=1)
    return np.tile(acts, (n_tiles, 1)), weights.reshape(-1, config.cols)


def _os_operands(config: SystolicConfig, a: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Beats of activations and weights in the order of the blocks."""
    blocks, _, n_tiles = config.tiles(a.shape[0], a.shape[1], w.shape[1])
    acts = _padded(a, config.rows, 1).reshape(len(blocks), config.rows, -1).transpose(0, 2, 1)
    columns = _padded(w, 1, config.cols).reshape(-1, n_tiles, config.cols).transpose(1, 0, 2)
    weights = np.repeat(columns[:, None], len(blocks), axis=1)
    return np.tile(acts.reshape(-1, config.rows), (n_tiles, 1)), weights.reshape(-1, config.cols)


def _params(config: SystolicConfig, bias: np.ndarray, tiles: int, requant: Requant | None) -> np.ndarray:
    """Beats of per-channel parameters, channels beyond the last one zero."""
    channels = tiles * config.cols
    fields = {"bias": bias}
    if requant is not None:
        fields["multiplier"], fields["shift"] = requant.per_channel(len(bias))
    padded = {name: np.pad(values, (0, channels - len(values))) for name, values in fields.items()}
    zeros = np.zeros(channels, np.int64)
    return join(*((padded.get(name, zeros), field.width) for name, field in param_layout(config)))


def result(config: SystolicConfig, product: Product, done: JobResult) -> MatmulRun:
    """What a job has given, as an array."""
    m, n = product.acts.shape[0], product.weights.shape[1]
    tiles = -(-n // config.cols)
    if product.requant is None:
        values = unpack(done.outputs["sums"], config.acc_width, config.cols)
        dtype = np.int32
    else:
        lanes = config.requant_lanes or 0
        values = unpack(done.outputs["outs"], 8, lanes).reshape(tiles * m, -1)[:, : config.cols]
        dtype = np.int8
    out = values.reshape(tiles, m, config.cols).transpose(1, 0, 2).reshape(m, -1)[:, :n]
    return MatmulRun(out.astype(dtype), done.cycles, done.probes)
