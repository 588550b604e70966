"""What is on a board: the engine, the buffers of its streams, clock and link; also as the board tells it."""

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

_HEAD = struct.Struct("<BH8s")  # protocol, bytes of the text, build hash


@dataclass(frozen=True)
class SocConfig:
    """An engine on a board.

    Attributes
    ----------
    engine : str
        Its name.
    config : frozen dataclass
        Its parameters, of the model's config class.
    depths : tuple of (str, int)
        Words of the buffer of each of its streams, at least 2 each.
    clock_hz, baud : int
        Clock of everything, and rate of the UART: at most a quarter of that.
    frame_bytes : int
        Most bytes of a frame from sequence to CRC; a power of 2, at least 128.
    board : str
        Name of the board.
    """

    engine: str
    config: Any
    depths: tuple[tuple[str, int], ...]
    clock_hz: int
    baud: int
    frame_bytes: int = 512
    board: str = ""

    def __post_init__(self):
        kind = engine_model(self.engine)
        if not isinstance(self.config, kind.config_class):
            raise TypeError(f"Config of {self.engine} is {self.config!r}; use a {kind.config_class.__name__}")
        names = [port.name for port in kind.streams(self.config)]
        if [name for name, _ in self.depths] != names:
            raise ValueError(f"Depths are of {[name for name, _ in self.depths]}; give those of {', '.join(names)}")
        numbers = {f"buffer of {name}": depth for name, depth in self.depths}
        numbers |= {name: getattr(self, name) for name in ("clock_hz", "baud", "frame_bytes")}
        for name, value in numbers.items():
            integer(name, value, (0, 2**40))
        for name, depth in self.depths:
            if not 2 <= depth < 2**24:
                raise ValueError(f"Buffer of {name} has {depth} words; use 2 to {2**24 - 1}")
        size = self.frame_bytes
        if not 128 <= size <= 2**15 or size & (size - 1):
            raise ValueError(f"Frames have {size} bytes; use a power of 2 from 128 to {2**15}")
        if not 0 < self.baud <= self.clock_hz // 4:
            raise ValueError(f"Baud {self.baud} at a clock of {self.clock_hz} Hz; use at most {self.clock_hz // 4}")

    @property
    def kind(self) -> EngineModel:
        """The engine."""
        return engine_model(self.engine)

    @property
    def params(self) -> dict[str, Any]:
        """What of the engine's config must be said, since a description without it would be of another engine."""
        return self.kind.said(self.config)

    @property
    def peak_gops(self) -> float:
        """Multiplications and additions in a nanosecond, at most; of EIE on stored entries."""
        return self.kind.peak_gops(self.config, self.clock_hz)

    @property
    def family(self) -> str:
        """FPGA family of the engine's parts, "any" if it names none."""
        return self.kind.family(self.config)


@dataclass(frozen=True)
class Description:
    """What a board says of itself: its `SocConfig`, and a hash of what was built."""

    soc: SocConfig
    build: str


def describe(soc: SocConfig, gateware: str) -> bytes:
    """The description that the board holds, a multiple of `IDENTIFY_BYTES`.

    Parameters
    ----------
    soc : SocConfig
        Its configuration.
    gateware : str
        Verilog of engine and link with an empty description, of which the build has its hash: another name of a field
        makes no other build.
    """
    fields = {field.name: getattr(soc, field.name) for field in dataclasses.fields(soc)}
    # Only what cannot be left out: it is small then.
    fields |= {"config": soc.params, "depths": dict(soc.depths)}
    text = json.dumps(fields, separators=(",", ":"))
    build = hashlib.sha256(gateware.encode()).digest()[:8]
    packed = zlib.compress(text.encode(), 9)
    whole = _HEAD.pack(PROTOCOL, len(packed), build) + packed
    return whole + bytes(-len(whole) % IDENTIFY_BYTES)


def description_bytes(head: bytes) -> int:
    """How many bytes a description has, by its first `IDENTIFY_BYTES`.

    Raises
    ------
    ValueError
        If it is of another protocol.
    """
    protocol, size, _ = _HEAD.unpack_from(head)
    if protocol != PROTOCOL:
        raise ValueError(f"The board speaks protocol {protocol}, this host {PROTOCOL}; build its bitstream again")
    return _HEAD.size + size


def read_description(whole: bytes) -> Description:
    """Read what `describe` has written.

    Raises
    ------
    ValueError
        If it cannot be read.
    """
    size = description_bytes(whole)
    try:
        fields: Mapping[str, Any] = json.loads(zlib.decompress(whole[_HEAD.size : size]))
        check_names(fields, [field.name for field in dataclasses.fields(SocConfig)])
        config = engine_model(fields["engine"]).config_said(fields["config"])
        soc = SocConfig(**{**fields, "config": config, "depths": tuple(dict(fields["depths"]).items())})
    except (zlib.error, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"The board's description cannot be read ({error}); build its bitstream again") from None
    return Description(soc, _HEAD.unpack_from(whole)[2].hex())
