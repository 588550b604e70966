"""Latencies of the NPU's depthwise and vector units in clock cycles, shared by the cycle model and the RTL."""

__all__ = ["VECTOR_CLOCKS", "depthwise_clocks"]

VECTOR_CLOCKS = 5
"""Clock cycles from the codes of a read to their values, for every operation of the vector unit."""


def depthwise_clocks(taps: int) -> int:
    """Clock cycles from the codes of a read to the depthwise unit's sums.

    One for the window, three for the products, one for each level of the adder tree.
    """
    return 4 + (taps - 1).bit_length()
