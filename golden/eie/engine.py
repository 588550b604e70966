"""Software half of the EIE engine."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..engine import EngineModel
from ..registers import Register
from ..streams import Job, StreamPort
from . import operands as _operands
from .board_presets import BOARD_PRESETS
from .config import EieConfig
from .encoding import network_cycles
from .operands import Vectors
from .product import network_spmv
from .stimuli import random_acts, random_layer

__all__ = ["MODEL"]

_DEPTHS = {
    "matrix_depth": "words of the matrix memory in each PE",
    "pointer_depth": "pointers in each PE",
    "act_depth": "activations in each of a PE's two buffers",
    "constant_depth": "codebook weights and biases in each PE",
    "program_depth": "steps of a program",
}


class EieModel(EngineModel):
    """Sparse matrix-vector products on compressed layers, after Stanford's EIE."""

    name = "eie"
    summary = "sparse inference on compressed layers, after Stanford's EIE"
    year = 2016
    letters = "TEIE"
    config_class = EieConfig
    presets = ("paper",)
    family_field, follows_device = "family", True
    counters = {
        "total": "cycles spent computing",
        "busy": "entries issued, summed over all PEs",
        "stall": "cycles in which a column waited for a full queue",
        "starve": "computing cycles without an entry, summed over all PEs",
        "filler": "fillers among the entries issued",
        "load": "cycles in which activations were accepted",
        "unload": "cycles in which results were output",
        "saturated": "results that did not fit 16 bits",
    }
    roles = {"layers": "encoded layers, each fed by the previous one", "acts": "activations (in,) or (batch, in)"}
    form, example = "OUTxIN[xBATCH]", "512x256"
    examples = {
        "generate": (
            "--n-pe 16 --family ecp5 -o build/eie",
            "--n-pe 16 --family ecp5 --model model.tercet",
            "--preset paper",
            "--config board.toml",
        ),
        "synth": (
            "--unit pe --device ecp5-85k",
            "--unit engine --n-pe 8 --device ecp5-85k --freq 150 --seeds 5 --json report.json",
            "--unit pe --matrix-depth 4096 --device up5k",
        ),
        "sim": (
            "--n-pe 8 --shape 512x256 --density 0.1 --act-density 0.3",
            "--codes layer.npz --codebook layer.npz --acts acts.npy --relu --permute balance",
            "--model model.tercet --acts samples.npy -o results.npy",
            "--shape 64x64x3 --stall 0.2 --waves out.fst",
        ),
        "build": (
            "--board ulx3s-85f --model model.tercet",
            "--board colorlight-i5 --n-pe 2 --depth frames=4096 --seed 2",
        ),
    }

    board_presets = BOARD_PRESETS

    def streams(self, config: EieConfig) -> Sequence[StreamPort]:
        return _operands.streams(config)

    def operands(self, config: EieConfig, *arrays: Any, **options: Any) -> Vectors:
        return _operands.bind(config, *arrays, **options)

    def random(self, config: EieConfig, rng: np.random.Generator, sizes: Sequence[int]) -> Vectors:
        n_out, n_in, *batch = sizes
        layer = random_layer(rng, config, n_out, n_in, 0.1, bias=True)
        return self.operands(config, [layer], random_acts(rng, n_in, 0.3, *batch, act_max=layer.act_max))

    def job(self, config: EieConfig, operands: Vectors) -> Job:
        return _operands.job(operands)

    def collect(self, config: EieConfig, operands: Vectors, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return _operands.collect(operands, outputs)

    def golden(self, config: EieConfig, operands: Vectors) -> np.ndarray:
        return network_spmv([linked.layer for linked in operands.program.layers], operands.acts).out

    def cycles(self, config: EieConfig, operands: Vectors) -> int:
        return network_cycles([linked.layer for linked in operands.program.layers], operands.acts).total

    def clocks(self, probes: Mapping[str, int], cycles: int) -> int:
        """Cycles spent computing, without the preceding load of the program."""
        return probes["total"]

    def size(self, config: EieConfig) -> str:
        return f"{config.n_pe} PEs"

    def multipliers(self, config: EieConfig) -> float:
        """Maximum number of stored entries multiplied per clock cycle."""
        return config.n_pe

    def size_register(self) -> Register:
        return Register(
            0x04,
            "r",
            "processing elements, widths of an entry's code and of its zero count",
            {"n_pe": (0, 16), "code_bits": (16, 8), "index_bits": (24, 8)},
        )

    def own_registers(self) -> Mapping[str, Register]:
        return {
            "numbers": Register(
                0x10,
                "r",
                "fraction bits of activations and weights, for layers without their own; widths of an accumulator and "
                "of a word of the matrix memory",
                {"act_frac": (0, 8), "weight_frac": (8, 8), "acc_width": (16, 8), "word_width": (24, 8)},
            ),
            **{name: Register(0x14 + 4 * n, "r", text) for n, (name, text) in enumerate(_DEPTHS.items())},
        }


MODEL = EieModel()
"""The registered model."""
