"""Sources of constants beside the multiplier blocks of a netlist.

nextpnr does not tie off the control pins of an ECP5 multiplier: it routes their constants from one lookup table to all
the blocks of the chip. Where most of the multipliers are used, the router goes on exchanging these connections, with
some seeds for ever.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .floorplan import BLOCK_SIZE, SITES

__all__ = ["localise_constants"]

_MULTIPLIER = "MULT18X18D"
# Control pins of a multiplier's own, and those that all of its block share.
_OWN = ("SIGNED", "SOURCE")
_SHARED = ("CE", "RST")
_BLOCKS = {
    (device, site): (row, index // BLOCK_SIZE)
    for device, rows in SITES.items()
    for row, sites in enumerate(rows)
    for index, site in enumerate(sites)
}
"""Device and site to the block of it: row of the chip, and number in the row."""


def localise_constants(netlist: Path, device: str) -> int:
    """Drive the constant control pins of the multipliers from lookup tables of their own; returns how many were added.

    Multipliers at fixed sites of one block share their sources. One without a site has its own, except for its enables
    and resets: these must be the same throughout its block, which only the placer chooses. So those of a block that is
    not filled by multipliers with sites stay as they are.

    Parameters
    ----------
    netlist : Path
        Flat netlist (yosys JSON); rewritten. Nothing is done to one without ``MULT18X18D``.
    device : str
        Name of the device.
    """
    text = netlist.read_text()
    if _MULTIPLIER not in text:
        return 0
    design = json.loads(text)
    module = next(m for m in design["modules"].values() if int(m["attributes"].get("top", "0"), 2))
    multipliers = {name: cell for name, cell in module["cells"].items() if cell["type"] == _MULTIPLIER}
    blocks = {name: _BLOCKS.get((device, cell["attributes"].get("BEL", ""))) for name, cell in multipliers.items()}
    filled = Counter(blocks.values())
    sources: dict[tuple[Any, str], int] = {}
    free = 1 + max(bit for cell in module["cells"].values() for bit in _nets(cell))
    for name, cell in multipliers.items():
        block = blocks[name]
        pins = _OWN if block is None or filled[block] < BLOCK_SIZE else _OWN + _SHARED
        for port, bits in cell["connections"].items():
            if port.startswith(pins) and bits and bits[0] in ("0", "1"):
                net = sources.setdefault((block or name, bits[0]), free + len(sources))
                cell["connections"][port] = [net]
    for number, ((_, value), net) in enumerate(sources.items()):
        module["cells"][f"$constant${number}"] = _source(value, net)
    netlist.write_text(json.dumps(design, separators=(",", ":")))
    return len(sources)


def _nets(cell: dict[str, Any]) -> Iterator[int]:
    """Numbers of the nets at a cell; 0 stands for its constants."""
    return (bit if isinstance(bit, int) else 0 for bits in cell["connections"].values() for bit in bits)


def _source(value: str, net: int) -> dict[str, Any]:
    """Return a lookup table that drives a net with a constant."""
    inputs = ("A", "B", "C", "D")
    return {
        "hide_name": 1,
        "type": "LUT4",
        "parameters": {"INIT": value * 16},
        "attributes": {},
        "port_directions": {**dict.fromkeys(inputs, "input"), "Z": "output"},
        "connections": {**{name: ["0"] for name in inputs}, "Z": [net]},
    }
