"""``tercet synth``."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import click
from tercet.boards.fpga.devices import DEVICES
from tercet.boards.fpga.nextpnr import PLACERS
from tercet.boards.fpga.synth import Report, synthesize
from tercet.rtl.emit import verilog

from .engines import EngineGroup, EngineSpec, examples
from .options import Megahertz, config_from, config_options
from .output import check_file, console, progress, table, write_files

__all__ = ["synth"]


def report_table(report: Report) -> Any:
    """Table of a synthesis report."""
    grade = f" speed {report.speed}" if report.speed else ""
    result = table(f"{report.engine} {report.unit} on {report.device}{grade}", "item", "value")
    for kind, count in report.cells.items():
        result.add_row(kind, str(count))
    fmax = report.fmax_mhz
    result.add_row("fmax, median", f"{fmax['median']:.1f} MHz")
    result.add_row(f"fmax, {len(report.runs)} seeds", f"{fmax['min']:.1f} to {fmax['max']:.1f} MHz")
    result.add_row("placer and its target", f"{report.runs[0].placer}, {report.runs[0].asked_mhz:g} MHz")
    for run in report.trials:
        result.add_row("tried with the first seed", f"{run.placer}, {run.asked_mhz:g} MHz: {run.fmax_mhz:.1f} MHz")
    if report.untimed:
        result.add_row("not timed by nextpnr", "inside " + ", ".join(report.untimed))
        result.add_row("vendor's limit", DEVICES[report.device].dsp_limit)
    return result


def _command(spec: EngineSpec) -> click.Command:
    model, name, units = spec.model, spec.name, tuple(spec.units)
    shown = {model.family_field: "the device's"} if model.follows_device else {}

    @click.command(name, help=f"Synthesise, place and route: {model.summary}.", epilog=examples("synth", name))
    @config_options(model.config_class, model.presets, shown)
    @click.option("--unit", type=click.Choice(units), default=units[0], show_default=True, help="Unit to synthesise.")
    @click.option("--device", "device_name", type=click.Choice(list(DEVICES)), required=True, help="FPGA device.")
    @click.option("--speed", help="Speed grade. [default: the slowest]")
    @click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="First seed of place and route.")
    @click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True, help="Runs of place and route.")
    @click.option("--freq", type=Megahertz(1, 2000), help="Target clock in MHz. [default: by device, size and placer]")
    @click.option(
        "--placer", type=click.Choice(list(PLACERS)), help="nextpnr's placer. [default: the best for the design's size]"
    )
    @click.option("--jobs", type=click.IntRange(1, 64), help="Runs in parallel. [default: number of cores]")
    @click.option("--path", "show_path", is_flag=True, help="Show the critical path of the median run.")
    @click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the report as JSON.")
    def command(
        preset: str | None,
        config_file: Path | None,
        unit: str,
        device_name: str,
        speed: str | None,
        seed: int,
        seeds: int,
        freq: float | None,
        placer: str | None,
        jobs: int | None,
        show_path: bool,
        json_file: Path | None,
        **flags: Any,
    ) -> None:
        defaults = dict.fromkeys(shown, DEVICES[device_name].family)
        config = config_from(model.config_class, preset, config_file, flags, defaults)
        if json_file is not None:
            check_file(json_file)
        top = f"{name}_{unit}"
        text = verilog(spec.unit(config, unit), name=top)
        with progress(f"{name} {unit}", total=2 + seeds) as advance:
            report = synthesize(
                text,
                top,
                engine=name,
                unit=unit,
                params=dataclasses.asdict(config),
                device_name=device_name,
                speed=speed,
                seed=seed,
                seeds=seeds,
                freq_mhz=freq,
                placer=placer,
                jobs=jobs or os.cpu_count() or 1,
                infer_dsp=model.infers_blocks(config),
                multipliers=spec.multipliers(config, unit),
                progress=advance,
                watch=lambda now: advance(count=0, now=now),
            )
        console().print(report_table(report))
        if show_path:
            median = report.fmax_mhz["median"]
            nearest = min(report.runs, key=lambda run: abs(run.fmax_mhz - median))
            for hop in nearest.critical_path:
                click.echo(f"  {hop}")
        if json_file is not None:
            write_files(json_file.parent, {json_file.name: json.dumps(report.to_dict(), indent=2) + "\n"})

    return command


@click.group(cls=EngineGroup, make=_command, epilog=examples("synth"))
def synth() -> None:
    """Report the area of an engine or one of its units on an FPGA, and its fmax after place and route."""
