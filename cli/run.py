"""``tercet run``."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from tercet.boards.host import Device
from tercet.boards.link.protocol import LINK_COUNTERS
from tercet.boards.networks import BoardNetwork, read_network
from tercet.boards.sizing import check_run

from .arrays import read_array, write_array
from .board_engine import depth_option
from .engines import ENGINES
from .options import engine_options
from .output import check_file, console, progress, table, working
from .run_engine import Given, check_real, chosen_for, simulated_soc

__all__ = ["run"]

_EPILOG = """\b
Examples:
  tercet demo systolic
  tercet run build/demo/digits_int8.npz --device sim:ulx3s-85f,bytes --inputs build/demo/digits.npy
  tercet run build/demo/digits_int8.npz --device /dev/ttyUSB0 --inputs build/demo/digits.npy -o scores.npy
  tercet run digits.tercet --device sim:icebreaker,bytes --inputs digits.npy
  tercet run digits.tercet --device sim:ulx3s-25f,bytes --n-pe 2 --fifo-depth 4 --inputs digits.npy
  tercet run product.npz --device sim:ulx3s-25f --inputs a.npy

NETWORK is the .npz of an INT8 network (systolic), a file of tercet compress (eie), or an .npz with a matrix b and
perhaps an addend c (tensorcore). sim:BOARD is the board's own design in a simulator, every bit of its UART included;
sim:BOARD,bytes leaves the UART out, and is many times faster. A simulated board takes the flags of the network's
engine, as tercet build does, and has the board's preset otherwise; for a compressed network, memories that are too
small become deeper, as long as the FPGA's blocks suffice. What is on a real board its bitstream says: tercet build.
"""


def _run(device: Device, network: BoardNetwork, inputs: np.ndarray, advance: Callable) -> np.ndarray:
    """Run the network, with progress."""
    done = 0

    def transferred(share: int, whole: int) -> None:
        nonlocal done
        advance(count=share - done)
        done = share

    device.progress = transferred
    return device.run(network, inputs)


@click.command(epilog=_EPILOG)
@click.argument("network", type=click.Path(path_type=Path))
@click.option("--device", "where", required=True, help="A serial port, or sim:BOARD for a simulated board.")
@click.option("--inputs", type=click.Path(path_type=Path), required=True, help="Inputs, .npy, or x in an .npz.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write what comes back, .npy.")
@depth_option
@click.option(
    "--baud", type=click.IntRange(1200, 12_000_000), help="Of the UART. [default: what answers, 3000000 first]"
)
@engine_options({name: (engine.config_class, engine.presets) for name, engine in ENGINES.items()})
def run(
    network: Path,
    where: str,
    inputs: Path,
    output: Path | None,
    baud: int | None,
    preset: str | None,
    config_file: Path | None,
    depths: dict[str, int],
    **flags: Any,
) -> None:
    """Run a network on a board, and compare what comes back with the golden model."""
    what = read_network(network)
    given = Given(preset, config_file, depths, flags)
    given.check(what.engine, network)
    x = read_array("x", inputs)
    if output is not None:
        check_file(output)
    if where.startswith("sim:"):
        soc = simulated_soc(where, what, given, baud)
        want = what.golden(soc, x)
        check_run(soc, what, x)
    else:
        soc = want = None
        given.refuse(where, what.engine)
    with working("opening the board; a simulated one is compiled first"):
        device = Device.open(where, engine=what.engine, baud=baud, soc=soc)
    with device:
        if want is None:
            check_real(device, what, network)
            want = what.golden(device, x)
        device.counters(clear=True)
        started = time.monotonic()
        with progress("transfer", total=1000) as advance:
            out = _run(device, what, x, advance)
        seconds = time.monotonic() - started
        counters, info, resent = device.counters(), device.info, device.link.resent
    # By bits: a number that is none equals nothing.
    matches = out.dtype == want.dtype and out.tobytes() == want.tobytes()
    size = " x ".join(map(str, x.shape))
    result = table(f"{size} inputs on {info.soc.engine}, {info.soc.board}", "what", "value")
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
    result.add_row("requests sent again", str(resent))
    console().print(result)
    if output is not None:
        write_array(output, out)
    if not matches:
        raise click.exceptions.Exit(1)
