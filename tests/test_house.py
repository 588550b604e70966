"""Architecture of the project: layered imports without cycles, and a host side without Amaranth."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Top folder to the folders that its modules may import.
ROOMS = {
    "golden": set(),
    "compiler": {"golden"},
    "rtl": {"golden"},
    "engines": {"golden", "rtl"},
    "sim": {"golden", "rtl", "engines"},
    "boards": {"golden", "compiler", "rtl", "engines", "sim"},
    "gpu": {"golden", "sim"},
    "cli": {"golden", "compiler", "rtl", "engines", "sim", "boards", "gpu"},
}


def modules():
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            package = parts[:-1]
            name = package if parts[-1] == "__init__" else parts
            yield ".".join(name), package, ast.parse(path.read_text())


def imports(package, tree, known, *, late):
    """Modules of this project that a module imports; imports inside functions only if `late`."""
    inner = {id(node) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for node in ast.walk(f)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or (id(node) in inner and not late):
            continue
        if node.level:
            base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
        elif node.module and node.module.startswith("tercet."):
            base = node.module.split(".")[1:]
        else:
            continue
        for alias in node.names:
            whole = ".".join([*base, alias.name])
            yield whole if whole in known else ".".join(base)


MODULES = {name: (package, tree) for name, package, tree in modules()}


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_downwards(room):
    for name, (package, tree) in MODULES.items():
        if name.split(".")[0] == room:
            for target in imports(package, tree, MODULES, late=True):
                top = target.split(".")[0]
                assert top in ROOMS[room] | {room}, f"{name} imports {target}"


def test_no_circles():
    """No cycles among top-level imports; imports inside functions are resolved when called."""
    graph = {
        name: {target for target in imports(*MODULES[name], MODULES, late=False) if target != name} for name in MODULES
    }
    done, under_way = set(), []

    def visit(name):
        if name in done or name not in graph:
            return
        assert name not in under_way, " -> ".join([*under_way[under_way.index(name) :], name])
        under_way.append(name)
        for target in sorted(graph[name]):
            visit(target)
        under_way.pop()
        done.add(name)

    for name in graph:
        visit(name)


def test_elaborate_is_short():
    """At most 60 lines; longer ones are split."""
    long = {
        name: (function.end_lineno or 0) - function.lineno + 1
        for name, (_, tree) in MODULES.items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and function.name == "elaborate"
    }
    assert {name: lines for name, lines in long.items() if lines > 60} == {}


def test_a_host_imports_no_amaranth():
    code = "import sys, tercet.boards.host.device; print([name for name in sys.modules if 'amaranth' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    code = "import sys, tercet.boards.host.device; print([n for n in sys.modules if n.startswith('tercet.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not [name for name in ast.literal_eval(done.stdout) if name.split(".")[1] in ("rtl", "engines", "sim")]
