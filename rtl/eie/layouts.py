"""Payload layouts between the parts of the EIE engine."""

from amaranth import *
from amaranth.lib import data
from tercet.golden.eie.config import EieConfig, step_fields
from tercet.golden.eie.program import FRAME_FIELDS, step_beats

__all__ = [
    "LOADED",
    "address_width",
    "broadcast_layout",
    "column_layout",
    "count_width",
    "frame_layout",
    "load_layout",
    "output_layout",
    "program_width",
    "setup_layout",
    "step_layout",
    "step_words",
    "token_layout",
]

LOADED = ("matrix", "pointers", "constants")
"""Memories of a PE that the host loads."""


def address_width(depth: int) -> int:
    """Return the address width of a memory of `depth` words."""
    return max(1, (depth - 1).bit_length())


def count_width(config: EieConfig) -> int:
    """Return the width of the signed count of entries left in a column, which has at most one per row."""
    return config.act_depth.bit_length() + 1


def token_layout(level: int) -> data.StructLayout:
    """Token of a subtree of the leading non-zero detection.

    A group has one activation per PE. Its tokens are its non-zero activations, lowest PE first, or a single token
    without an item.

    Parameters
    ----------
    level : int
        Levels of nodes in the subtree: 0 for a PE's own activations.
    """
    return data.StructLayout(
        {
            "act": signed(16),  # 0 if there is no item
            "item": 1,  # `act` is not zero
            "close": 1,  # the last token of its group
            "index": 2 * level,  # PE within the subtree
        }
    )


def broadcast_layout(config: EieConfig) -> data.StructLayout:
    """Broadcast to all PEs in one clock: a column to multiply, or a row to sweep."""
    address = max(address_width(config.pointer_depth), address_width(config.constant_depth))
    return data.StructLayout(
        {
            "column": 1,  # an activation with the pointer addresses of its column
            "item": 1,  # the activation is not zero; the column of a zero counts as empty
            "end": 1,  # it is the last column
            "act": signed(16),
            # Of p_j; of a bias, ``config.timing.bias`` clocks after its row is swept; or of a pointer being loaded.
            "address": address,
            "next_address": address_width(config.pointer_depth),  # of p_j+1
            "sweep": 1,  # output the next row's sum, and replace it by a bias
            "first": 1,  # the swept row is row 0
        }
    )


def column_layout(config: EieConfig) -> data.StructLayout:
    """Queued column of a PE."""
    return data.StructLayout(
        {
            "act": signed(16),
            "begin": config.pointer_width,  # first entry
            "more": signed(count_width(config)),  # number of entries less one: negative if there is none
            "end": 1,  # it is the last column
        }
    )


def load_layout(config: EieConfig, level: int) -> data.StructLayout:
    """Word for a memory of a PE, or of every PE, below `level` levels of branches."""
    address = max(address_width(depth) for depth in (config.matrix_depth, config.pointer_depth, config.constant_depth))
    width = max(config.word_width, config.pointer_width, config.acc_width)
    fields = {"every": 1, "pe": 2 * level, "address": address, "data": width}
    return data.StructLayout({**dict.fromkeys(LOADED, 1), **fields})


def setup_layout(config: EieConfig) -> data.StructLayout:
    """Settings held for a whole phase of a step, and triggers that start it."""
    return data.StructLayout(
        {
            "codebook": address_width(config.constant_depth) - config.code_bits,
            "shift": 6,
            "relu": 1,
            "deliver": 1,  # sums of swept rows are results
            "source": 1,  # activation buffer to read
            "scan": 1,  # detect non-zero activations
            "restart": 1,  # restart at the first activation
            "store": 1,  # the lanes hold activations for the source
            "unload": 1,  # read the next activation of the source
        }
    )


def frame_layout() -> data.StructLayout:
    """Head of a frame; ``count`` words of 64 bits follow, except for a run.

    ``kind`` is an index into `FRAMES`. A run has its first step in ``address`` and its number of vectors in ``count``.
    """
    return data.StructLayout(FRAME_FIELDS)


def step_layout(config: EieConfig) -> data.StructLayout:
    """Step of a program."""
    return data.StructLayout(step_fields(config))


def program_width(config: EieConfig) -> int:
    """Return the width of a word of the program memory."""
    return 16 if config.shallow else 64


def step_words(config: EieConfig) -> int:
    """Return the number of program-memory words per step."""
    return step_beats(config) * 64 // program_width(config)


def output_layout(config: EieConfig) -> data.StructLayout:
    """Group of results, one per PE; ``last`` marks the vector's final group."""
    return data.StructLayout({"data": data.ArrayLayout(signed(16), config.n_pe), "last": 1})
