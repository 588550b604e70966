"""Software half of the NPU."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..engine import EngineModel
from ..registers import Register
from ..streams import Job, StreamPort
from . import operands as _operands
from .board_presets import BOARD_PRESETS
from .config import NpuConfig
from .operands import Batch

__all__ = ["MODEL"]


class NpuModel(EngineModel):
    """Whole int8 networks on chip, after Google's TPU as a machine."""

    name = "npu"
    summary = "whole int8 networks on chip, after Google's TPU as a machine"
    year = 2018
    letters = "TNPU"
    config_class = NpuConfig
    family_field, inferred, follows_device = "mac", "infer", False
    counters = {
        "run": "cycles from the start of a run to its last byte written",
        "active": "cycles in which the unified buffer is read for an instruction",
        "load": "cycles in which memories are being written",
        "unload": "cycles in which the unified buffer is being sent",
    }
    roles = {"program": "compiled network", "x": "inputs, (batch, ...) or without a batch"}
    form, example = "MODEL", "model.tflite"
    examples = {
        "generate": ("--rows 16 --cols 8 -o build/npu", "--rows 8 --cols 8 --mac ecp5 --buffer-bytes 32768"),
        "synth": ("--unit gather --mac ecp5 --device ecp5-85k", "--unit depthwise --mac ecp5 --device ecp5-85k"),
        "sim": ("--model model.tflite", "--model model.onnx --inputs x.npy --json result.json"),
        "build": ("--board ulx3s-85f",),
    }
    board_presets = BOARD_PRESETS

    def streams(self, config: NpuConfig) -> Sequence[StreamPort]:
        return _operands.streams(config)

    def operands(self, config: NpuConfig, *arrays: Any, **options: Any) -> Batch:
        return _operands.bind(config, *arrays, **options)

    def random(self, config: NpuConfig, rng: np.random.Generator, sizes: Sequence[int]) -> Batch:
        raise ValueError("An NPU runs networks, not random operands; use --model")

    def job(self, config: NpuConfig, operands: Batch) -> Job:
        return _operands.job(operands)

    def collect(self, config: NpuConfig, operands: Batch, outputs: Mapping[str, np.ndarray]) -> Any:
        return _operands.collect(operands, outputs)

    def golden(self, config: NpuConfig, operands: Batch) -> Any:
        x = list(operands.arrays) if operands.batched else [array[0] for array in operands.arrays]
        return operands.program.run(x if len(x) > 1 else x[0])

    def cycles(self, config: NpuConfig, operands: Batch) -> int:
        return operands.program.cycles * len(operands.samples)

    def clocks(self, probes: Mapping[str, int], cycles: int) -> int:
        """Cycles of the runs alone, without loading and sending."""
        return probes["run"]

    def size(self, config: NpuConfig) -> str:
        return f"{config.rows} x {config.cols} PEs"

    def multipliers(self, config: NpuConfig) -> float:
        return config.rows * config.cols

    def size_register(self) -> Register:
        return Register(
            0x04,
            "r",
            "rows and cols of the array, results requantised and depthwise taps per clock",
            {"rows": (0, 8), "cols": (8, 8), "requant_lanes": (16, 8), "depthwise_taps": (24, 8)},
        )

    def own_registers(self) -> Mapping[str, Register]:
        return {
            "acc_depth": Register(0x10, "r", "accumulator depth", {"acc_depth": (0, 16), "weight_rows": (16, 8)}),
            "buffer_bytes": Register(0x14, "r", "size of the unified buffer"),
            "weight_bytes": Register(0x18, "r", "size of the weight memory"),
            "memories": Register(
                0x1C, "r", "instructions and tables that fit", {"operators": (0, 16), "tables": (16, 16)}
            ),
            "channels": Register(0x20, "r", "parameter entries that fit"),
        }


MODEL = NpuModel()
"""The registered model."""
