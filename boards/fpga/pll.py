"""Phase-locked loops of the FPGAs: search for settings, and the instances.

All three kinds lock an oscillator (VCO) to the input. They differ in where the feedback is taken::

    ecp5, gowin:  input --/reference--> phase detector --> VCO --/divider--+--> output
                                              ^------/multiplier-----------+

    ice40:        input --/reference--> phase detector --> VCO --+--/divider--> output
                                              ^----/multiplier---+
"""

import functools
import itertools
from dataclasses import dataclass
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
    """

    family: str
    input_hz: int
    reference: int
    multiplier: int
    divider: int

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
    def parameters(self) -> dict[str, int]:
        """Numeric parameters of ``EHXPLLL``, ``SB_PLL40_PAD`` or ``rPLL``."""
        if self.family == "ecp5":
            # The output is aligned to its own feedback: any phase within the divider's range will do.
            return {
                "CLKI_DIV": self.reference,
                "CLKFB_DIV": self.multiplier,
                "CLKOP_DIV": self.divider,
                "CLKOP_CPHASE": self.divider - 1,
                "CLKOP_FPHASE": 0,
            }
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


def pll_settings(family: str, input_hz: int, wanted_hz: int) -> PllSettings:
    """Return the settings with the highest output frequency that does not exceed `wanted_hz`.

    Parameters
    ----------
    family : str
        One of `PLL_FAMILIES`.
    input_hz, wanted_hz : int
        Frequencies in Hz.

    Raises
    ------
    ValueError
        If the family is unknown, or a frequency is outside the range of its PLL.
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
    return candidates[max(output for output in candidates if output <= wanted_hz)]


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
    locked : Signal
        The output clock is stable.
    """

    def __init__(self, settings: PllSettings, clk: Any):
        self.settings, self.clk = settings, clk
        self.o, self.locked = Signal(name="pll_clk"), Signal(name="pll_locked")

    def elaborate(self, platform) -> Module:
        m = Module()
        make = {"ecp5": self._ecp5, "ice40": self._ice40, "gowin": self._gowin}[self.settings.family]
        m.submodules.block = make({f"p_{name}": value for name, value in self.settings.parameters.items()})
        return m

    def _ecp5(self, numbers: dict[str, Any]) -> Instance:
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
