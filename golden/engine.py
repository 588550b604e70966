"""The contract of an engine, in NumPy alone: what host, simulation, boards and command line know of each engine.

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

__all__ = ["COUNTER_BITS", "FAMILIES", "BoardPreset", "EngineModel", "at_clock"]

COUNTER_BITS = 40
"""Bits of a performance counter: more than an hour at 250 MHz."""

FAMILIES = ("ecp5", "ice40")
"""FPGA families whose blocks an engine can instantiate."""

_OWN_REGISTERS, _COUNTERS = 0x10, 0x40  # where they begin


@dataclass(frozen=True)
class BoardPreset:
    """The largest engine that fits an FPGA, with its buffers and clock.

    Attributes
    ----------
    params : mapping
        Fields of the engine's config.
    depths : mapping
        Words of the buffer of each of its streams.
    clock_hz : int
        Clock of engine and link.
    frame_bytes : int
        Most bytes of a frame of the link.
    placer : str
        One of nextpnr's placers: "heap", "timing" or "static".
    """

    params: Mapping[str, Any]
    depths: Mapping[str, int]
    clock_hz: int
    frame_bytes: int = 2048
    placer: str = "heap"


def at_clock(preset: BoardPreset, megahertz: int) -> BoardPreset:
    """A preset at another clock: of another speed grade, or what a board's PLL makes of its oscillator."""
    return replace(preset, clock_hz=megahertz * 1_000_000)


class EngineModel(ABC):
    """An engine in software: subclass it, and register an instance with `tercet.engines.register`.

    Attributes
    ----------
    name, summary : str
        Its name on the command line, and what it is, in one line.
    year : int
        In which its example was published; engines are listed in that order.
    letters : str
        Four letters that the register ``id`` holds.
    config_class : type
        Frozen dataclass made of `tercet.golden.config.option` fields.
    presets : tuple of str
        Class methods of it that make a config.
    family_field : str
        Field of the config that chooses an FPGA family's blocks; empty if the engine instantiates none.
    inferred : str
        Value of that field that leaves blocks to synthesis.
    follows_device : bool
        Synthesis for a device uses the blocks of its family unless the field is given.
    counters : mapping
        Performance counter to what it counts.
    status : mapping
        Bits of the register ``status`` beside ``running`` and ``error``: name to its meaning.
    roles : mapping
        Arrays that a job takes, by name, each with shape and meaning; those that may be missing are in `optional`.
    form, example : str
        Sizes of random operands, such as MxKxN, and an example.
    examples : mapping
        Command to the arguments that its help shows.
    board_presets : mapping
        FPGA, as `tercet.boards.fpga.devices` names it, or board, whose own goes first, to the preset for it.
    unsaid : mapping
        Fields of the config that a board's description may lack, and their values then; fields of other engines' boards
        that are not said have their default.
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
        """Streams of the engine, in the order in which a board numbers them."""

    @abstractmethod
    def operands(self, config: Any, *arrays: Any, **options: Any) -> Any:
        """Check arrays, in the order of `roles`, and bind them to a config.

        Raises
        ------
        TypeError, ValueError
            If they do not fit each other or the config.
        """

    @abstractmethod
    def random(self, config: Any, rng: np.random.Generator, sizes: Sequence[int]) -> Any:
        """Random operands of some sizes, as in `form`."""

    @abstractmethod
    def job(self, config: Any, operands: Any) -> Job:
        """Beats of all streams for operands, in the order in which the engine takes them."""

    @abstractmethod
    def collect(self, config: Any, operands: Any, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """The result of operands from the beats of the output streams."""

    @abstractmethod
    def golden(self, config: Any, operands: Any) -> np.ndarray:
        """The result of operands by the golden model."""

    @abstractmethod
    def cycles(self, config: Any, operands: Any) -> int:
        """Clocks of operands when no stream stalls."""

    @abstractmethod
    def size(self, config: Any) -> str:
        """How large the engine is, in its own terms: "16 x 8 PEs"."""

    @abstractmethod
    def multipliers(self, config: Any) -> float:
        """Products that it starts in a clock, at most."""

    def clocks(self, probes: Mapping[str, int], cycles: int) -> int:
        """Clocks of a job as `cycles` counts them, from counters and from the clocks between first and last beat."""
        return cycles

    def throughput_unit(self, config: Any) -> str:
        """Unit of its peak throughput."""
        return "GOPS"

    def own_registers(self) -> Mapping[str, Register]:
        """Registers from 0x10 to 0x3c."""
        return {}

    def size_register(self) -> Register:
        """The register at 0x04: sizes of the engine."""
        return Register(0x04, "r", "reserved; reads as 0")

    def register_value(self, config: Any, field: str) -> int:
        """What a constant register, or a field of one, shows: the config's field of that name."""
        return int(getattr(config, field))

    @property
    def identity(self) -> int:
        """Value of the register ``id``."""
        return identity(self.letters)

    @property
    def registers(self) -> dict[str, Register]:
        """Registers of the AXI4-Lite port, by name."""
        texts = {"running": "work is not finished", "error": "input was refused since the reset", **self.status}
        return {
            "id": Register(0x00, "r", f"the letters {self.letters}"),
            "size": self.size_register(),
            "status": Register(
                0x08,
                "r",
                "; ".join(f"{name}: {text}" for name, text in texts.items()),
                {name: (bit, 1) for bit, name in enumerate(texts)},
            ),
            "control": Register(0x0C, "rw", "clear: set the counters to zero; reads as 0", {"clear": (0, 1)}),
            **self.own_registers(),
            **counter_registers(self.counters, _COUNTERS),
        }

    def constants(self, config: Any) -> dict[str, int]:
        """Values of the registers that never change."""
        found = {"id": self.identity}
        for name, register in {"size": self.size_register(), **self.own_registers()}.items():
            if register.access == "r" and register.fields:
                found[name] = joined(register, **{f: self.register_value(config, f) for f in register.fields})
            elif register.access == "r" and hasattr(config, name):
                found[name] = self.register_value(config, name)
        return found

    def family(self, config: Any) -> str:
        """FPGA family whose blocks the engine instantiates; "any" for none."""
        chosen = getattr(config, self.family_field) if self.family_field else self.inferred
        return chosen if chosen in FAMILIES else "any"

    def infers_blocks(self, config: Any) -> bool:
        """Whether synthesis finds the FPGA's blocks for this config."""
        return not self.family_field or getattr(config, self.family_field) == self.inferred

    def peak_gops(self, config: Any, clock_hz: float) -> float:
        """Multiplications and additions in a nanosecond, at most."""
        return 2 * self.multipliers(config) * clock_hz / 1e9

    def said(self, config: Any) -> dict[str, Any]:
        """Fields of a config without which a description would be of another engine."""
        plain = {field.name: field.default for field in fields(config)} | dict(self.unsaid)
        return {name: value for name, value in asdict(config).items() if value != plain[name]}

    def config_said(self, said: Mapping[str, Any]) -> Any:
        """The config of `said`."""
        return self.config_class(**{**self.unsaid, **said})
