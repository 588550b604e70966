"""Networks: a perceptron in real numbers, its INT8 form, and training in mixed precision."""

from .int8_network import Int8Layer, Int8Network, quantize_mlp

__all__ = ["Int8Layer", "Int8Network", "quantize_mlp"]
