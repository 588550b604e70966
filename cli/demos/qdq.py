"""Export of a trained CNN as a quantised ``.onnx`` in QDQ form, as written by onnxruntime's quantiser.

A QuantizeLinear and DequantizeLinear pair with the scale and zero point of the codes separates any two float operators.
"""

from typing import Any

import numpy as np
from tercet.golden.networks.cnn import Cnn
from tercet.golden.numerics.quantization import QuantParams, calibrate, quantize, quantize_bias, weight_params

__all__ = ["qdq_model"]


class _Writer:
    """Collector of ONNX nodes and constants."""

    def __init__(self):
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, array: np.ndarray) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def dequantized(self, name: str, codes: np.ndarray, scale: Any, zero_point: np.ndarray, **axis: int) -> str:
        """Add constant codes and their DequantizeLinear; return the name of the real numbers."""
        scales = self.constant(f"{name}_scale", np.asarray(scale, np.float32))
        inputs = [self.constant(f"{name}_codes", codes), scales, self.constant(f"{name}_zero_point", zero_point)]
        return self.node("DequantizeLinear", inputs, name, **axis)

    def rounded(self, name: str, params: QuantParams, *, like: str = "") -> str:
        """Add a QuantizeLinear and DequantizeLinear pair; `like` reuses the constants of another tensor."""
        constants = [f"{like or name}_scale", f"{like or name}_zero_point"]
        if not like:
            self.constant(constants[0], np.asarray(params.scale, np.float32))
            self.constant(constants[1], np.asarray(params.zero_point, np.int8))
        self.node("QuantizeLinear", [name, *constants], f"{name}_quantized")
        return self.node("DequantizeLinear", [f"{name}_quantized", *constants], f"{name}_real")


def qdq_model(network: Cnn, samples: np.ndarray) -> bytes:
    """Quantise a network and return the content of its ``.onnx``: a float input (N, C, H, W), float scores.

    Parameters
    ----------
    network : Cnn
        The network; its weights get one scale per channel.
    samples : (N, H, W, C) float array
        Representative inputs, which calibrate the ranges of all activations.

    Raises
    ------
    ModuleNotFoundError
        If `onnx` is not installed.
    """
    from onnx import TensorProto, helper

    write, values = _Writer(), network.activations(samples)
    params = [calibrate(samples), *(calibrate(values[n]) for n in range(0, len(values) - 1, 2)), calibrate(values[-1])]
    x = write.rounded("image", params[0])
    for n, (kernel, bias) in enumerate(zip(network.kernels, network.biases, strict=True)):
        weights = _weights(write, f"kernel{n}", kernel.transpose(3, 2, 0, 1), bias, params[n])
        write.node("Conv", [x, *weights], f"conv{n}", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        write.node("Relu", [f"conv{n}"], f"relu{n}")
        x = write.rounded(f"relu{n}", params[n + 1])
        write.node("MaxPool", [x], f"pool{n}", kernel_shape=[2, 2], strides=[2, 2])
        x = write.rounded(f"pool{n}", params[n + 1], like=f"relu{n}")
    write.node("Flatten", [x], "flat")
    x = write.rounded("flat", params[-2], like=f"relu{len(network.kernels) - 1}")
    # The file is channels first.
    channels = network.kernels[-1].shape[3]
    matrix = network.weights.reshape(-1, channels, network.weights.shape[1]).transpose(1, 0, 2)
    matrix = matrix.reshape(network.weights.shape).T
    write.node("Gemm", [x, *_weights(write, "dense", matrix, network.bias, params[-2])], "scores", transB=1)
    output = write.rounded("scores", params[-1])
    _, height, width, depth = samples.shape
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", depth, height, width])
    scores = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", len(network.bias)])
    graph = helper.make_graph(write.nodes, "digits", [image], [scores], write.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="tercet")
    model.ir_version = 8
    return model.SerializeToString()


def _weights(write: _Writer, name: str, weights: np.ndarray, bias: np.ndarray, params: QuantParams) -> tuple[str, str]:
    """Add weights (out, ...) with one scale per channel, and their bias in units of the sums."""
    scales = weight_params(weights.reshape(len(weights), -1).T, axis=-1)
    codes = quantize(np.moveaxis(weights, 0, -1), scales)
    # float32, as stored in the file.
    scale = np.asarray(scales.scale, np.float32)
    zero = np.zeros(len(weights), np.int8)
    first = write.dequantized(name, np.ascontiguousarray(np.moveaxis(codes, -1, 0)), scale, zero, axis=0)
    units = np.asarray(params.scale, np.float32) * scale
    sums = quantize_bias(bias, 1.0, units.astype(np.float64))
    return first, write.dequantized(f"{name}_bias", sums, units, np.zeros(len(weights), np.int32), axis=0)
