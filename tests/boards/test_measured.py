"""Results of bitstreams: the file and its reader."""

import json
from dataclasses import asdict, replace

import pytest
from tercet.boards import measured as module
from tercet.boards.bitstream import BuildReport
from tercet.boards.catalog import BOARDS, board, soc_config
from tercet.boards.measured import MEASURED, measured, record


def built(soc, reached=101.25, placer="heap"):
    """Return a bitstream report."""
    cells = {"lut4": {"used": 7, "available": 9}, "spram": {"used": 0, "available": 0}}
    clocks = {"clk": {"reached": reached, "asked": 1.0}, "other": {"reached": 500.0, "asked": 1.0}}
    facts = {
        "bitstream": "",
        "build": "0123456789abcdef",
        "timing_met": True,
        "attempts": [],
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
        record(soc, built(soc, reached), file)
    found = measured("ulx3s-25f", "systolic")
    assert found is not None
    assert (found.reached_mhz, found.cells, found.params["rows"]) == (101.25, {"lut4": 7}, 6)
    assert found.build == "0123456789abcdef"
    other = measured("ulx3s-25f", "eie")
    assert other is not None
    assert other.reached_mhz == 110.0
    assert measured("ulx3s-12f", "systolic") is None
    assert not found.outdated


def test_marked_as_outdated(file):
    """An entry of older gateware is kept and marked."""
    soc = soc_config("ulx3s-25f", "systolic")
    record(soc, built(soc), file)
    content = json.loads(file.read_text())
    content["ulx3s-25f"]["systolic"]["outdated"] = True
    file.write_text(json.dumps(content))
    found = measured("ulx3s-25f", "systolic")
    assert found is not None
    assert found.outdated
    record(soc, built(soc), file)
    again = measured("ulx3s-25f", "systolic")
    assert again is not None
    assert not again.outdated


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
    """A result of a different preset is not returned."""
    soc = soc_config("ulx3s-25f", "systolic", **change)
    record(soc, built(soc), file)
    assert measured("ulx3s-25f", "systolic") is None


def test_rejects_unknown_names(file):
    record(soc_config("ulx3s-25f", "systolic"), built(soc_config("ulx3s-25f", "systolic")), file)
    content = json.loads(file.read_text())
    entry = content["ulx3s-25f"]["systolic"]
    entry["reached"] = entry.pop("reached_mhz")
    file.write_text(json.dumps(content))
    message = (
        r"systolic on ulx3s-25f: has unknown name 'reached' \(did you mean 'reached_mhz'\?\) and lacks reached_mhz"
    )
    with pytest.raises(ValueError, match=message):
        measured("ulx3s-25f", "systolic")
    file.write_text("{")
    with pytest.raises(ValueError, match="measured.json' is not JSON: "):
        measured("ulx3s-25f", "systolic")


def test_of_another_placer(file):
    soc = soc_config("ulx3s-25f", "systolic")
    record(soc, built(soc, placer="static"), file)
    assert measured("ulx3s-25f", "systolic") is None


def test_presets_are_below_what_was_reached():
    """The file has exactly the presets of its engines, and no preset's clock exceeds the fmax of its bitstream."""
    content = json.loads(MEASURED.read_text())
    known = {engine for engines in content.values() for engine in engines}
    want = {name: {*board(name).presets} & known for name in BOARDS}
    assert {name: {*engines} for name, engines in content.items()} == want
    for name, engines in content.items():
        for engine in engines:
            found = measured(name, engine)
            assert found is not None, f"{engine} on {name} is not as it was measured"
            assert found.clock_hz <= found.reached_mhz * 1e6
