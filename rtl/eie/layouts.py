"""What moves between the parts of the EIE engine."""

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
"""Memories of a PE that the host fills."""


def address_width(depth: int) -> int:
    """Bits of an address among `depth` words."""
    return max(1, (depth - 1).bit_length())


def count_width(config: EieConfig) -> int:
    """Bits of a signed number of entries left in a column, of which there are at most as many as rows."""
    return config.act_depth.bit_length() + 1


def token_layout(level: int) -> data.StructLayout:
    """What a subtree of the leading non-zero detection says of the next group of activations, one of each PE.

    The tokens of a group are its non-zero activations, lowest PE first, or one token without an item.

    Parameters
    ----------
    level : int
        Levels of nodes below: 0 for a PE's own activations.
    """
    return data.StructLayout(
        {
            "act": signed(16),  # 0 if there is no item
            "item": 1,  # not zero
            "close": 1,  # the last token of its group
            "index": 2 * level,  # PE within the subtree
        }
    )


def broadcast_layout(config: EieConfig) -> data.StructLayout:
    """What all PEs are told in a clock: a column to multiply, or a row to sweep."""
    address = max(address_width(config.pointer_depth), address_width(config.constant_depth))
    return data.StructLayout(
        {
            "column": 1,  # an activation and the number of its column
            "item": 1,  # the activation is not zero; all columns are empty for one that is
            "end": 1,  # the last column
            "act": signed(16),
            # Of p_j; of a bias, three clocks after its row is swept; or of a pointer that is loaded.
            "address": address,
            "next_address": address_width(config.pointer_depth),  # of p_j+1
            "sweep": 1,  # the next row's sum goes out, and a bias takes its place
            "first": 1,  # it is row 0
        }
    )


def column_layout(config: EieConfig) -> data.StructLayout:
    """A column of a PE that waits for its turn."""
    return data.StructLayout(
        {
            "act": signed(16),
            "begin": config.pointer_width,  # its first entry
            "more": signed(count_width(config)),  # its entries less one: below 0 if it has none
            "end": 1,  # it is the last one
        }
    )


def load_layout(config: EieConfig, level: int) -> data.StructLayout:
    """A word for a memory of one of the PEs below `level` levels of branches."""
    address = max(address_width(depth) for depth in (config.matrix_depth, config.pointer_depth, config.constant_depth))
    width = max(config.word_width, config.pointer_width, config.acc_width)
    fields = {"every": 1, "pe": 2 * level, "address": address, "data": width}
    return data.StructLayout({**dict.fromkeys(LOADED, 1), **fields})


def setup_layout(config: EieConfig) -> data.StructLayout:
    """What holds during a whole phase of a step, and what starts it."""
    return data.StructLayout(
        {
            "codebook": address_width(config.constant_depth) - config.code_bits,
            "shift": 6,
            "relu": 1,
            "deliver": 1,  # sums of swept rows are results
            "source": 1,  # the buffer of activations that is read
            "scan": 1,  # detect non-zero activations
            "restart": 1,  # begin again at the first activation
            "store": 1,  # the lanes hold activations for the source
            "unload": 1,  # read the next activation of the source
        }
    )


def frame_layout() -> data.StructLayout:
    """Head of a frame; `count` words follow, of 64 bits each, but for a run.

    ``kind`` is one of `FRAMES`; a run has its first step in ``address`` and the number of vectors in ``count``.
    """
    return data.StructLayout(FRAME_FIELDS)


def step_layout(config: EieConfig) -> data.StructLayout:
    """A step of a program."""
    return data.StructLayout(step_fields(config))


def program_width(config: EieConfig) -> int:
    """Bits of a word of the program memory."""
    return 16 if config.shallow else 64


def step_words(config: EieConfig) -> int:
    """Words of a step there."""
    return step_beats(config) * 64 // program_width(config)


def output_layout(config: EieConfig) -> data.StructLayout:
    """A group of results, one of each PE; `last` marks the vector's final one."""
    return data.StructLayout({"data": data.ArrayLayout(signed(16), config.n_pe), "last": 1})
