"""The engines: software and hardware joined, one `EngineSpec` each, and the registry of them."""

from .export import export
from .registry import ENGINES, engine_spec, register
from .spec import EngineSpec

__all__ = ["ENGINES", "EngineSpec", "engine_spec", "export", "register"]
