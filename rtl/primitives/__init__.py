"""FPGA blocks, and behavioural models of them for simulation."""

import re
from pathlib import Path

__all__ = ["FAMILIES", "MODELS", "models", "used"]

FAMILIES = {
    "CCU2C": "ecp5",
    "DP16KD": "ecp5",
    "LUT4": "ecp5",
    "MULT18X18D": "ecp5",
    "PFUMX": "ecp5",
    "SB_MAC16": "ice40",
    "SB_SPRAM256KA": "ice40",
}
"""FPGA family of each primitive."""

MODELS: dict[str, Path] = {name: Path(__file__).with_name(f"{name}.v") for name in FAMILIES}
"""Verilog model of each primitive."""


def models(names) -> list[Path]:
    """Return the model files of the named primitives, each once, in the order of `MODELS`.

    Raises
    ------
    ValueError
        If a primitive has no model.
    """
    names = set(names)
    for name in sorted(names - MODELS.keys()):
        raise ValueError(f"Primitive {name!r} has no model; use one of {', '.join(MODELS)}")
    return [path for name, path in MODELS.items() if name in names]


def used(verilog: str) -> list[Path]:
    """Return the models that a Verilog text needs: those of primitives that it names but does not define."""
    code = re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', " ", verilog, flags=re.S)
    defined = re.findall(r"\bmodule\s+(\w+)", code)
    return models(name for name in MODELS if name not in defined and re.search(rf"\b{name}\b", code))
