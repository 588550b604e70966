"""``tercet sim npu``."""

import json
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from tercet.compiler import compile as compile_graph
from tercet.compiler import load
from tercet.golden.networks.graph import Edge, input_arrays
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.program import PROGRAM_SUFFIX, Program
from tercet.golden.streams import Job
from tercet.sim import npu
from tercet.sim.engine import EngineRun, run_jobs

from ..engines import ENGINES, examples
from ..graph_inputs import check_outputs, graph_inputs, program_edges, random_inputs, write_outputs
from ..npu_program import layer_table, refuse_flags
from ..options import Megahertz, config_from, config_options
from ..output import check_file, console, table, working, write_files
from .common import RunOptions, run_options

__all__ = ["command"]

_NOTES = """The model is compiled as by tercet compile, for the machine that the flags describe, and runs from its first
to its last layer on the RTL. The outputs are compared with those of the graph in NumPy, or, with --clip-weights, of the
golden machine. Cycles are those of the machine, from the start of each run to its last byte written; stalls of the
streams do not change them. A configuration's first run compiles the simulator, which takes minutes; the table shows
that time apart.

A .tercetn, a program of tercet compile or tercet low-rank, runs on the machine that it was compiled for, without flags
of the configuration and of the compiler, and is compared with the golden machine.
"""


@click.command("npu", epilog=examples("sim", "npu", notes=_NOTES))
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    required=True,
    help="Quantised .tflite or .onnx, an .npz, or a .tercetn.",
)
@click.option(
    "--inputs", type=click.Path(path_type=Path), help="Inputs as for tercet run, .npy, .npz or a picture; else random."
)
@click.option("--batch", type=click.IntRange(min=1), help="Number of random inputs. [default: 1]")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write cycles, counters and report, .json.")
@click.option("--clock", type=Megahertz(min=1e-3), default=100.0, show_default=True, help="Clock for times, MHz.")
@click.option("--no-fold", is_flag=True, help="Run the network as stored in the file, without folding.")
@click.option("--host-fallback", is_flag=True, help="Leave operators that the npu lacks to the host.")
@click.option("--clip-weights", is_flag=True, help="Clip weights of -128 to -127 and count them.")
@config_options(NpuConfig, ENGINES["npu"].model.presets)
@run_options
def command(
    model: Path,
    inputs: Path | None,
    batch: int | None,
    json_file: Path | None,
    clock: float,
    no_fold: bool,
    host_fallback: bool,
    clip_weights: bool,
    preset: str | None,
    config_file: Path | None,
    **flags: Any,
) -> None:
    """Run a model file or a compiled program on the NPU's RTL."""
    options = RunOptions.taken_from(flags)
    if inputs is not None and batch is not None:
        raise ValueError("--batch applies only to random inputs, not to --inputs; leave it out")
    compiling = {"no_fold": no_fold, "host_fallback": host_fallback, "clip_weights": clip_weights}
    if model.suffix == PROGRAM_SUFFIX:
        refuse_flags({"preset": preset, "config": config_file, **flags, **compiling})
        program = Program.load(model)
        graph, reference = program_edges(program), program
    else:
        config = config_from(NpuConfig, preset, config_file, flags)
        graph = load(model)
        program = compile_graph(graph, config, fold=not no_fold, host_fallback=host_fallback, clip_weights=clip_weights)
        reference = program if program.clipped else graph
    if json_file is not None:
        check_file(json_file)
    if options.output is not None:
        check_outputs(options.output, graph.outputs)
    rng = np.random.default_rng(options.seed)
    x = random_inputs(graph, rng, batch or 1) if inputs is None else graph_inputs(graph, inputs)
    want = reference.run(x)
    done, seconds = _run(program, x, options)
    out: Any = done.out
    if options.output is not None:
        write_outputs(options.output, graph.outputs, out)
    differs = _first_difference(graph.outputs, out, want)
    samples = len(input_arrays(graph.inputs, x)[0][0])
    found = {
        "samples": samples,
        "equal": not differs,
        "cycles": done.cycles,
        "cycles_predicted": samples * program.cycles,
        "counters": done.counters,
        "seconds": seconds,
        "report": program.report(1e6 * clock),
    }
    if json_file is not None:
        write_files(json_file.parent, {json_file.name: json.dumps(found, indent=1) + "\n"})
    console().print(layer_table(program, 1e6 * clock))
    console().print(_summary(model, program, reference is program, found, differs, clock))
    if differs:
        raise click.exceptions.Exit(1)


def _run(program: Program, x: Any, options: RunOptions) -> tuple[EngineRun, dict[str, float]]:
    """Run on the RTL; returns the seconds of the build and of the run besides."""
    config = program.config
    how: dict[str, Any] = {"simulator": options.simulator, "waves": options.waves}
    started = time.monotonic()
    with working("compiling the simulator; a configuration's first run takes minutes"):
        run_jobs(ENGINES["npu"], config, [_empty_job(config)], **how)
    built = time.monotonic()
    with working("running the RTL"):
        done = npu.run(config, program, x, stall=options.stall, seed=options.seed, **how)
    return done, {"build": built - started, "run": time.monotonic() - built}


def _empty_job(config: NpuConfig) -> Job:
    """Job without beats, which ends at once."""
    ports = ENGINES["npu"].model.streams(config)
    inputs = {port.name: np.zeros((0, port.bytes), np.uint8) for port in ports if port.direction == "in"}
    return Job(inputs, {port.name: 0 for port in ports if port.direction == "out"})


def _first_difference(edges: tuple[Edge, ...], got: list[np.ndarray], want: list[np.ndarray]) -> str:
    """Describe the first value that differs; "" if all are equal."""
    for edge, left, right in zip(edges, got, want, strict=True):
        if left.dtype != right.dtype or left.shape != right.shape:
            return f"{edge.name}: {left.dtype} {left.shape}, not {right.dtype} {right.shape}"
        # Compared by bits: a NaN does not equal itself.
        unequal = left.reshape(-1).view(f"V{left.itemsize}") != right.reshape(-1).view(f"V{right.itemsize}")
        if unequal.any():
            at = int(unequal.argmax())
            index = ", ".join(str(n) for n in np.unravel_index(at, left.shape))
            return f"{edge.name}[{index}]: {left.flat[at]}, not {right.flat[at]}; {unequal.sum()} of {unequal.size}"
    return ""


def _summary(model: Path, program: Program, on_machine: bool, found: dict[str, Any], differs: str, clock: float) -> Any:
    config, samples, counters = program.config, found["samples"], found["counters"]
    result = table(f"{model.name} on an npu of {config.rows} x {config.cols}", "item", "value")
    result.add_row("inputs", str(samples))
    reference = "golden machine" if on_machine else "golden model"
    reference += ", clipped weights" if program.clipped else ""
    result.add_row(f"RTL equals {reference}", "NO" if differs else "yes, every bit")
    if differs:
        result.add_row("first difference", differs)
    result.add_row("cycles", str(found["cycles"]))
    result.add_row("cycles predicted", str(found["cycles_predicted"]))
    result.add_row(f"milliseconds per input at {clock:g} MHz", f"{found['cycles'] / samples / clock / 1e3:.3f}")
    result.add_row("utilisation", f"{found['report']['utilisation']:.1%}")
    for name, count in counters.items():
        share = f"  {count / max(1, counters['run']):.1%}" if name in ("run", "active") else ""
        result.add_row(f"  {name}", f"{count}{share}")
    if program.clipped:
        result.add_row("weights of -128 clipped to -127", str(program.clipped))
    if program.host:
        result.add_row("host", ", ".join(program.host))
    result.add_row("seconds, build of the simulator", f"{found['seconds']['build']:.1f}")
    result.add_row("seconds, run", f"{found['seconds']['run']:.1f}")
    return result
