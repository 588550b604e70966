"""Latency of the NPU's requantiser, shared by the cycle model and the RTL."""

from ..systolic.cycle_model import REQUANT_CLOCKS

__all__ = ["LANE_CLOCKS"]

_BEFORE = 5  # selection of the column, three stages of the product, bias

LANE_CLOCKS = {mac: _BEFORE + clocks for mac, clocks in REQUANT_CLOCKS.items()}
"""Clock cycles from a row of sums to the int8 codes of a chunk of it, by ``mac``."""
