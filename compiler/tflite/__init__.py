"""Front end for ``.tflite`` files."""

from .convert import load_tflite

__all__ = ["load_tflite"]
