"""Verilog from Amaranth components: define once, instantiate many.

Amaranth writes one module per *instance*, so an array of 65536 processing elements would be 65536 copies. A component
made by `shared` is converted once per distinct (component, parameters) and instantiated by name everywhere else; its
parent reads and drives its members like those of an ordinary submodule.
"""

import contextlib
import contextvars
import gc
import re
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field

from amaranth import *
from amaranth.hdl import ValueCastable
from amaranth.lib import wiring

from .names import RESERVED, plain_names
from .rtlil import convert
from .writer import LANGUAGES, EmitError, write_verilog

__all__ = ["SharedDefinition", "check_module_name", "prototype", "shared", "verilog"]


def shared(component: type, **params) -> "SharedDefinition":
    """Create ``component(**params)`` as a submodule whose module is defined once.

    Parameters
    ----------
    component : type
        A `wiring.Component` class whose `elaborate` depends on nothing but `params`. If it has
        ``keep_hierarchy = True``, so does its module: synthesis then does not merge identical registers of several
        instances.
    **params
        Keyword arguments of the component; all hashable. Numbers and strings among them appear in the module's name.

    Returns
    -------
    SharedDefinition
        Used like the component itself. Under `verilog`, and in a build for a board, it becomes an instance of a module
        that appears once in the output; in Amaranth's own simulator it is the component. Domains other than ``sync``
        become ports ``<domain>_clk`` and ``<domain>_rst``, connected to the domain of that name in the parent.
    """
    return SharedDefinition(component, params)


def prototype(component: type, **params):
    """Create ``component(**params)`` only to inspect it; silences Amaranth's warning that it is never elaborated."""
    made = component(**params)
    made._MustUse__silence = True
    return made


class SharedDefinition(Elaboratable):
    """A component behind a module boundary; see `shared`. Members are reached as attributes."""

    def __init__(self, component: type, params: dict):
        self._key = (component, tuple(sorted(params.items())))
        # By design only the first of each kind is elaborated.
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
        for name, value in definition.domains.items():
            ports[f"i_{name}"] = value
        return Instance(definition.name, **ports)


def check_module_name(name: str) -> None:
    """Reject a name that a Verilog or SystemVerilog module cannot have.

    Raises
    ------
    ValueError
        If `name` is not an identifier, or is a reserved word.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(f"Module name {name!r} is not a Verilog identifier; use letters, digits and _")
    if name in RESERVED:
        raise ValueError(f"Module name {name!r} is a reserved word of Verilog or SystemVerilog; use another")


def verilog(component, *, name: str, language: str = "verilog") -> str:
    """Convert a component and its whole hierarchy to one Verilog text.

    Parameters
    ----------
    component : wiring.Component
        Top-level component. Its members become ports named by path with ``__`` (``acts__payload``), in addition to
        ``clk`` and ``rst``.
    name : str
        Name of the top module and prefix of the names of all modules below it.
    language : "verilog" or "sv"
        Verilog-2005, which every tool reads, or SystemVerilog.

    Returns
    -------
    str
        Verilog text, byte-identical on every run, with children before parents and the top last.

    Raises
    ------
    EmitError
        If yosys cannot be found or rejects the design.
    """
    check_module_name(name)
    if language not in LANGUAGES:
        raise ValueError(f"Language {language!r} is unknown; use one of {', '.join(LANGUAGES)}")
    definitions = _Definitions(prefix=f"{name}_")
    token = _active.set(definitions)
    try:
        with _no_collection():
            top = _convert(component, name)
    finally:
        _active.reset(token)
    return write_verilog([*definitions.texts, top.text], name, language)


@contextlib.contextmanager
def _no_collection():
    """Disable the garbage collector, which finds nothing in the netlists and takes a quarter of the time."""
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
    domains: Mapping[str, Value]
    """Clocks and resets of its domains, by port."""


@dataclass
class _Definitions:
    """Modules defined so far, in order of completion (children first)."""

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
    """Definitions of a board build: each becomes a source file of the platform."""

    def __init__(self, platform):
        super().__init__(prefix="")
        self._platform = weakref.ref(platform)

    def _add(self, definition: _Definition):
        platform = self._platform()
        assert platform is not None
        platform.add_file(f"{definition.name}.v", write_verilog([definition.text], definition.name, "verilog"))


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
    members = _ports(component)
    text = convert(component, name)
    if getattr(component, "keep_hierarchy", False):
        text = re.sub(
            rf"^module \\{re.escape(name)}$", f"attribute \\\\keep_hierarchy 1\nmodule \\\\{name}", text, flags=re.M
        )
    module, domains = _module(text, name), {}
    for port in re.findall(r"^\s*wire (?:width 1 )?input \d+\s+\\((?:\w+_)?(?:clk|rst))$", module, re.M):
        domain, _, kind = port.rpartition("_")
        if port in members:
            continue
        if kind == "rst" and len(re.findall(rf"\\{port}\b", module)) == 1:
            # Nothing inside is reset: drop the port instead of routing a net without loads.
            text = re.sub(rf"^ *wire (width 1 )?input \d+ +\\{port}\n", "", text, flags=re.M)
        else:
            domains[port] = (ClockSignal if kind == "clk" else ResetSignal)(domain or "sync")
    return _Definition(name, plain_names(text), domains)


def _module(text: str, name: str) -> str:
    match = re.search(rf"^module \\{re.escape(name)}$.*?^end$", text, re.M | re.S)
    if match is None:
        raise EmitError(f"Component for module {name} is empty: it has neither logic nor outputs")
    return match.group()
