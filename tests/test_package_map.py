"""`pyproject.toml` and `constraints.txt` against the repository: an omission there goes unnoticed in a checkout."""

import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .source_folders import ROOT, code_folders, package_folders, shipped_files

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def data_files(package, pattern):
    """Return the files that one pattern of package-data matches."""
    folders = package_folders().values() if package == "*" else [SETUPTOOLS["package-dir"][package]]
    return {path.relative_to(ROOT).as_posix() for folder in folders for path in (ROOT / folder).glob(pattern)}


def test_packages_are_the_folders():
    assert SETUPTOOLS["package-dir"] == package_folders()
    assert sorted(SETUPTOOLS["packages"]) == sorted(package_folders())


@pytest.mark.parametrize("folder", package_folders().values())
def test_package_has_an_init(folder):
    assert (ROOT / folder / "__init__.py").is_file()


def test_package_data_is_every_other_file():
    lines = [(package, pattern) for package, patterns in SETUPTOOLS["package-data"].items() for pattern in patterns]
    found = {line: data_files(*line) for line in lines}
    assert [line for line, files in found.items() if not files] == []
    assert set().union(*found.values()) == {name for name in shipped_files() if not name.endswith(".py")}


def test_portions_of_the_namespace_package_are_typed():
    assert [folder for folder in code_folders() if not (ROOT / folder / "py.typed").is_file()] == []
    assert sorted(PROJECT["tool"]["pyright"]["include"]) == sorted([*code_folders(), "tests"])


def test_constraints_meet_the_requirements():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = [line.split("==") for line in lines if not line.startswith("#")]
    pins = {canonicalize_name(name): version for name, version in pinned}
    extras = PROJECT["project"]["optional-dependencies"]
    installed = ("pnr", "demo", "models", "test")
    wanted = [*PROJECT["project"]["dependencies"], *(line for name in installed for line in extras[name])]
    for requirement in map(Requirement, wanted):
        version = pins.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in constraints.txt; run: make constraints"
        allowed = requirement.specifier.contains(version, prereleases=True)
        assert allowed, f"constraints.txt has {version}, the project needs {requirement}; run: make constraints"
