"""Golden model of the NPU: whole int8 networks on one machine. Source: ``spec/npu.md``."""

from .config import NpuConfig

__all__ = ["NpuConfig"]
