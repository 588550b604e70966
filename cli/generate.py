"""``tercet generate``."""

from pathlib import Path
from typing import Any

import click
from tercet.engines.export import export
from tercet.rtl.emit import LANGUAGES

from .eie_sizing import field_flags, model_config, model_options, refuse_permute
from .engines import EngineGroup, EngineSpec, examples
from .options import config_from, config_options
from .output import write_files

__all__ = ["generate"]


def _command(spec: EngineSpec) -> click.Command:
    engine, engine_name = spec.model, spec.name

    @click.command(
        engine_name,
        help=f"Write Verilog, manifest, FuseSoC core, Verilator waivers and models of FPGA blocks: {engine.summary}.",
        epilog=examples("generate", engine_name),
    )
    @config_options(engine.config_class, engine.presets)
    @model_options(engine_name)
    @click.option(
        "--language",
        type=click.Choice(tuple(LANGUAGES)),
        default="verilog",
        show_default=True,
        help="verilog: Verilog-2005 in a .v file; sv: SystemVerilog in a .sv file.",
    )
    @click.option(
        "--name", help=f"Name of the top module and the file, and prefix of all other modules. [default: {engine_name}]"
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
        files = export(spec, config, name=name, language=language, chosen=chosen)
        for path in write_files(output or Path("build", name or engine_name), files):
            click.echo(f"{path}  {path.stat().st_size} bytes")
        if chosen:
            click.echo(f"chosen for {model}: {field_flags(chosen)}")

    return command


@click.group(cls=EngineGroup, make=_command, epilog=examples("generate"))
def generate() -> None:
    """Write an engine's Verilog and manifest."""
