"""Golden model of the NPU, which runs whole int8 networks. Source: ``spec/npu.md``."""

from .config import NpuConfig

__all__ = ["NpuConfig"]
