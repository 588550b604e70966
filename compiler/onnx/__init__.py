"""The front end for ``.onnx`` files: QDQ and QOperator graphs as ``onnxruntime.quantization`` writes them."""

from .convert import load_onnx

__all__ = ["load_onnx"]
