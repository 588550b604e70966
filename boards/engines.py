"""The engines as the boards see them: streams in and out, and counters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tercet.golden.eie_layer import EieConfig
from tercet.golden.systolic import SystolicConfig
from tercet.golden.tensorcore_config import TensorCoreConfig
from tercet.rtl.eie import counters as eie_counters
from tercet.rtl.eie.engine import Engine as EieEngine
from tercet.rtl.systolic import counters as systolic_counters
from tercet.rtl.systolic.engine import Engine as SystolicEngine
from tercet.rtl.tensorcore import counters as tensorcore_counters
from tercet.rtl.tensorcore.engine import Engine as TensorCoreEngine
from tercet.sim import eie, systolic, tensorcore
from tercet.sim.bench import StreamPort

__all__ = ["ENGINES", "BoardEngine", "engine"]


@dataclass(frozen=True)
class BoardEngine:
    """What a board needs to know of an engine.

    Attributes
    ----------
    config_class, component : type
        Its config, and its `wiring.Component`, which takes ``config=``.
    streams : callable
        Its streams, by config.
    counters : sequence of str
        Its counters, members of 40 bits each.
    family : str
        The field of the config that names the FPGA family.
    unsaid : mapping
        Fields of the config that a board's description may lack, and what they are then; beside those, what is the
        default is not said.
    """

    config_class: Any
    component: type
    streams: Callable[[Any], list[StreamPort]]
    counters: Sequence[str]
    family: str
    unsaid: Mapping[str, Any] = field(default_factory=dict)


ENGINES = {
    "systolic": BoardEngine(
        SystolicConfig, SystolicEngine, systolic.streams, tuple(map(str, systolic_counters.COUNTERS)), "mac"
    ),
    "eie": BoardEngine(EieConfig, EieEngine, eie.streams, tuple(map(str, eie_counters.COUNTERS)), "family"),
    "tensorcore": BoardEngine(
        TensorCoreConfig,
        TensorCoreEngine,
        tensorcore.streams,
        tuple(map(str, tensorcore_counters.COUNTERS)),
        "family",
        # Engines had no floor before it could be said.
        unsaid={"min_exponent": None},
    ),
}
"""All of them by name."""


def engine(name: str) -> BoardEngine:
    """Look an engine up.

    Raises
    ------
    ValueError
        If it is unknown.
    """
    if name not in ENGINES:
        raise ValueError(f"Engine {name!r} is unknown; use one of {', '.join(ENGINES)}")
    return ENGINES[name]
