"""Front end for ``.onnx`` files: QDQ and QOperator graphs written by ``onnxruntime.quantization``."""

from .convert import load_onnx

__all__ = ["load_onnx"]
