"""FPGA devices supported by `tercet synth`, and those used by boards alone."""

from dataclasses import dataclass

from .families import FAMILIES, SPRAM_BITS, Family

__all__ = ["DEVICES", "GW1NR9", "FpgaDevice", "device"]


@dataclass(frozen=True)
class FpgaDevice:
    """An FPGA: its nextpnr flags and its capacity.

    Attributes
    ----------
    name, family : str
        Name used here, and the name of its family in `FAMILIES`.
    flags : tuple of str
        Flags for nextpnr.
    speeds : tuple of str
        Speed grades, slowest first; the first is the default. Empty if there is only one.
    capacity : dict
        Number of cells by kind, as named in reports.
    dsp_limit : str
        Vendor's speed limit of the multiplier block, which nextpnr times at its ports only.
    """

    name: str
    family: str
    flags: tuple[str, ...]
    speeds: tuple[str, ...]
    capacity: dict[str, int]
    dsp_limit: str

    @property
    def fabric(self) -> Family:
        """Its FPGA family."""
        return FAMILIES[self.family]

    @property
    def memory_bytes(self) -> int:
        """Bytes of block RAM and large RAM."""
        return (self.capacity["bram"] * self.fabric.block_bits + self.capacity["spram"] * SPRAM_BITS) // 8

    def speed(self, wanted: str | None) -> str:
        """Return the speed grade to use, "" if the device has none.

        Raises
        ------
        ValueError
            If the device does not come in that grade.
        """
        if wanted is None:
            return self.speeds[0] if self.speeds else ""
        if wanted not in self.speeds:
            choices = f"use one of {', '.join(self.speeds)}" if self.speeds else "leave it out"
            raise ValueError(f"{self.name} has no speed grade {wanted!r}; {choices}")
        return wanted


def _ecp5(size: str, lut4: int, dsp: int, bram: int) -> FpgaDevice:
    capacity = {"lut4": lut4, "carry": lut4 // 2, "ff": lut4, "dsp": dsp, "bram": bram, "spram": 0, "lutram": lut4 // 4}
    # No verified figure at hand; refer to the data sheet.
    limit = "see the data sheet's building block performance (FPGA-DS-02012)"
    return FpgaDevice(f"ecp5-{size}", "ecp5", (f"--{size}", "--package", "CABGA381"), ("6", "7", "8"), capacity, limit)


GW1NR9 = FpgaDevice(
    "gw1nr-9c",
    "gowin",
    (),
    (),
    {"lut4": 8640, "carry": 6480, "ff": 6480, "dsp": 20, "bram": 26, "spram": 0, "lutram": 270},
    "see the data sheet (DS117)",
)
"""For `tercet build` only. There are no models of Gowin's blocks, so `tercet synth` does not offer it."""

DEVICES: dict[str, FpgaDevice] = {
    each.name: each
    for each in (
        _ecp5("25k", 24288, 28, 56),
        _ecp5("45k", 43848, 72, 108),
        _ecp5("85k", 83640, 156, 208),
        FpgaDevice(
            "up5k",
            "ice40",
            ("--up5k", "--package", "sg48"),
            (),
            {"lut4": 5280, "carry": 5280, "ff": 5280, "dsp": 8, "bram": 30, "spram": 4, "lutram": 0},
            "50 MHz without its pipeline register, none stated with it (FPGA-DS-02008, table 4.17)",
        ),
    )
}
"""Devices of `tercet synth`, by name."""


def device(name: str) -> FpgaDevice:
    """Look up a device.

    Raises
    ------
    ValueError
        If it is unknown.
    """
    if name not in DEVICES:
        raise ValueError(f"Device {name!r} is unknown; use one of {', '.join(DEVICES)}")
    return DEVICES[name]
