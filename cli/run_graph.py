"""``tercet run`` for model files and programs: whole networks on an NPU, or matrix products on a systolic engine."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from tercet.boards.catalog import board
from tercet.boards.host.device import Device
from tercet.boards.host.networks import CompiledNetwork, GraphNetwork
from tercet.boards.host.soc_config import SocConfig
from tercet.boards.sizing import check_run
from tercet.golden.compress.fixed_network import accuracy
from tercet.golden.networks.graph import input_arrays

from .fixed_rows import read_labels
from .graph_inputs import check_outputs, class_rows, graph_inputs, program_edges, read_class_names, write_outputs
from .output import console, progress, table, transferred, working
from .run_engine import Given, simulated_name, simulated_soc
from .run_npu import compiled, npu_rows, simulated_npu

__all__ = ["MODEL_ENGINES", "run_graph"]

MODEL_ENGINES = ("npu", "systolic")
"""Engines that run model files, preferred first."""

_Network = GraphNetwork | CompiledNetwork


def _labels(labels: Path | None) -> tuple[list[str], np.ndarray | None]:
    """Read class names from a text file, or expected labels from a NumPy file."""
    if labels is None:
        return [], None
    if labels.suffix not in (".npy", ".npz"):
        return read_class_names(labels), None
    return [], read_labels(labels, {})


def _edges(network: _Network) -> Any:
    """Return an object with the inputs, outputs, tensors and operators of a graph; of a program, those of the host."""
    if isinstance(network, GraphNetwork):
        return network.graph
    return program_edges(network.program)


def _engine(network: _Network, where: str, engine: str | None, options: Mapping[str, bool]) -> str | None:
    """Return the engine to run on; None if a real board decides.

    Raises
    ------
    ValueError
        If a program is to run on another engine than an NPU, or a systolic engine is given options of the compiler.
    """
    if isinstance(network, CompiledNetwork):
        if engine not in (None, "npu"):
            raise ValueError(f"--engine {engine} cannot run a program for the npu; name the model file instead")
        return "npu"
    if engine is None and where.startswith("sim:"):
        presets = board(simulated_name(where)).presets
        engine = next((name for name in MODEL_ENGINES if name in presets), MODEL_ENGINES[-1])
    if engine == "systolic":
        _refuse_options(options, engine)
    return engine


def _refuse_options(options: Mapping[str, bool], engine: str) -> None:
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value]
    if given:
        raise ValueError(f"{' and '.join(given)} applies to engine npu, not to {engine}; leave it out")


def run_graph(
    network: _Network,
    model: Path,
    where: str,
    inputs: Path,
    labels: Path | None,
    output: Path | None,
    baud: int | None,
    given: Given,
    *,
    as_float: bool,
    engine: str | None,
    options: Mapping[str, bool],
) -> None:
    """Run a model file or program on a board and compare the outputs; exit with 1 if they differ.

    `options` are ``host_fallback`` and ``clip_weights`` of `tercet.compiler.compile`.
    """
    edges = _edges(network)
    x = graph_inputs(edges, inputs)
    if output is not None:
        check_outputs(output, edges.outputs)
    names, right = _labels(labels)
    engine, soc, what = _engine(network, where, engine, options), None, network
    if where.startswith("sim:"):
        soc, what = _simulated(network, model, where, given, baud, x, engine, options)
    else:
        given.refuse(where, engine or network.engine)
    expected = _Expected(edges, x, names, right)
    if not options["clip_weights"] or soc is not None:
        # Wrong labels are refused before a board is opened.
        expected.compute(what if options["clip_weights"] else network)
    with working("opening the board; a simulated one is compiled first"):
        device = Device.open(where, engine=engine, baud=baud, soc=soc)
    with device:
        if soc is None:
            what = _on_board(network, device.info.soc, options)
            check_run(device.info.soc, what, x)
        if not expected.want:
            expected.compute(what)
        device.counters(clear=True)
        run: Any = device.on_npu(what) if isinstance(what, CompiledNetwork) else device.on_engine(what.graph)
        started = time.monotonic()
        with progress("transfer", total=1000) as advance:
            device.progress = transferred(advance)
            out = run.run(x)
        seconds = time.monotonic() - started
        counters, info = device.counters(), device.info
    matches = all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(out, expected.want, strict=True))
    count = f"{expected.samples} input{'s' if expected.samples > 1 else ''}"
    result = table(f"{model.name}: {count} on {info.soc.engine}, {info.soc.board}", "item", "value")
    if isinstance(what, CompiledNetwork):
        rows = npu_rows(run, info, counters, expected.samples, real=soc is None)
        matches_cycles = counters["run"] == expected.samples * what.program.cycles
    else:
        rows, matches_cycles = _systolic_rows(run, info.soc, counters, seconds, real=soc is None), True
    rows = {
        "device": where,
        f"board equals {expected.name}": "yes, every bit" if matches else "NO",
        "build": str(info.build),
        "clock": f"{info.soc.clock_hz / 1e6:.1f} MHz",
        "seconds": f"{seconds:.2f}",
        **rows,
        f"seconds of {expected.name} alone": f"{expected.seconds:.2f}",
        **{f"counter {name}": str(counters[name]) for name in info.soc.kind.counters},
        **expected.shown,
    }
    for name, value in rows.items():
        result.add_row(name, value)
    console().print(result)
    if output is not None:
        pairs = zip(edges.outputs, out, strict=True)
        write_outputs(output, edges.outputs, [edge.real(array) if as_float else array for edge, array in pairs])
    if not matches or not matches_cycles:
        raise click.exceptions.Exit(1)


class _Expected:
    """Expected outputs of a network, and what they say of labels or classes."""

    def __init__(self, edges: Any, x: Any, names: list[str], right: np.ndarray | None):
        self._edges, self._x, self._names, self._right = edges, x, names, right
        self.samples = len(input_arrays(edges.inputs, x)[0][0])
        self.want: list[np.ndarray] = []
        self.shown: dict[str, str] = {}
        self.seconds, self.name = 0.0, ""

    def compute(self, network: _Network) -> None:
        """Run a graph in NumPy, or a program on the golden machine; raises ValueError for labels that do not fit."""
        self.name = "NumPy" if isinstance(network, GraphNetwork) else "the golden machine"
        started = time.monotonic()
        self.want = network.golden(None, self._x)  # pyright: ignore[reportArgumentType]
        self.seconds = time.monotonic() - started
        if self._names:
            self.shown = class_rows(self._edges, self.want, self._names)
        if self._right is not None:
            scores = self.want[0].reshape(self.samples, -1)
            self.shown = {"accuracy": f"{accuracy(scores, self._right):.2%}"}


def _simulated(
    network: _Network,
    model: Path,
    where: str,
    given: Given,
    baud: int | None,
    x: Any,
    engine: str | None,
    options: Mapping[str, bool],
) -> tuple[SocConfig, _Network]:
    """Return the SoC configuration of a simulated board, and the network for it; raises what running it would."""
    if engine == "npu":
        return simulated_npu(where, network, model, given, baud, x, options)
    given.check(network.engine, model)
    soc = simulated_soc(where, network, given, baud, x)
    check_run(soc, network, x)
    return soc, network


def _on_board(network: _Network, soc: SocConfig, options: Mapping[str, bool]) -> _Network:
    """Return the network for the engine of a real board."""
    if soc.engine == "npu":
        return compiled(network, soc, options)
    _refuse_options(options, soc.engine)
    return network


def _systolic_rows(
    run: Any, soc: SocConfig, counters: Mapping[str, int], seconds: float, *, real: bool
) -> dict[str, str]:
    """Table rows of a run on a systolic engine: seconds of link, engine and host."""
    engine_seconds = sum(counters[name] for name in soc.kind.counters) / soc.clock_hz
    link = "  link" if real else "  link, and the simulated board"
    return {
        link: f"{run.seconds - (engine_seconds if real else 0):.2f}",
        "  engine, by its counters at that clock": f"{engine_seconds:.4f}",
        "  host, operators that are not matrix products": f"{seconds - run.seconds:.2f}",
        "matrix products": str(run.products),
    }
