"""Software half of the tensor-core engine."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..engine import EngineModel
from ..registers import Register
from ..streams import Job, StreamPort
from . import operands as _operands
from .board_presets import BOARD_PRESETS
from .config import TensorCoreConfig
from .cycle_model import cycles
from .model import mma
from .operands import Operands
from .presets import ARCHITECTURES
from .stimuli import random_operands

__all__ = ["FORMAT_NUMBERS", "MODEL"]

FORMAT_NUMBERS = {"fp32": 0, "tf32": 1, "fp16": 2, "bf16": 3, "e4m3": 4, "e5m2": 5, "int8": 6, "int32": 7}
"""Format codes in the register ``formats``. A new format takes the next number; existing numbers never change."""


class TensorCoreModel(EngineModel):
    """D = A B + C on tiles, bit-exact with NVIDIA's tensor cores."""

    name = "tensorcore"
    summary = "mixed-precision multiply and add of 4x4x4 tiles, bit-identical to NVIDIA's tensor cores"
    year = 2017
    letters = "TTCR"
    config_class = TensorCoreConfig
    presets = tuple(ARCHITECTURES)
    family_field, follows_device = "family", True
    # In order of priority: each cycle counts towards the first that applies.
    counters = {
        "busy": "cycles in which a part was started",
        "operand_wait": "cycles without a part because blocks of A or B were missing",
        "addend_wait": "cycles without a part because its part of C was missing",
        "sum_wait": "cycles without a part because its previous sum was not ready",
        "room_wait": "cycles without a part because results were not accepted",
    }
    roles = {"a": "A (M, K) or (batch, M, K)", "b": "B (K, N) or (batch, K, N)", "c": "C (M, N) or (batch, M, N)"}
    form, example = "MxKxN[xBATCH]", "16x64x16"
    examples = {
        "generate": (
            "--family ecp5 -o build/tensorcore",
            "--preset hopper --a-format e4m3 --b-format e5m2 --fold 4",
            "--config board.toml",
        ),
        "synth": (
            "--unit dot --device ecp5-85k",
            "--cores 2 --device ecp5-85k --freq 150 --placer static",
            "--unit engine --fold 4 --device ecp5-25k --freq 150 --seeds 5 --json report.json",
        ),
        "sim": (
            "--preset ampere --shape 64x64x64",
            "--a a.npy --b b.npy --c c.npy --out-format fp16",
            "--preset turing --a-format int8 --overflow saturate --shape 20x32x20x3 --stall 0.3",
            "--cores 2 --shape 64x64x64",
            "--fold 4 --shape 16x16x16 --waves out.fst",
        ),
        "build": (
            "--board ecpix5-85f",
            "--board orangecrab-25f --fold 8 --baud 1000000 --placer timing",
        ),
    }
    # Descriptions from before the floor was configurable are of engines without one.
    unsaid = {"min_exponent": None}

    board_presets = BOARD_PRESETS

    def streams(self, config: TensorCoreConfig) -> Sequence[StreamPort]:
        return _operands.streams(config)

    def operands(self, config: TensorCoreConfig, *arrays: Any, **options: Any) -> Operands:
        return _operands.bind(config, *arrays, **options)

    def random(self, config: TensorCoreConfig, rng: np.random.Generator, sizes: Sequence[int]) -> Operands:
        m, k, n, *batch = sizes
        return random_operands(rng, config, m, k, n, *batch)

    def job(self, config: TensorCoreConfig, operands: Operands) -> Job:
        return _operands.job(config, operands)

    def collect(self, config: TensorCoreConfig, operands: Operands, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return _operands.collect(config, operands, outputs)

    def golden(self, config: TensorCoreConfig, operands: Operands) -> np.ndarray:
        return mma(*operands, config)

    def cycles(self, config: TensorCoreConfig, operands: Operands) -> int:
        a, b, _ = operands
        *batch, m, k = a.shape
        return cycles(config, m, b.shape[-1], k, int(np.prod(batch)))

    def size(self, config: TensorCoreConfig) -> str:
        cores = f"{config.cores} cores of " if config.cores > 1 else ""
        return f"{cores}{config.m} x {config.n} x {config.l}, fold {config.fold}"

    def multipliers(self, config: TensorCoreConfig) -> float:
        return config.m * config.columns * config.l / config.fold

    def throughput_unit(self, config: TensorCoreConfig) -> str:
        return "GOPS" if config.integers else "GFLOPS"

    def register_value(self, config: TensorCoreConfig, field: str) -> int:
        value = getattr(config, field)
        return FORMAT_NUMBERS[value] if isinstance(value, str) else value

    def size_register(self) -> Register:
        return Register(
            0x04,
            "r",
            "rows of a block of D and its columns per core, products per step, cycles per product of two blocks",
            {"m": (0, 8), "n": (8, 8), "l": (16, 8), "fold": (24, 8)},
        )

    def own_registers(self) -> Mapping[str, Register]:
        return {
            "formats": Register(
                0x10,
                "r",
                "formats by number: " + ", ".join(f"{number} {name}" for name, number in FORMAT_NUMBERS.items()),
                {"a_format": (0, 8), "b_format": (8, 8), "out_format": (16, 8)},
            ),
            "numbers": Register(
                0x14,
                "r",
                "fraction bits kept in alignment and fraction bits of D, latency of a dot-product unit in cycles, "
                "cores",
                {"fraction_bits": (0, 8), "out_fraction_bits": (8, 8), "pipeline": (16, 8), "cores": (24, 8)},
            ),
        }


MODEL = TensorCoreModel()
"""The registered model."""
