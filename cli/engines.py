"""The engines the command line knows."""

from dataclasses import dataclass
from typing import Any

from tercet.golden.systolic import SystolicConfig
from tercet.rtl.systolic import generate as systolic_generate

__all__ = ["ENGINES", "Engine"]


@dataclass(frozen=True)
class Engine:
    """What commands need of an engine: its config, presets and units, and the module that generates it."""

    text: str
    config_class: type
    presets: tuple[str, ...]
    units: tuple[str, ...]
    rtl: Any


ENGINES = {
    "systolic": Engine(
        "INT8 multiply-accumulate array, after Google's TPU",
        SystolicConfig,
        ("tpu_v1",),
        systolic_generate.UNITS,
        systolic_generate,
    )
}
