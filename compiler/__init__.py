"""Model files into graphs: ``.tflite``, ``.onnx``, and the ``.npz`` of an `Int8Network`; graphs into programs."""

from .load import load
from .npu import compile_graph as compile

__all__ = ["compile", "load"]
