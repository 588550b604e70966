"""Floorplan of an array's multiplier blocks: neighbours in the array at neighbouring sites of the FPGA.

nextpnr places the blocks where the total wire length is least, and leaves some of them up to 85 columns from their
logic: routes of 5 ns. With the blocks fixed, the logic of each cell settles around its own.
"""

from collections.abc import Sequence

from .devices import FpgaDevice
from .netlist import DoesNotFit

__all__ = ["BLOCK_SIZE", "SITES", "fixed_sites"]

BLOCK_SIZE = 4
"""Multipliers of a block, which share their clock enables and resets."""


def _ecp5(rows: Sequence[int], blocks: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """Sites of an ECP5: four multipliers in each nine columns of a row of blocks."""
    columns = ((0, 0), (1, 1), (4, 4), (5, 5))  # of a site in its block, and its number
    return tuple(tuple(f"X{x + dx}/Y{y}/MULT18_{n}" for x in blocks for dx, n in columns) for y in rows)


SITES: dict[str, tuple[tuple[str, ...], ...]] = {
    # As nextpnr names them. The clock spine is between two of the blocks.
    "ecp5-25k": _ecp5((13,), (4, 13, 22, 33, 42, 51, 60)),
    "ecp5-45k": _ecp5((22, 46), (*range(4, 32, 9), *range(42, 79, 9))),
    "ecp5-85k": _ecp5((10, 34, 58), (*range(4, 59, 9), *range(69, 115, 9))),
}
"""Sites of ``MULT18X18D`` by device: rows of the chip from the top, each from the left."""


def fixed_sites(multipliers: Sequence[Sequence[str]], device: FpgaDevice) -> dict[str, str]:
    """Choose a site for each multiplier of an array.

    The rows of the array are shared out evenly over as few rows of the chip as hold them. In each of these a column of
    the array is a run of neighbouring sites, and the columns follow each other::

        site   0    1    2    3    4    5    6    7        array of 6 rows, over two rows of the chip
        Y10   0,0  1,0  2,0  0,1  1,1  2,1  0,2  ...       row, column
        Y34   3,0  4,0  5,0  3,1  4,1  5,1  3,2  ...

    Where that leaves some multipliers without a site, because the rows cannot be shared out evenly, the columns take
    turns in having the longer run in each row of the chip.

    Parameters
    ----------
    multipliers : sequence of sequences of str
        Names by row and column of the array, all rows of equal length; may be empty.
    device : FpgaDevice
        Device with the sites.

    Returns
    -------
    dict of str to str
        Name to the site's name in nextpnr.

    Raises
    ------
    DoesNotFit
        If the device has fewer multipliers.
    ValueError
        If the sites of the device are not known.
    """
    if not multipliers:
        return {}
    if device.name not in SITES:
        raise ValueError(f"The multiplier sites of {device.name} are not known; use one of {', '.join(SITES)}")
    chip, rows, cols = SITES[device.name], len(multipliers), len(multipliers[0])
    width = len(chip[0])
    parts = next((n for n in range(1, len(chip) + 1) if -(-rows // n) * cols <= width), None)
    if parts:
        top = (len(chip) - parts) // 2
        plan = []
        for part in range(parts):
            run = _run(rows, parts, part, 0)
            # In the middle, from the start of a block of multipliers, so that few blocks are filled in part.
            left = (width - len(run) * cols) // 2 // BLOCK_SIZE * BLOCK_SIZE
            plan += [(col, left + col * len(run), run, chip[top + part]) for col in range(cols)]
    else:
        runs = [[_run(rows, len(chip), part, col) for col in range(cols)] for part in range(len(chip))]
        if max(sum(map(len, run)) for run in runs) > width:
            raise DoesNotFit(
                f"{rows} x {cols} multipliers do not fit {device.name}, which has {len(chip) * width}; "
                "use fewer rows or columns"
            )
        plan = [
            (col, sum(map(len, run[:col])), run[col], chip[part])
            for part, run in enumerate(runs)
            for col in range(cols)
        ]
    return {multipliers[row][col]: sites[site + n] for col, site, run, sites in plan for n, row in enumerate(run)}


def _run(rows: int, parts: int, part: int, turn: int) -> range:
    """Return the rows of an array in one of several parts; with each turn the longer runs are in other parts."""
    return range((rows * part + turn % parts) // parts, (rows * (part + 1) + turn % parts) // parts)
