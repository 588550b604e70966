"""Load ``.tflite``, ``.onnx`` and `Int8Network` ``.npz`` files as graphs; compile graphs into NPU programs."""

from .load import load
from .npu import compile_graph as compile

__all__ = ["compile", "load"]
