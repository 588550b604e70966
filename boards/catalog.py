"""The boards that can be built for: FPGA, clock, link and programmer; their engines are in `presets`."""

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

__all__ = ["BOARDS", "Board", "Programmer", "board", "soc_config"]

BOARDS = tuple(PLATFORMS)
"""Names of the boards."""

# The vendor's names of our devices. A 12F is sold as half of what is in it: the die and its bitstream are a 25F's.
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
# Words of a buffer that a preset does not name.
_DEPTH = 256


@dataclass(frozen=True)
class Programmer:
    """How a bitstream gets to a board.

    Attributes
    ----------
    arguments : tuple of str
        openFPGALoader's for this board.
    own : tuple of str
        The board's own tool with its arguments, used instead where it is on PATH; empty if there is none.
    keeps : bool
        Whether the board is only ever programmed in a memory that survives power-off.
    cable : str
        The JTAG adapter that is taken to be plugged in, in openFPGALoader's words; empty if it is on the board.
    connect : str
        What to do when the board is not found.
    dfu : (int, int) or None
        Vendor and product of a USB boot loader that wants a DFU suffix.
    """

    arguments: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    keeps: bool = False
    cable: str = ""
    connect: str = "connect its USB port by a cable that carries data"
    dfu: tuple[int, int] | None = None


@dataclass(frozen=True)
class Board:
    """A board.

    Attributes
    ----------
    name, part : str
        Its name, and its FPGA as the vendor calls it with package.
    device : FpgaDevice
        That FPGA.
    clock_hz : int
        The oscillator.
    link : str
        Where its UART is: "USB", or the header pins for an adapter.
    uart : (str, str)
        The FPGA's pins to receive and to send.
    led : (str, str) or None
        Resource that shows that it is busy, and the signal in it if it has several.
    programmer : Programmer
        How a bitstream gets there.
    baud : int
        Rate of the UART in its presets.
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
        """A new platform of Amaranth's, good for one build."""
        return PLATFORMS[self.name]()

    def pll(self, wanted_hz: int) -> PllSettings | None:
        """How to set the PLL for a clock nearest to `wanted_hz`, but not above; None if the oscillator gives it.

        Raises
        ------
        ValueError
            If the PLL does not give such a clock.
        """
        return None if wanted_hz == self.clock_hz else pll_settings(self.device.family, self.clock_hz, wanted_hz)

    @property
    def presets(self) -> dict[str, BoardPreset]:
        """Engine to the largest preset that fits; engines that do not fit are missing."""
        found = {
            name: model.board_presets.get(self.name) or model.board_presets.get(self.device.name)
            for name, model in MODELS.items()
        }
        return {name: preset for name, preset in found.items() if preset is not None}

    def preset(self, engine: str) -> BoardPreset:
        """The preset of an engine.

        Raises
        ------
        ValueError
            If the engine does not fit.
        """
        if engine not in self.presets:
            fitting = " or ".join(self.presets)
            raise ValueError(f"Engine {engine} does not fit {self.name}; use {fitting}, or another board")
        return self.presets[engine]

    @property
    def nextpnr(self) -> str:
        """The place-and-route tool."""
        return self.device.fabric.nextpnr

    @property
    def memory_bytes(self) -> int:
        """Bytes of its block RAMs and large RAMs."""
        return self.device.memory_bytes


@dataclass(frozen=True)
class _Entry:
    """What the platform does not know of its board."""

    programmer: Programmer
    led: tuple[str, str] | None = ("led", "")
    link: str = "USB"
    baud: int = RATES[0]


_JTAG_USB = "connect its USB port US1 by a cable that carries data"
_ULX3S = Programmer(("-b", "ulx3s"), connect=_JTAG_USB)
_ORANGECRAB = Programmer(
    ("-b", "orangeCrab"),
    own=("dfu-util", "-d", "1209:5af0", "-a", "0", "-D"),
    keeps=True,
    connect="hold its button while you connect its USB port, which starts the boot loader",
    dfu=(0x1209, 0x5AF0),
)
_ORANGECRAB_LINK = "adapter: its TX to header pin RX (0), its RX to TX (1)"
_ECPIX5 = Programmer(("-b", "ecpix5"), connect="connect its micro-USB port by a cable that carries data")

_ENTRIES = {
    "icebreaker": _Entry(Programmer(("-b", "ice40_generic"), own=("iceprog",), keeps=True)),
    "ulx3s-12f": _Entry(_ULX3S),
    "ulx3s-25f": _Entry(_ULX3S),
    "ulx3s-45f": _Entry(_ULX3S),
    "ulx3s-85f": _Entry(_ULX3S),
    "orangecrab-25f": _Entry(_ORANGECRAB, ("rgb_led", "g"), _ORANGECRAB_LINK),
    "orangecrab-85f": _Entry(_ORANGECRAB, ("rgb_led", "g"), _ORANGECRAB_LINK),
    # Its UART is that of a microcontroller.
    "colorlight-i5": _Entry(Programmer(("-b", "colorlight-i5")), baud=RATES[1]),
    # The UART has the pins of its only LED and button: no other ones go straight to a connector.
    "colorlight-5a75b": _Entry(
        Programmer(
            cable="ft232",
            connect="connect a JTAG adapter to J27 to J34, and name it by --cable if it is not an FT232H",
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
    """An engine on a board: its preset, and what is given instead.

    Parameters
    ----------
    board_name, engine : str
        Which.
    config : frozen dataclass
        Its parameters, instead of those of the preset.
    clock_hz : int
        What the clock is to be at most; it becomes what the PLL gives.
    baud, frame_bytes : int
        As in `SocConfig`.
    depths : mapping
        Words of some buffers.
    **params
        Fields of the config, instead of the preset's; not with `config`.

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
        raise ValueError(
            f"{kind.family_field} is {family!r}, but the FPGA of {board_name} is of the family {found.device.family}; "
            f"use {preset.params.get(kind.family_field, kind.inferred)!r}"
        )
    names = [port.name for port in kind.streams(config)]
    for name in depths or ():
        if name not in names:
            raise ValueError(f"Engine {engine} has no stream {name!r}; it has {', '.join(names)}")
    words = {**preset.depths, **(depths or {})}
    wanted = preset.clock_hz if clock_hz is None else clock_hz
    pll = found.pll(wanted)
    return SocConfig(
        engine=engine,
        config=config,
        depths=tuple((name, words.get(name, _DEPTH)) for name in names),
        clock_hz=wanted if pll is None else math.ceil(pll.output_hz),
        baud=found.baud if baud is None else baud,
        frame_bytes=preset.frame_bytes if frame_bytes is None else frame_bytes,
        board=board_name,
    )
