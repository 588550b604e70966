"""``tercet demo``."""

from importlib import import_module
from pathlib import Path

import click
from tercet.sim import simulators

__all__ = ["demo"]


_TEXTS = {
    "systolic": """Handwritten digits through a 16x16 systolic array, bit for bit.

    Trains a small network on scikit-learn's digits, quantises it to INT8, and runs the test images on the golden model
    and on the simulated RTL. Leaves the Verilog, its manifest and a picture in the output folder.""",
    "eie": """Handwritten digits through an EIE engine of 8 PEs, bit for bit.

    Trains a small network on scikit-learn's digits, prunes it to a tenth, lets its weights share 15 values a layer, and
    runs the test images on the golden model and on the simulated RTL. Leaves the Verilog, the compressed network and
    pictures in the output folder.""",
    "tensorcore": """Handwritten digits, learned in mixed precision as a tensor core multiplies.

    Trains a small network with every product in FP16, its sums in FP32 and in FP16, with and without a scaled loss,
    beside FP32; and takes the products of one training step, forward and backward, on the simulated RTL. Leaves the
    Verilog, its manifest and pictures in the output folder: learning curves, and errors by the fraction bits that
    alignment keeps.""",
}


@click.group(epilog="\b\nExamples:\n  tercet demo systolic\n  tercet demo eie\n")
def demo() -> None:
    """Run an engine's main job on real input."""


def _command(name: str) -> click.Command:
    @click.command(name, help=_TEXTS[name], epilog=f"\b\nExamples:\n  tercet demo {name} -o build/demo\n")
    @click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("build/demo"), show_default=True)
    @click.option("--simulator", type=click.Choice(simulators.NAMES), help="Simulator. [default: the first that works]")
    def command(output: Path, simulator: str | None) -> None:
        try:
            same = import_module(f".demos.{name}", __package__).run_demo(output, simulator)
        except ModuleNotFoundError as error:
            if error.name not in ("sklearn", "matplotlib", "threadpoolctl"):
                raise
            raise click.ClickException(f"{error.name} is not installed; run: pip install 'tercet[demo]'") from None
        if not same:
            raise click.exceptions.Exit(1)

    return command


for _name in _TEXTS:
    demo.add_command(_command(_name))
