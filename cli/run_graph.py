"""``tercet run`` for model files: matrix products on a systolic engine, everything else on the host."""

import io
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from tercet.boards.host.device import Device
from tercet.boards.host.networks import GraphNetwork
from tercet.boards.sizing import check_run
from tercet.golden.compress.fixed_network import accuracy

from .arrays import write_array
from .fixed_rows import read_labels
from .graph_inputs import class_rows, graph_inputs, read_class_names
from .output import check_file, console, progress, table, transferred, working, write_files
from .run_engine import Given, simulated_soc

__all__ = ["run_graph"]


def _labels(labels: Path | None) -> tuple[list[str], np.ndarray | None]:
    """Read class names from a text file, or expected labels from a NumPy file."""
    if labels is None:
        return [], None
    if labels.suffix not in (".npy", ".npz"):
        return read_class_names(labels), None
    return [], read_labels(labels, {})


def run_graph(
    network: GraphNetwork,
    model: Path,
    where: str,
    inputs: Path,
    labels: Path | None,
    output: Path | None,
    baud: int | None,
    given: Given,
    *,
    as_float: bool,
) -> None:
    """Run a model file on a board and compare the outputs with NumPy; exit with 1 if they differ."""
    graph = network.graph
    x = graph_inputs(graph, inputs)
    if output is not None:
        check_file(output)
        if len(graph.outputs) > 1 and output.suffix != ".npz":
            raise ValueError(f"{str(output)!r} cannot hold {len(graph.outputs)} outputs; use an .npz")
    names, right = _labels(labels)
    started = time.monotonic()
    want = graph.run(x)
    host_alone = time.monotonic() - started
    shown = class_rows(graph, want, names) if names else {}
    if right is not None:
        shown = {"accuracy": f"{accuracy(want[0].reshape(graph.batch(x), -1), right):.2%}"}
    soc = None
    if where.startswith("sim:"):
        soc = simulated_soc(where, network, given, baud, x)
        check_run(soc, network, x)
    else:
        given.refuse(where, network.engine)
    with working("opening the board; a simulated one is compiled first"):
        device = Device.open(where, engine=network.engine, baud=baud, soc=soc)
    with device:
        if soc is None:
            check_run(device.info.soc, network, x)
        device.counters(clear=True)
        on_engine = device.on_engine(graph)
        started = time.monotonic()
        with progress("transfer", total=1000) as advance:
            device.progress = transferred(advance)
            out = on_engine.run(x)
        seconds = time.monotonic() - started
        counters, info = device.counters(), device.info
    matches = all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(out, want, strict=True))
    result = table(f"{model.name}: {graph.batch(x)} inputs on {info.soc.engine}, {info.soc.board}", "item", "value")
    engine_seconds = sum(counters[name] for name in info.soc.kind.counters) / info.soc.clock_hz
    rows = {
        "device": where,
        "board equals NumPy": "yes, every bit" if matches else "NO",
        "build": str(info.build),
        "clock": f"{info.soc.clock_hz / 1e6:.1f} MHz",
        "seconds": f"{seconds:.2f}",
        "  link, and the simulated board"
        if soc
        else "  link": f"{on_engine.seconds - (0 if soc else engine_seconds):.2f}",
        "  engine, by its counters at that clock": f"{engine_seconds:.4f}",
        "  host, operators that are not matrix products": f"{seconds - on_engine.seconds:.2f}",
        "seconds of NumPy alone": f"{host_alone:.2f}",
        "matrix products": str(on_engine.products),
        **{f"counter {name}": str(counters[name]) for name in info.soc.kind.counters},
        **shown,
    }
    for name, value in rows.items():
        result.add_row(name, value)
    console().print(result)
    if output is not None:
        _write(output, network, out, as_float)
    if not matches:
        raise click.exceptions.Exit(1)


def _write(output: Path, network: GraphNetwork, out: list[np.ndarray], as_float: bool) -> None:
    edges: Any = network.graph.outputs
    arrays = [edge.real(array) if as_float else array for edge, array in zip(edges, out, strict=True)]
    if output.suffix != ".npz":
        write_array(output, arrays[0])
        return
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **{edge.name: array for edge, array in zip(edges, arrays, strict=True)})
    write_files(output.parent, {output.name: file.getvalue()})
