"""What bitstreams have reached: the file, what is read from it, and the README's copy of it."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tercet.boards import measured as module
from tercet.boards.build import BuildReport
from tercet.boards.catalog import BOARDS, board, soc_config
from tercet.boards.engines import ENGINES
from tercet.boards.measured import MEASURED, measured, record, table_text


def built(soc, reached=101.25, placer="heap"):
    """A report of a bitstream."""
    cells = {"lut4": {"used": 7, "available": 9}, "spram": {"used": 0, "available": 0}}
    clocks = {"clk": {"reached": reached, "asked": 1.0}, "other": {"reached": 500.0, "asked": 1.0}}
    facts = {
        "bitstream": "",
        "build": "",
        "timing_met": True,
        "seconds": {},
        "tools": {"yosys": "0.70", "nextpnr-ecp5": "0.11", "nextpnr-ice40": "0.11"},
    }
    return BuildReport(
        board=soc.board,
        device="",
        engine=soc.engine,
        params=asdict(soc.config),
        depths=dict(soc.depths),
        clock_hz=soc.clock_hz,
        baud=soc.baud,
        utilisation=cells,
        fmax_mhz=clocks,
        seed=1,
        placer=placer,
        **facts,
    )


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "measured.json"
    monkeypatch.setattr(module, "MEASURED", path)
    return path


def test_round_trip(file):
    assert measured("ulx3s-25f", "systolic") is None
    for engine, reached in (("systolic", 90.0), ("eie", 110.0), ("systolic", 101.25)):
        soc = soc_config("ulx3s-25f", engine)
        record(soc, built(soc, reached))
    found = measured("ulx3s-25f", "systolic")
    assert found is not None
    assert (found.reached_mhz, found.cells, found.params["rows"]) == (101.25, {"lut4": 7}, 6)
    other = measured("ulx3s-25f", "eie")
    assert other is not None
    assert other.reached_mhz == 110.0
    assert measured("ulx3s-12f", "systolic") is None


@pytest.mark.parametrize(
    "change",
    [
        {"clock_hz": 75_000_000},
        {"depths": {"acts": 1024}},
        {"config": replace(soc_config("ulx3s-25f", "systolic").config, rows=2)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_of_another_preset(file, change):
    """What was measured of something else is not told of this."""
    soc = soc_config("ulx3s-25f", "systolic", **change)
    record(soc, built(soc))
    assert measured("ulx3s-25f", "systolic") is None


def test_of_another_placer(file):
    soc = soc_config("ulx3s-25f", "systolic")
    record(soc, built(soc, placer="static"))
    assert measured("ulx3s-25f", "systolic") is None


def test_presets_are_below_what_was_reached():
    """Nothing in the file is of a preset that is gone, and no preset's clock is too fast for its bitstream."""
    content = json.loads(MEASURED.read_text())
    assert content
    for name, engines in content.items():
        for engine in engines:
            found = measured(name, engine)
            assert found is not None, f"{engine} on {name} is not as it was measured"
            assert found.clock_hz <= found.reached_mhz * 1e6


def test_table(file):
    """Of the presets as they are, in the order of the boards."""
    for name, engine, clock in (
        ("ulx3s-25f", "eie", None),
        ("icebreaker", "eie", None),
        ("ulx3s-45f", "eie", 50_000_000),
    ):
        soc = soc_config(name, engine, clock_hz=clock)
        record(soc, built(soc, 150.0))
    text = file.with_suffix(".md").read_text()
    assert text == table_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    soc = soc_config("ulx3s-25f", "eie")
    assert [row[:6] for row in rows[2:]] == [
        ["`icebreaker`", "eie", "2 PEs", "30", "150.0", "0.12"],
        ["`ulx3s-25f`", "eie", "4 PEs", f"{soc.clock_hz / 1e6:g}", "150.0", f"{soc.peak_gops:.2f}"],
    ]
    assert {tuple(row[6:]) for row in rows[2:]} == {("7", *6 * ("",), "0.11")}


def test_table_is_of_the_file():
    assert MEASURED.with_suffix(".md").read_text() == table_text()


def test_readme_has_the_presets():
    """A line for the boards of each FPGA and clock, with sizes and clocks."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    [lines] = re.findall(r"^\| board \| FPGA \| link .*\n\| --- .*\n((?:\|.*\n)+)", text, re.M)
    found = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines.splitlines()]
    assert found == [_line(name) for name in BOARDS]


def _line(name):
    found = board(name)
    sizes = {engine: soc_config(name, engine) for engine in found.presets}
    engines = (f"{sizes[each].size}, {sizes[each].clock_hz / 1e6:g} MHz" if each in sizes else "" for each in ENGINES)
    return [f"`{name}`", found.device.name, "USB" if found.link == "USB" else "adapter", *engines]
