"""SOFTMAX, and QUANTIZE and DEQUANTIZE at the edges of a graph."""

from tercet.golden.networks.operators import Dequantize, Quantize, Requantize, Softmax, lookup
from tercet.golden.numerics.requantization import Requant

from .context import Node

__all__ = ["dequantize", "quantize", "softmax"]

_OUTPUT_SCALE, _OUTPUT_ZERO = 1 / 256, -128


def softmax(node: Node) -> None:
    """SOFTMAX; its output has scale 1/256 and zero point -128."""
    options = node.option("SoftmaxOptions")
    x, y = node.activations(0), node.output
    params = node.builder.params(y)
    if (params.scale, params.zero_point) != (_OUTPUT_SCALE, _OUTPUT_ZERO):
        raise node.refuse(
            f"its output has scale {params.scale} and zero point {params.zero_point}, not {_OUTPUT_SCALE} and "
            f"{_OUTPUT_ZERO}",
            "convert it with TensorFlow's converter",
        )
    beta = float(options.Beta()) if options is not None else 1.0
    node.builder.append(Softmax(name=node.name, inputs=(x,), output=y, scale=node.builder.scale(x), beta=beta))


def _declare_outside(node: Node, dtype: str) -> str:
    """Declare an output that is not int8."""
    tensor = node.file.outputs[0]
    if not tensor.shape or tensor.shape[0] != 1:
        raise node.refuse(f"its output has shape {tensor.shape}", "keep a leading batch of 1")
    name = node.context.name(tensor)
    node.builder.tensor(name, tensor.shape, None, dtype)
    return name


def quantize(node: Node) -> None:
    """QUANTIZE of int8, uint8 or float32 codes to int8, or of int8 to uint8."""
    source, target = node.input(0), node.file.outputs[0]
    kinds = source.dtype, target.dtype
    if kinds == ("INT8", "INT8"):
        x, y = node.activations(0), node.output
        table = lookup.requantize_table(node.builder.params(x), node.builder.params(y))
        node.builder.lookup(node.name, node.op, x, y, table)
        return
    x = node.context.name(source)
    if x not in node.builder.known or kinds not in (("FLOAT32", "INT8"), ("UINT8", "INT8"), ("INT8", "UINT8")):
        raise node.refuse(
            f"conversion from {source.dtype} to {target.dtype} is not supported", "use int8 inside the network"
        )
    if kinds == ("FLOAT32", "INT8"):
        y = node.output
        node.builder.append(Quantize(name=y, inputs=(x,), output=y, params=node.builder.params(y)))
        return
    ends = [_codes(node, tensor) for tensor in (source, target)]
    (scale, zero_point), (to_scale, to_zero) = ends
    unsigned = target.dtype == "UINT8"
    y = _declare_outside(node, "uint8") if unsigned else node.output
    requant = Requant.from_scale(scale / to_scale, to_zero - 128 * unsigned)
    node.builder.append(
        Requantize(name=y, inputs=(x,), output=y, input_zero_point=zero_point, requant=requant, unsigned=unsigned)
    )


def _codes(node: Node, tensor) -> tuple[float, int]:
    """Return scale and zero point of a tensor, which may be uint8."""
    if tensor.scales.size != 1 or tensor.zero_points.size != 1 or not tensor.scales[0] > 0:
        raise node.refuse(f"{tensor.name!r} has {tensor.scales.size} scales", "quantise it with one")
    return float(tensor.scales[0]), int(tensor.zero_points[0])


def dequantize(node: Node) -> None:
    """DEQUANTIZE of int8 to float32."""
    if node.file.outputs[0].dtype != "FLOAT32":
        raise node.refuse(f"conversion to {node.file.outputs[0].dtype} is not supported", "use float32")
    x = node.activations(0)
    y = _declare_outside(node, "float32")
    node.builder.append(Dequantize(name=y, inputs=(x,), output=y, params=node.builder.params(x)))
