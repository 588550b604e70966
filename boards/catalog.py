"""Supported boards: FPGA, clock, link, programmer and engine presets."""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tercet.golden.engine import BoardPreset
from tercet.golden.engines import MODELS, engine_model

from .fpga.devices import DEVICES, GW1NR9, FpgaDevice
from .fpga.pll import PllSettings, pll_settings
from .host.protocol import RATES
from .host.soc_config import SocConfig
from .platforms import PLATFORMS

__all__ = ["BOARDS", "LINK_HZ", "Board", "Programmer", "board", "soc_config"]

BOARDS = tuple(PLATFORMS)
"""Names of the boards."""

# Vendor part to device. A 12F is sold as half its size: its die and bitstream are those of a 25F.
_DEVICES = {
    "iCE40UP5K": DEVICES["up5k"],
    "LFE5U-12F": DEVICES["ecp5-25k"],
    "LFE5U-25F": DEVICES["ecp5-25k"],
    "LFE5U-45F": DEVICES["ecp5-45k"],
    "LFE5U-85F": DEVICES["ecp5-85k"],
    "LFE5UM5G-45F": DEVICES["ecp5-45k"],
    "LFE5UM5G-85F": DEVICES["ecp5-85k"],
    "GW1NR-9C": GW1NR9,
}
LINK_HZ = (48e6, 60e6)
"""Range of the link's clock where the engine has a faster one of its own, in Hz."""

# Buffer depth in words where a preset gives none.
_DEPTH = 256


@dataclass(frozen=True)
class Programmer:
    """Programming method of a board.

    Attributes
    ----------
    arguments : tuple of str
        Arguments of openFPGALoader for this board.
    own : tuple of str
        The board's own tool and its arguments, preferred if it is on PATH; empty if there is none.
    keeps : bool
        Whether programming always writes non-volatile memory.
    cable : str
        Assumed external JTAG adapter, by its openFPGALoader name; empty if the adapter is on the board.
    connect : str
        Advice for a board that is not found.
    dfu : (int, int) or None
        USB vendor and product ID of a boot loader that requires a DFU suffix.
    """

    arguments: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    keeps: bool = False
    cable: str = ""
    connect: str = "connect its USB port with a data cable"
    dfu: tuple[int, int] | None = None


@dataclass(frozen=True)
class Board:
    """A board.

    Attributes
    ----------
    name, part : str
        Board name, and the vendor's name of its FPGA with the package.
    device : FpgaDevice
        The FPGA.
    clock_hz : int
        Oscillator frequency.
    link : str
        UART connection: "USB", or the header pins for an adapter.
    uart : (str, str)
        FPGA pins for RX and TX.
    led : (str, str) or None
        LED resource that shows ``busy``, and the signal to use if the resource has several.
    programmer : Programmer
        Programming method.
    baud : int
        Default UART rate.
    """

    name: str
    part: str
    device: FpgaDevice
    clock_hz: int
    link: str
    uart: tuple[str, str]
    led: tuple[str, str] | None
    programmer: Programmer
    baud: int

    def platform(self) -> Any:
        """Return a new Amaranth platform, which is good for one build."""
        return PLATFORMS[self.name]()

    def pll(self, wanted_hz: int, *, link: bool = False) -> PllSettings | None:
        """Return PLL settings for the fastest clock up to `wanted_hz`; None if that is the oscillator's frequency.

        With `link` there are always settings, with a second output for the link, in the range `LINK_HZ`.

        Raises
        ------
        ValueError
            If the PLL cannot generate such a clock.
        """
        if wanted_hz == self.clock_hz and not link:
            return None
        return pll_settings(self.device.family, self.clock_hz, wanted_hz, LINK_HZ if link else None)

    def link_hz(self, clock_hz: int) -> int | None:
        """Return the clock of the link beside an engine's clock; None if it is the same.

        ECP5 boards have a slower one where the engine's is beyond the range `LINK_HZ`. The large RAMs of iCE40 have a
        single clock.
        """
        if self.device.family != "ecp5" or clock_hz <= LINK_HZ[1]:
            return None
        settings = self.pll(clock_hz, link=True)
        return None if settings is None or settings.second_hz is None else math.ceil(settings.second_hz)

    @property
    def presets(self) -> dict[str, BoardPreset]:
        """Largest preset of each engine that fits; engines that do not fit are left out."""
        candidates = {
            name: model.board_presets.get(self.name) or model.board_presets.get(self.device.name)
            for name, model in MODELS.items()
        }
        return {name: preset for name, preset in candidates.items() if preset is not None}

    def preset(self, engine: str) -> BoardPreset:
        """Return the preset of an engine.

        Raises
        ------
        ValueError
            If the engine does not fit.
        """
        if engine not in self.presets:
            fitting = " or ".join(self.presets)
            others = ", ".join(name for name in BOARDS if engine in board(name).presets) or "another board"
            raise ValueError(f"Engine {engine} does not fit {self.name}; use {fitting}, or {others}")
        return self.presets[engine]

    @property
    def nextpnr(self) -> str:
        """The place-and-route tool."""
        return self.device.fabric.nextpnr

    @property
    def memory_bytes(self) -> int:
        """Bytes of block RAM and large RAM."""
        return self.device.memory_bytes


@dataclass(frozen=True)
class _Entry:
    """Board facts that the Amaranth platform lacks."""

    programmer: Programmer
    led: tuple[str, str] | None = ("led", "")
    link: str = "USB"
    baud: int = RATES[0]


_JTAG_USB = "connect its USB port US1 with a data cable"
_ULX3S = Programmer(("-b", "ulx3s"), connect=_JTAG_USB)
_ORANGECRAB = Programmer(
    ("-b", "orangeCrab"),
    own=("dfu-util", "-d", "1209:5af0", "-a", "0", "-D"),
    keeps=True,
    connect="hold its button while connecting USB, to start the boot loader",
    dfu=(0x1209, 0x5AF0),
)
_ORANGECRAB_LINK = "adapter: its TX to header pin RX (0), its RX to TX (1)"
_ECPIX5 = Programmer(("-b", "ecpix5"), connect="connect its micro-USB port with a data cable")

_ENTRIES = {
    "icebreaker": _Entry(Programmer(("-b", "ice40_generic"), own=("iceprog",), keeps=True)),
    "ulx3s-12f": _Entry(_ULX3S),
    "ulx3s-25f": _Entry(_ULX3S),
    "ulx3s-45f": _Entry(_ULX3S),
    "ulx3s-85f": _Entry(_ULX3S),
    "orangecrab-25f": _Entry(_ORANGECRAB, ("rgb_led", "g"), _ORANGECRAB_LINK),
    "orangecrab-85f": _Entry(_ORANGECRAB, ("rgb_led", "g"), _ORANGECRAB_LINK),
    # The UART goes through a microcontroller.
    "colorlight-i5": _Entry(Programmer(("-b", "colorlight-i5")), baud=RATES[1]),
    # The UART uses the pins of the only LED and button: no others go straight to a connector.
    "colorlight-5a75b": _Entry(
        Programmer(
            cable="ft232",
            connect="connect a JTAG adapter to J27 to J34, and pass --cable if it is not an FT232H",
        ),
        None,
        "adapter on J19: its TX to KEY+, its RX to DATA_LED-",
    ),
    "ecpix5-45f": _Entry(_ECPIX5, ("rgb_led", "g")),
    "ecpix5-85f": _Entry(_ECPIX5, ("rgb_led", "g")),
    "icepi-zero": _Entry(Programmer(("-b", "icepi-zero"))),
    "tang-nano-9k": _Entry(Programmer(("-b", "tangnano9k"))),
}


@functools.lru_cache
def board(name: str) -> Board:
    """Look a board up.

    Raises
    ------
    ValueError
        If it is unknown.
    """
    if name not in PLATFORMS:
        raise ValueError(f"Board {name!r} is unknown; use one of {', '.join(BOARDS)}")
    entry, platform = _ENTRIES[name], PLATFORMS[name]()
    uart = platform.request("uart", 0, dir="-")
    lattice = hasattr(platform, "device")
    return Board(
        name,
        f"{platform.device} {platform.package}" if lattice else platform.part,
        _DEVICES[platform.device if lattice else platform.family],
        round(platform.default_clk_frequency),
        entry.link,
        (uart.rx.io.metadata[0].name, uart.tx.io.metadata[0].name),
        entry.led,
        entry.programmer,
        entry.baud,
    )


def soc_config(
    board_name: str,
    engine: str,
    *,
    config: Any = None,
    clock_hz: int | None = None,
    baud: int | None = None,
    depths: Mapping[str, int] | None = None,
    frame_bytes: int | None = None,
    **params: Any,
) -> SocConfig:
    """Return the configuration of an engine on a board: its preset with overrides.

    Parameters
    ----------
    board_name, engine : str
        Names of the board and the engine.
    config : frozen dataclass
        Engine config that replaces the preset's.
    clock_hz : int
        Upper bound of the engine's clock; rounded down to a frequency of the PLL. The link's follows from it, see
        `Board.link_hz`.
    baud, frame_bytes : int
        As in `SocConfig`.
    depths : mapping
        Buffer depths in words that override the preset's.
    **params
        Config fields that override the preset's; not with `config`.

    Raises
    ------
    ValueError
        If board or engine is unknown, the engine does not fit, or a number is out of range.
    """
    found, kind = board(board_name), engine_model(engine)
    preset = found.preset(engine)
    if config is None:
        config = kind.config_class(**{**preset.params, **params})
    family = kind.family(config)
    if family != "any" and family != found.device.family:
        chosen = getattr(config, kind.family_field)
        raise ValueError(
            f"{kind.family_field} is {chosen!r}, but the FPGA family of {board_name} is {found.device.family}; "
            f"use {preset.params.get(kind.family_field, kind.inferred)!r}"
        )
    names = [port.name for port in kind.streams(config)]
    for name in depths or ():
        if name not in names:
            raise ValueError(f"Engine {engine} has no stream {name!r}; it has {', '.join(names)}")
    words = {**preset.depths, **(depths or {})}
    wanted = preset.clock_hz if clock_hz is None else clock_hz
    pll = found.pll(wanted)
    wanted = wanted if pll is None else math.ceil(pll.output_hz)
    return SocConfig(
        engine=engine,
        config=config,
        depths=tuple((name, words.get(name, _DEPTH)) for name in names),
        clock_hz=wanted,
        baud=found.baud if baud is None else baud,
        frame_bytes=preset.frame_bytes if frame_bytes is None else frame_bytes,
        board=board_name,
        link_hz=found.link_hz(wanted),
    )
