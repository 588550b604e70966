"""Presentation of NPU programs: memories and layers as tables, buffer usage as a plot."""

from collections.abc import Mapping
from typing import Any

from tercet.golden.npu.program import Program

from .figures import figure, png
from .output import table

__all__ = ["buffer_picture", "layer_table", "memory_table", "refuse_flags", "short_name"]

_MEMORIES = {
    "buffer_bytes": "unified buffer, bytes",
    "weight_bytes": "weights, bytes",
    "channels": "parameters, channels",
    "tables": "tables of 256 words",
    "operators": "instructions",
}


def refuse_flags(flags: Mapping[str, Any]) -> None:
    """Raise ValueError if flags of a model's compilation are given, by name, for a program that is compiled already."""
    given = [f"--{name.replace('_', '-')}" for name, value in flags.items() if value not in (None, False)]
    if given:
        raise ValueError(f"A compiled program does not take {' and '.join(given)}; name the model file instead")


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


def layer_table(program: Program, clock_hz: float) -> Any:
    """Return a table of cycles, utilisation, and bytes of weights and live tensors per operator, with their total.

    `clock_hz` is the clock for the time of an inference.
    """
    found = program.report(clock_hz)
    title = f"one inference: {found['cycles']:,} cycles, {found['ms']:.3f} ms at {clock_hz / 1e6:g} MHz"
    result = table(f"{program.source or 'Network'}, {title}", "operator")
    result.pad_edge = False  # 120 characters are just enough
    result.add_column("kind", no_wrap=True)
    for column in ("output", "products", "cycles", "utilisation"):
        result.add_column(column, justify="right", overflow="fold")
    result.add_column("bound by", no_wrap=True)
    for column in ("weights", "live"):
        result.add_column(column, justify="right", overflow="fold")
    for layer in found["layers"]:
        cycles = layer["cycles"]
        result.add_row(
            short_name(layer["name"], 17),
            layer["op"],
            "x".join(map(str, layer["shape"][1:])),
            f"{layer['macs']:,}" if layer["macs"] else "",
            *((f"{cycles:,}", f"{layer['utilisation']:.1%}") if cycles else ("", "")),
            layer["bound"],
            f"{layer['weight_bytes']:,}" if layer["weight_bytes"] else "",
            f"{layer['live_bytes']:,}",
        )
    result.add_section()
    sums = f"{found['macs']:,}", f"{found['cycles']:,}", f"{found['utilisation']:.1%}"
    weights = sum(layer["weight_bytes"] for layer in found["layers"])
    result.add_row("total", "", "", *sums, "", f"{weights:,}", "")
    return result


def short_name(name: str, most: int = 24) -> str:
    """Shorten a node's name to its end; converters join the names of fused nodes."""
    first = name.partition(";")[0]
    return first if len(first) <= most else f"...{first[3 - most :]}"


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
