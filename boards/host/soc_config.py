"""SoC configuration and its serialised form, as reported by IDENTIFY."""

import dataclasses
import hashlib
import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tercet.golden.checks import check_names, integer
from tercet.golden.engine import EngineModel
from tercet.golden.engines import engine_model

from .protocol import IDENTIFY_BYTES, PROTOCOL

__all__ = ["Description", "SocConfig", "describe", "description_bytes", "read_description"]

_HEAD = struct.Struct("<BH8s")  # protocol, bytes of compressed text, build hash


@dataclass(frozen=True)
class SocConfig:
    """Configuration of a board's SoC: engine, stream buffers, clock and link.

    Attributes
    ----------
    engine : str
        Name of the engine.
    config : frozen dataclass
        Engine parameters, an instance of the model's config class.
    depths : tuple of (str, int)
        Buffer depth in words for each stream, at least 2.
    clock_hz, baud : int
        Clock of the engine, and UART rate of at most a quarter of the link's clock.
    frame_bytes : int
        Maximum frame size in bytes from sequence to CRC; a power of 2, at least 128.
    board : str
        Name of the board.
    link_hz : int or None
        Clock of the link; None if it is the engine's.
    """

    engine: str
    config: Any
    depths: tuple[tuple[str, int], ...]
    clock_hz: int
    baud: int
    frame_bytes: int = 512
    board: str = ""
    link_hz: int | None = None

    def __post_init__(self):
        kind = engine_model(self.engine)
        if not isinstance(self.config, kind.config_class):
            raise TypeError(f"Config of {self.engine} is {self.config!r}; use a {kind.config_class.__name__}")
        names = [port.name for port in kind.streams(self.config)]
        if [name for name, _ in self.depths] != names:
            raise ValueError(f"Depths name {[name for name, _ in self.depths]}; give those of {', '.join(names)}")
        numbers = {f"buffer of {name}": depth for name, depth in self.depths}
        numbers |= {name: getattr(self, name) for name in ("clock_hz", "baud", "frame_bytes")}
        numbers |= {"link_hz": self.link_hz} if self.two_clocks else {}
        for name, value in numbers.items():
            integer(name, value, (0, 2**40))
        for name, depth in self.depths:
            if not 2 <= depth < 2**24:
                raise ValueError(f"Buffer of {name} has {depth} words; use 2 to {2**24 - 1}")
        size = self.frame_bytes
        if not 128 <= size <= 2**15 or size & (size - 1):
            raise ValueError(f"Frames have {size} bytes; use a power of 2 from 128 to {2**15}")
        if not 0 < self.baud <= self.uart_hz // 4:
            raise ValueError(f"Baud {self.baud} at a clock of {self.uart_hz} Hz; use at most {self.uart_hz // 4}")
        if self.two_clocks and self.family == "ice40":
            raise ValueError("The large RAMs of family 'ice40' have one clock; use no link_hz")

    @property
    def two_clocks(self) -> bool:
        """Whether link and engine have a clock each."""
        return self.link_hz is not None

    @property
    def uart_hz(self) -> int:
        """Clock of the link."""
        return self.clock_hz if self.link_hz is None else self.link_hz

    @property
    def kind(self) -> EngineModel:
        """Model of the engine."""
        return engine_model(self.engine)

    @property
    def params(self) -> dict[str, Any]:
        """Fields of the engine's config that a description must state to identify the engine."""
        return self.kind.said(self.config)

    @property
    def peak_gops(self) -> float:
        """Peak GOPS, counting multiplications and additions; for EIE on stored entries."""
        return self.kind.peak_gops(self.config, self.clock_hz)

    @property
    def family(self) -> str:
        """FPGA family of the engine's primitives, "any" if it instantiates none."""
        return self.kind.family(self.config)


@dataclass(frozen=True)
class Description:
    """Description reported by a board: its `SocConfig` and its build hash."""

    soc: SocConfig
    build: str


def describe(soc: SocConfig, gateware: str) -> bytes:
    """Serialise the description stored in the board; its size is a multiple of `IDENTIFY_BYTES`.

    Parameters
    ----------
    soc : SocConfig
        Configuration of the board.
    gateware : str
        Verilog of engine and link with an empty description, the input of the build hash. Renaming a config field does
        not change the build.
    """
    fields = {field.name: getattr(soc, field.name) for field in dataclasses.fields(soc)}
    # Omit defaults, to keep the description small.
    fields |= {"config": soc.params, "depths": dict(soc.depths)}
    if not soc.two_clocks:
        del fields["link_hz"]
    text = json.dumps(fields, separators=(",", ":"))
    build = hashlib.sha256(gateware.encode()).digest()[:8]
    packed = zlib.compress(text.encode(), 9)
    whole = _HEAD.pack(PROTOCOL, len(packed), build) + packed
    return whole + bytes(-len(whole) % IDENTIFY_BYTES)


def description_bytes(head: bytes) -> int:
    """Return the size of a description in bytes, from its first `IDENTIFY_BYTES`.

    Raises
    ------
    ValueError
        If it has another protocol version.
    """
    protocol, size, _ = _HEAD.unpack_from(head)
    if protocol != PROTOCOL:
        raise ValueError(f"The board speaks protocol {protocol}, this host {PROTOCOL}; build its bitstream again")
    return _HEAD.size + size


def read_description(whole: bytes) -> Description:
    """Deserialise a description written by `describe`.

    Raises
    ------
    ValueError
        If it is malformed.
    """
    size = description_bytes(whole)
    try:
        fields: Mapping[str, Any] = json.loads(zlib.decompress(whole[_HEAD.size : size]))
        names = [field.name for field in dataclasses.fields(SocConfig) if field.name != "link_hz"]
        check_names(fields, names, ["link_hz"])
        config = engine_model(fields["engine"]).config_said(fields["config"])
        soc = SocConfig(**{**fields, "config": config, "depths": tuple(dict(fields["depths"]).items())})
    except (zlib.error, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"The board's description cannot be read ({error}); build its bitstream again") from None
    return Description(soc, _HEAD.unpack_from(whole)[2].hex())
