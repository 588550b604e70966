"""Bench of the boards, shortened: damaged frames, and bitstreams from a fake build."""

import json

import pytest
from tercet.boards.catalog import board, soc_config
from tercet.boards.fpga.netlist import DoesNotFit
from tercet.boards.host.soc_config import describe, read_description
from tercet.boards.measured import measured
from tercet.cli.benches import boards as bench
from tercet.cli.benches import boards_matrix as matrix
from tercet.cli.benches import boards_peaks as peaks

from ..boards.socs import FAULTS
from .command import fails
from .reports import pretended


class Calls(list):
    """Calls of `build`, with the seconds that nextpnr pretends to take and what each seed reaches beyond the clock."""

    seconds: list[float]
    reached: dict[int, float]


@pytest.fixture
def built(monkeypatch):
    """Arguments of calls to a fake `build`, in which the tensor core does not fit and the second seed is the best."""
    calls, seconds, reached = Calls(), [2.5], {1: -0.5, 2: 1.25, 3: 0.75}
    calls.seconds, calls.reached = seconds, reached

    def build(board, text, soc, folder, **options):
        calls.append((board, soc.engine, text, folder.name, options["seed"]))
        assert options["allow_timing_fail"]
        if soc.engine == "tensorcore":
            raise DoesNotFit("needs 9 dsp, but there are 8")
        asked = soc.clock_hz / 1e6
        return pretended(
            board,
            soc,
            build=options["build_hash"],
            depths=dict(soc.depths),
            utilisation={kind: {"used": 7, "available": 34} for kind in ("lut4", "carry", "ff", "dsp", "bram")},
            fmax_mhz={"clk": {"reached": reached[options["seed"]] + asked}, "other": {"reached": 500.0, "asked": 5.0}},
            timing_met=reached[options["seed"]] >= 0,
            seed=options["seed"],
            seconds={"yosys": 1.5, "nextpnr": seconds[0]},
            tools={"nextpnr-ecp5": "0.11", "nextpnr-ice40": "0.11"},
        )

    monkeypatch.setattr(matrix, "build", build)
    monkeypatch.setattr(matrix, "soc_verilog", lambda soc: (f"// {soc.engine}", describe(soc, "")))
    return calls


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A file of measurements other than the one in the repository."""
    path = tmp_path / "measured.json"
    monkeypatch.setattr("tercet.boards.measured.MEASURED", path)
    return path


def test_matrix(tmp_path, built, kept, capsys):
    """Builds every engine of the named boards once; an engine that does not fit is reported, and the rest continue."""
    assert bench.run_bench(["matrix"], tmp_path, ["ulx3s-85f", "tang-nano-9k", "ulx3s-85f"])
    made = [(name, engine) for name in ("ulx3s-85f", "tang-nano-9k") for engine in board(name).presets]
    want = [(*pair, seed) for pair in made for seed in ((1,) if pair[1] == "tensorcore" else (1, 2, 3))]
    assert sorted((*call[:2], call[4]) for call in built) == sorted(want)
    assert all(text == f"// {engine}" and folder == f"{name}_{engine}" for name, engine, text, folder, _ in built)
    rows = json.loads((tmp_path / "boards.json").read_text())["matrix"]
    assert [(row["board"], row["engine"]) for row in rows] == made
    assert rows[0]["reached_mhz"] == rows[0]["clock_hz"] / 1e6 + 1.25
    assert rows[2]["error"] == "needs 9 dsp, but there are 8"
    out = capsys.readouterr().out
    assert "fails" in out
    assert f"{rows[-2]['reached_mhz']:.1f}" in out
    assert not kept.exists()


def test_matrix_keeps(tmp_path, built, kept):
    """Records successful builds of the named engines, and no failures."""
    boards, engines = ["ulx3s-25f"], ["eie", "tensorcore"]
    assert bench.run_bench(["matrix"], tmp_path, boards, engines, keep=tmp_path)
    assert sorted({call[1] for call in built}) == engines
    content = json.loads(kept.read_text())
    assert list(content) == boards
    assert list(content["ulx3s-25f"]) == ["eie"]
    found = measured("ulx3s-25f", "eie")
    assert found is not None
    assert found.reached_mhz == found.clock_hz / 1e6 + 1.25
    assert found.seed == 2
    assert found.median_mhz == found.clock_hz / 1e6 + 0.75
    assert found.cells == dict.fromkeys(("lut4", "carry", "ff", "dsp", "bram"), 7)
    assert found.build == read_description(describe(soc_config("ulx3s-25f", "eie"), "")).build


@pytest.mark.parametrize(
    ("reached", "seeds", "best"),
    [
        ({1: 0.5}, [1], 1),
        ({1: -0.5, 2: 0.25}, [1, 2], 2),
        ({1: -0.5, 2: -0.25, 3: -0.75}, [1, 2, 3], 2),
    ],
)
def test_matrix_of_slow_builds(tmp_path, built, kept, reached, seeds, best):
    """The first seed that meets the clock is the last, if a build takes more than three minutes; the best is kept."""
    built.seconds[0] = 179.0
    built.reached.clear()
    built.reached.update(reached)
    assert bench.run_bench(["matrix"], tmp_path, ["ulx3s-25f"], ["eie"], keep=tmp_path)
    assert [call[4] for call in built] == seeds
    found = measured("ulx3s-25f", "eie")
    assert found is not None
    assert (found.seed, len(found.seeds_mhz)) == (best, len(seeds))
    assert (found.median_mhz is None) == (len(seeds) < 3)


def test_matrix_of_what_is_missing(tmp_path, built, kept, monkeypatch):
    """Builds only bitstreams that are absent, or recorded from other gateware."""
    assert bench.run_bench(["matrix"], tmp_path, ["ulx3s-25f"], ["systolic"], keep=tmp_path)
    built.clear()
    assert bench.run_bench(["matrix"], tmp_path, ["ulx3s-25f"], ["systolic", "eie"], keep=tmp_path, missing=True)
    assert {call[1] for call in built} == {"eie"}
    built.clear()
    assert bench.run_bench(["matrix"], tmp_path, ["ulx3s-25f"], ["systolic", "eie"], keep=tmp_path, missing=True)
    assert not built
    now = describe(soc_config("ulx3s-25f", "eie"), "endmodule")
    monkeypatch.setattr(
        matrix, "soc_verilog", lambda soc: ("// new", now if soc.engine == "eie" else describe(soc, ""))
    )
    assert bench.run_bench(["matrix"], tmp_path, ["ulx3s-25f"], ["systolic", "eie"], keep=tmp_path, missing=True)
    assert {call[1:3] for call in built} == {("eie", "// new")}
    found = measured("ulx3s-25f", "eie")
    assert found is not None
    assert found.build == read_description(now).build


def test_matrix_keeps_a_table(tmp_path, built, kept):
    """The table holds all entries of the file, ordered by board rather than by build."""
    for name in ("ulx3s-25f", "icebreaker"):
        assert bench.run_bench(["matrix"], tmp_path, [name], ["eie", "tensorcore"], keep=tmp_path)
    lines = kept.with_suffix(".md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    soc = soc_config("ulx3s-25f", "eie")
    builds = [f"`{found.build}`" for name in ("icebreaker", "ulx3s-25f") if (found := measured(name, "eie"))]
    asked = soc.clock_hz / 1e6
    assert rows[2:] == [
        ["`icebreaker`", "eie", "2 PEs", "33", "34.2", "33.8", "0.13", *5 * ["7"], "", "", "0.11", builds[0]],
        [
            "`ulx3s-25f`",
            "eie",
            "4 PEs",
            f"{asked:g}",
            f"{asked + 1.25:.1f}",
            f"{asked + 0.75:.1f}",
            f"{soc.peak_gops:.2f}",
        ]
        + [*5 * ["7"], "", "", "0.11", builds[1]],
    ]


def test_peaks(tmp_path, built, kept, monkeypatch):
    """The clock reached, with all multipliers at a single one's clock beside it, and arrays placed and routed here."""
    boards = ["ulx3s-25f", "orangecrab-25f", "icebreaker", "tang-nano-9k"]
    assert bench.run_bench(["matrix"], tmp_path, boards, ["systolic", "eie"], keep=tmp_path)
    jobs = []

    def route(spec, given):
        jobs.extend(given)
        return [{"config": job.label, "device": job.device, "fmax_mhz": {"median": 222.25}} for job in given]

    monkeypatch.setattr(peaks, "place_and_route", route)
    assert bench.run_bench(["peaks"], tmp_path)
    rows = json.loads((tmp_path / "boards.json").read_text())["peaks"]
    found = {(row["board"], row["engine"]): row for row in rows if "board" in row}
    assert {board for board, _ in found} == set(boards) - {"tang-nano-9k"}
    systolic, sparse = found["ulx3s-25f", "systolic"], found["orangecrab-25f", "eie"]
    # 6 x 4 cells, two operations each; 28 multipliers, of two int8 products or one of 16 bits, two operations each.
    assert systolic["gops"] == pytest.approx(48 * 151.25e-3)
    assert systolic["limit_gops"] == pytest.approx(28 * 4 * 310.7e-3)
    assert sparse["limit_gops"] == pytest.approx(28 * 2 * 406.3e-3)
    assert found["icebreaker", "systolic"]["limit_gops"] == pytest.approx(8 * 4 * 87.5e-3)
    assert systolic["share"] == pytest.approx(systolic["gops"] / systolic["limit_gops"])
    assert [(job.config.rows, job.config.cols, job.device) for job in jobs] == [(4, 4, "ecp5-25k"), (8, 8, "ecp5-85k")]
    arrays = {row["array"]: row["mhz"] for row in rows if "array" in row}
    assert arrays["Tercet, 8x8, 85k"] == 222.25
    assert arrays["axis-systolic-array, 8x8, 85k"] == 93.5
    assert (tmp_path / "boards_peaks.png").read_bytes().startswith(b"\x89PNG")


def test_faults(tmp_path, monkeypatch):
    # Shares the simulated board compiled by other tests.
    monkeypatch.setattr(bench, "_soc", lambda: FAULTS)
    monkeypatch.setattr(bench, "_BYTES", 40)
    monkeypatch.setattr(bench, "_BITS", 11)
    assert bench.run_bench(["faults"], tmp_path)
    rows = json.loads((tmp_path / "boards.json").read_text())["faults"]
    assert [(row["frames"], row["accepted"], row["mismatches"]) for row in rows] == [(40, 40, 0), (11, 11, 0)]


def test_mistakes_are_one_line():
    assert "'basys3' is not one of 'icebreaker'" in fails("bench", "boards", "--board", "basys3")
