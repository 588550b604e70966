"""Commands of the host: load a memory, run the program, read the buffer."""

from enum import IntEnum

from .config import NpuConfig

__all__ = ["COMMAND_FIELDS", "PARAMETER_BITS", "PARAMETER_FIELDS", "Command", "Memory", "beats_per_word"]


class Command(IntEnum):
    """What a command does."""

    WRITE = 0
    """Write the beats of the stream ``data`` to a memory."""
    RUN = 1
    """Run the program from the instruction at ``address`` to HALT."""
    READ = 2
    """Send bytes of the unified buffer over the stream ``results``."""


class Memory(IntEnum):
    """Memory that WRITE loads; `COMMAND_FIELDS` tells the unit of its addresses."""

    BUFFER = 0
    WEIGHTS = 1
    PARAMETERS = 2
    TABLES = 3
    INSTRUCTIONS = 4


COMMAND_FIELDS = {"command": 2, "memory": 3, "address": 24, "count": 24}
"""Fields of a command and their widths in bits, starting at the LSB.

``address`` and ``count`` are in bytes of the unified buffer, or in words of another memory: memory words of
``weight_rows * cols`` weights, parameter entries, words of tables, 32-bit words of instructions.
"""

PARAMETER_FIELDS = {"bias": -32, "multiplier": 31, "shift": -6}
"""Fields of a parameter entry, as in `COMMAND_FIELDS`; negative widths are signed."""

PARAMETER_BITS = sum(map(abs, PARAMETER_FIELDS.values()))
"""Width of a parameter entry."""


def beats_per_word(config: NpuConfig, memory: Memory) -> int:
    """Beats of ``data``, of 32 bits, for a word of a memory; each word starts in a new beat."""
    assert config.weight_rows is not None
    bits = {Memory.WEIGHTS: 8 * config.weight_rows * config.cols, Memory.PARAMETERS: PARAMETER_BITS}.get(memory, 32)
    return -(-bits // 32)
