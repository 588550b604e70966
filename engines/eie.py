"""The EIE engine."""

from typing import Any

from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.engine import MODEL
from tercet.golden.eie.frames import frame_format
from tercet.rtl.common.signed_multiplier import SignedMultiplier
from tercet.rtl.eie.activations import Activations
from tercet.rtl.eie.arithmetic import Arithmetic
from tercet.rtl.eie.cluster import Cluster
from tercet.rtl.eie.control import Control
from tercet.rtl.eie.decode import Decode
from tercet.rtl.eie.engine import Engine
from tercet.rtl.eie.entries import EntryRead
from tercet.rtl.eie.frames import FrameReader
from tercet.rtl.eie.issue import Issue
from tercet.rtl.eie.lnzd import Node
from tercet.rtl.eie.pe import Pe
from tercet.rtl.eie.pointers import PointerRead
from tercet.rtl.eie.queue import ActivationQueue
from tercet.rtl.eie.shallow_activations import ShallowActivations
from tercet.rtl.eie.shallow_arithmetic import ShallowArithmetic
from tercet.rtl.eie.shallow_frames import ShallowFrameReader
from tercet.rtl.eie.tile import Tile
from tercet.rtl.eie.writeback import Writeback

from .spec import EngineSpec

__all__ = ["SPEC"]

# The cluster has up to four PEs; the node is the root of the detection tree.
_UNITS = {
    "pe": lambda config: Pe(config=config),
    "pointers": lambda config: PointerRead(config=config),
    "queue": lambda config: ActivationQueue(config=config),
    "entries": lambda config: EntryRead(config=config),
    "decode": lambda config: Decode(config=config),
    "arithmetic": lambda config: (ShallowArithmetic if config.shallow else Arithmetic)(config=config),
    "product": lambda config: SignedMultiplier(family=config.family, latency=2 if config.shallow else 3),
    "writeback": lambda config: Writeback(config=config),
    "activations": lambda config: (ShallowActivations if config.shallow else Activations)(config=config),
    "tile": lambda config: Tile(config=config),
    "cluster": lambda config: Cluster(config=config, level=1, count=min(4, config.n_pe)),
    "node": lambda config: Node(level=config.tree_levels, shallow=config.shallow),
    "issue": lambda config: Issue(config=config),
    "control": lambda config: Control(config=config),
    "frames": lambda config: (ShallowFrameReader if config.shallow else FrameReader)(config=config),
}


def _facts(config: EieConfig) -> dict[str, Any]:
    return {
        "frames": frame_format(config),
        "order": {
            "acts": f"activation j in group j // {config.n_pe}, lane j % {config.n_pe}; vectors in order",
            "outs": f"row i of the result in group i // {config.n_pe}, lane i % {config.n_pe}; rows permuted by the "
            "encoding of a layer stay permuted: see EieLayer.rows",
            "program": "tercet.golden.eie.program.link(config, layers).frames(vectors)",
        },
        "latency": {
            "detection_tree_levels": config.tree_levels,
            "formula": "tercet.golden.eie.cycles(layer, acts): a layer's start to its last activation write; depends "
            "on the entries and on which activations are zero",
        },
        "golden": "tercet.golden.eie.spmv",
    }


SPEC = EngineSpec(model=MODEL, component=Engine, units=_UNITS, facts=_facts)
"""Sparse matrix times sparse vector on compressed layers."""
