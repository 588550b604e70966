"""A small network with each kind of operator that a board's host and engine share, as a ``.tflite``."""

import numpy as np

from .tflite_files import Network

__all__ = ["picture_network"]


def picture_network(classes: int = 4, channels: int = 3, dtype: str = "INT8") -> bytes:
    """A picture of 6 x 6 pixels: grouped and depthwise convolutions, residual, average, classes, softmax.

    Parameters
    ----------
    classes, channels : int
        Outputs, and channels of the picture.
    dtype : str
        "INT8", or "FLOAT32" for an input and an output of real numbers.
    """
    rng = np.random.default_rng(5)
    net = Network()

    def weights(*shape: int) -> str:
        return net.constant(rng.integers(-127, 128, shape), 0.01, dtype=np.int8)

    def biases(count: int, input_scale: float) -> str:
        return net.constant(rng.integers(-3000, 3000, count), 0.01 * input_scale)

    def activation(*shape: int, scale: float = 0.5, zero_point: int = 3) -> str:
        return net.tensor((1, *shape), scale, zero_point)

    size = {"Padding": "SAME", "StrideH": 1, "StrideW": 1}
    if dtype == "INT8":
        x = net.input((1, 6, 6, channels), 1 / 255, -128, name="picture")
    else:
        real = net.input((1, 6, 6, channels), None, type=dtype, name="picture")
        x = activation(6, 6, channels, scale=1 / 255, zero_point=-128)
        net.add("QUANTIZE", [real], x)
    a, b, c = activation(6, 6, 4, scale=0.02), activation(6, 6, 4, scale=0.03), activation(6, 6, 4, scale=0.05)
    net.add("CONV_2D", [x, weights(4, 3, 3, channels), biases(4, 1 / 255)], a, **size, FusedActivationFunction="RELU")
    net.add("CONV_2D", [a, weights(4, 3, 3, 2), biases(4, 0.02)], b, **size)
    net.add("DEPTHWISE_CONV_2D", [b, weights(1, 3, 3, 4), biases(4, 0.03)], c, **size, DepthMultiplier=1)
    d, e = activation(6, 6, 4, scale=0.06), activation(1, 1, 4, scale=0.06)
    net.add("ADD", [a, c], d)
    net.add("AVERAGE_POOL_2D", [d], e, Padding="VALID", StrideH=6, StrideW=6, FilterHeight=6, FilterWidth=6)
    f, g = activation(4, scale=0.06), activation(classes, scale=0.05)
    net.add("RESHAPE", [e, net.constant([1, 4])], f)
    net.add("FULLY_CONNECTED", [f, weights(classes, 4), biases(classes, 0.06)], g)
    h = net.tensor((1, classes), 1 / 256, -128, name="scores")
    net.add("SOFTMAX", [g], h, Beta=1.0)
    net.outputs = [h]
    if dtype != "INT8":
        y = net.tensor((1, classes), None, type=dtype, name="real scores")
        net.add("DEQUANTIZE", [h], y)
        net.outputs = [y]
    return net.file()
