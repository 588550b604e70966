"""Order and packing of a product's operands on the streams of the systolic engine.

``A (m, k) @ W (k, n)`` is cut into column tiles of `cols`, blocks of M and, if weight stationary, K tiles of `rows`,
all padded with zeros. Weight stationary: for each column tile, each block of M and each K tile, `weights` carries the
tile's `rows` rows and `acts` one row of A per row of the block. Output stationary: for each column tile and each block
of `rows` rows, `acts` carries K columns of A and `weights` K rows of W. `order` describes one config for the manifest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..numerics.requantization import Requant, rounding_code
from ..packing import join, pack, unpack
from ..streams import Job, StreamPort
from .config import SystolicConfig
from .model import check_operands

__all__ = ["COMMAND_FIELDS", "MatmulOperands", "bind", "collect", "job", "order", "param_fields", "streams"]

COMMAND_FIELDS = {
    "m": 24,
    "k_steps": 20,
    "n_tiles": 16,
    "params": 1,
    "requant": 1,
    "rounding": 2,
    "zero_point": -8,
    "qmin": -8,
    "qmax": -8,
}
"""Fields of a command and their widths in bits, negative if signed, starting at the LSB.

``m``: rows of A; ``k_steps``: tiles along K (weight stationary) or K itself (output stationary); ``n_tiles``: tiles
along N; all at least 1. ``params``: per-channel parameters are streamed. ``requant``: results are requantised to int8
as the remaining fields specify.
"""


def param_fields(config: SystolicConfig) -> dict[str, int]:
    """Fields of a channel's parameters, as in `COMMAND_FIELDS`: bias and, with a requantiser, multiplier and shift."""
    return {"bias": -config.acc_width, **({"multiplier": 31, "shift": -6} if config.requant_lanes else {})}


def streams(config: SystolicConfig) -> tuple[StreamPort, ...]:
    """Streams of the engine, with a description of their beats."""
    lane = "least significant first, two's complement"
    fields = param_fields(config)
    params = ", ".join(f"{name}: {abs(bits)} bits" for name, bits in fields.items())
    row = "a row of A" if config.dataflow == "ws" else "a column of A"
    ports = [
        StreamPort("commands", _bits(COMMAND_FIELDS), "in"),
        StreamPort(
            "acts",
            config.rows * config.act_width,
            "in",
            f"{config.rows} activations of {config.act_width} bits, {row}, {lane}",
        ),
        StreamPort(
            "weights",
            config.cols * config.weight_width,
            "in",
            f"{config.cols} weights of {config.weight_width} bits, a row of W, {lane}",
        ),
        StreamPort("params", _bits(fields), "in", f"one output channel per beat, least significant first: {params}"),
        StreamPort(
            "sums",
            config.cols * config.acc_width + 1,
            "out",
            f"{config.cols} sums of {config.acc_width} bits, {lane}; tlast on the final row of a command",
        ),
    ]
    if config.requant_lanes:
        text = (
            f"{config.requant_lanes} results of 8 bits, {lane}; a row of {config.cols} in consecutive beats, columns "
            "beyond the last undefined; tlast on the final beat of a command"
        )
        ports.append(StreamPort("outs", config.requant_lanes * 8 + 1, "out", text))
    return tuple(ports)


def order(config: SystolicConfig) -> str:
    """Description of the operand order, for the manifest."""
    if config.dataflow == "ws":
        return (
            f"For each {config.cols} columns of W, for each {config.acc_depth} rows of A, for each {config.rows} of K: "
            f"weights carries {config.rows} rows of W, acts the rows of A; all padded with zeros"
            + (f", weights with the word {config.pad_weight:#x}" if config.binary else "")
        )
    return (
        f"For each {config.cols} columns of W, for each {config.rows} rows of A: acts carries K columns of A, "
        "weights K rows of W; all padded with zeros"
    )


@dataclass(frozen=True, eq=False)
class MatmulOperands:
    """Operands of a product, in the form of the arguments of `tercet.sim.systolic.matmul`."""

    acts: np.ndarray
    weights: np.ndarray
    bias: np.ndarray | None = None
    requant: Requant | None = None


def bind(config: SystolicConfig, product: MatmulOperands) -> MatmulOperands:
    """Check the operands of a product; see `tercet.golden.systolic.matmul` for further errors.

    Raises
    ------
    TypeError
        If `requant` is not a `Requant`.
    ValueError
        If `requant` is given but the engine has no requantiser.
    """
    check_operands(product.acts, product.weights, product.bias, config)
    if product.requant is not None and not isinstance(product.requant, Requant):
        raise TypeError(f"requant {product.requant!r} is not a Requant; use tercet.golden.numerics.Requant")
    if product.requant is not None and not config.requant_lanes:
        raise ValueError("requant_lanes is 0: the engine has no requantiser; use at least 1")
    return product


def job(config: SystolicConfig, product: MatmulOperands) -> Job:
    """Pack a product into beats; raises as `bind` does."""
    requant = bind(config, product).requant
    a, w, b = check_operands(product.acts, product.weights, product.bias, config)
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


def collect(config: SystolicConfig, product: MatmulOperands, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Unpack the result of a product: (M, N) int32, or int8 if requantised."""
    m, n = product.acts.shape[0], product.weights.shape[1]
    tiles = -(-n // config.cols)
    if product.requant is None:
        values = unpack(outputs["sums"], config.acc_width, config.cols)
        dtype: Any = np.int32
    else:
        lanes = config.requant_lanes or 0
        values = unpack(outputs["outs"], 8, lanes).reshape(tiles * m, -1)[:, : config.cols]
        dtype = np.int8
    out = values.reshape(tiles, m, config.cols).transpose(1, 0, 2).reshape(m, -1)[:, :n]
    return out.astype(dtype)


def _bits(fields: Mapping[str, int]) -> int:
    return sum(map(abs, fields.values()))


def _command(config: SystolicConfig, shape: tuple[int, int, int], requant: Requant | None, params: bool) -> np.ndarray:
    m, k, n = shape
    _, k_tiles, n_tiles = config.tiles(m, k, n)
    fields = {"m": m, "k_steps": k_tiles if config.dataflow == "ws" else k, "n_tiles": n_tiles, "params": params}
    if requant is not None:
        fields |= {"requant": 1, "rounding": rounding_code(requant.rounding), "zero_point": requant.zero_point}
        fields |= {"qmin": requant.qmin, "qmax": requant.qmax}
    return join(*((np.array([int(fields.get(name, 0))]), abs(bits)) for name, bits in COMMAND_FIELDS.items()))


def _padded(matrix: np.ndarray, rows: int, cols: int, value: int = 0) -> np.ndarray:
    return np.pad(matrix, ((0, -matrix.shape[0] % rows), (0, -matrix.shape[1] % cols)), constant_values=value)


def _ws_operands(config: SystolicConfig, a: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lanes of activations and weights, (beats, rows) and (beats, cols), in the order of the passes."""
    blocks, k_tiles, n_tiles = config.tiles(a.shape[0], a.shape[1], w.shape[1])
    by_tile = _padded(a, 1, config.rows).reshape(len(a), k_tiles, config.rows).transpose(1, 0, 2)
    ends = np.cumsum(blocks)[:-1]
    acts = np.concatenate([block.reshape(-1, config.rows) for block in np.split(by_tile, ends, axis=1)])
    planes = (
        _padded(w, config.rows, config.cols, config.pad_weight).reshape(-1, n_tiles, config.cols).transpose(1, 0, 2)
    )
    weights = np.repeat(planes[:, None], len(blocks), axis=1)
    return np.tile(acts, (n_tiles, 1)), weights.reshape(-1, config.cols)


def _os_operands(config: SystolicConfig, a: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lanes of activations and weights, (beats, rows) and (beats, cols), in the order of the blocks."""
    blocks, _, n_tiles = config.tiles(a.shape[0], a.shape[1], w.shape[1])
    acts = _padded(a, config.rows, 1).reshape(len(blocks), config.rows, -1).transpose(0, 2, 1)
    columns = _padded(w, 1, config.cols).reshape(-1, n_tiles, config.cols).transpose(1, 0, 2)
    weights = np.repeat(columns[:, None], len(blocks), axis=1)
    return np.tile(acts.reshape(-1, config.rows), (n_tiles, 1)), weights.reshape(-1, config.cols)


def _params(config: SystolicConfig, bias: np.ndarray, tiles: int, requant: Requant | None) -> np.ndarray:
    """Beats of per-channel parameters, padded with zero channels."""
    channels = tiles * config.cols
    fields = {"bias": bias}
    if requant is not None:
        fields["multiplier"], fields["shift"] = requant.per_channel(len(bias))
    padded = {name: np.pad(values, (0, channels - len(values))) for name, values in fields.items()}
    zeros = np.zeros(channels, np.int64)
    return join(*((padded.get(name, zeros), abs(bits)) for name, bits in param_fields(config).items()))
