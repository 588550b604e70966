"""``tercet verify-gpu``."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import click
from tercet.gpu import device
from tercet.gpu.compare import CLASSES, Comparison
from tercet.gpu.instructions import PRESETS, is_known, preset_of
from tercet.gpu.verify import Check, checks, verify

from .output import check_file, console, progress, table, write_files

__all__ = ["verify_gpu"]

_FORMATS = ("fp16", "bf16", "tf32", "e4m3", "e5m2", "int8")

_EPILOG = """\b
Examples:
  tercet verify-gpu
  tercet verify-gpu --format fp16 --format bf16 --count 10000000
  tercet verify-gpu --preset ampere --device 1 --json report.json

Needs an NVIDIA GPU with tensor cores, and CuPy: pip install 'tercet[gpu]'. Directed cases after Fasi et al. come first,
then dot products biased towards rare events, then plain random tiles. If any bit differs, the exit status is 1 and the
first case of each kind of difference is shown with all its operands.
"""

Found = list[tuple[Check, Comparison]]


@click.command("verify-gpu", epilog=_EPILOG)
@click.option(
    "--preset",
    "given",
    type=click.Choice(tuple(dict.fromkeys(PRESETS.values()))),
    help="Preset that the GPU should match. [default: that of its compute capability]",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(_FORMATS),
    multiple=True,
    help="Only operands of this format; may be repeated. [default: all that both preset and GPU support]",
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=1_000_000,
    show_default=True,
    help="Dot products per format, rounded up to whole tiles.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random cases.")
@click.option("--device", "number", type=click.IntRange(min=0), default=0, show_default=True, help="Index of the GPU.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the report as JSON.")
def verify_gpu(
    given: str | None, formats: tuple[str, ...], count: int, seed: int, number: int, json_file: Path | None
) -> None:
    """Compare an NVIDIA GPU's tensor cores with the golden model, bit by bit."""
    if json_file is not None:
        check_file(json_file)
    try:
        gpu = device.open_gpu(number)
        preset = given or preset_of(gpu.capability)
        chosen = checks(gpu.capability, preset, formats)
        with progress("verify-gpu", total=len(chosen) * count) as advance:
            found = [(check, verify(gpu, check, count, seed, lambda done: advance("", done))) for check in chosen]
    except device.GpuError as error:
        raise click.ClickException(str(error)) from None
    unknown = given is None and not is_known(gpu.capability)
    if unknown:
        capability = ".".join(map(str, gpu.capability))
        click.echo(f"No preset is known to fit compute capability {capability}; compared with {preset}")
    _show(gpu, preset, found)
    if json_file is not None:
        report = _report(gpu, preset, seed, found) | {"preset_known_to_fit": not unknown}
        write_files(json_file.parent, {json_file.name: json.dumps(report, indent=2) + "\n"})
    if any(comparison.counts for _, comparison in found):
        raise click.exceptions.Exit(1)


def _show(gpu: device.Gpu, preset: str, found: Found) -> None:
    summary = table(f"{gpu.title}, against preset {preset}", "formats", "every bit")
    summary.add_column("instruction")
    for check, comparison in found:
        summary.add_row(check.title, f"{comparison.equal} of {comparison.total} equal", check.instruction.ptx)
    console().print(summary)
    different = [(check, comparison) for check, comparison in found if comparison.counts]
    if not different:
        return
    kinds = table("Differences", "formats", "elements")
    kinds.add_column("kind")
    for check, comparison in different:
        for name, number in comparison.counts.items():
            kinds.add_row(check.title, str(number), CLASSES[name])
    console().print(kinds)
    for check, comparison in different:
        for name, case in comparison.first.items():
            click.echo(f"First of {check.title}, {CLASSES[name]}:")
            click.echo(f"  a    {' '.join(case.a)}\n  b    {' '.join(case.b)}")
            click.echo(f"  c    {case.c}\n  got  {case.got}\n  want {case.want}")
    if any(check.guessed for check, _ in different):
        click.echo("FP8 by wgmma was recorded with c = 0 only: with another c the preset guesses, and the GPU is right")


def _report(gpu: device.Gpu, preset: str, seed: int, found: Found) -> dict[str, Any]:
    return {
        "gpu": gpu.name,
        "compute_capability": ".".join(map(str, gpu.capability)),
        "preset": preset,
        "seed": seed,
        "runs": [
            {
                "formats": check.title,
                "instruction": check.instruction.ptx,
                "compared": comparison.total,
                "equal": comparison.equal,
                "differences": {
                    name: {"count": number, "first": dataclasses.asdict(comparison.first[name])}
                    for name, number in comparison.counts.items()
                },
            }
            for check, comparison in found
        ],
    }
