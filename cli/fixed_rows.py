"""Table rows on a compressed network's fixed-point numbers: fraction bits, error, saturation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from tercet.golden.compress.fixed_network import FixedNetwork, FloatError

from .arrays import read_array

__all__ = ["error_rows", "fraction_rows", "read_labels", "saturation_fix", "saturation_row", "warn_of_saturation"]


def fraction_rows(fixed: FixedNetwork) -> dict[str, str]:
    """Rows for the fraction bits of the inputs and of each layer's outputs and weights, and their source."""
    if fixed.measured:
        source = "ranges of these inputs, as the network has none"
    elif any(layer.act_range or layer.out_range for layer in fixed.network):
        source = "ranges of the network"
    else:
        source = "the engine's, for all layers"
    bits = [fixed.layers[0].act_frac, *(layer.out_frac for layer in fixed.layers)]
    return {
        "fraction bits from": source,
        "  inputs; outputs of each layer": "; ".join(map(str, bits)),
        "  weights of each layer": "; ".join(str(layer.weight_frac) for layer in fixed.layers),
    }


def error_rows(error: FloatError) -> dict[str, str]:
    """Rows for the error of the results against the float network."""
    rows = {
        "largest error against the float network": f"{error.largest:.3g} of {error.span:.3g}",
        "RMS error against the float network": f"{error.rms:.3g}",
    }
    if error.accuracy is not None:
        rows["accuracy; float network"] = f"{error.accuracy:.2%}; {error.float_accuracy:.2%}"
    return rows


def saturation_fix(fixed: FixedNetwork) -> str:
    """Remedy for a network whose results saturate, as the end of a message."""
    if any(layer.act_range or layer.out_range for layer in fixed.network):
        return "compress the network with such inputs in its --data"
    return "compress the network with --data, and leave out --act-frac and --weight-frac"


def saturation_row(count: int, results: int) -> str:
    """Number and share of saturated results, as text."""
    return f"{count}  {count / results:.1%} of {results} results"


def warn_of_saturation(saturated: tuple[int, ...], fix: str) -> None:
    """Warn on standard error, in one line, if results of any layer did not fit 16 bits."""
    if any(saturated):
        counts = ", ".join(f"{n} of layer {number}" for number, n in enumerate(saturated) if n)
        click.echo(f"tercet: warning: results do not fit 16 bits and were saturated, {counts}; {fix}", err=True)


def read_labels(path: Path | None, needs: Mapping[str, Any]) -> np.ndarray | None:
    """Read labels from a ``.npy``, or ``y`` of an ``.npz``; `needs` are the options that ``--labels`` requires.

    Raises
    ------
    ValueError
        If a required option is missing, or the file has no labels.
    """
    if path is None:
        return None
    missing = [f"--{name}" for name, value in needs.items() if value is None]
    if missing:
        raise ValueError(f"--labels requires {' and '.join(f'--{name}' for name in needs)}; give {missing[0]}")
    return read_array("y", path, ["x", "acts", "test_x", "test_y"])
