"""All engines by name: the module of each in this folder has it as ``SPEC``."""

import pkgutil
from importlib import import_module
from pathlib import Path

from tercet.golden.engines import MODELS

from .spec import EngineSpec

__all__ = ["ENGINES", "engine_spec", "register"]

ENGINES: dict[str, EngineSpec] = {}
"""Name to engine, in the order in which they are listed."""


def register(spec: EngineSpec) -> EngineSpec:
    """Add an engine: from now on the command line, boards and simulation know it.

    Raises
    ------
    ValueError
        If there is another one of that name.
    """
    if ENGINES.get(spec.name, spec) is not spec or MODELS.get(spec.name, spec.model) is not spec.model:
        raise ValueError(f"There is another engine {spec.name!r}; use another name")
    MODELS[spec.name] = spec.model
    ENGINES[spec.name] = spec
    return spec


def engine_spec(name: str) -> EngineSpec:
    """Look an engine up.

    Raises
    ------
    ValueError
        If it is unknown.
    """
    if name not in ENGINES:
        raise ValueError(f"Engine {name!r} is unknown; use one of {', '.join(ENGINES)}")
    return ENGINES[name]


def _found() -> list[EngineSpec]:
    names = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    modules = [import_module(f"{__package__}.{name}") for name in names if name != Path(__file__).stem]
    return [module.SPEC for module in modules if hasattr(module, "SPEC")]


for _spec in sorted(_found(), key=lambda spec: list(MODELS).index(spec.name)):
    register(_spec)
