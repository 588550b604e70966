"""FPGA blocks of an EIE engine on a board, computed from its parameters without synthesis.

Synthesis counts every cell but takes minutes. Memories decide which networks fit, and their block counts follow from
their sizes: by the RTL's own rules for instantiated memories, by yosys' mapping for the others.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tercet.golden.eie.config import EieConfig
from tercet.rtl.common.ram import ram_blocks
from tercet.rtl.eie.decode import Decode
from tercet.rtl.eie.layouts import address_width, column_layout, step_layout, step_words
from tercet.rtl.eie.pointers import PointerRead
from tercet.rtl.emit import prototype

from .fpga.devices import FpgaDevice
from .fpga.families import Family
from .host.soc_config import SocConfig

__all__ = ["RESOURCES", "eie_blocks", "over_capacity"]

RESOURCES = {"bram": "block RAMs", "spram": "large RAMs", "dsp": "multipliers"}
"""Block kinds counted, by their report names, with display names."""

# Width and depth of the description ROM. It never exceeds one block; only on iCE40 does it take a block at all.
_DESCRIPTION = (8, 256)


def eie_blocks(soc: SocConfig, device: FpgaDevice) -> dict[str, int]:
    """Count the blocks of an EIE engine and its link.

    Parameters
    ----------
    soc : SocConfig
        The engine and its buffers.
    device : FpgaDevice
        The FPGA; its family determines how memories left to synthesis are mapped.

    Returns
    -------
    dict
        Number of blocks by kind, the keys of `RESOURCES`. Logic cells are not counted.
    """
    config: EieConfig = soc.config
    blocks = Counter(dict.fromkeys(RESOURCES, 0))
    for copies, memories in ((config.n_pe, _of_pe(config)), (1, _of_board(soc))):
        for kind, count in _blocks(memories, soc.family, device.fabric).items():
            blocks[kind] += copies * count
    blocks["dsp"] += config.n_pe
    if config.family == "ecp5" and prototype(PointerRead, config=config).true_dual_port:
        blocks["bram"] += config.n_pe
    if device.fabric.rom_in_ram:
        blocks["bram"] += device.fabric.inferred_blocks(*_DESCRIPTION)
    return dict(blocks)


def over_capacity(blocks: Mapping[str, int], device: FpgaDevice) -> dict[str, int]:
    """Return the kinds that exceed the capacity of an FPGA, with the number needed."""
    return {kind: count for kind, count in blocks.items() if count > device.capacity[kind]}


def _of_pe(config: EieConfig) -> Iterator[dict[str, Any]]:
    """Memories of one PE, except pointers that share one dual-port block."""
    yield {"width": config.word_width, "depth": config.matrix_depth, "exclusive": True}
    yield {"width": prototype(Decode, config=config).constant_width, "depth": config.constant_depth}
    yield {"width": 16, "depth": 2 << address_width(config.act_depth)}
    yield {"width": config.acc_width, "depth": config.act_depth}
    if not prototype(PointerRead, config=config).true_dual_port:
        for _ in range(2):
            yield {"width": config.pointer_width, "depth": -(-config.pointer_depth // 2)}
    if not config.queue_in_cells:
        yield {"width": column_layout(config).size, "depth": config.queue_depth - 1, "fifo": True}


def _of_board(soc: SocConfig) -> Iterator[dict[str, Any]]:
    """Memories that exist once: the program, the link's frames and the stream buffers."""
    config: EieConfig = soc.config
    if config.shallow:
        yield {"width": 16, "depth": config.program_depth * step_words(config)}
    else:
        size = step_layout(config).size
        for low in range(0, size, 64):
            yield {"width": min(64, size - low), "depth": config.program_depth}
    for _ in ("receiver", "sender"):
        yield {"width": 8, "depth": soc.frame_bytes}
    for port, (_, depth) in zip(soc.kind.streams(config), soc.depths, strict=True):
        yield {"width": port.width, "depth": depth, "exclusive": True}


def _blocks(memories: Iterator[dict[str, Any]], family: str, fabric: Family) -> Counter[str]:
    total: Counter[str] = Counter()
    for memory in memories:
        if memory.pop("fifo", False):
            total["bram"] += fabric.inferred_blocks(memory["width"], memory["depth"])
            continue
        blocks, rest = ram_blocks(family=family, **memory)
        total.update(blocks)
        total["bram"] += sum(fabric.inferred_blocks(width, depth) for width, depth in rest)
    return total
