"""``tercet verify-gpu`` on a fake CuPy and GPU."""

import json
import re
import sys

import numpy as np
import pytest

from ..gpu.fake_cupy import fake_cupy
from .command import fails, tercet

FEW = ("--count", 3000)


def install(monkeypatch, *args, **kwargs):
    module = fake_cupy(*args, **kwargs)
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


@pytest.mark.parametrize(
    ("capability", "preset", "runs"),
    [
        ((7, 0), "volta", 2),
        ((7, 5), "turing", 4),
        ((8, 6), "ampere", 6),
        ((8, 9), "ada", 14),
        ((9, 0), "hopper", 30),
        ((10, 0), "blackwell", 14),
    ],
)
def test_a_gpu_that_is_the_golden_model(monkeypatch, capability, preset, runs):
    """Operands and results pass through register packing and unpacking both ways."""
    install(monkeypatch, capability, preset=preset)
    result = tercet("verify-gpu", *FEW)
    assert result.exit_code == 0, result.stderr
    major, minor = capability
    assert f"Fake A100, compute capability {major}.{minor}, against preset {preset}" in result.stdout
    lines = re.findall(r"(\d+) of (\d+) equal", result.stdout)
    assert len(lines) == runs
    assert all(equal == total and int(total) >= 3000 for equal, total in lines)
    assert "Differences" not in result.stdout
    assert "known to fit" not in result.stdout


def test_a_gpu_that_no_preset_is_known_to_fit(monkeypatch, folder):
    install(monkeypatch, (12, 0), preset="blackwell")
    result = tercet("verify-gpu", "--format", "e5m2", "--count", 100, "--json", "report.json")
    assert result.exit_code == 0, result.stderr
    assert "No preset is known to fit compute capability 12.0; compared with blackwell\n" in result.stdout
    assert json.loads((folder / "report.json").read_text())["preset_known_to_fit"] is False
    # An explicit preset needs no warning.
    result = tercet("verify-gpu", "--preset", "ampere", "--format", "fp16", "--count", 100, "--json", "report.json")
    assert "known to fit" not in result.stdout
    assert json.loads((folder / "report.json").read_text())["preset_known_to_fit"] is True


def test_rules_for_fp8_are_told_apart(monkeypatch):
    """A GPU whose mma.sync has native FP8 is not a Hopper, even if all else matches."""
    install(monkeypatch, (9, 0), preset="ada")
    result = tercet("verify-gpu", "--format", "e4m3", *FEW)
    assert result.exit_code == 1
    assert re.search(r"e4m3 x e4m3 \+ fp32, through FP16 │ +\d+ │ off by one in the last place", result.stdout)
    assert tercet("verify-gpu", "--preset", "ada", "--format", "e4m3", *FEW).exit_code == 0


def test_another_architecture_is_told_apart(monkeypatch, folder):
    """A GPU with Volta's summation is not an Ampere."""
    install(monkeypatch, (8, 0), preset="volta")
    result = tercet("verify-gpu", "--format", "fp16", *FEW, "--json", "out/report.json")
    assert result.exit_code == 1
    assert "off by one in the last place" in result.stdout
    report = json.loads((folder / "out/report.json").read_text())
    assert (report["gpu"], report["compute_capability"], report["preset"]) == ("Fake A100", "8.0", "ampere")
    assert len(report["runs"]) == 2
    for run in report["runs"]:
        assert run["equal"] + sum(kind["count"] for kind in run["differences"].values()) == run["compared"]
        assert f"{run['equal']} of {run['compared']} equal" in result.stdout
        for kind in run["differences"].values():
            first = kind["first"]
            assert len(first["a"]) == len(first["b"]) == 16
            assert f"  a    {' '.join(first['a'])}\n  b    {' '.join(first['b'])}\n" in result.stdout
            assert f"  c    {first['c']}\n  got  {first['got']}\n  want {first['want']}\n" in result.stdout
    assert "last_place" in report["runs"][0]["differences"]
    # It matches the preset volta.
    result = tercet("verify-gpu", "--preset", "volta", *FEW)
    assert result.exit_code == 0, result.stderr
    assert "against preset volta" in result.stdout


def test_each_alteration_is_counted(monkeypatch):
    """One altered result per kernel gives one difference."""

    def alter(results):
        results[0, 0, 1] ^= 1
        return results

    install(monkeypatch, (7, 5), preset="turing", alter=alter)
    result = tercet("verify-gpu", "--format", "int8", "--count", 1000)
    assert result.exit_code == 1
    assert re.findall(r"(\d+) of (\d+) equal", result.stdout) == [("1023", "1024")] * 2
    assert re.search(r"int8 x int8 \+ int32, saturating │ +1 │ off by one in the last place", result.stdout)


def test_what_is_guessed_is_said_to_be(monkeypatch):
    def alter(results):
        return np.where(results == 0, results, results ^ 1)

    install(monkeypatch, (9, 0), preset="hopper", alter=alter)
    result = tercet("verify-gpu", "--format", "e5m2", "--count", 1)
    assert result.exit_code == 1
    assert "e5m2 x e4m3 + fp32, c = 0" in result.stdout
    assert "fraction bits that should be zero" in result.stdout
    assert "FP8 by wgmma was recorded with c = 0 only" in result.stdout
    result = tercet("verify-gpu", "--format", "bf16", "--count", 1)
    assert result.exit_code == 1
    assert "FP8" not in result.stdout


def test_what_is_not_guessed_is_not_said_to_be(monkeypatch):
    install(monkeypatch, (8, 9), preset="ada", alter=lambda results: results ^ 1)
    result = tercet("verify-gpu", "--format", "e5m2", "--count", 1)
    assert result.exit_code == 1
    assert "guesses" not in result.stdout


def test_the_gpu_can_be_chosen(monkeypatch):
    module = install(monkeypatch, (8, 0), preset="ampere", count=3)
    assert tercet("verify-gpu", "--device", 2, "--format", "int8", "--count", 1).exit_code == 0
    assert module.used == [2]


def test_without_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert re.search(r"CuPy cannot be imported .*; pip install 'tercet\[gpu\]'", fails("verify-gpu"))
    assert re.search(r"verify-gpu runs on no GPU: CuPy cannot be imported", tercet("doctor").stdout)


@pytest.mark.parametrize(
    ("kwargs", "arguments", "message"),
    [
        ({"fails": ["driver"]}, (), "CuPy finds no NVIDIA GPU: the driver fails"),
        ({"count": 0}, (), "GPU 0 does not exist; there is none"),
        ({"count": 1}, ("--device", 1), "GPU 1 does not exist; use 0"),
        ({"count": 2}, ("--device", 2), "GPU 2 does not exist; use 0 to 1"),
        ({"capability": (6, 1)}, (), "Fake A100: Compute capability 6.1 has no tensor cores"),
        ({"capability": (7, 5), "name": "NVIDIA GeForce GTX 1660"}, (), "GTX 1660 has no tensor cores, though"),
        ({"capability": (7, 2)}, (), "No preset is known for compute capability 7.2; choose one with --preset: volta"),
        ({"fails": ["compile"]}, (), "f32.f16.f16.f32 cannot be built for sm_80: tile.cu(3): error: something"),
        ({"fails": ["load"]}, (), "cannot be built for sm_80: the load fails"),
        ({"fails": ["launch"]}, (), "Fake A100 failed to run mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32: the"),
        ({}, ("--format", "e4m3"), "Format 'e4m3' is not supported by both preset ampere"),
        ({}, ("--count", 0), "Invalid value for '--count'"),
        ({}, ("--preset", "exact"), "Invalid value for '--preset'"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_one_line(monkeypatch, kwargs, arguments, message):
    install(monkeypatch, preset="ampere", **kwargs)
    assert message in fails("verify-gpu", *arguments)


def test_doctor_names_the_gpu(monkeypatch):
    install(monkeypatch, (9, 0), preset="hopper", name="NVIDIA H100")
    assert "verify-gpu runs on NVIDIA H100, compute capability 9.0\n" in tercet("doctor").stdout


def test_help_has_examples():
    page = tercet("verify-gpu", "--help").stdout
    options, _, shown = page.partition("Examples:")
    assert "  tercet verify-gpu\n" in shown
    for flag in re.findall(r" (--[a-z]+)", shown):
        assert flag in options
