"""Latencies of the NPU's parts in clock cycles, shared by the cycle model and the RTL."""

from ..systolic.cycle_model import REQUANT_CLOCKS
from .config import NpuConfig

__all__ = [
    "BYTES_CLOCKS",
    "LANE_CLOCKS",
    "READ_CLOCKS",
    "VECTOR_CLOCKS",
    "WORD_CLOCKS",
    "WRITE_CLOCKS",
    "depthwise_clocks",
    "flush_clocks",
    "unit_clocks",
]

READ_CLOCKS = 7
"""Clock cycles from an address at the unified buffer to the bytes read."""

WRITE_CLOCKS = 3
"""Clock cycles from bytes at the unified buffer's write port to the first address that may read them."""

WORD_CLOCKS = 2
"""Clock cycles from an address to a word of the weight, parameter, table or instruction memory."""

BYTES_CLOCKS = 4 + READ_CLOCKS
"""Clock cycles from a read, when its address is being computed, to its bytes at the units."""

VECTOR_CLOCKS = 5
"""Clock cycles from the codes of a read to their values, for every operation of the vector unit."""

_BEFORE = 5  # selection of the column, three stages of the product, bias

LANE_CLOCKS = {mac: _BEFORE + clocks for mac, clocks in REQUANT_CLOCKS.items()}
"""Clock cycles from a row of sums to the int8 codes of a chunk of it, by ``mac``."""


def depthwise_clocks(taps: int) -> int:
    """Clock cycles from the codes of a read to the depthwise unit's sums.

    One for the window, three for the products, one for each level of the adder tree.
    """
    return 4 + (taps - 1).bit_length()


def unit_clocks(config: NpuConfig) -> dict[int, int]:
    """Clock cycles from a read's bytes to its sums at the accumulators, by unit: array, depthwise, vector."""
    found = {0: config.array.array_latency + 1, 2: VECTOR_CLOCKS + 1}
    if config.depthwise_taps:
        found[1] = depthwise_clocks(config.depthwise_taps) + 1
    return dict(sorted(found.items()))


def flush_clocks(config: NpuConfig) -> int:
    """Clock cycles, at least, in which everything in flight has arrived."""
    return BYTES_CLOCKS + max(unit_clocks(config).values()) + LANE_CLOCKS[config.mac] + 32
