"""The table of bitstreams and the README's table of boards match their sources."""

import re
from pathlib import Path

from tercet.boards.catalog import BOARDS, board, soc_config
from tercet.boards.measured import MEASURED
from tercet.cli.benches.measured_table import table_text
from tercet.golden.engines import MODELS as ENGINES


def test_table_is_of_the_file():
    assert MEASURED.with_suffix(".md").read_text() == table_text()


def test_readme_has_the_presets():
    """One line per board, with sizes and clocks."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    [lines] = re.findall(r"^\| board \| FPGA \| link .*\n\| --- .*\n((?:\|.*\n)+)", text, re.M)
    found = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines.splitlines()]
    assert found == [_line(name) for name in BOARDS]


def _line(name):
    found = board(name)
    socs = [soc_config(name, engine) if engine in found.presets else None for engine in ENGINES]
    engines = ("" if soc is None else f"{soc.kind.size(soc.config)}, {soc.clock_hz / 1e6:g} MHz" for soc in socs)
    return [f"`{name}`", found.device.name, "USB" if found.link == "USB" else "adapter", *engines]
