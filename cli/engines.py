"""The engines the command line knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tercet.golden.eie_layer import EieConfig
from tercet.golden.systolic import SystolicConfig
from tercet.golden.tensorcore_config import TensorCoreConfig
from tercet.golden.tensorcore_presets import ARCHITECTURES
from tercet.rtl.eie import generate as eie_generate
from tercet.rtl.systolic import generate as systolic_generate
from tercet.rtl.tensorcore import generate as tensorcore_generate

__all__ = ["ENGINES", "Engine", "examples"]


@dataclass(frozen=True)
class Engine:
    """What commands need of an engine.

    Attributes
    ----------
    text : str
        What it is.
    config_class, presets, units, rtl
        Its config, presets and units, and the module that generates it.
    blocks : (str, str)
        Field of the config that chooses an FPGA family's blocks, and the value that leaves them to synthesis.
    follows_device : bool
        Synthesis for a device uses the blocks of its family, unless the field is given.
    examples : dict
        Command to the arguments that its help shows.
    """

    text: str
    config_class: type
    presets: tuple[str, ...]
    units: tuple[str, ...]
    rtl: Any
    blocks: tuple[str, str]
    follows_device: bool
    examples: Mapping[str, tuple[str, ...]]

    def infers_blocks(self, config: Any) -> bool:
        """Whether synthesis finds the FPGA's blocks for this config."""
        field, inferred = self.blocks
        return getattr(config, field) == inferred


def examples(command: str, name: str | None = None, *, notes: str = "") -> str:
    """The end of a help page: what an engine shows for a command, or the first line of each; then `notes`."""
    chosen = [name] if name else ENGINES
    found = {engine: ENGINES[engine].examples[command] for engine in chosen}
    shown = [(engine, line) for engine, all_of in found.items() for line in (all_of if name else all_of[:1])]
    lines = [f"  tercet {command} {engine} {line}\n" for engine, line in shown]
    return "\b\nExamples:\n" + "".join(lines) + (f"\n{notes}" if notes else "")


_SYSTOLIC = {
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
}
_EIE = {
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
}
_TENSORCORE = {
    "generate": (
        "--family ecp5 -o build/tensorcore",
        "--preset hopper --a-format e4m3 --b-format e5m2 --fold 4",
        "--config board.toml",
    ),
    "synth": (
        "--unit dot --device ecp5-85k",
        "--unit engine --fold 4 --device ecp5-25k --freq 150 --seeds 5 --json report.json",
    ),
    "sim": (
        "--preset ampere --shape 64x64x64",
        "--a a.npy --b b.npy --c c.npy --out-format fp16",
        "--preset turing --a-format int8 --overflow saturate --shape 20x32x20x3 --stall 0.3",
        "--fold 4 --shape 16x16x16 --waves out.fst",
    ),
}

ENGINES = {
    "systolic": Engine(
        "INT8 multiply-accumulate array, after Google's TPU",
        SystolicConfig,
        ("tpu_v1",),
        systolic_generate.UNITS,
        systolic_generate,
        ("mac", "infer"),
        follows_device=False,
        examples=_SYSTOLIC,
    ),
    "eie": Engine(
        "sparse inference on compressed layers, after Stanford's EIE",
        EieConfig,
        ("paper",),
        eie_generate.UNITS,
        eie_generate,
        ("family", "any"),
        follows_device=True,
        examples=_EIE,
    ),
    "tensorcore": Engine(
        "mixed-precision multiply and add of 4x4x4 tiles, bit-identical to NVIDIA's tensor cores",
        TensorCoreConfig,
        tuple(ARCHITECTURES),
        tensorcore_generate.UNITS,
        tensorcore_generate,
        ("family", "any"),
        follows_device=True,
        examples=_TENSORCORE,
    ),
}
