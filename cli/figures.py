"""Plots as PNG files."""

import io
from typing import Any

__all__ = ["figure", "png"]


def figure(columns: int, width: float, height: float) -> tuple[Any, list[Any]]:
    """Make a figure of `width` x `height` inches, with `columns` axes side by side."""
    from matplotlib.figure import Figure

    result = Figure(figsize=(width, height), layout="constrained")
    axes = result.subplots(1, columns, squeeze=False)[0]
    return result, list(axes)


def png(content: Any) -> bytes:
    """Render a figure as PNG, without the library's version, so that the bytes are reproducible."""
    data = io.BytesIO()
    content.savefig(data, format="png", dpi=120, metadata={"Software": None})
    return data.getvalue()
