"""``tercet generate``."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import click
from tercet.rtl import primitives

from .eie_sizing import field_flags, model_config, model_options, refuse_permute
from .engines import ENGINES, Engine, examples
from .manifest import manifest
from .options import config_from, config_options
from .output import write_files

__all__ = ["generate"]


@click.group(epilog=examples("generate"))
def generate() -> None:
    """Write an engine's Verilog and its manifest."""


def generated(name: str, engine: Engine, config: Any, chosen: Collection[str] = ()) -> dict[str, str]:
    """File name to content: the Verilog, models of the FPGA's blocks in it for simulation, the manifest, which also
    tells the parameters that were `chosen` for a network.
    """
    text = engine.rtl.engine_verilog(config)
    models = {f"sim/{path.name}": path.read_text() for path in primitives.used(text)}
    files = {"files": [f"{name}.v"], "simulation_models": list(models)}
    return {
        f"{name}.v": text,
        **models,
        "manifest.json": manifest(name, config, engine.rtl.interface(config), files, chosen),
    }


def _command(name: str, engine: Engine) -> click.Command:
    @click.command(
        name,
        help=f"Write {name}.v, manifest.json, and models of FPGA blocks for simulation: {engine.text}.",
        epilog=examples("generate", name),
    )
    @config_options(engine.config_class, engine.presets)
    @model_options(name)
    @click.option("-o", "--output", type=click.Path(path_type=Path), help=f"Folder. [default: build/{name}]")
    def command(
        preset: str | None,
        config_file: Path | None,
        output: Path | None,
        model: Path | None = None,
        permute: str | None = None,
        **flags: Any,
    ) -> None:
        if model is None:
            refuse_permute(permute)
            config, chosen = config_from(engine.config_class, preset, config_file, flags), {}
        else:
            config, chosen = model_config(model, permute, preset, config_file, flags)
        for path in write_files(output or Path("build", name), generated(name, engine, config, chosen)):
            click.echo(f"{path}  {path.stat().st_size} bytes")
        if chosen:
            click.echo(f"chosen for {model}: {field_flags(chosen)}")

    return command


for _name, _engine in ENGINES.items():
    generate.add_command(_command(_name, _engine))
