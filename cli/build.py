"""``tercet build``."""

from pathlib import Path
from typing import Any

import click
from tercet.boards.bitstream import STAGES, BuildReport, build
from tercet.boards.catalog import BOARDS
from tercet.boards.flash import BUILDS
from tercet.boards.fpga.nextpnr import PLACERS
from tercet.boards.host.networks import Compressed
from tercet.boards.host.protocol import RATES
from tercet.boards.host.soc_config import read_description
from tercet.golden.compress.container import load
from tercet.golden.eie.sizing import DEPTHS

from .board_engine import board_soc, depth_option, preset_fields
from .eie_sizing import model_option
from .engines import EngineGroup, EngineSpec, examples
from .options import Megahertz, config_options
from .output import check_folder, console, progress, table

__all__ = ["build_group"]


def _report_table(report: BuildReport) -> Any:
    result = table(f"{report.engine} on {report.board}, {report.device}", "item", "value")
    result.add_column("available")
    for kind, count in report.utilisation.items():
        if count["available"]:
            result.add_row(kind, str(count["used"]), str(count["available"]))
    for name, clock in report.fmax_mhz.items():
        result.add_row(f"fmax of {name}", f"{clock['reached']:.1f} MHz", f"{clock['asked']:.1f} MHz requested")
    result.add_row("seed, placer", f"{report.seed}, {report.placer}", f"{len(report.attempts)} tried")
    for crossing in report.crossings:
        name = f"{crossing['kind']} {crossing['name']}, {crossing['source']} to {crossing['target']}"
        if crossing["timed"]:
            result.add_row(name, f"{crossing['delay_ns']:.1f} ns", f"{crossing['limit_ns']:.1f} ns allowed")
        else:
            result.add_row(name, "excepted", "no path leads through it")
    for field, value in report.params.items():
        if field in DEPTHS:
            result.add_row(field, str(value), "")
    result.add_row("UART", f"{report.baud} baud", "")
    result.add_row("power", "not estimated", "")
    return result


def _command(spec: EngineSpec) -> click.Command:
    engine, name = spec.model, spec.name
    sized = model_option if name == "eie" else lambda command: command

    @click.command(name, help=f"Build a bitstream: {engine.summary}.", epilog=examples("build", name))
    @click.option(
        "--board",
        "board_name",
        type=click.Choice(BOARDS),
        metavar="BOARD",
        required=True,
        help="Board; see `tercet boards`.",
    )
    @config_options(engine.config_class, engine.presets, dict.fromkeys(preset_fields(name), "the board's preset"))
    @sized
    @click.option(
        "--clock", type=Megahertz(0.001, 1000), help="Maximum clock of the engine in MHz. [default: the board's]"
    )
    @click.option("--baud", type=click.IntRange(1), help="Baud rate of the UART. [default: the board's]")
    @depth_option
    @click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="First seed of place and route.")
    @click.option(
        "--seeds",
        type=click.IntRange(1),
        default=3,
        show_default=True,
        help="Seeds to try, then the other placers, until one meets the clock.",
    )
    @click.option(
        "--jobs", type=click.IntRange(1), default=2, show_default=True, help="Runs of place and route at a time."
    )
    @click.option("--placer", type=click.Choice(list(PLACERS)), help="nextpnr's placer. [default: the board's]")
    @click.option("--allow-timing-fail", is_flag=True, help="Write the bitstream even if it misses timing.")
    @click.option("-o", "--output", type=click.Path(path_type=Path), help=f"Folder. [default: {BUILDS}/BOARD_{name}]")
    def command(
        board_name: str,
        preset: str | None,
        config_file: Path | None,
        clock: float | None,
        baud: int | None,
        depths: dict[str, int],
        seed: int,
        seeds: int,
        jobs: int,
        placer: str | None,
        allow_timing_fail: bool,
        output: Path | None,
        model: Path | None = None,
        **flags: Any,
    ) -> None:
        soc = board_soc(
            board_name,
            name,
            preset,
            config_file,
            flags,
            network=None if model is None else Compressed(load(model)),
            clock_hz=None if clock is None else round(clock * 1e6),
            baud=baud,
            depths=depths,
        )
        folder = output or BUILDS / f"{board_name}_{name}"
        check_folder(folder)
        # Imported here: it takes a second, and no other command needs it.
        from tercet.boards.soc.soc import soc_verilog

        text, description = soc_verilog(soc)
        with progress(f"{name} on {board_name}", total=STAGES) as advance:
            report = build(
                board_name,
                text,
                soc,
                folder,
                build_hash=read_description(description).build,
                seed=seed,
                placer=placer,
                seeds=seeds,
                jobs=jobs,
                allow_timing_fail=allow_timing_fail,
                progress=advance,
                watch=lambda now: advance(count=0, now=now),
            )
        console().print(_report_table(report))
        click.echo(
            f"{folder / report.bitstream}; next: tercet flash --board {board_name}"
            + (f" {folder / report.bitstream}" if output else "")
            + ("" if report.baud in RATES else f"; then tercet run ... --baud {report.baud}")
        )

    return command


@click.group("build", cls=EngineGroup, make=_command, epilog=examples("build"))
def build_group() -> None:
    """Build an engine's bitstream for a board, with open tools."""
