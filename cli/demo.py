"""``tercet demo``."""

from pathlib import Path
from typing import Any

import click
from tercet.sim import simulators

from .engines import ModuleGroup

__all__ = ["demo"]


def _command(name: str, module: Any) -> click.Command:
    @click.command(name, help=module.TEXT, epilog=f"\b\nExamples:\n  tercet demo {name} -o build/demo\n")
    @click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("build/demo"), show_default=True)
    @click.option("--simulator", type=click.Choice(simulators.NAMES), help="Simulator. [default: the first that works]")
    def command(output: Path, simulator: str | None) -> None:
        try:
            same = module.run_demo(output, simulator)
        except ModuleNotFoundError as error:
            if error.name not in ("sklearn", "matplotlib", "threadpoolctl", "onnx"):
                raise
            raise click.ClickException(
                f"{error.name} is not installed; run: pip install 'tercet[demo,models]'"
            ) from None
        if not same:
            raise click.exceptions.Exit(1)

    return command


@click.group(
    cls=ModuleGroup,
    package=f"{__package__}.demos",
    make=_command,
    others=("models",),
    epilog="\b\nExamples:\n  tercet demo systolic\n  tercet demo eie\n  tercet demo models\n  tercet demo npu\n",
)
def demo() -> None:
    """Run an engine's main job on real input, or a model file."""
