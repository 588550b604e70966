"""Conversion function of each ``.tflite`` operator."""

from collections.abc import Callable

from . import elementwise, ends, matrix, movement, pooling
from .context import Node

__all__ = ["CONVERSIONS", "SHAPE_NODES"]

CONVERSIONS: dict[str, Callable[[Node], None]] = {
    "CONV_2D": matrix.conv2d,
    "DEPTHWISE_CONV_2D": matrix.depthwise,
    "FULLY_CONNECTED": matrix.fully_connected,
    "ADD": elementwise.add,
    "SUB": elementwise.sub,
    "MUL": elementwise.mul,
    "MAXIMUM": elementwise.extremum,
    "MINIMUM": elementwise.extremum,
    "RELU": elementwise.relu,
    "RELU6": elementwise.clamp,
    "RELU_N1_TO_1": elementwise.clamp,
    "LEAKY_RELU": elementwise.leaky_relu,
    "LOGISTIC": elementwise.logistic,
    "TANH": elementwise.tanh,
    "HARD_SWISH": elementwise.hard_swish,
    "ELU": elementwise.by_float,
    "AVERAGE_POOL_2D": pooling.average,
    "MAX_POOL_2D": pooling.maximum,
    "MEAN": pooling.mean,
    "REDUCE_MAX": pooling.reduce_max,
    "PAD": movement.pad,
    "PADV2": movement.pad,
    "RESHAPE": movement.reshape,
    "SQUEEZE": movement.reshape,
    "EXPAND_DIMS": movement.reshape,
    "TRANSPOSE": movement.transpose,
    "CONCATENATION": movement.concatenation,
    "STRIDED_SLICE": movement.strided_slice,
    "SLICE": movement.slice_,
    "SPLIT": movement.split,
    "SPLIT_V": movement.split_v,
    "QUANTIZE": ends.quantize,
    "DEQUANTIZE": ends.dequantize,
    "SOFTMAX": ends.softmax,
}

SHAPE_NODES = ("SHAPE", "STRIDED_SLICE", "PACK", "CONCATENATION", "MUL", "REDUCE_PROD", "CAST", "GATHER", "SLICE")
"""Operators that compute shapes if their outputs are INT32: from the batch, which is 1, and fixed dimensions."""
