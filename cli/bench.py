"""``tercet bench``."""

from pathlib import Path
from typing import Any

import click
from tercet.boards.catalog import BOARDS

from .engines import ENGINES, ModuleGroup

__all__ = ["bench"]


def _command(name: str, module: Any) -> click.Command:
    parts = module.PARTS
    examples = f"\b\nExamples:\n  tercet bench {name}\n  tercet bench {name} --part {parts[-2]} --part {parts[-1]}\n"

    @click.option("--part", "chosen", type=click.Choice(parts), multiple=True, help="Only this part; may be repeated.")
    @click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("build/bench"), show_default=True)
    def command(chosen: tuple[str, ...], output: Path, **options: Any) -> None:
        if not module.run_bench(chosen or parts, output, **options):
            raise click.exceptions.Exit(1)

    if name == "boards":
        examples += f"  tercet bench {name} --part matrix --board ulx3s-85f --board icebreaker\n"
        examples += f"  tercet bench {name} --part matrix --keep boards --missing\n"
        command = click.option(
            "--missing",
            is_flag=True,
            help="Build only bitstreams that measured.json lacks or has from other gateware.",
        )(command)
        command = click.option(
            "--keep",
            type=click.Path(path_type=Path),
            metavar="FOLDER",
            help="Record the results in measured.json and measured.md of this folder.",
        )(command)
        command = click.option(
            "--engine",
            "engines",
            type=click.Choice(list(ENGINES)),
            multiple=True,
            default=list(ENGINES),
            metavar="ENGINE",
            help="Only bitstreams of this engine; may be repeated.",
        )(command)
        command = click.option(
            "--board",
            "boards",
            type=click.Choice(BOARDS),
            multiple=True,
            default=BOARDS,
            metavar="BOARD",
            help="Only bitstreams for this board; may be repeated.",
        )(command)
    return click.command(name, help=module.TEXT, epilog=examples)(command)


@click.group(
    cls=ModuleGroup,
    package=f"{__package__}.benches",
    make=_command,
    others=("boards", "compress", "winograd"),
    epilog="\b\nExamples:\n  tercet bench systolic\n  tercet bench eie --part paper\n",
)
def bench() -> None:
    """Run the long measurements of an engine, the boards, compression, or Winograd convolutions: tables and plots."""
