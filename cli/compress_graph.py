"""``tercet compress`` for int8 networks: their fully connected layers and 1x1 convolutions, for an EIE engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from tercet.boards.host.networks import Compressed
from tercet.boards.sizing import NetworkTooLarge, network_soc
from tercet.compiler import load
from tercet.golden.checks import integer
from tercet.golden.compress.container import dumps
from tercet.golden.compress.eie import sized_layers
from tercet.golden.compress.eie_section import EieSection, compress_layers, with_sections
from tercet.golden.compress.graph_layers import GraphLayer, chain_break, graph_layers
from tercet.golden.compress.model import CompressedLayer, sizes
from tercet.golden.compress.prune import densities
from tercet.golden.eie.encoding import network_cycles
from tercet.golden.networks.graph import input_arrays
from tercet.golden.npu.program import Program

from .eie_against_npu import Engines, costs_table, layer_costs, npu_program, wins_table
from .graph_samples import layer_name, sample_parts
from .low_rank_report import output_rows, outputs_table
from .npu_program import short_name
from .output import check_file, console, progress, table, write_files

__all__ = ["GraphOptions", "compress_graph"]

# Samples on which clocks are counted: their number grows with every pixel.
_TIMED = 4


@dataclass(frozen=True)
class GraphOptions:
    """Flags of ``tercet compress`` for int8 networks."""

    layers: tuple[str, ...]
    density: Sequence[float]
    code_bits: int
    index_bits: int
    inputs: Path | None
    board: str
    seed: int


def compress_graph(model: Path, output: Path | None, options: GraphOptions) -> None:
    """Compress layers of an int8 network, compare EIE with the NPU on each, and write them if they are a chain.

    Raises
    ------
    TypeError, ValueError
        If a layer or density is out of range, EIE cannot run a layer, or a file is asked for and there is no chain.
    OSError
        If a file cannot be read or written.
    """
    graph = load(model).simplified()
    layers = graph_layers(graph, [layer_name(graph, layer) for layer in options.layers] or None)
    # Here, before the engine's fields of these names are checked.
    integer("Code bits", options.code_bits, (1, 8))
    integer("Index bits", options.index_bits, (2, 8))
    shares = densities(options.density if len(options.density) > 1 else options.density[0], len(layers))
    broken = chain_break(graph, layers)
    if output is not None:
        check_file(output)
        if broken:
            raise ValueError(
                f"The layers are not a chain, which a file of EIE holds: {broken}; name one with --layer, or leave out "
                "-o for the figures of each"
            )
    engines = Engines.of(options.board, index_bits=options.index_bits, code_bits=max(2, options.code_bits))
    learned, compared = sample_parts(graph, options.inputs, options.seed)
    with progress("layers", total=len(layers) + 1) as advance:
        tensors = graph.tensors(learned)
        entry = {"code_bits": options.code_bits, "index_bits": options.index_bits}
        compressed = compress_layers(
            layers, density=shares, tensors=None if options.inputs is None else tensors, **entry
        )
        advance(now="compressed")
        timed = graph.tensors([array[:_TIMED] for array in input_arrays(graph.inputs, compared)[0]])
        costs = []
        for layer, share in zip(layers, shares, strict=True):
            costs.append(layer_costs(graph, layer, share, timed, engines))
            advance(now="clocks")
    chains = [(layers, compressed)] if not broken else [([a], [b]) for a, b in zip(layers, compressed, strict=True)]
    sections = [EieSection.of(graph, *_encoded(*chain, engines)) for chain in chains]
    after = with_sections(graph, sections)
    if output is not None:
        write_files(output.parent, {output.name: dumps(compressed)})
    out = console()
    out.print(costs_table(f"{model.name} on {engines.board}: {engines}", costs))
    out.print(wins_table(costs))
    for row in costs:
        if row.reason:
            out.print(f"No program of the NPU for {short_name(row.name)}: {row.reason}", soft_wrap=True)
    programs = [npu_program(graph, chain, engines.npu) for chain, _ in chains]
    out.print(_whole_table(compressed, sections, timed, engines, programs))
    if broken:
        out.print(f"Not a chain, so each layer is a run of its own: {broken}.", soft_wrap=True)
    else:
        _tell_room(compressed, options.board)
    kind = "random inputs" if options.inputs is None else "inputs"
    rows = output_rows(graph, after, compared)
    out.print(outputs_table(f"outputs with EIE against the network's, {graph.batch(compared)} {kind}", rows))
    if output is not None:
        click.echo(f"{output}  {output.stat().st_size} bytes")


def _encoded(
    layers: Sequence[GraphLayer], compressed: Sequence[CompressedLayer], engines: Engines
) -> tuple[Sequence[GraphLayer], Any]:
    return layers, sized_layers(compressed, {"n_pe": engines.eie.n_pe}, permute="balance")


def _whole_table(
    compressed: Sequence[CompressedLayer],
    sections: Sequence[EieSection],
    timed: Mapping[str, np.ndarray],
    engines: Engines,
    programs: Sequence[Program | str],
) -> Any:
    """Table of size, and of the clocks of all layers in their runs."""
    found = sizes(list(compressed))
    result = table("all of these layers", "item", "value")
    result.add_row("weights", f"{sum(layer.codes.size for layer in compressed):,}")
    result.add_row("  kept", f"{sum(int((layer.codes > 0).sum()) for layer in compressed):,}")
    result.add_row("bytes of an EIE file, Huffman-coded", f"{found['huffman']:,}")
    clocks = 0.0
    for section in sections:
        codes = timed[section.inputs[0]]
        clocks += network_cycles(section.encoded, section.acts(codes)).total / len(codes)
    runs = "one run" if len(sections) == 1 else f"{len(sections)} runs"
    result.add_row(f"clocks of EIE, {runs}", f"{clocks:,.0f}")
    result.add_row("  microseconds", f"{clocks / engines.eie_hz * 1e6:,.1f}")
    counts = [program.cycles for program in programs if isinstance(program, Program)]
    if len(counts) == len(programs):
        result.add_row("clocks of the NPU", f"{sum(counts):,}")
        result.add_row("  microseconds", f"{sum(counts) / engines.npu_hz * 1e6:,.1f}")
    return result


def _tell_room(compressed: Sequence[CompressedLayer], board_name: str) -> None:
    try:
        network_soc(board_name, Compressed(list(compressed)))
    except NetworkTooLarge as error:
        console().print(f"Too large for the board as it is: {error}", soft_wrap=True)
