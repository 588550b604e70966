"""The EIE engine as files: Verilog, and a manifest that says how to use it."""

from collections.abc import Mapping
from typing import Any

from amaranth.lib import wiring
from tercet.golden.eie_layer import EieConfig
from tercet.golden.eie_program import EVERY_PE, FRAME_FIELDS, FRAMES, step_fields
from tercet.rtl.common.edges import axi_interface
from tercet.rtl.common.product import Product
from tercet.rtl.common.units import Units, make_unit
from tercet.rtl.emit import verilog

from .activations import Activations
from .arithmetic import Arithmetic
from .axi import REGISTERS, AxiEngine, axi_streams
from .cluster import Cluster
from .control import Control
from .decode import Decode
from .engine import Engine
from .entries import EntryRead
from .frames import FrameReader
from .issue import Issue
from .layouts import step_beats
from .lnzd import Node
from .pe import Pe
from .pointers import PointerRead
from .queue import ActivationQueue
from .shallow_activations import ShallowActivations
from .shallow_arithmetic import ShallowArithmetic
from .shallow_frames import ShallowFrameReader
from .tile import Tile
from .writeback import Writeback

__all__ = ["UNITS", "engine_verilog", "interface", "unit"]

_UNITS: Units = {
    "engine": lambda config: Engine(config=config),
    "pe": lambda config: Pe(config=config),
    "pointers": lambda config: PointerRead(config=config),
    "queue": lambda config: ActivationQueue(config=config),
    "entries": lambda config: EntryRead(config=config),
    "decode": lambda config: Decode(config=config),
    "arithmetic": lambda config: (ShallowArithmetic if config.shallow else Arithmetic)(config=config),
    "product": lambda config: Product(family=config.family, latency=2 if config.shallow else 3),
    "writeback": lambda config: Writeback(config=config),
    "activations": lambda config: (ShallowActivations if config.shallow else Activations)(config=config),
    "tile": lambda config: Tile(config=config),
    "cluster": lambda config: Cluster(config=config, level=1, count=min(4, config.n_pe)),
    "node": lambda config: Node(level=config.tree_levels, shallow=config.shallow),
    "issue": lambda config: Issue(config=config),
    "control": lambda config: Control(config=config),
    "frames": lambda config: (ShallowFrameReader if config.shallow else FrameReader)(config=config),
}

_STEP = {
    "load": "take groups beats of activations",
    "compute": "multiply by the non-zeros of groups groups",
    "sweep": "let rows sums go out, and biases take their places",
    "deliver": "the sums are activations of the next step",
    "last": "give the delivered activations out; then begin the next vector, or end",
    "relu": "negative results become zero",
    "shift": "right shift from a sum to its activation",
    "groups": "groups of activations, one of each PE",
    "rows": "rows of the PE that has most, of this layer and the next",
    "pointers": "address of the first column's pointer",
    "biases": "address of the first bias",
    "codebook": "number of the codebook",
    "results": "rows that are this layer's, of which saturations are counted",
}

UNITS = tuple(_UNITS)
"""Parts that can be synthesised alone; a cluster is one of up to four PEs, a node the root of the detection tree."""


def engine_verilog(config: EieConfig, *, name: str = "eie", language: str = "verilog") -> str:
    """Verilog or SystemVerilog of the engine with AXI edges; see :func:`tercet.rtl.emit.verilog`."""
    return verilog(AxiEngine(config=config), name=name, language=language)


def unit(config: EieConfig, name: str) -> wiring.Component:
    """A part of the engine, by its name in `UNITS`; see `make_unit`."""
    return make_unit(_UNITS, config, name)


def interface(config: EieConfig) -> dict[str, Any]:
    """What a user of the Verilog needs to know: ports, packing, registers, frames, order of operands, latency."""
    return {
        **axi_interface(axi_streams(config), _packing(config), REGISTERS),
        "frames": _frames(config),
        "order": {
            "acts": f"activation j in group j // {config.n_pe}, lane j % {config.n_pe}; one vector after the other",
            "outs": f"row i of the result in group i // {config.n_pe}, lane i % {config.n_pe}; rows that were permuted "
            "when a layer was encoded stay so: see EieLayer.rows",
            "program": "tercet.golden.eie_program.link(config, layers).frames(vectors)",
        },
        "latency": {
            "detection_tree_levels": config.tree_levels,
            "formula": "tercet.golden.eie.cycles(layer, acts): a layer's start to its last write of an activation; it "
            "depends on the entries and on which activations are zero",
        },
        "golden": "tercet.golden.eie.spmv",
    }


def _packing(config: EieConfig) -> dict[str, str]:
    lane = "least significant first, two's complement"
    return {
        "frames": "a head, or one of the words that it announces; see frames",
        "acts": f"{config.n_pe} activations of 16 bits, {lane}; the last group of a vector filled up with zeros",
        "outs": f"{config.n_pe} results of 16 bits, {lane}; lanes without a row undefined; tlast on the last group of "
        "a vector",
    }


def _frames(config: EieConfig) -> dict[str, Any]:
    """The format of frames; positions are bits of a 64-bit word, or of a step's words together."""
    words = {"matrix": _matrix(config), "pointers": _pointers(config), "constants": _constants(config)}
    words |= {
        "program": {
            "address": "64-bit word",
            "words": f"{step_beats(config)} for each step, the lower one first",
            "fields": {name: {**at, "text": _STEP[name]} for name, at in _positions(step_fields(config)).items()},
        },
        "run": {"address": "first step", "words": "none; count is the number of vectors, at least 1"},
    }
    return {
        "head": _positions(FRAME_FIELDS),
        "every_pe": EVERY_PE,
        "skipped": "a frame of unknown kind or beyond its memory, word for word; it sets error in the status register",
        "kinds": {kind: {"number": number, **words[kind]} for number, kind in enumerate(FRAMES)},
    }


def _matrix(config: EieConfig) -> dict[str, Any]:
    return {
        "address": "word of entries in the PE",
        "words": f"{config.entries_per_word} entries of {config.entry_width} bits, least significant first",
        "fields": _positions({"code": config.code_bits, "zeros": config.index_bits}),
    }


def _pointers(config: EieConfig) -> dict[str, Any]:
    fields = {"offset": config.offset_width, "word": config.pointer_width - config.offset_width}
    return {
        "address": "pointer in the PE",
        "words": "a column's first entry: its place within the word, and the word",
        "fields": _positions(fields),
    }


def _constants(config: EieConfig) -> dict[str, Any]:
    return {
        "address": f"constant in the PE; codebook n from n * {2**config.code_bits} on",
        "words": "a codebook's weight, or the bias of a row in accumulator LSBs, two's complement",
        "fields": _positions({"constant": max(16, config.acc_width)}),
    }


def _positions(fields: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Lowest bit and width of each field, the first in the least significant bits; those without bits are left out."""
    found, low = {}, 0
    for name, bits in fields.items():
        if bits:
            found[name] = {"low": low, "bits": bits}
        low += bits
    return found
