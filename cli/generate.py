"""``tercet generate``."""

from pathlib import Path
from typing import Any

import click
from tercet.rtl import primitives

from .engines import ENGINES, Engine, examples
from .manifest import manifest
from .options import config_from, config_options
from .output import write_files

__all__ = ["generate"]


@click.group(epilog=examples("generate"))
def generate() -> None:
    """Write an engine's Verilog and its manifest."""


def generated(name: str, engine: Engine, config: Any) -> dict[str, str]:
    """File name to content: the Verilog, models of the FPGA's blocks in it for simulation, the manifest."""
    text = engine.rtl.engine_verilog(config)
    models = {f"sim/{path.name}": path.read_text() for path in primitives.used(text)}
    files = {"files": [f"{name}.v"], "simulation_models": list(models)}
    return {f"{name}.v": text, **models, "manifest.json": manifest(name, config, engine.rtl.interface(config), files)}


def _command(name: str, engine: Engine) -> click.Command:
    @click.command(
        name,
        help=f"Write {name}.v, manifest.json, and models of FPGA blocks for simulation: {engine.text}.",
        epilog=examples("generate", name),
    )
    @config_options(engine.config_class, engine.presets)
    @click.option("-o", "--output", type=click.Path(path_type=Path), help=f"Folder. [default: build/{name}]")
    def command(preset: str | None, config_file: Path | None, output: Path | None, **flags: Any) -> None:
        config = config_from(engine.config_class, preset, config_file, flags)
        for path in write_files(output or Path("build", name), generated(name, engine, config)):
            click.echo(f"{path}  {path.stat().st_size} bytes")

    return command


for _name, _engine in ENGINES.items():
    generate.add_command(_command(_name, _engine))
