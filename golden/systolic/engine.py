"""Software half of the systolic engine."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..engine import EngineModel
from ..numerics.requantization import ROUNDINGS, rounding_code
from ..registers import Register
from ..streams import Job, StreamPort
from . import operands as _operands
from .board_presets import BOARD_PRESETS
from .config import SystolicConfig
from .model import matmul
from .operands import COMMAND_FIELDS, MatmulOperands

__all__ = ["MODEL"]

_FIELDS = {name: abs(bits) for name, bits in COMMAND_FIELDS.items()}


class SystolicModel(EngineModel):
    """INT8 matrix products on an array, after Google's TPU v1."""

    name = "systolic"
    summary = "INT8 multiply-accumulate array, after Google's TPU"
    year = 2015
    letters = "TSYS"
    config_class = SystolicConfig
    presets = ("tpu_v1",)
    family_field, inferred, follows_device = "mac", "infer", False
    # The cycle categories published for the TPU (Jouppi et al., ISCA 2017, table 3).
    counters = {
        "active": "cycles in which the array accepts activations",
        "weight_stall": "cycles in which it waits for weights and none arrives",
        "weight_shift": "cycles in which it waits for weights and one arrives",
        "non_matrix": "all other cycles of a command",
    }
    status = {"ready": "a write to start is accepted"}
    roles = {"acts": "activations (M, K)", "weights": "weights (K, N)", "bias": "bias (N,)"}
    optional = ("bias",)
    form, example = "MxKxN", "64x32x16"
    examples = {
        "generate": (
            "--rows 8 --cols 8 -o build/systolic",
            "--preset tpu_v1 --acc-depth 1024",
            "--config board.toml",
        ),
        "synth": (
            "--unit array --mac ecp5 --rows 4 --cols 4 --device ecp5-25k",
            "--unit pe --device up5k --mac ice40 --seeds 5 --json report.json",
        ),
        "sim": (
            "--rows 8 --cols 8 --shape 64x32x16",
            "--acts a.npy --weights w.npy --bias b.npy",
            "--acts model.npz --weights model.npz --stall 0.3",
            "--shape 20x20x20 --stall 0.2 --waves out.fst",
        ),
        "build": ("--board ulx3s-85f", "--board icebreaker --rows 4 --clock 12 -o build/small"),
    }

    board_presets = BOARD_PRESETS

    def streams(self, config: SystolicConfig) -> Sequence[StreamPort]:
        return _operands.streams(config)

    def operands(self, config: SystolicConfig, *arrays: Any, **options: Any) -> MatmulOperands:
        return _operands.bind(config, MatmulOperands(*arrays, **options))

    def random(self, config: SystolicConfig, rng: np.random.Generator, sizes: Sequence[int]) -> MatmulOperands:
        m, k, n = sizes
        act_range = -(2 ** (config.act_width - 1)), 2 ** (config.act_width - 1) - 1
        acts, weights = (
            rng.integers(low, high + 1, shape).astype(np.int8 if high < 128 else np.int16)
            for shape, (low, high) in (((m, k), act_range), ((k, n), config.weight_range))
        )
        return MatmulOperands(acts, weights)

    def job(self, config: SystolicConfig, operands: MatmulOperands) -> Job:
        return _operands.job(config, operands)

    def collect(
        self, config: SystolicConfig, operands: MatmulOperands, outputs: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        return _operands.collect(config, operands, outputs)

    def golden(self, config: SystolicConfig, operands: MatmulOperands) -> np.ndarray:
        sums = matmul(operands.acts, operands.weights, operands.bias, config)
        return sums if operands.requant is None else operands.requant.apply(sums)

    def cycles(self, config: SystolicConfig, operands: MatmulOperands) -> int:
        (m, k), n = operands.acts.shape, operands.weights.shape[1]
        requant = operands.requant is not None
        return config.cycles(m, k, n, requant, params=requant or operands.bias is not None)

    def size(self, config: SystolicConfig) -> str:
        return f"{config.rows} x {config.cols} PEs"

    def multipliers(self, config: SystolicConfig) -> float:
        return config.rows * config.cols * (config.act_width if config.binary else 1)

    def size_register(self) -> Register:
        return Register(0x04, "r", "rows and cols of the array", {"rows": (0, 16), "cols": (16, 16)})

    def own_registers(self) -> Mapping[str, Register]:
        roundings = ", ".join(f"{rounding_code(name)} {name}" for name in ROUNDINGS)
        return {
            "m": Register(0x10, "rw", "rows of A", {"m": (0, _FIELDS["m"])}),
            "k_steps": Register(
                0x14, "rw", "tiles along K, or K itself if output stationary", {"k_steps": (0, _FIELDS["k_steps"])}
            ),
            "n_tiles": Register(0x18, "rw", "tiles along N", {"n_tiles": (0, _FIELDS["n_tiles"])}),
            "mode": Register(
                0x1C,
                "rw",
                f"params: per-channel parameters are streamed; requant: results leave as int8; rounding: {roundings}",
                {"params": (0, 1), "requant": (1, 1), "rounding": (2, _FIELDS["rounding"])},
            ),
            "output": Register(
                0x20,
                "rw",
                "output zero point and clamp, two's complement",
                {"zero_point": (0, 8), "qmin": (8, 8), "qmax": (16, 8)},
            ),
            "start": Register(0x24, "rw", "write any value to run the product set up in the registers; reads as 0"),
        }


MODEL = SystolicModel()
"""The registered model."""
