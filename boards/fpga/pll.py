"""Phase-locked loops of the FPGAs: search for settings, and the instances.

All three kinds lock an oscillator (VCO) to the input. They differ in where the feedback is taken::

    ecp5, gowin:  input --/reference--> phase detector --> VCO --/divider--+--> output
                                              ^------/multiplier-----------+

    ice40:        input --/reference--> phase detector --> VCO --+--/divider--> output
                                              ^----/multiplier---+

ECP5's can divide the VCO for a second output.
"""

import functools
import itertools
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from amaranth import *

from .families import FAMILIES

__all__ = ["PLL_FAMILIES", "Pll", "PllSettings", "pll_settings"]


PLL_FAMILIES = tuple(FAMILIES)
"""FPGA families with a supported PLL."""

# Widths in bits of the iCE40 PLL's parameters, and the detector frequency below which each filter setting applies
# (icepll of Project IceStorm).
_ICE40_WIDTHS = {"DIVR": 4, "DIVF": 7, "DIVQ": 3, "FILTER_RANGE": 3}
_ICE40_FILTERS = {1: 17e6, 2: 26e6, 3: 44e6, 4: 66e6, 5: 101e6}


@dataclass(frozen=True)
class PllSettings:
    """Settings of a phase-locked loop.

    Attributes
    ----------
    family : str
        One of `PLL_FAMILIES`.
    input_hz : int
        Input frequency.
    reference, multiplier, divider : int
        Division and multiplication factors, see the diagrams above.
    second : int
        Divider of the second output; 0 if it is unused.
    """

    family: str
    input_hz: int
    reference: int
    multiplier: int
    divider: int
    second: int = 0

    @property
    def detector_hz(self) -> Fraction:
        """Exact frequency at the phase detector."""
        return Fraction(self.input_hz, self.reference)

    @property
    def vco_hz(self) -> Fraction:
        """Exact frequency of the VCO."""
        return self.detector_hz * self.multiplier * (self.divider if FAMILIES[self.family].pll.divider_in_loop else 1)

    @property
    def output_hz(self) -> Fraction:
        """Exact output frequency."""
        return self.vco_hz / self.divider

    @property
    def second_hz(self) -> Fraction | None:
        """Exact frequency of the second output."""
        return self.vco_hz / self.second if self.second else None

    @property
    def parameters(self) -> dict[str, int]:
        """Numeric parameters of ``EHXPLLL``, ``SB_PLL40_PAD`` or ``rPLL``."""
        if self.family == "ecp5":
            # The output is aligned to its own feedback: any phase within the divider's range will do.
            numbers = {
                "CLKI_DIV": self.reference,
                "CLKFB_DIV": self.multiplier,
                "CLKOP_DIV": self.divider,
                "CLKOP_CPHASE": self.divider - 1,
                "CLKOP_FPHASE": 0,
            }
            if self.second:
                numbers |= {"CLKOS_DIV": self.second, "CLKOS_CPHASE": self.second - 1, "CLKOS_FPHASE": 0}
            return numbers
        if self.family == "ice40":
            filters = [n for n, limit in _ICE40_FILTERS.items() if self.detector_hz < limit]
            return {
                "DIVR": self.reference - 1,
                "DIVF": self.multiplier - 1,
                "DIVQ": self.divider.bit_length() - 1,
                "FILTER_RANGE": filters[0] if filters else 6,
            }
        return {"IDIV_SEL": self.reference - 1, "FBDIV_SEL": self.multiplier - 1, "ODIV_SEL": self.divider}


@functools.lru_cache(maxsize=16)
def _candidates(family: str, input_hz: int) -> dict[Fraction, PllSettings]:
    """Best settings for every possible output frequency."""
    kind = FAMILIES[family].pll
    middle = sum(kind.vco) / 2
    best: dict[Fraction, tuple[tuple[int, float], PllSettings]] = {}
    detectors = [n for n in kind.references if kind.detector[0] <= input_hz / n <= kind.detector[1]]
    for reference, multiplier, divider in itertools.product(detectors, kind.multipliers, kind.dividers):
        vco = input_hz * multiplier * (divider if kind.divider_in_loop else 1) / reference
        if kind.vco[0] <= vco <= kind.vco[1] and kind.output[0] <= vco / divider <= kind.output[1]:
            settings = PllSettings(family, input_hz, reference, multiplier, divider)
            # Prefer the fastest detector for the least jitter, then a VCO near the middle of its range.
            rank = (reference, abs(vco - middle))
            output = settings.output_hz
            if output not in best or rank < best[output][0]:
                best[output] = rank, settings
    return {output: settings for output, (_, settings) in best.items()}


def _mhz(hz: Fraction | float) -> str:
    return f"{float(hz) / 1e6:.6g}"


def pll_settings(
    family: str, input_hz: int, wanted_hz: int, second_hz: tuple[float, float] | None = None
) -> PllSettings:
    """Return the settings with the highest output frequency that does not exceed `wanted_hz`.

    Parameters
    ----------
    family : str
        One of `PLL_FAMILIES`.
    input_hz, wanted_hz : int
        Frequencies in Hz.
    second_hz : (float, float)
        Range of a second output, in Hz, which gets the highest frequency in it; the first output comes first.

    Raises
    ------
    ValueError
        If the family is unknown or has no second output, or a frequency is outside the range of its PLL.
    """
    if family not in FAMILIES:
        raise ValueError(f"PLL of {family!r} is unknown; use one of {', '.join(FAMILIES)}")
    kind = FAMILIES[family].pll
    low, high = kind.input
    if not low <= input_hz <= high:
        raise ValueError(f"The PLL of {family} takes {_mhz(low)} to {_mhz(high)} MHz, not {_mhz(input_hz)} MHz")
    candidates = _candidates(family, input_hz)
    least, most = min(candidates), max(candidates)
    if not least <= wanted_hz <= kind.output[1]:
        nearest = least if wanted_hz < least else most
        raise ValueError(
            f"The PLL of {family} makes {_mhz(least)} to {_mhz(most)} MHz from {_mhz(input_hz)} MHz, "
            f"not {_mhz(wanted_hz)} MHz; the nearest is {_mhz(nearest)} MHz"
        )
    settings = candidates[max(output for output in candidates if output <= wanted_hz)]
    return settings if second_hz is None else _with_second(settings, *second_hz)


def _with_second(settings: PllSettings, low: float, high: float) -> PllSettings:
    if settings.family != "ecp5":
        raise ValueError(f"The PLL of {settings.family} makes one clock; use that of ecp5 for two")
    divider = math.ceil(settings.vco_hz / Fraction(high))
    if divider not in FAMILIES["ecp5"].pll.dividers or settings.vco_hz / divider < low:
        raise ValueError(
            f"The PLL of ecp5 divides {_mhz(settings.vco_hz)} MHz to no second clock from {_mhz(low)} to "
            f"{_mhz(high)} MHz; use a wider range"
        )
    return replace(settings, second=divider)


class Pll(Elaboratable):
    """A phase-locked loop of the FPGA.

    Parameters
    ----------
    settings : PllSettings
        PLL settings.
    clk : Value or IOPort
        Input clock: a signal, but on iCE40 the port of the clock pin itself, which the PLL takes over.

    Attributes
    ----------
    o : Signal
        Output clock.
    second : Signal
        Second output clock, if the settings have one.
    locked : Signal
        The output clocks are stable.
    """

    def __init__(self, settings: PllSettings, clk: Any):
        self.settings, self.clk = settings, clk
        self.o, self.locked = Signal(name="pll_clk"), Signal(name="pll_locked")
        self.second = Signal(name="pll_second_clk")

    def elaborate(self, platform) -> Module:
        m = Module()
        make = {"ecp5": self._ecp5, "ice40": self._ice40, "gowin": self._gowin}[self.settings.family]
        m.submodules.block = make({f"p_{name}": value for name, value in self.settings.parameters.items()})
        return m

    def _ecp5(self, numbers: dict[str, Any]) -> Instance:
        second: dict[str, Any] = {}
        if self.settings.second_hz is not None:
            second = {
                "a_FREQUENCY_PIN_CLKOS": _mhz(self.settings.second_hz),
                "p_CLKOS_ENABLE": "ENABLED",
                "o_CLKOS": self.second,
                "i_ENCLKOS": Const(0),
            }
        return Instance(
            "EHXPLLL",
            # Charge pump and filter as set by the vendor's tool; without them the hardware does not lock.
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            a_FREQUENCY_PIN_CLKI=_mhz(self.settings.input_hz),
            a_FREQUENCY_PIN_CLKOP=_mhz(self.settings.output_hz),
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA",
            p_OUTDIVIDER_MUXB="DIVB",
            p_OUTDIVIDER_MUXC="DIVC",
            p_OUTDIVIDER_MUXD="DIVD",
            p_CLKOP_ENABLE="ENABLED",
            p_FEEDBK_PATH="CLKOP",
            **numbers,
            **second,
            i_CLKI=self.clk,
            i_CLKFB=self.o,
            o_CLKOP=self.o,
            o_LOCK=self.locked,
            i_RST=Const(0),
            i_STDBY=Const(0),
            i_PHASESEL0=Const(0),
            i_PHASESEL1=Const(0),
            i_PHASEDIR=Const(1),
            i_PHASESTEP=Const(1),
            i_PHASELOADREG=Const(1),
            i_PLLWAKESYNC=Const(0),
            i_ENCLKOP=Const(0),
        )

    def _ice40(self, numbers: dict[str, Any]) -> Instance:
        return Instance(
            "SB_PLL40_PAD",
            p_FEEDBACK_PATH="SIMPLE",
            **{f"p_{name}": Const(numbers[f"p_{name}"], width) for name, width in _ICE40_WIDTHS.items()},
            i_PACKAGEPIN=self.clk,
            i_RESETB=Const(1),
            i_BYPASS=Const(0),
            o_PLLOUTGLOBAL=self.o,
            o_LOCK=self.locked,
        )

    def _gowin(self, numbers: dict[str, Any]) -> Instance:
        return Instance(
            "rPLL",
            p_DEVICE="GW1NR-9C",
            p_FCLKIN=_mhz(self.settings.input_hz),
            p_CLKFB_SEL="internal",
            p_DYN_IDIV_SEL="false",
            p_DYN_FBDIV_SEL="false",
            p_DYN_ODIV_SEL="false",
            p_CLKOUT_BYPASS="false",
            p_CLKOUTP_BYPASS="false",
            p_CLKOUTD_BYPASS="false",
            **numbers,
            i_CLKIN=self.clk,
            i_CLKFB=Const(0),
            i_RESET=Const(0),
            i_RESET_P=Const(0),
            i_FBDSEL=Const(0, 6),
            i_IDSEL=Const(0, 6),
            i_ODSEL=Const(0, 6),
            i_PSDA=Const(0, 4),
            i_DUTYDA=Const(0, 4),
            i_FDLY=Const(0, 4),
            o_CLKOUT=self.o,
            o_LOCK=self.locked,
        )
