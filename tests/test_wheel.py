"""The wheel, built and installed in a fresh environment; all other tests run on the checkout."""

import json
import os
import shutil
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tercet.golden.compress.container import load
from tercet.sim.simulators import available

from .source_folders import ROOT, code_folders, shipped_files

# Imports the modules named as arguments and prints their files.
IMPORT_ALL = """
import importlib, json, sys
print(json.dumps([importlib.import_module(name).__file__ for name in sys.argv[1:]]))
"""


def run(*command, cwd, env=None):
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


def built_wheel(folder):
    """Build the wheel from a copy of the folders: in the checkout `build/lib` would add files of earlier builds."""
    source = folder / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    for name in code_folders():
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = (sys.executable, "-m", "pip", "wheel", "--disable-pip-version-check", "--no-index")
    run(*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ".", cwd=source)
    [wheel] = folder.glob("*.whl")
    shutil.rmtree(source)
    return wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, the site-packages folder that it is in, and ``run(program, *args, cwd=)`` for that environment."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = built_wheel(folder)
    environment = folder / "environment"
    venv.create(environment, symlinks=True)
    programs = environment / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python", "install", "--disable-pip-version-check")
    run(*pip, "--no-index", "--no-deps", wheel, cwd=folder)
    [packages] = (environment / "lib").glob("python*/site-packages")
    # Dependencies come from the running environment, after the wheel. Python does not read .pth files in a folder that
    # a .pth file added, so the import hook of an editable install stays inactive.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    env["PATH"] = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])

    def run_there(program, *args, cwd):
        return run(programs / program, *args, cwd=cwd, env=env)

    return SimpleNamespace(wheel=wheel, packages=packages, run=run_there)


def test_content(installed):
    with zipfile.ZipFile(installed.wheel) as file:
        names = [name for name in file.namelist() if ".dist-info/" not in name]
    assert sorted(names) == sorted(f"tercet/{name}" for name in shipped_files())


def test_every_module_is_imported_from_the_wheel(installed, tmp_path):
    files = [f"tercet/{name}" for name in sorted(shipped_files()) if name.endswith(".py")]
    files = [name for name in files if not name.endswith("/__main__.py")]  # importing it runs the command
    modules = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in files]
    imported = json.loads(installed.run("python", "-c", IMPORT_ALL, *modules, cwd=tmp_path))
    assert imported == [str(installed.packages / name) for name in files]


def test_generate(installed, tmp_path):
    sizes = ("--rows", 2, "--cols", 2, "--acc-depth", 8, "--mac", "ecp5")
    installed.run("tercet", "generate", "systolic", *sizes, "-o", "out", cwd=tmp_path)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert "sim/MULT18X18D.v" in manifest["simulation_models"]
    for name in (*manifest["files"], *manifest["simulation_models"]):
        assert "endmodule" in (tmp_path / "out" / name).read_text()


def test_sim(installed, tmp_path):
    acts, weights = np.arange(12, dtype=np.int8).reshape(4, 3), np.arange(-3, 3, dtype=np.int8).reshape(3, 2)
    np.save(tmp_path / "acts.npy", acts)
    np.save(tmp_path / "weights.npy", weights)
    # Icarus starts at once; without it, Verilator compiles the design.
    usable = {candidate.name for candidate in available() if candidate.simulator}
    simulator = ("--simulator", "icarus") if "icarus" in usable else ()
    arrays = ("--acts", "acts.npy", "--weights", "weights.npy", "-o", "out.npy")
    installed.run("tercet", "sim", "systolic", "--rows", 2, "--cols", 2, *arrays, *simulator, cwd=tmp_path)
    assert (np.load(tmp_path / "out.npy") == acts.astype(int) @ weights).all()


def test_compress(installed, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "model.npz", W0=rng.normal(size=(6, 20)), b0=np.zeros(20), W1=rng.normal(size=(20, 3)))
    installed.run("tercet", "compress", "model.npz", "-o", "a.tercet", "--density", "0.2", cwd=tmp_path)
    assert [int((layer.codes > 0).sum()) for layer in load(tmp_path / "a.tercet")] == [24, 12]
