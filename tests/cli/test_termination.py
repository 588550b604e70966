"""A command that is told to end: nothing that it has started goes on."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

# Starts another process, tells both numbers, and waits. A second argument tells it to shrug SIGTERM off.
TOOL = f"""#!{sys.executable} -IS
import os, signal, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "1000"])
with open({{told!r}}, "a") as file:
    file.write(f"{{{{os.getpid()}}}} {{{{child.pid}}}}\\n")
time.sleep(1000)
"""
# A command whose tools run in threads, as those of `tercet synth`, and some still wait for their turn.
POOL = """
import sys, click
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tercet.boards.fpga.nextpnr import place_and_route
from tercet.cli.errors import TercetGroup

@click.group(cls=TercetGroup)
def main():
    pass

@main.command()
@click.argument("tool")
@click.argument("folder", type=Path)
@click.argument("words", nargs=-1)
def place(tool, folder, words):
    def run(seed):
        place_and_route([tool, *words], folder, log=f"log{seed}", report="none", target="x")
    with ThreadPoolExecutor(2) as pool:
        try:
            list(pool.map(run, range(6)))
        finally:
            (folder / "unwound").touch()

main()
"""


@pytest.fixture
def tool(tmp_path):
    path = tmp_path / "tool"
    path.write_text(TOOL.format(told=str(tmp_path / "told")))
    path.chmod(0o755)
    return path


def alive(number):
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def left(told):
    """Which of the tools, and of those that they have started, are there."""
    numbers = told.read_text().split() if told.exists() else []
    return [int(number) for number in numbers if alive(int(number))]


def ended(folder, command, count, number, **variables):
    """Starts a command, sends it a signal once so many tools run; what it has said, and its status."""
    environment = {**os.environ, **variables, "TERCET_CACHE": str(folder / "cache")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    told = folder / "told"
    try:
        while not (told.exists() and told.read_text().count("\n") == count):
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.05)
        process.send_signal(number)
        said = process.communicate(timeout=60)[0]
        deadline = time.monotonic() + 10
        while left(told) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not left(told)
    finally:
        process.kill()
        for still in left(told):
            os.kill(still, signal.SIGKILL)
    return said, process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ends_its_tool_and_what_that_has_started(tmp_path, tool, number):
    (tmp_path / "file.bit").write_text("bits")
    command = [sys.executable, "-m", "tercet.cli", "flash", "--board", "ulx3s-85f", tmp_path / "file.bit"]
    said, status = ended(tmp_path, command, 1, number, OPENFPGALOADER=str(tool))
    assert status == 128 + number
    assert said == ""


@pytest.mark.parametrize("words", [[], ["stubborn"]], ids=["willing", "stubborn"])
def test_ends_tools_in_threads(tmp_path, tool, words):
    command = [sys.executable, "-c", POOL, "place", tool, tmp_path, *words]
    said, status = ended(tmp_path, command, 2, signal.SIGTERM)
    assert status == 143
    assert said == ""
    assert (tmp_path / "unwound").exists()


def test_ignored_signals_stay_ignored(tmp_path):
    """As under nohup."""
    code = (
        "import os, signal\nfrom tercet.cli.termination import terminated_by_signals\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "with terminated_by_signals():\n    os.kill(os.getpid(), signal.SIGHUP)\nprint('still here')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "still here\n")
