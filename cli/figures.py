"""Plots as files."""

import io
from typing import Any

__all__ = ["figure", "png"]


def figure(columns: int, width: float, height: float) -> tuple[Any, list[Any]]:
    """A figure of so many inches, and its axes side by side."""
    from matplotlib.figure import Figure

    result = Figure(figsize=(width, height), layout="constrained")
    axes = result.subplots(1, columns, squeeze=False)[0]
    return result, list(axes)


def png(content: Any) -> bytes:
    """The figure as a picture; without the library's version in it, it is the same bytes every time."""
    data = io.BytesIO()
    content.savefig(data, format="png", dpi=120, metadata={"Software": None})
    return data.getvalue()
