"""Registry of engines by name. Each engine's module in this folder defines it as ``SPEC``."""

import pkgutil
from importlib import import_module
from pathlib import Path

from tercet.golden.engines import MODELS

from .spec import EngineSpec

__all__ = ["ENGINES", "engine_spec", "register"]

ENGINES: dict[str, EngineSpec] = {}
"""Name to engine, in listing order."""


def register(spec: EngineSpec) -> EngineSpec:
    """Register an engine with the command line, boards and simulation.

    Raises
    ------
    ValueError
        If another engine has that name.
    """
    if ENGINES.get(spec.name, spec) is not spec or MODELS.get(spec.name, spec.model) is not spec.model:
        raise ValueError(f"Engine name {spec.name!r} is taken; use another name")
    MODELS[spec.name] = spec.model
    ENGINES[spec.name] = spec
    return spec


def engine_spec(name: str) -> EngineSpec:
    """Look up an engine by name.

    Raises
    ------
    ValueError
        If it is unknown.
    """
    if name not in ENGINES:
        raise ValueError(f"Engine {name!r} is unknown; use one of {', '.join(ENGINES)}")
    return ENGINES[name]


def _discover() -> list[EngineSpec]:
    names = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    modules = [import_module(f"{__package__}.{name}") for name in names if name != Path(__file__).stem]
    return [module.SPEC for module in modules if hasattr(module, "SPEC")]


for _spec in sorted(_discover(), key=lambda spec: list(MODELS).index(spec.name)):
    register(_spec)
