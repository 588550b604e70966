"""``tercet generate``."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import click
from tercet.rtl import primitives
from tercet.rtl.emit import LANGUAGES

from .eie_sizing import field_flags, model_config, model_options, refuse_permute
from .engines import ENGINES, Engine, examples
from .manifest import manifest
from .options import config_from, config_options
from .output import write_files

__all__ = ["generate"]


@click.group(epilog=examples("generate"))
def generate() -> None:
    """Write an engine's Verilog and its manifest."""


def generated(
    engine_name: str,
    engine: Engine,
    config: Any,
    *,
    name: str | None = None,
    language: str = "verilog",
    chosen: Collection[str] = (),
) -> dict[str, str]:
    """File name to content: the Verilog, models of the FPGA's blocks in it for simulation, the manifest.

    `name` is the top module's and begins those of all others; the default is the engine's. The manifest tells which
    parameters were `chosen` for a network.

    Raises
    ------
    ValueError
        If no module can have the name.
    """
    name = name or engine_name
    if name in primitives.MODELS:
        raise ValueError(f"Module name {name!r} is a block of an FPGA, which engines may use; use another")
    file = f"{name}.{LANGUAGES[language].suffix}"
    text = engine.rtl.engine_verilog(config, name=name, language=language)
    models = {f"sim/{path.name}": path.read_text() for path in primitives.used(text)}
    facts = {
        "engine": engine_name,
        "top": name,
        "language": LANGUAGES[language].title,
        "files": [file],
        "simulation_models": list(models),
    }
    return {file: text, **models, "manifest.json": manifest(facts, config, engine.rtl.interface(config), chosen)}


def _command(engine_name: str, engine: Engine) -> click.Command:
    @click.command(
        engine_name,
        help=f"Write {engine_name}.v, manifest.json, and models of FPGA blocks for simulation: {engine.text}.",
        epilog=examples("generate", engine_name),
    )
    @config_options(engine.config_class, engine.presets)
    @model_options(engine_name)
    @click.option(
        "--language",
        type=click.Choice(tuple(LANGUAGES)),
        default="verilog",
        show_default=True,
        help="verilog is Verilog-2005 in a .v file, sv SystemVerilog in a .sv file.",
    )
    @click.option(
        "--name", help=f"Top module, prefix of all other modules, and name of the file. [default: {engine_name}]"
    )
    @click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder. [default: build/NAME]")
    def command(
        preset: str | None,
        config_file: Path | None,
        language: str,
        name: str | None,
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
        files = generated(engine_name, engine, config, name=name, language=language, chosen=chosen)
        for path in write_files(output or Path("build", name or engine_name), files):
            click.echo(f"{path}  {path.stat().st_size} bytes")
        if chosen:
            click.echo(f"chosen for {model}: {field_flags(chosen)}")

    return command


for _name, _engine in ENGINES.items():
    generate.add_command(_command(_name, _engine))
