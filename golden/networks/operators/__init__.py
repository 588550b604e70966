"""Operators of int8 networks, bit-identical to TFLite Micro's reference kernels. Source: ``spec/npu.md``."""

from .base import Operator, Product
from .elementwise import Add, Maximum, Minimum, Mul, Sub
from .host import Dequantize, Quantize, Requantize, Softmax
from .lookup import Lookup
from .matrix import Conv2D, DepthwiseConv2D, FullyConnected, MatrixOperator, Window
from .movement import Concatenation, Pad, Reshape, Slice, Transpose
from .pooling import AveragePool2D, MaxPool2D, Mean, ReduceMax

__all__ = [
    "Add",
    "AveragePool2D",
    "Concatenation",
    "Conv2D",
    "DepthwiseConv2D",
    "Dequantize",
    "FullyConnected",
    "Lookup",
    "MatrixOperator",
    "MaxPool2D",
    "Maximum",
    "Mean",
    "Minimum",
    "Mul",
    "Operator",
    "Pad",
    "Product",
    "Quantize",
    "ReduceMax",
    "Requantize",
    "Reshape",
    "Slice",
    "Softmax",
    "Sub",
    "Transpose",
    "Window",
]
