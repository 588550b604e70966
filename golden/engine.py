"""Engine interface in pure NumPy, used by the host, the simulation, the boards and the command line.

An engine is one object in two halves. This is the half without hardware; `tercet.engines.EngineSpec` joins it with the
Amaranth component.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from .registers import Register, counter_registers, identity, joined
from .streams import Job, StreamPort

__all__ = ["COUNTER_BITS", "BoardPreset", "EngineModel", "at_clock"]

COUNTER_BITS = 40
"""Width of a performance counter in bits: more than an hour at 250 MHz."""

_OWN_REGISTERS, _COUNTERS = 0x10, 0x40  # base addresses


@dataclass(frozen=True)
class BoardPreset:
    """The largest engine that fits an FPGA, with its buffers and clock.

    Attributes
    ----------
    params : mapping
        Fields of the engine's config.
    depths : mapping
        Buffer depth of each stream, in words.
    clock_hz : int
        Clock frequency of engine and link in Hz.
    frame_bytes : int
        Maximum frame size of the link in bytes.
    placer : str
        nextpnr placer: "heap", "timing" or "static".
    """

    params: Mapping[str, Any]
    depths: Mapping[str, int]
    clock_hz: int
    frame_bytes: int = 2048
    placer: str = "heap"


def at_clock(preset: BoardPreset, megahertz: float) -> BoardPreset:
    """Copy a preset with another clock, for another speed grade or for the frequencies a board's PLL can reach."""
    return replace(preset, clock_hz=round(megahertz * 1e6))


class EngineModel(ABC):
    """Software half of an engine: subclass it and register an instance with `tercet.engines.register`.

    Attributes
    ----------
    name, summary : str
        Name on the command line and one-line description.
    year : int
        Year of the architecture that it follows; engines are listed in this order.
    letters : str
        Four letters held in the register ``id``.
    config_class : type
        Frozen dataclass made of `tercet.golden.config.option` fields.
    presets : tuple of str
        Class methods of ``config_class`` that create a config.
    family_field : str
        Config field that selects an FPGA family's hard blocks; empty if the engine instantiates none. The config's
        ``family`` names the family.
    inferred : str
        Value of that field that leaves block inference to synthesis.
    follows_device : bool
        Whether synthesis for a device uses its family's blocks unless the field is given.
    counters : mapping
        Name of each performance counter to a description of what it counts.
    status : mapping
        Bits of the register ``status`` besides ``running`` and ``error``: name to meaning.
    roles : mapping
        Input arrays of a job: name to shape and meaning; `optional` names those that may be omitted.
    form, example : str
        Format for the sizes of random operands, such as MxKxN, and an example of it.
    examples : mapping
        Command to the example arguments shown in its help.
    board_presets : mapping
        FPGA, as named in `tercet.boards.fpga.devices`, or board, to its preset; a board's own preset takes precedence.
    unsaid : mapping
        Values of config fields absent from a board's description, where they differ from the field's default.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    year: ClassVar[int]
    letters: ClassVar[str]
    config_class: ClassVar[Any]
    presets: ClassVar[tuple[str, ...]] = ()
    family_field: ClassVar[str] = ""
    inferred: ClassVar[str] = "any"
    follows_device: ClassVar[bool] = False
    counters: ClassVar[Mapping[str, str]]
    status: ClassVar[Mapping[str, str]] = MappingProxyType({})
    roles: ClassVar[Mapping[str, str]]
    optional: ClassVar[tuple[str, ...]] = ()
    form: ClassVar[str]
    example: ClassVar[str]
    examples: ClassVar[Mapping[str, Sequence[str]]]
    board_presets: ClassVar[Mapping[str, BoardPreset]] = MappingProxyType({})
    unsaid: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    @abstractmethod
    def streams(self, config: Any) -> Sequence[StreamPort]:
        """Streams of the engine, in the order of their numbers on a board."""

    @abstractmethod
    def operands(self, config: Any, *arrays: Any, **options: Any) -> Any:
        """Check arrays, given in the order of `roles`, and bind them to a config.

        Raises
        ------
        TypeError, ValueError
            If they do not fit each other or the config.
        """

    @abstractmethod
    def random(self, config: Any, rng: np.random.Generator, sizes: Sequence[int]) -> Any:
        """Random operands of the given sizes, ordered as in `form`."""

    @abstractmethod
    def job(self, config: Any, operands: Any) -> Job:
        """Pack operands into the beats of all streams, in the order in which the engine consumes them."""

    @abstractmethod
    def collect(self, config: Any, operands: Any, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Unpack the result from the beats of the output streams."""

    @abstractmethod
    def golden(self, config: Any, operands: Any) -> np.ndarray:
        """Compute the result with the golden model."""

    @abstractmethod
    def cycles(self, config: Any, operands: Any) -> int:
        """Clock cycles for the operands if no stream stalls."""

    @abstractmethod
    def size(self, config: Any) -> str:
        """Size of the engine in its own terms, such as "16 x 8 PEs"."""

    @abstractmethod
    def multipliers(self, config: Any) -> float:
        """Maximum number of products started per clock cycle."""

    def clocks(self, probes: Mapping[str, int], cycles: int) -> int:
        """Clock cycles of a job as counted by `cycles`, from its counters and the cycles from first to last beat."""
        return cycles

    def throughput_unit(self, config: Any) -> str:
        """Unit of peak throughput."""
        return "GOPS"

    def own_registers(self) -> Mapping[str, Register]:
        """Engine-specific registers, at 0x10 to 0x3c."""
        return {}

    def size_register(self) -> Register:
        """The register at 0x04, which holds the engine's sizes."""
        return Register(0x04, "r", "reserved; reads as 0")

    def register_value(self, config: Any, field: str) -> int:
        """Value of a constant register or of a field in one: the config field of the same name."""
        return int(getattr(config, field))

    @property
    def identity(self) -> int:
        """Value of the register ``id``."""
        return identity(self.letters)

    @property
    def registers(self) -> dict[str, Register]:
        """Registers of the AXI4-Lite port, by name."""
        texts = {"running": "work is in progress", "error": "input was rejected since reset", **self.status}
        return {
            "id": Register(0x00, "r", f"the letters {self.letters}"),
            "size": self.size_register(),
            "status": Register(
                0x08,
                "r",
                "; ".join(f"{name}: {text}" for name, text in texts.items()),
                {name: (bit, 1) for bit, name in enumerate(texts)},
            ),
            "control": Register(0x0C, "rw", "clear: reset the counters to zero; reads as 0", {"clear": (0, 1)}),
            **self.own_registers(),
            **counter_registers(self.counters, _COUNTERS),
        }

    def constants(self, config: Any) -> dict[str, int]:
        """Values of the constant registers, by name."""
        values = {"id": self.identity}
        for name, register in {"size": self.size_register(), **self.own_registers()}.items():
            if register.access == "r" and register.fields:
                values[name] = joined(register, **{f: self.register_value(config, f) for f in register.fields})
            elif register.access == "r" and hasattr(config, name):
                values[name] = self.register_value(config, name)
        return values

    def family(self, config: Any) -> str:
        """FPGA family whose hard blocks the engine instantiates: the config's ``family``, "any" if it has none."""
        return getattr(config, "family", "any")

    def infers_blocks(self, config: Any) -> bool:
        """Whether the FPGA's hard blocks are inferred by synthesis for this config."""
        return not self.family_field or getattr(config, self.family_field) == self.inferred

    def peak_gops(self, config: Any, clock_hz: float) -> float:
        """Peak throughput in 10^9 multiplications and additions per second."""
        return 2 * self.multipliers(config) * clock_hz / 1e9

    def said(self, config: Any) -> dict[str, Any]:
        """Config fields that a board's description must list: those that differ from what it implies by omission."""
        plain = {field.name: field.default for field in fields(config)} | dict(self.unsaid)
        return {name: value for name, value in asdict(config).items() if value != plain[name]}

    def config_said(self, said: Mapping[str, Any]) -> Any:
        """Rebuild the config from the fields that `said` returned."""
        return self.config_class(**{**self.unsaid, **said})
