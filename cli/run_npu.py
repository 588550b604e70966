"""``tercet run`` on an NPU: whole networks, compiled for the board or read from a program file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tercet.boards.catalog import board
from tercet.boards.host.networks import CompiledNetwork, GraphNetwork
from tercet.boards.host.npu import OnNpu
from tercet.boards.host.soc_config import Description, SocConfig
from tercet.boards.sizing import check_run
from tercet.compiler.errors import Unsupported

from .npu_program import refuse_flags
from .run_engine import Given, simulated_soc

__all__ = ["compiled", "npu_rows", "simulated_npu"]

_BITS = 10  # on the UART, of a byte


def compiled(network: GraphNetwork | CompiledNetwork, soc: SocConfig, options: Mapping[str, bool]) -> CompiledNetwork:
    """Compile a graph for a board; a program is returned as it is.

    Raises
    ------
    ValueError
        If the NPU lacks an operator, or a memory is too small; or if a program is given options of the compiler.
    """
    if isinstance(network, GraphNetwork):
        return network.compiled(soc.config, **options)
    refuse_flags(options)
    return network


def simulated_npu(
    where: str,
    network: GraphNetwork | CompiledNetwork,
    path: Path,
    given: Given,
    baud: int | None,
    inputs: Any,
    options: Mapping[str, bool],
) -> tuple[SocConfig, CompiledNetwork]:
    """Return the SoC configuration of ``sim:BOARD`` and the network compiled for it.

    Raises
    ------
    ValueError
        As for `compiled` and `check_run`. If a systolic engine on that board would run the network, the message names
        the flag for it.
    """
    given.check("npu", path)
    soc = simulated_soc(where, network, given, baud, inputs, engine="npu")
    try:
        what = compiled(network, soc, options)
    except Unsupported as error:
        if isinstance(network, GraphNetwork) and _systolic_runs(soc.board, where, network, inputs):
            raise Unsupported(f"{error}, or --engine systolic") from None
        raise
    check_run(soc, what, inputs)
    return soc, what


def _systolic_runs(name: str, where: str, network: GraphNetwork, inputs: Any) -> bool:
    """Whether the systolic preset of a board runs a network."""
    try:
        board(name).preset("systolic")
        check_run(simulated_soc(where, network, Given(None, None, {}, {}), None, inputs), network, inputs)
    except ValueError:
        return False
    return True


def npu_rows(run: OnNpu, info: Description, counters: Mapping[str, int], samples: int, *, real: bool) -> dict[str, str]:
    """Table rows of a run: the program, its load, clocks predicted and counted, and time on the link.

    Parameters
    ----------
    run : OnNpu
        The run.
    info : Description
        Description of the board.
    counters : mapping
        Counters of the engine for this run.
    samples : int
        Number of inferences.
    real : bool
        Whether the board is real. Seconds of a simulated one are those of the simulator, so that times on its link are
        those of the bytes at its baud rate.
    """
    program, soc = run.program, info.soc
    machine_ms = 1000 * program.cycles / soc.clock_hz
    if real:
        load, link_ms = run.load_seconds, 1000 * (run.seconds - run.host_seconds) / samples - machine_ms
    else:
        load, link_ms = (_BITS * count / soc.baud for count in (run.load_bytes, run.inference_bytes))
        link_ms *= 1000 / samples
    at = "" if real else f", at {soc.baud} baud"
    counted = counters["run"] / samples
    equal = f"{counted:,.0f}" if counted == program.cycles else f"{counted:,.1f}: NOT EQUAL"
    rows = {
        "program load": f"{load:.3f} s{at}, {run.load_bytes:,} bytes",
        "machine, an inference": f"{machine_ms:.3f} ms, {program.cycles:,} cycles",
        "  cycles counted by the board": equal,
        "link, an inference": f"{link_ms:.3f} ms{at}, {run.inference_bytes / samples:,.0f} bytes",
        "  share of the link": f"{link_ms / max(link_ms + machine_ms, 1e-9):.1%}",
        "host, an inference": f"{1000 * run.host_seconds / samples:.3f} ms",
    }
    if program.host:
        rows["  host operators"] = ", ".join(program.host)
    if program.clipped:
        rows["weights of -128 clipped to -127"] = f"{program.clipped:,}"
    return rows
