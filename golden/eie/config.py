"""Configuration of the EIE engine."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from ..config import check_fields, option

__all__ = ["FRACTION_BITS", "EieConfig", "EieTiming", "step_fields"]

FRACTION_BITS = (-48, 48)
"""Bounds of a layer's fraction bits: negative for numbers too large for 16-bit integers, above 15 for small numbers."""


@dataclass(frozen=True, kw_only=True)
class EieTiming:
    """Latencies of an engine's stages in clock cycles; they drive both the cycle model and the RTL.

    Attributes
    ----------
    hop : int
        Down or up one level of the tree.
    scan : int
        From a source buffer to its token.
    node : int
        Through a node of the leading non-zero detection tree.
    pointers : int
        From a column's arrival in a PE to its queue: reads two pointers, subtracts them and takes the sign.
    queue : int
        Through the queue.
    written : int
        From the cycle in which a PE has read its last column to the first in which one of its rows may be swept, so
        every sum is written before it is read.
    sweep : int
        From sweeping a row to its sum.
    bias : int
        From sweeping a row to its bias address.
    writeback : int
        From a sum to its activation: shift, round, saturate.
    step : int
        From the end of a step to the start of the next, during which it is read.
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


# Optimised for clock rate: a register after every memory and every level of logic.
_DEEP = EieTiming(hop=1, scan=5, node=3, pointers=4, queue=2, written=8, sweep=6, bias=3, writeback=6, step=1)

# Optimised for size: on iCE40 a register not fed by a lookup table takes a logic cell of its own, so registers are
# limited to those of memories and multipliers and a few after deep logic.
_SHALLOW = EieTiming(hop=0, scan=1, node=1, pointers=1, queue=1, written=2, sweep=3, bias=2, writeback=3, step=1)


@dataclass(frozen=True, kw_only=True)
class EieConfig:
    """Size of an EIE engine, shared by the golden model, the RTL, the simulation and the command line.

    Activations and codebook are int16 fixed-point numbers; accumulators have ``act_frac + weight_frac`` fraction bits.
    Fraction bits belong to a layer, and the config's apply to layers without their own; the hardware only sees the
    shift of a layer's sums. By default a PE's memories take seven ECP5 block RAMs, plus one for its activations.

    Parameters
    ----------
    n_pe : int
        Processing elements, 1..256.
    code_bits, index_bits : int
        Widths in bits of an entry's codebook index and of its zero count, 2..8 each.
    fifo_depth : int
        Depth of each PE's activation queue, 1..256.
    act_frac, weight_frac : int
        Fraction bits of activations and of the codebook, 0..15, unless a layer has its own.
    acc_width : int
        Accumulator width in bits, 24..48.
    word_width : int
        Word width of the matrix memory in bits, 16..64.
    matrix_depth : int
        Depth of each PE's matrix memory, in words.
    pointer_depth : int
        Pointers per PE; a layer needs one more than it has inputs.
    act_depth : int
        Activations in each of a PE's two buffers, and accumulators per PE.
    constant_depth : int
        Constants per PE: codebook weights and biases of all layers.
    program_depth : int
        Steps of a program: one at the start and one per layer.
    family : "any", "ecp5" or "ice40"
        FPGA family whose memories and multipliers are instantiated; "any" leaves them to synthesis. On "ice40", where
        logic cells run out first, the pipeline is shorter: see `timing`.

    Raises
    ------
    TypeError, ValueError
        If a field is of the wrong type or out of range.

    Notes
    -----
    Source: Han et al., ISCA 2016, sections III and IV; ``spec/eie.md``.
    """

    n_pe: int = option(4, "processing elements", (1, 256))
    code_bits: int = option(4, "width of an entry's codebook index in bits", (2, 8))
    index_bits: int = option(4, "width of an entry's zero count in bits", (2, 8))
    fifo_depth: int = option(8, "depth of each PE's activation queue", (1, 256))
    act_frac: int = option(8, "fraction bits of an activation, unless a layer has its own", (0, 15))
    weight_frac: int = option(12, "fraction bits of a codebook weight, unless a layer has its own", (0, 15))
    acc_width: int = option(36, "accumulator width in bits", (24, 48))
    word_width: int = option(64, "word width of the matrix memory in bits", (16, 64))
    matrix_depth: int = option(1024, "words of the matrix memory in each PE", (1, 2**20))
    pointer_depth: int = option(1024, "pointers in each PE: inputs of a layer plus one", (2, 2**20))
    act_depth: int = option(256, "activations in each of a PE's two buffers", (1, 2**16))
    constant_depth: int = option(512, "codebook weights and biases in each PE", (4, 2**16))
    program_depth: int = option(16, "steps of a program: one per layer plus one", (2, 2**12))
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

        128 KB are 16384 words, and 2 KB are two buffers of 512 activations. The paper's 32 KB of 16-bit pointers are
        16384 pointers, but 16 bits address only half of the 131072 entries, so pointers are wider here. VGG-6 with its
        25088 inputs needs a larger ``pointer_depth``.
        """
        sizes = {"n_pe": 64, "matrix_depth": 16384, "pointer_depth": 16384, "act_depth": 512}
        return cls(**{**sizes, **overrides})

    @property
    def entry_width(self) -> int:
        """Width of an entry in bits."""
        return self.code_bits + self.index_bits

    @property
    def entries_per_word(self) -> int:
        """Entries in a word of the matrix memory, least significant first."""
        return self.word_width // self.entry_width

    @property
    def offset_width(self) -> int:
        """Width in bits of an entry's offset in its word, the lower part of a pointer."""
        return (self.entries_per_word - 1).bit_length()

    @property
    def pointer_width(self) -> int:
        """Width of a pointer in bits; it can also point past the last entry of a full memory."""
        return self.matrix_depth.bit_length() + self.offset_width

    @property
    def tree_levels(self) -> int:
        """Levels of the detection, broadcast and return trees, with four branches per node."""
        return max(1, -(-(self.n_pe - 1).bit_length() // 2))

    @property
    def shallow(self) -> bool:
        """Whether the pipeline is short, to save area, rather than long, for clock rate."""
        return self.family == "ice40"

    @property
    def timing(self) -> EieTiming:
        """Latencies of the pipeline's stages."""
        if not self.shallow:
            return _DEEP
        # A queue in block RAM has the same latency in both pipelines.
        queue = _SHALLOW.queue if self.queue_in_cells else _DEEP.queue
        return replace(_SHALLOW, queue=queue, step=self.step_parts)

    @property
    def step_parts(self) -> int:
        """Number of 16-bit words in which a shallow engine reads a step."""
        return -(-sum(step_fields(self).values()) // 16)

    @property
    def queue_in_cells(self) -> bool:
        """Whether the queue is built from logic cells, because it is too short to merit a block RAM."""
        return self.shallow and self.queue_depth <= 8

    @property
    def tree_clocks(self) -> int:
        """Clock cycles down the tree; the same again up."""
        return self.tree_levels * (_SHALLOW if self.shallow else _DEEP).hop

    @property
    def drain_clocks(self) -> int:
        """Clock cycles from the end of the last column to the first swept row, when every sum has been written."""
        # The last term clears the end marker before the next step could see it.
        return max(1, self.timing.written - 1 - 2 * self.tree_clocks, 2 * self.tree_clocks - 2)

    @property
    def settle_clocks(self) -> int:
        """Clock cycles from the last swept row to the write of its activation: tree, PE and writeback."""
        return self.tree_clocks + self.timing.sweep + self.timing.writeback

    @property
    def full_level(self) -> int:
        """Columns in a PE that stall the broadcast: the one next in turn and ``fifo_depth`` behind it.

        In a deep pipeline one more, which has arrived but is still at the pointer read.
        """
        return self.fifo_depth + (1 if self.shallow else 2)

    @property
    def queue_depth(self) -> int:
        """Columns that a PE has room for: those that stall the broadcast, and those in flight until it stalls."""
        return self.full_level + 2 * self.tree_clocks


def step_fields(config: EieConfig) -> dict[str, int]:
    """Fields of a program step and their widths in bits, starting at the LSB.

    The actions of the set flags take place in the order of the flags.
    """
    rows, constants = config.act_depth.bit_length(), max(1, (config.constant_depth - 1).bit_length())
    return {
        "load": 1,  # accept `groups` beats of activations
        "compute": 1,  # multiply by the non-zeros of `groups` groups
        "sweep": 1,  # read out `rows` sums and replace them with biases
        "deliver": 1,  # the swept sums become activations of the next step
        "last": 1,  # output the delivered activations, then go on to the next vector
        "relu": 1,
        "shift": 6,
        "groups": rows,
        "rows": rows,
        "pointers": max(1, (config.pointer_depth - 1).bit_length()),  # address of the first column's pointer
        "biases": constants,  # address of the first bias
        "codebook": constants - config.code_bits,
        "results": rows,  # rows that belong to this layer; only their saturations count
    }
