"""Engines: one `EngineSpec` each, which joins software and hardware, and their registry."""

from .export import export
from .registry import ENGINES, engine_spec, register
from .spec import EngineSpec

__all__ = ["ENGINES", "EngineSpec", "engine_spec", "export", "register"]
