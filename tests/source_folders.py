"""Packages and files of the repository as they are on disk: the reference for `pyproject.toml` and for the wheel."""

from pathlib import Path

__all__ = ["ROOT", "code_folders", "package_folders", "shipped_files"]

ROOT = Path(__file__).parents[1]
"""Top folder of the repository."""

# Folders with Python files that are not installed: tests, examples of the documentation, build products.
_NOT_INSTALLED = {"tests", "docs", "build"}
# Suffixes of documents beside the code, which are not read at run time.
_DOCUMENTS = {".md"}


def code_folders() -> list[str]:
    """Return the top folders that have Python files, each a portion of the namespace package."""
    found = (path for path in ROOT.iterdir() if path.is_dir() and path.name not in _NOT_INSTALLED)
    return sorted(path.name for path in found if not _is_foreign(path) and any(path.rglob("*.py")))


def package_folders() -> dict[str, str]:
    """Return package names and their folders, ``{"tercet.rtl.emit": "rtl/emit", ...}``: each folder of Python files."""
    modules = [path for top in code_folders() for path in (ROOT / top).rglob("*.py")]
    folders = sorted({path.parent.relative_to(ROOT).as_posix() for path in modules})
    return {f"tercet.{folder.replace('/', '.')}": folder for folder in folders}


def shipped_files() -> set[str]:
    """Return the paths that a wheel must contain, relative to the repository: modules and the files that they read."""
    paths = [path for top in code_folders() for path in (ROOT / top).rglob("*") if path.is_file()]
    names = [path.relative_to(ROOT) for path in paths if path.suffix not in _DOCUMENTS]
    return {name.as_posix() for name in names if not any(_is_leftover(part) for part in name.parts)}


def _is_foreign(folder: Path) -> bool:
    return folder.name.startswith(".") or (folder / "pyvenv.cfg").exists()


def _is_leftover(part: str) -> bool:
    return part.startswith(".") or part == "__pycache__"
