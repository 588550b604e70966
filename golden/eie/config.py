"""Configuration of the EIE engine."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from ..config import check_fields, option

__all__ = ["FRACTION_BITS", "EieConfig", "EieTiming", "step_fields"]

FRACTION_BITS = (-48, 48)
"""Fraction bits that a layer's numbers may have: below 0 where they are larger than 16 bits hold, above 15 where all of
them are small."""


@dataclass(frozen=True, kw_only=True)
class EieTiming:
    """Clocks that the parts of an engine take: of the cycle model, and of the RTL, which is built by them.

    Attributes
    ----------
    hop : int
        Of everything on its way down or up a level of the tree.
    scan : int
        From a source buffer to its token.
    node : int
        Through a node of the detection tree.
    pointers : int
        From a column's arrival in a PE to its queue: two pointers, their difference, its sign.
    queue : int
        Through the queue.
    written : int
        From the clock in which a PE has read its last column to the first one in which a row may be swept there: every
        sum is written before it is read.
    sweep : int
        From a row that is swept to its sum.
    bias : int
        From a row that is swept to the address of its bias.
    writeback : int
        From a sum to its activation: shift, rounding, saturation.
    step : int
        From the end of a step to the beginning of the next, in which that is read.
    """

    hop: int
    scan: int
    node: int
    pointers: int
    queue: int
    written: int
    sweep: int
    bias: int
    writeback: int
    step: int


# For the clock rate: a register behind every memory and every bit of logic.
_DEEP = EieTiming(hop=1, scan=5, node=3, pointers=4, queue=2, written=8, sweep=6, bias=3, writeback=6, step=1)

# For the size: on iCE40 a register that follows no look-up table takes a logic cell of its own, so that the clocks are
# those of memories and multipliers, and a few behind much logic.
_SHALLOW = EieTiming(hop=0, scan=1, node=1, pointers=1, queue=1, written=2, sweep=3, bias=2, writeback=3, step=1)


@dataclass(frozen=True, kw_only=True)
class EieConfig:
    """Size of an EIE engine; one object for the golden model, the RTL, the simulation and the command line.

    Activations and codebook are int16 fixed-point numbers; accumulators have ``act_frac + weight_frac`` fraction bits.
    The hardware only knows how far a layer's sums are shifted: fraction bits belong to a layer, and those of the config
    are for a layer without its own. The memory sizes default to a PE of seven block RAMs on an ECP5, and one for its
    activations.

    Parameters
    ----------
    n_pe : int
        Processing elements, 1..256.
    code_bits, index_bits : int
        Bits of an entry that choose the weight and that count zeros, 2..8 each.
    fifo_depth : int
        Activations each PE can queue, 1..256.
    act_frac, weight_frac : int
        Fraction bits of activations and of the codebook, 0..15, unless a layer has its own.
    acc_width : int
        Accumulator width in bits, 24..48.
    word_width : int
        Bits of a word of the matrix memory, 16..64.
    matrix_depth : int
        Words of entries in each PE.
    pointer_depth : int
        Pointers in each PE; a layer needs one more than it has inputs.
    act_depth : int
        Activations of each PE in each of its two buffers, and its accumulators.
    constant_depth : int
        Codebook weights and biases of all layers in each PE.
    program_depth : int
        Steps of a program: one for each layer, and one at the start.
    family : "any", "ecp5" or "ice40"
        FPGA family whose memories and multipliers are instantiated; "any" leaves them to synthesis. On "ice40", where
        an engine is short of logic cells first, the pipeline is shorter: see `timing`.

    Raises
    ------
    TypeError, ValueError
        If a field is of the wrong type or out of range.

    Notes
    -----
    Source: Han et al., ISCA 2016, sections III and IV; ``spec/eie.md``.
    """

    n_pe: int = option(4, "processing elements", (1, 256))
    code_bits: int = option(4, "bits of an entry that choose the weight", (2, 8))
    index_bits: int = option(4, "bits of an entry that count zeros", (2, 8))
    fifo_depth: int = option(8, "activations each PE can queue", (1, 256))
    act_frac: int = option(8, "fraction bits of an activation, unless a layer has its own", (0, 15))
    weight_frac: int = option(12, "fraction bits of a codebook weight, unless a layer has its own", (0, 15))
    acc_width: int = option(36, "accumulator width in bits", (24, 48))
    word_width: int = option(64, "bits of a word of the matrix memory", (16, 64))
    matrix_depth: int = option(1024, "words of entries in each PE", (1, 2**20))
    pointer_depth: int = option(1024, "pointers in each PE: inputs of a layer and one", (2, 2**20))
    act_depth: int = option(256, "activations of each PE in each of its two buffers", (1, 2**16))
    constant_depth: int = option(512, "codebook weights and biases in each PE", (4, 2**16))
    program_depth: int = option(16, "steps of a program: one for each layer, and one", (2, 2**12))
    family: Literal["any", "ecp5", "ice40"] = option("any", "FPGA family whose memories and multipliers are used")

    def __post_init__(self):
        check_fields(self, {"family": ("any", "ecp5", "ice40")})
        if self.constant_depth < 2**self.code_bits:
            raise ValueError(
                f"constant_depth {self.constant_depth} does not hold the codebook of code_bits {self.code_bits}; "
                f"use at least {2**self.code_bits}"
            )

    @classmethod
    def paper(cls, **overrides: Any) -> "EieConfig":
        """The published engine (Han et al., ISCA 2016): 64 PEs, each with 128 KB of matrix and 2 KB of activations.

        128 KB are 16384 words, and 2 KB are two buffers of 512 activations. Its 32 KB of 16-bit pointers are 16384
        pointers; but 16 bits reach only half of the 131072 entries, so here a pointer is wider. VGG-6 with its 25088
        inputs needs a larger ``pointer_depth``.
        """
        sizes = {"n_pe": 64, "matrix_depth": 16384, "pointer_depth": 16384, "act_depth": 512}
        return cls(**{**sizes, **overrides})

    @property
    def entry_width(self) -> int:
        """Bits of an entry."""
        return self.code_bits + self.index_bits

    @property
    def entries_per_word(self) -> int:
        """Entries in a word of the matrix memory, least significant first."""
        return self.word_width // self.entry_width

    @property
    def offset_width(self) -> int:
        """Bits of an entry's place in its word: the lower part of a pointer."""
        return (self.entries_per_word - 1).bit_length()

    @property
    def pointer_width(self) -> int:
        """Bits of a pointer: it can also stand behind the last entry of a full memory."""
        return self.matrix_depth.bit_length() + self.offset_width

    @property
    def tree_levels(self) -> int:
        """Levels of the detection tree, of the broadcast and of everything that comes back; four branches each."""
        return max(1, -(-(self.n_pe - 1).bit_length() // 2))

    @property
    def shallow(self) -> bool:
        """Whether the pipeline is short, for the size, and not long, for the clock rate."""
        return self.family == "ice40"

    @property
    def timing(self) -> EieTiming:
        """Clocks of the pipeline's parts."""
        if not self.shallow:
            return _DEEP
        # A queue in block RAM is the same one everywhere.
        queue = _SHALLOW.queue if self.queue_in_cells else _DEEP.queue
        return replace(_SHALLOW, queue=queue, step=self.step_parts)

    @property
    def step_parts(self) -> int:
        """Words of 16 bits of a step, in which a shallow engine reads it."""
        return -(-sum(step_fields(self).values()) // 16)

    @property
    def queue_in_cells(self) -> bool:
        """Whether the queue is in logic cells: so short, block RAM is wasted on it."""
        return self.shallow and self.queue_depth <= 8

    @property
    def tree_clocks(self) -> int:
        """Clocks down the tree, and up."""
        return self.tree_levels * (_SHALLOW if self.shallow else _DEEP).hop

    @property
    def drain_clocks(self) -> int:
        """Clocks from the last column's end to the first swept row, so that every sum is written before it is read."""
        # And the mark of the end is gone before the next step could see it.
        return max(1, self.timing.written - 1 - 2 * self.tree_clocks, 2 * self.tree_clocks - 2)

    @property
    def settle_clocks(self) -> int:
        """Clocks from the last swept row to the write of its activation: on its way, in the PE, in the rounding."""
        return self.tree_clocks + self.timing.sweep + self.timing.writeback

    @property
    def full_level(self) -> int:
        """Columns in a PE that make the broadcast wait: the one whose turn is next, and ``fifo_depth`` behind it."""
        return self.fifo_depth + 1

    @property
    def queue_depth(self) -> int:
        """Columns a PE has room for: those that make the broadcast wait, and those on their way when that shows."""
        # And one to spare, where that costs next to nothing.
        return self.full_level + 2 * self.tree_clocks + (0 if self.shallow else 1)


def step_fields(config: EieConfig) -> dict[str, int]:
    """Fields of a step of a program and their bits, the first in the least significant ones.

    What is set does happen, from the first flag to the last.
    """
    rows, constants = config.act_depth.bit_length(), max(1, (config.constant_depth - 1).bit_length())
    return {
        "load": 1,  # take `groups` beats of activations
        "compute": 1,  # multiply by the non-zeros of `groups` groups
        "sweep": 1,  # let `rows` sums go out and biases take their places
        "deliver": 1,  # the sums are activations of the next step
        "last": 1,  # give the delivered activations out; then comes the next vector
        "relu": 1,
        "shift": 6,
        "groups": rows,
        "rows": rows,
        "pointers": max(1, (config.pointer_depth - 1).bit_length()),  # address of the first column's pointer
        "biases": constants,  # address of the first bias
        "codebook": constants - config.code_bits,
        "results": rows,  # of the rows, those that are this layer's: saturations among the others do not count
    }
