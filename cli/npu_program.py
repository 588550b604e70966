"""Presentation of NPU programs in ``tercet compile``: memory usage as a table, buffer usage as a plot."""

from typing import Any

from tercet.golden.npu.program import Program

from .figures import figure, png
from .output import table

__all__ = ["buffer_picture", "memory_table", "program_json"]

_MEMORIES = {
    "buffer_bytes": "unified buffer, bytes",
    "weight_bytes": "weights, bytes",
    "channels": "parameters, channels",
    "tables": "tables of 256 words",
    "operators": "instructions",
}


def memory_table(program: Program) -> Any:
    """Return a table of the program's usage of each NPU memory."""
    config = program.config
    result = table(f"Program for a machine of {config.rows} x {config.cols}", "memory", "used", "of", "share")
    for name, used in program.memory.items():
        room = getattr(config, name)
        result.add_row(_MEMORIES[name], f"{used:,}", f"{room:,}", f"{used / room:.1%}" if room else "")
    if program.clipped:
        result.add_row("weights of -128 clipped to -127", f"{program.clipped:,}", "", "")
    return result


def program_json(program: Program) -> dict[str, Any]:
    """Return the report of a program as a JSON-serialisable dict."""
    return {
        "config": {name: getattr(program.config, name) for name in type(program.config).__dataclass_fields__},
        "memory": program.memory,
        "clipped": program.clipped,
        "layers": [
            {
                "name": layer.name,
                "op": layer.op,
                "shape": list(layer.shape),
                "macs": layer.macs,
                "weight_bytes": layer.weight_bytes,
                "live_bytes": layer.live_bytes,
                "instructions": layer.instructions,
            }
            for layer in program.layers
        ],
    }


def buffer_picture(program: Program) -> bytes:
    """Plot the unified buffer over time as PNG: one rectangle per tensor, operators on x, addresses on y."""
    from matplotlib.patches import Rectangle

    picture, (axes,) = figure(1, 9, 4.5)
    colours = ("#2a6fb0", "#dd8452", "#55a868", "#8172b3", "#937860", "#64b5cd")
    for n, region in enumerate(program.regions):
        # From the operator that writes it to its last reader.
        first, last = max(region.first, -1), region.last + 1
        box = Rectangle((first, region.address), last - first, region.size, facecolor=colours[n % len(colours)])
        box.set(edgecolor="white", alpha=0.85)
        axes.add_patch(box)
    layers, top = len(program.layers), max((r.address + r.size for r in program.regions), default=1)
    alive = [layer.live_bytes for layer in program.layers]
    axes.step([*range(layers + 1)], [*alive, *alive[-1:]], where="post", color="black")
    axes.set(xlim=(-1, layers + 1), ylim=(0, top * 1.05), xlabel="operator", ylabel="byte of the unified buffer")
    axes.set(title=f"{program.source}: tensors in the buffer; the line shows the live bytes")
    return png(picture)
