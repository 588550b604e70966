"""FPGA families: cells, memories, PLL limits and tool commands.

All family-specific data is in one object per family, except the PLL instances in `pll` and the models of blocks in
`tercet.rtl.primitives`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["FAMILIES", "KINDS", "Family", "PllKind"]

KINDS = ("lut4", "carry", "ff", "dsp", "bram", "spram", "lutram")
"""Cell kinds in reports. ``lut4`` excludes carry cells and distributed RAM."""

SPRAM_BITS = 256 * 1024
"""Bits of a large RAM (SPRAM), found only in iCE40 UltraPlus."""


@dataclass(frozen=True)
class PllKind:
    """Limits of a phase-locked loop; frequencies in Hz as (min, max)."""

    references: range
    multipliers: range
    dividers: tuple[int, ...]
    divider_in_loop: bool
    input: tuple[float, float]
    detector: tuple[float, float]
    vco: tuple[float, float]
    output: tuple[float, float]


@dataclass(frozen=True)
class Family:
    """An FPGA family.

    Attributes
    ----------
    name : str
        Name in configs and devices.
    cells : mapping
        Each of `KINDS` to a regular expression for the cell types it counts.
    block_bits : int
        Bits of a block RAM.
    ram_modes : mapping
        Depth of a block RAM to its word width in bits, for each mode used by yosys.
    distributed_bits : int
        Largest memory, in bits, that goes into distributed RAM; 0 if the family has none.
    rom_in_ram : bool
        Whether yosys maps a ROM of 256 bytes to a block RAM.
    nextpnr : str
        Name of the place-and-route tool.
    free_pins : str
        Flag of that tool for unconstrained pins; empty if units cannot be placed alone.
    netlist : str
        Netlist file name in the scripts of Amaranth's platform.
    pll : PllKind
        Limits of its phase-locked loop.
    synthesis : callable
        Maps the top module and whether to infer multiplier blocks to the yosys commands up to the netlist.
    """

    name: str
    cells: Mapping[str, str]
    block_bits: int
    ram_modes: Mapping[int, int]
    distributed_bits: int
    rom_in_ram: bool
    nextpnr: str
    free_pins: str
    netlist: str
    pll: PllKind
    synthesis: Callable[[str, bool], str]

    def script(self, top: str, *, infer_dsp: bool, json: str, sites: Mapping[str, str] | None = None) -> str:
        """Return the yosys commands that map a design to the family and write a flat netlist.

        Each cell whose path ends in a name of `sites` is fixed at that site; yosys fails if there is not just one.
        """
        # Modules kept separate for synthesis can be merged now.
        steps = [self.synthesis(top, infer_dsp), "setattr -mod -unset keep_hierarchy *; flatten; opt_clean"]
        for path, site in (sites or {}).items():
            steps.append(f'select -assert-count 1 c:*{path}; setattr -set BEL "{site}" c:*{path}')
        return "; ".join([*steps, f"write_json {json}"])

    def count(self, types: list[str]) -> dict[str, int]:
        """Count the cells of each kind from the cell types of a netlist."""
        return {kind: sum(re.fullmatch(self.cells[kind], each) is not None for each in types) for kind in KINDS}

    def inferred_blocks(self, width: int, depth: int) -> int:
        """Block RAMs that yosys uses for an inferred memory: the fewest over all modes."""
        if width * depth <= self.distributed_bits:
            return 0
        return min(-(-depth // words) * -(-width // bits) for words, bits in self.ram_modes.items())


_NONE = r"(?!)"


def _synth_ecp5(top: str, infer_dsp: bool) -> str:
    return f"synth_ecp5 -top {top}" + ("" if infer_dsp else " -nodsp")


def _synth_ice40(top: str, infer_dsp: bool) -> str:
    # Multiplier blocks are always inferred: the requantiser relies on it even where the array instantiates its blocks.
    # While inferring, yosys treats instantiated blocks as its own and overwrites their register settings (compare yosys
    # issue 2922). Rename the instantiated ones meanwhile.
    hold, release = "copy SB_MAC16 HELD_MAC16; chtype -set HELD_MAC16 t:SB_MAC16", "chtype -set SB_MAC16 t:HELD_MAC16"
    begin, infer, finish = (
        f"synth_ice40 -device u -spram -dsp -top {top} -run {stages}"
        for stages in ("begin:flatten", "flatten:map_ram", "map_ram:")
    )
    return f"{begin}; {hold}; {infer}; {release}; delete =HELD_MAC16; {finish}"


def _synth_gowin(top: str, infer_dsp: bool) -> str:
    # Memory mapping fails with hierarchy kept.
    flat = "setattr -mod -unset keep_hierarchy *"
    return f"{flat}; synth_gowin -top {top}" + ("" if infer_dsp else " -nodsp")


_BLOCK_18K = {512: 36, 1024: 18, 2048: 9, 4096: 4, 8192: 2, 16384: 1}

FAMILIES = {
    "ecp5": Family(
        name="ecp5",
        cells={
            "lut4": "LUT4",
            "carry": "CCU2C",
            "ff": r"TRELLIS_FF\w*",
            "dsp": r"(MULT18X18D|ALU54B)\w*",
            "bram": r"(DP16KD|PDPW16KD)\w*",
            "spram": _NONE,
            "lutram": r"TRELLIS_DPR16X4\w*",
        },
        block_bits=18 * 1024,
        ram_modes=_BLOCK_18K,
        distributed_bits=1024,
        rom_in_ram=False,
        nextpnr="nextpnr-ecp5",
        free_pins="--lpf-allow-unconstrained",
        netlist="top.json",
        # Lattice FPGA-DS-02012, sysCLOCK PLL timing. Lower limits of detector and output are those of Project Trellis'
        # ecppll; below 10 MHz at the detector the vendor's jitter figures are not guaranteed.
        pll=PllKind(
            range(1, 129),
            range(1, 129),
            tuple(range(1, 129)),
            True,
            (8e6, 400e6),
            (3.125e6, 400e6),
            (400e6, 800e6),
            (10e6, 400e6),
        ),
        synthesis=_synth_ecp5,
    ),
    "ice40": Family(
        name="ice40",
        cells={
            "lut4": "SB_LUT4",
            "carry": "SB_CARRY",
            "ff": r"SB_DFF\w*",
            "dsp": "SB_MAC16",
            "bram": r"SB_RAM40_4K\w*",
            "spram": "SB_SPRAM256KA",
            "lutram": _NONE,
        },
        block_bits=4 * 1024,
        ram_modes={256: 16, 512: 8, 1024: 4, 2048: 2},
        distributed_bits=0,
        rom_in_ram=True,
        nextpnr="nextpnr-ice40",
        free_pins="--pcf-allow-unconstrained",
        netlist="top.json",
        # Lattice FPGA-DS-02008, sysCLOCK PLL timing.
        pll=PllKind(
            range(1, 17),
            range(1, 129),
            (2, 4, 8, 16, 32, 64),
            False,
            (10e6, 133e6),
            (10e6, 133e6),
            (533e6, 1066e6),
            (16e6, 275e6),
        ),
        synthesis=_synth_ice40,
    ),
    "gowin": Family(
        name="gowin",
        cells={
            "lut4": r"LUT[1-4]",
            "carry": "ALU",
            "ff": r"DFF\w*",
            "dsp": r"MULT\w+|PADD\w+|ALU54D",
            "bram": r"(S|SD|D)P(X9)?B?|p?ROM(X9)?",
            "spram": _NONE,
            "lutram": r"RAM16\w+|ROM16",
        },
        block_bits=18 * 1024,
        ram_modes=_BLOCK_18K,
        distributed_bits=1024,
        rom_in_ram=False,
        nextpnr="nextpnr-himbaechel",
        free_pins="",
        netlist="top.syn.json",
        # Gowin DS117, GW1NR-9, speed grade C6/I5.
        pll=PllKind(
            range(1, 65),
            range(1, 65),
            (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128),
            True,
            (3e6, 400e6),
            (3e6, 400e6),
            (400e6, 1200e6),
            (3.125e6, 600e6),
        ),
        synthesis=_synth_gowin,
    ),
}
"""FPGA families by name."""
