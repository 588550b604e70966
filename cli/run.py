"""``tercet run``."""

import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from tercet.boards.host.device import Device
from tercet.boards.host.networks import (
    Binary,
    BoardNetwork,
    CompiledNetwork,
    Compressed,
    GraphNetwork,
    Int8,
    read_network,
)
from tercet.boards.host.protocol import LINK_COUNTERS
from tercet.boards.host.soc_config import SocConfig
from tercet.boards.sizing import check_run
from tercet.compiler.int8_network import graph_of_int8_network
from tercet.golden.compress.fixed_network import FixedNetwork, accuracy
from tercet.golden.eie.encoding import EieResult

from .arrays import SAMPLES, read_array, write_array
from .board_engine import depth_option
from .engines import ENGINES
from .fixed_rows import error_rows, fraction_rows, read_labels, saturation_fix, warn_of_saturation
from .options import engine_options
from .output import check_file, console, progress, table, transferred, working
from .run_engine import Given, check_real, chosen_for, simulated_soc
from .run_graph import MODEL_ENGINES, run_graph

__all__ = ["run"]

_EPILOG = """\b
Examples:
  tercet demo systolic
  tercet run build/demo/digits_int8.npz --device sim:ulx3s-85f,bytes --inputs build/demo/digits.npy
  tercet run build/demo/digits_int8.npz --device /dev/ttyUSB0 --inputs build/demo/digits.npy -o scores.npy
  tercet run digits.tercet --device sim:icebreaker,bytes --inputs digits.npz --labels digits.npz
  tercet run digits.tercet --device sim:ulx3s-25f,bytes --n-pe 2 --fifo-depth 4 --inputs digits.npy
  tercet run product.npz --device sim:ulx3s-25f --inputs a.npy
  tercet run model.tflite --device sim:ulx3s-85f,bytes --inputs x.npy --float -o scores.npy
  tercet run model.onnx --device /dev/ttyUSB0 --inputs cat.png --labels names.txt
  tercet run model.tflite --device sim:icebreaker,bytes --inputs x.npy --engine systolic

NETWORK is a quantised .tflite or .onnx (npu or systolic), a program from tercet compile (npu), the .npz of an INT8
network (systolic), a file from tercet compress (eie), or an .npz with a matrix b, optionally an addend c, and nothing
else (tensorcore). sim:BOARD is the board's own design in a simulator, including every bit of its UART; sim:BOARD,bytes
leaves out the UART and runs many times faster. A simulated board takes the flags of the network's engine, as tercet
build does, and otherwise has the board's preset; for a compressed network, memories that are too small become deeper,
as long as the FPGA has enough blocks. On a real board the bitstream fixes the engine: see tercet build.

A .tflite or .onnx runs on the npu, as a whole, if a simulated board has a preset for it, and on a systolic engine
otherwise; a real board's own engine decides. The npu takes a program compiled for exactly its configuration; it is
loaded once, and the table shows that, the machine's time and the link's apart. A systolic engine takes convolutions (as
matrix products) and fully connected layers, the host the rest. On either, the results equal those of NumPy in every
bit. Inputs have the file's own type, or are float32, with or without a batch; a picture's pixels span the range of the
input.

The fraction bits of a compressed network follow from its ranges, or, if it has none, from the ranges of these inputs.
The table shows them, and the error against the float network. --act-frac or --weight-frac apply the engine's fraction
bits to all layers. Results are written as int16, with the fraction bits of the last layer's outputs.
"""


def _expected(
    where: Device | SocConfig, network: BoardNetwork, inputs: np.ndarray, labels: Any
) -> tuple[FixedNetwork | None, EieResult | None, np.ndarray]:
    """Golden results; for a compressed network also its fixed-point form and saturation counts."""
    fixed = network.fixed(where, inputs) if isinstance(network, Compressed) else None
    known = None if fixed is None else fixed.run()
    want: Any = network.golden(where, inputs) if known is None else known.out
    if labels is not None:
        accuracy(np.atleast_2d(want), labels)  # rejects wrong labels before anything is sent
    return fixed, known, want


@click.command(epilog=_EPILOG)
@click.argument("network", type=click.Path(path_type=Path))
@click.option("--device", "where", required=True, help="Serial port, or sim:BOARD for a simulated board.")
@click.option(
    "--inputs",
    type=click.Path(path_type=Path),
    required=True,
    help="Inputs, .npy, or x of an .npz as for tercet compress --data; of a .tflite or .onnx also a picture.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="Labels, .npy, or y of an .npz, to measure accuracy; or a .txt with a name per class.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the results, .npy, or .npz of several.")
@click.option(
    "--engine",
    type=click.Choice(MODEL_ENGINES),
    help="Engine for a model file. [default: the first of these that a simulated board has a preset for]",
)
@click.option("--host-fallback", is_flag=True, help="Leave operators that the npu lacks to the host.")
@click.option("--clip-weights", is_flag=True, help="Clip weights of -128 to -127 for the npu, and count them.")
@click.option("--float", "as_float", is_flag=True, help="Write the outputs of a .tflite or .onnx as real numbers.")
@depth_option
@click.option(
    "--baud",
    type=click.IntRange(1200, 12_000_000),
    help="Baud rate of the UART. [default: the first that answers, 3000000 tried first]",
)
@engine_options({name: (spec.model.config_class, spec.model.presets) for name, spec in ENGINES.items()})
def run(
    network: Path,
    where: str,
    inputs: Path,
    labels: Path | None,
    output: Path | None,
    engine: str | None,
    host_fallback: bool,
    clip_weights: bool,
    as_float: bool,
    baud: int | None,
    preset: str | None,
    config_file: Path | None,
    depths: dict[str, int],
    **flags: Any,
) -> None:
    """Run a network on a board and compare the results with the golden model."""
    given = Given(preset, config_file, depths, flags)
    what = read_network(network)
    options = {"host_fallback": host_fallback, "clip_weights": clip_weights}
    if isinstance(what, Int8) and engine == "npu":
        # The npu gives no INT32 sums, which the last layer may have as outputs.
        what, options = GraphNetwork(graph_of_int8_network(what.network)), {**options, "host_fallback": True}
    if isinstance(what, (GraphNetwork, CompiledNetwork)):
        how = {"as_float": as_float, "engine": engine, "options": options}
        run_graph(what, network, where, inputs, labels, output, baud, given, **how)
        return
    for flag, value in {"float": as_float, **options, "engine": engine not in (None, what.engine)}.items():
        if value:
            raise ValueError(f"--{flag.replace('_', '-')} applies to a .tflite or .onnx; leave it out")
    what = given.applied(what, network)
    x = read_array("x", inputs, SAMPLES)
    right = read_labels(labels, {})
    if right is not None and not isinstance(what, (Binary, Compressed, Int8)):
        raise ValueError("--labels applies to a network, not to a matrix product; leave it out")
    if output is not None:
        check_file(output)
    soc = expected = None
    if where.startswith("sim:"):
        soc = simulated_soc(where, what, given, baud, x)
        expected = _expected(soc, what, x, right)
        check_run(soc, what, x)
    else:
        given.refuse(where, what.engine)
    with working("opening the board; a simulated one is compiled first"):
        device = Device.open(where, engine=what.engine, baud=baud, soc=soc)
    with device:
        if expected is None:
            check_real(device, what, network, x)
            expected = _expected(device, what, x, right)
        fixed, known, want = expected
        device.counters(clear=True)
        started = time.monotonic()
        with progress("transfer", total=1000) as advance:
            device.progress = transferred(advance)
            out = device.run(what, x)
        seconds = time.monotonic() - started
        counters, info, resent = device.counters(), device.info, device.link.resent
    # Compared by bits: a NaN does not equal itself.
    matches = out.dtype == want.dtype and out.tobytes() == want.tobytes()
    size = " x ".join(map(str, x.shape))
    result = table(f"{size} inputs on {info.soc.engine}, {info.soc.board}", "item", "value")
    result.add_row("device", where)
    result.add_row("board equals golden model", "yes, every bit" if matches else "NO")
    result.add_row("build", info.build)
    result.add_row("clock", f"{info.soc.clock_hz / 1e6:.1f} MHz")
    for name, value in chosen_for(info.soc, what, given, simulated=soc is not None).items():
        result.add_row(name, value)
    result.add_row("seconds, link included", f"{seconds:.2f}")
    for name in info.soc.kind.counters:
        result.add_row(f"counter {name}", str(counters[name]))
    for name in LINK_COUNTERS:
        result.add_row(f"frames {name}", str(counters[name]))
    result.add_row("requests resent", str(resent))
    shown: dict[str, str] = {}
    if fixed is not None:
        shown = {**fraction_rows(fixed), **error_rows(fixed.error(out, right))}
    elif right is not None:
        shown = {"accuracy": f"{accuracy(out, right):.2%}"}
    for name, value in shown.items():
        result.add_row(name, value)
    console().print(result)
    if fixed is not None and known is not None:
        warn_of_saturation(known.saturated, saturation_fix(fixed))
    if output is not None:
        write_array(output, out)
    if not matches:
        raise click.exceptions.Exit(1)
