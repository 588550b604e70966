"""Writes the API pages, one per package with a section per module, from the package map and the folders.

Modules are not listed by hand, so a new or moved one cannot be forgotten. A module appears if it has an ``__all__``;
modules whose name begins with an underscore are private. A name is documented where it is defined; modules that
re-export it link to its definition.
"""

import ast
import inspect
import tomllib
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

from amaranth.lib.wiring import Component
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain

__all__ = ["setup"]

_FOLDER = "api"
_INDEX = """\
API
===

Generated from the docstrings: every package, every module, every name in a module's ``__all__``. Names that do not
appear here are private.

.. toctree::
   :maxdepth: 1

   {pages}
"""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_domain(_Names, override=True)
    app.connect("builder-inited", _write)
    app.connect("autodoc-process-signature", _component_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class _Names(PythonDomain):
    """Python domain without guesses: a short name becomes a link only if it is unique among classes and functions.

    Otherwise the type ``out`` in a docstring would link to an attribute ``out`` of some class, and ``Port`` to one of
    several classes.
    """

    def find_obj(self, env: Any, modname: Any, classname: Any, name: str, type: Any, searchmode: int = 0) -> list:
        """Matches as (name, entry): exact ones, or the only class or function whose full name ends in `name`."""
        found = super().find_obj(env, modname, classname, name, type, 0)
        if found or not searchmode:
            return found
        within = [f"{modname}.{classname}.{name}", f"{modname}.{name}"]
        exact = [(full, self.objects[full]) for full in within if full in self.objects]
        if exact:
            return exact[:1]
        fuzzy = super().find_obj(env, modname, classname, name, type, 1)
        return fuzzy if len(fuzzy) == 1 and fuzzy[0][1].objtype in ("class", "exception", "function") else []


def _component_signature(app: Any, what: str, name: str, item: Any, *_: Any) -> tuple[str, str] | None:
    """Constructor parameters of a component, which Amaranth's metaclass hides."""
    if what != "class" or not issubclass(item, Component):
        return None
    signature = inspect.signature(item.__init__)
    parameters = [p.replace(annotation=p.empty) for p in list(signature.parameters.values())[1:]]
    return str(signature.replace(parameters=parameters, return_annotation=signature.empty)), ""


def _write(app: Sphinx) -> None:
    """Write the pages below the sources, where Sphinx finds them; unchanged files are not touched."""
    folder = Path(app.srcdir, _FOLDER)
    folder.mkdir(exist_ok=True)
    packages = _packages(Path(app.srcdir).parent)
    pages = {f"{name}.rst": _page(name, source) for name, source in packages.items()}
    pages["index.rst"] = _INDEX.format(pages="\n   ".join(name.removesuffix(".rst") for name in pages))
    for path in folder.glob("*.rst"):
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _packages(root: Path) -> dict[str, Path]:
    """Folders by package, from the map in ``pyproject.toml``, for packages with a module to show."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    folders = {name: root / folder for name, folder in project["tool"]["setuptools"]["package-dir"].items()}
    return {name: folder for name, folder in sorted(folders.items()) if _modules(folder)}


def _modules(folder: Path) -> list[str]:
    """Stems of a package's modules that have an ``__all__``, the package itself first."""
    paths = [path for path in sorted(folder.glob("*.py")) if path.stem == "__init__" or path.stem[0] != "_"]
    return [path.stem for path in paths if "\n__all__ = " in path.read_text()]


def _page(package: str, folder: Path) -> str:
    lines = [package, "=" * len(package), ""]
    for stem in _modules(folder):
        module = package if stem == "__init__" else f"{package}.{stem}"
        if module != package:
            lines += [stem, "-" * len(stem), ""]
        own, others = _names(package, ast.parse((folder / f"{stem}.py").read_text()))
        lines += [f".. automodule:: {module}"]
        lines += ["   :members: " + ", ".join(own)] if own else []
        lines += ["", *(["Also here: " + ", ".join(f"`{name}`" for name in others) + "."] if others else []), ""]
    return "\n".join(lines)


def _names(package: str, tree: ast.Module) -> tuple[list[str], list[str]]:
    """Public names defined in a module, and full names of those it re-exports."""
    public: list[str] = []
    imported: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            public = ast.literal_eval(node.value)
        if isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module
            imported |= {alias.asname or alias.name: f"{source}.{alias.name}" for alias in node.names}
    return [name for name in public if name not in imported], [imported[name] for name in public if name in imported]
