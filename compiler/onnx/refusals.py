"""Checks that reject a whole file before its nodes are converted, naming the call that fixes it."""

from collections.abc import Iterable

from ..errors import Unsupported
from .reader import FileNode

__all__ = ["QUANTIZE", "check"]

QUANTIZE = "onnxruntime.quantization.quantize_static(model, output, calibration_data_reader)"
_DYNAMIC = {
    "DynamicQuantizeLinear",
    "MatMulInteger",
    "ConvInteger",
    "com.microsoft.DynamicQuantizeLSTM",
    "com.microsoft.DynamicQuantizeMatMul",
    "com.microsoft.MatMulIntegerToFloat",
    "com.microsoft.QAttention",
}
_CONTROL = {"If", "Loop", "Scan", "SequenceMap"}


def check(nodes: Iterable[FileNode], known: Iterable[str]) -> None:
    """Reject unsupported kinds of models.

    Parameters
    ----------
    nodes : iterable of FileNode
        Nodes that the outputs depend on.
    known : iterable of str
        Supported operators.

    Raises
    ------
    Unsupported
        For dynamic quantisation, control flow, operators of other domains, and models without quantisation.
    """
    nodes, known = list(nodes), set(known)
    for node in nodes:
        if node.op in _DYNAMIC:
            raise Unsupported(f"{node.label}: scales are computed at run time (dynamic quantisation); use {QUANTIZE}")
        if node.op in _CONTROL:
            raise Unsupported(
                f"{node.label}: control flow is not supported; export the model without branches and loops"
            )
        if "." in node.op and node.op not in known:
            raise Unsupported(f"{node.label}: this custom operator is not supported; use standard ONNX operators")
    if not any(
        node.op.split(".")[-1].startswith(("QuantizeLinear", "DequantizeLinear", "QLinear", "QGemm")) for node in nodes
    ):
        first = nodes[0].label if nodes else "no node"
        raise Unsupported(f"the model is not quantised ({first} computes with float32); use {QUANTIZE}")
