"""Real int8 models, where they are there: beside the checkout, or in the folder that TERCET_MODELS names."""

import os
from pathlib import Path

import pytest

__all__ = ["MODELS", "model"]

FOLDER = Path(os.environ.get("TERCET_MODELS", Path(__file__).parents[3] / "shared" / "models"))
MODELS = ("ad01_int8", "kws_ref_model_int8", "ic_resnet8_int8")
"""Anomaly detection, keyword spotting and image classification of MLPerf Tiny."""


def model(name: str) -> Path:
    """Path of a model; skips the test where it is not there."""
    path = FOLDER / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there; set TERCET_MODELS to a folder that has it")
    return path
