"""Termination by signals: a command's child processes end with it."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

# Starts a child, records both PIDs, and waits. The argument "stubborn" makes it ignore SIGTERM.
TOOL = f"""#!{sys.executable} -IS
import os, signal, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "1000"])
with open({{told!r}}, "a") as file:
    file.write(f"{{{{os.getpid()}}}} {{{{child.pid}}}}\\n")
time.sleep(1000)
"""
# A command whose tools run in threads, as in `tercet synth`, with some still queued.
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
    """PIDs of tools and their children that are still alive."""
    numbers = told.read_text().split() if told.exists() else []
    return [int(number) for number in numbers if alive(int(number))]


def ended(folder, command, count, number, **variables):
    """Start a command, signal it once `count` tools run; returns its output and exit status."""
    environment = {**os.environ, **variables, "TERCET_CACHE": str(folder / "cache")}
    # A signal that these tests were started to ignore, as by nohup, would be ignored by the command as well.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
    finally:
        signal.signal(number, before)
    told = folder / "told"
    try:
        while not (told.exists() and told.read_text().count("\n") == count):
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.05)
        process.send_signal(number)
        output = process.communicate(timeout=60)[0]
        deadline = time.monotonic() + 10
        while left(told) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not left(told)
    finally:
        process.kill()
        for pid in left(told):
            os.kill(pid, signal.SIGKILL)
    return output, process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ends_its_tool_and_what_that_has_started(tmp_path, tool, number):
    (tmp_path / "file.bit").write_text("bits")
    command = [sys.executable, "-m", "tercet.cli", "flash", "--board", "ulx3s-85f", tmp_path / "file.bit"]
    output, status = ended(tmp_path, command, 1, number, OPENFPGALOADER=str(tool))
    assert status == 128 + number
    assert output == ""


@pytest.mark.parametrize("words", [[], ["stubborn"]], ids=["willing", "stubborn"])
def test_ends_tools_in_threads(tmp_path, tool, words):
    command = [sys.executable, "-c", POOL, "place", tool, tmp_path, *words]
    output, status = ended(tmp_path, command, 2, signal.SIGTERM)
    assert status == 143
    assert output == ""
    assert (tmp_path / "unwound").exists()


def test_ignored_signals_stay_ignored(tmp_path):
    """An ignored SIGHUP, as under nohup, stays ignored."""
    code = (
        "import os, signal\nfrom tercet.cli.termination import terminated_by_signals\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "with terminated_by_signals():\n    os.kill(os.getpid(), signal.SIGHUP)\nprint('still here')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "still here\n")
