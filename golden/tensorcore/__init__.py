"""Golden model of the tensor core: D = A B + C on tiles, bit-exact with NVIDIA's. Source: ``spec/tensorcore.md``."""

from .config import TensorCoreConfig
from .cycle_model import cycles
from .model import dot, mma

__all__ = ["TensorCoreConfig", "cycles", "dot", "mma"]
