"""``tercet bench``."""

from importlib import import_module
from pathlib import Path
from typing import Any

import click
from tercet.boards.catalog import BOARDS
from tercet.boards.engines import ENGINES

__all__ = ["bench"]

_PARTS = {
    "systolic": ("products", "requantiser", "cycles", "generate", "synth"),
    "eie": ("layers", "large", "paper", "queue", "pes", "encode", "synth"),
    "tensorcore": ("sums", "pairs", "throughput", "golden", "errors", "pipelines", "synth"),
    "boards": ("faults", "matrix"),
}

_TEXTS = {
    "systolic": """Measure the systolic engine: a million products and ten million requantised sums against the golden
    model, cycles and utilisation, generation, and place and route. About half an hour on two cores, most of it place
    and route.""",
    "eie": """Measure the EIE engine: random layers against the golden model and the cycle model, the published layers,
    efficiency by queue depth and number of PEs, seconds to encode, and place and route. About half an hour on two
    cores, most of it place and route.""",
    "tensorcore": """Measure the tensor core: a million sums of each of fourteen units and all pairs of E4M3 numbers
    against the golden model, throughput, errors against exact sums, a dot-product unit by its pipeline, whole engines,
    and a conventional unit beside it. Hours on two cores, most of it place and route.""",
    "boards": """Measure the boards: a hundred thousand damaged frames at a simulated board, a thousand more as bits of
    its UART, and a bitstream of every engine for every board. Hours on two cores, most of it place and route.""",
}


@click.group(epilog="\b\nExamples:\n  tercet bench systolic\n  tercet bench eie --part paper\n")
def bench() -> None:
    """Measure an engine, or the boards, at length: tables and plots."""


def _command(name: str, parts: tuple[str, ...]) -> click.Command:
    examples = f"\b\nExamples:\n  tercet bench {name}\n  tercet bench {name} --part {parts[-2]} --part {parts[-1]}\n"

    @click.option("--part", "chosen", type=click.Choice(parts), multiple=True, help="Only this; may be repeated.")
    @click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("build/bench"), show_default=True)
    def command(chosen: tuple[str, ...], output: Path, **options: Any) -> None:
        if not import_module(f".benches.{name}", __package__).run_bench(chosen or parts, output, **options):
            raise click.exceptions.Exit(1)

    if name == "boards":
        examples += f"  tercet bench {name} --part matrix --board ulx3s-85f --board icebreaker\n"
        examples += f"  tercet bench {name} --part matrix --keep --missing\n"
        command = click.option(
            "--missing",
            is_flag=True,
            help="Only bitstreams that boards/measured.json does not have, or has of other gateware.",
        )(command)
        command = click.option(
            "--keep",
            is_flag=True,
            help="Write what bitstreams reach to boards/measured.json and .md; `boards` shows it.",
        )(command)
        command = click.option(
            "--engine",
            "engines",
            type=click.Choice(list(ENGINES)),
            multiple=True,
            default=list(ENGINES),
            metavar="ENGINE",
            help="Bitstreams of this only; may be repeated.",
        )(command)
        command = click.option(
            "--board",
            "boards",
            type=click.Choice(BOARDS),
            multiple=True,
            default=BOARDS,
            metavar="BOARD",
            help="Bitstreams of this only; may be repeated.",
        )(command)
    return click.command(name, help=_TEXTS[name], epilog=examples)(command)


for _name, _parts in _PARTS.items():
    bench.add_command(_command(_name, _parts))
