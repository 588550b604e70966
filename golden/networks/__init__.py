"""Networks: a multilayer perceptron in real numbers, its INT8 form, and mixed-precision training."""

from .int8_network import Int8Layer, Int8Network, quantize_mlp

__all__ = ["Int8Layer", "Int8Network", "quantize_mlp"]
