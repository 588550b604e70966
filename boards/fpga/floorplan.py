"""Floorplan of an array's multiplier blocks: neighbours in the array at neighbouring sites of the FPGA.

nextpnr places the blocks where the total wire length is least, and leaves some of them up to 85 columns from their
logic: routes of 5 ns. With the blocks fixed, the logic of each cell settles around its own.
"""

from collections.abc import Sequence

from .devices import FpgaDevice
from .netlist import DoesNotFit

__all__ = ["SITES", "fixed_sites"]


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
        If the array has too many rows or columns.
    ValueError
        If the sites of the device are not known.
    """
    if not multipliers:
        return {}
    if device.name not in SITES:
        raise ValueError(f"The multiplier sites of {device.name} are not known; use one of {', '.join(SITES)}")
    chip, rows, cols = SITES[device.name], len(multipliers), len(multipliers[0])
    for parts in range(1, len(chip) + 1):
        height = -(-rows // parts)
        if height * cols <= len(chip[0]):
            break
    else:
        raise DoesNotFit(
            f"{rows} x {cols} multipliers do not fit {device.name}: a row of the chip has {len(chip[0])} sites and "
            f"would hold {height} rows of the array; use fewer rows or columns"
        )
    top, left = (len(chip) - parts) // 2, (len(chip[0]) - height * cols) // 2
    found = {}
    for part in range(parts):
        first, end = (rows * n // parts for n in (part, part + 1))
        for row in range(first, end):
            for col in range(cols):
                found[multipliers[row][col]] = chip[top + part][left + col * height + row - first]
    return found
