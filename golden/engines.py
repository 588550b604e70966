"""Registry of the engines' software halves: ``engine.MODEL`` of each package in this folder.

`tercet.engines` joins each with its hardware.
"""

import pkgutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from .engine import EngineModel

__all__ = ["MODELS", "engine_model"]


def _discover() -> list[EngineModel]:
    packages = [f"{__package__}.{module.name}" for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    modules = [f"{name}.engine" for name in packages if (spec := find_spec(name)) and spec.submodule_search_locations]
    return [import_module(name).MODEL for name in modules if find_spec(name)]


MODELS: dict[str, EngineModel] = {model.name: model for model in sorted(_discover(), key=lambda model: model.year)}
"""Engine models by name, oldest first; `tercet.engines.register` adds to it."""


def engine_model(name: str) -> EngineModel:
    """Look up an engine model by name.

    Raises
    ------
    ValueError
        If the engine is unknown.
    """
    if name not in MODELS:
        raise ValueError(f"Engine {name!r} is unknown; use one of {', '.join(MODELS)}")
    return MODELS[name]
