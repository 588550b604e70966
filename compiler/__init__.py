"""Model files into graphs: ``.tflite``, ``.onnx``, and the ``.npz`` of an `Int8Network`."""

from .load import load

__all__ = ["load"]
