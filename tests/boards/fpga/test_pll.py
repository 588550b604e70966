"""PLL settings: by the vendors' formulas, within their ranges, optimal, and equal to those of other tools."""

import re
from fractions import Fraction
from itertools import product

import pytest
from amaranth import *
from amaranth.back import rtlil
from tercet.boards.catalog import BOARDS, board
from tercet.boards.fpga.pll import PLL_FAMILIES, Pll, pll_settings

MHZ = 1_000_000


def by_formula(family, input_hz, numbers):
    """Frequencies at the phase detector, of the VCO and of the output, from the block's parameters."""
    if family == "ecp5":
        detector = Fraction(input_hz, numbers["CLKI_DIV"])
        output = detector * numbers["CLKFB_DIV"]
        return detector, output * numbers["CLKOP_DIV"], output
    if family == "gowin":
        detector = Fraction(input_hz, numbers["IDIV_SEL"] + 1)
        output = detector * (numbers["FBDIV_SEL"] + 1)
        return detector, output * numbers["ODIV_SEL"], output
    detector = Fraction(input_hz, numbers["DIVR"] + 1)
    vco = detector * (numbers["DIVF"] + 1)
    return detector, vco, vco / 2 ** numbers["DIVQ"]


RANGES = {
    "ecp5": ((3.125, 400), (400, 800), (10, 400)),
    "ice40": ((10, 133), (533, 1066), (16, 275)),
    "gowin": ((3, 400), (400, 1200), (3.125, 600)),
}
NUMBERS = {
    "ecp5": {"CLKI_DIV": range(1, 129), "CLKFB_DIV": range(1, 129), "CLKOP_DIV": range(1, 129)},
    "ice40": {"DIVR": range(16), "DIVF": range(128), "DIVQ": range(1, 7)},
    "gowin": {"IDIV_SEL": range(64), "FBDIV_SEL": range(64), "ODIV_SEL": (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)},
}
CASES = {"ecp5": 25, "ice40": 12, "gowin": 27}


def all_outputs(family, input_hz):
    """Yield every possible output frequency, by trying all parameters."""
    (first, references), (second, multipliers), (third, dividers) = NUMBERS[family].items()
    detector_range = [bound * MHZ for bound in RANGES[family][0]]
    for reference in references:
        numbers = {first: reference, second: multipliers[0], third: dividers[0]}
        if not detector_range[0] <= by_formula(family, input_hz, numbers)[0] <= detector_range[1]:
            continue
        for multiplier, divider in product(multipliers, dividers):
            found = by_formula(family, input_hz, {first: reference, second: multiplier, third: divider})
            if all(low * MHZ <= hz <= high * MHZ for hz, (low, high) in zip(found, RANGES[family], strict=True)):
                yield found[2]


@pytest.mark.parametrize(("family", "mhz"), [*CASES.items(), ("ice40", 48)])
def test_nearest_but_not_above(family, mhz):
    """No other parameters come nearer to any wanted frequency from below."""
    outputs = sorted(set(all_outputs(family, mhz * MHZ)))
    for wanted in range(int(outputs[0]) + 1, int(outputs[-1]), 1_234_567):
        settings = pll_settings(family, mhz * MHZ, wanted)
        best = max(output for output in outputs if output <= wanted)
        assert settings.output_hz == best
        found = by_formula(family, mhz * MHZ, settings.parameters)
        assert found == (settings.detector_hz, settings.vco_hz, settings.output_hz)


@pytest.mark.parametrize(
    ("mhz", "wanted", "reference", "feedback", "output"),
    [
        (25, 100, 1, 4, 6),
        (25, 80, 5, 16, 7),
        (25, 150, 1, 6, 4),
        (48, 80, 3, 5, 7),
        (48, 72, 2, 3, 8),
        (50, 80, 5, 8, 7),
        (100, 75, 4, 3, 8),
    ],
)
def test_ecp5_as_ecppll(mhz, wanted, reference, feedback, output):
    numbers = pll_settings("ecp5", mhz * MHZ, wanted * MHZ).parameters
    assert (numbers["CLKI_DIV"], numbers["CLKFB_DIV"], numbers["CLKOP_DIV"]) == (reference, feedback, output)


@pytest.mark.parametrize(
    ("wanted", "divf", "divq"),
    [(18, 47, 5), (21, 55, 5), (24, 63, 5), (30, 79, 5), (36, 47, 4), (39, 51, 4), (48, 63, 4)],
)
def test_ice40_as_icepll(wanted, divf, divq):
    numbers = pll_settings("ice40", 12 * MHZ, wanted * MHZ).parameters
    assert numbers == {"DIVR": 0, "DIVF": divf, "DIVQ": divq, "FILTER_RANGE": 1}


@pytest.mark.parametrize(("mhz", "filter_range"), [(16, 1), (17, 2), (25, 2), (26, 3), (44, 4), (66, 5), (101, 6)])
def test_ice40_filter(mhz, filter_range):
    """The filter follows from the detector frequency, by icepll's table."""
    settings = pll_settings("ice40", mhz * MHZ, 2 * mhz * MHZ)
    assert settings.detector_hz == mhz * MHZ
    assert settings.parameters["FILTER_RANGE"] == filter_range


@pytest.mark.parametrize(("wanted", "idiv", "fbdiv"), [(54, 0, 1), (81, 0, 2), (33, 8, 10), (40, 8, 12)])
def test_gowin(wanted, idiv, fbdiv):
    """As gowin_pll, except for 40 MHz, where that tool goes above."""
    numbers = pll_settings("gowin", 27 * MHZ, wanted * MHZ).parameters
    assert (numbers["IDIV_SEL"], numbers["FBDIV_SEL"]) == (idiv, fbdiv)


@pytest.mark.parametrize("name", BOARDS)
def test_boards(name):
    """Every board generates the clock of its presets, to the hertz."""
    found = board(name)
    for preset in found.presets.values():
        settings = found.pll(preset.clock_hz)
        if settings is None:
            assert preset.clock_hz == found.clock_hz
        else:
            assert settings.output_hz == preset.clock_hz
            assert settings.detector_hz >= 5 * MHZ
    assert found.pll(found.clock_hz) is None


@pytest.mark.parametrize("mhz", [12, 25, 48, 100])
def test_second_output(mhz):
    """The fastest in its range that a divider of the VCO makes, whatever the first; which is as without a second."""
    low, high = 48 * MHZ, 60 * MHZ
    for wanted in range(61 * MHZ, 400 * MHZ, 7_654_321):
        settings = pll_settings("ecp5", mhz * MHZ, wanted, (low, high))
        first = pll_settings("ecp5", mhz * MHZ, wanted)
        numbers = settings.parameters
        assert numbers | first.parameters == numbers
        _, vco, output = by_formula("ecp5", mhz * MHZ, numbers)
        assert (settings.output_hz, settings.second_hz) == (output, vco / numbers["CLKOS_DIV"])
        assert settings.second_hz == max(vco / n for n in range(1, 129) if vco / n <= high) >= low
        assert numbers["CLKOS_CPHASE"] < numbers["CLKOS_DIV"]
    text = rtlil.convert(Pll(settings, clk := Signal()), ports=[clk])
    assert 'parameter \\CLKOS_ENABLE "ENABLED"' in text
    assert re.search(r"connect \\CLKOS \S", text)
    assert "CLKOS" not in rtlil.convert(Pll(first, clk), ports=[clk])


def test_refuses_a_second_output():
    with pytest.raises(ValueError, match="The PLL of ice40 makes one clock; use that of ecp5 for two"):
        pll_settings("ice40", 12 * MHZ, 48 * MHZ, (12e6, 24e6))
    with pytest.raises(ValueError, match="divides 600 MHz to no second clock from 45 to 45.5 MHz; use a wider range"):
        pll_settings("ecp5", 25 * MHZ, 100 * MHZ, (45e6, 45.5e6))


@pytest.mark.parametrize("family", PLL_FAMILIES)
def test_instance(family):
    """The block has its numeric parameters and the attributes that the hardware needs."""
    mhz = CASES[family]
    settings = pll_settings(family, mhz * MHZ, 2 * mhz * MHZ)
    clk = Signal()
    text = rtlil.convert(Pll(settings, clk), ports=[clk])
    assert {"ecp5": "EHXPLLL", "ice40": "SB_PLL40_PAD", "gowin": "rPLL"}[family] in text
    for name, value in settings.parameters.items():
        assert re.search(rf"parameter (signed )?\\{name} ({value}|\d+'0*{value:b})\n", text), name
    if family == "ecp5":
        for name in ("ICP_CURRENT", "LPF_RESISTOR", "MFG_ENABLE_FILTEROPAMP", "MFG_GMCREF_SEL"):
            assert f"attribute \\{name}" in text
        assert 'parameter \\FEEDBK_PATH "CLKOP"' in text


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("xilinx", 25, 100), "PLL of 'xilinx' is unknown; use one of ecp5, ice40, gowin"),
        (("ecp5", 25, 401), "makes 10 to 400 MHz from 25 MHz, not 401 MHz; the nearest is 400 MHz"),
        (("ecp5", 25, 5), "not 5 MHz; the nearest is 10 MHz"),
        (("ice40", 12, 15), "makes 16.125 to 270 MHz from 12 MHz, not 15 MHz; the nearest is 16.125 MHz"),
        (("ecp5", 5, 100), "The PLL of ecp5 takes 8 to 400 MHz, not 5 MHz"),
        (("gowin", 27, 3), "not 3 MHz; the nearest is"),
    ],
)
def test_refuses(args, message):
    family, mhz, wanted = args
    with pytest.raises(ValueError, match=message):
        pll_settings(family, mhz * MHZ, wanted * MHZ)
