"""Golden model of the systolic engine: INT8 products on an array, after Google's TPU. Source: ``spec/systolic.md``."""

from .config import SystolicConfig
from .model import matmul

__all__ = ["SystolicConfig", "matmul"]
