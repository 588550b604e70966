"""Tensor-core instructions by GPU, and the golden model's preset that each GPU should match.

From NVIDIA's PTX ISA: ``wmma`` (sm_70), ``mma.sync`` (sm_75 and later) and ``wgmma.mma_async`` (sm_90a only).
"""

from dataclasses import dataclass
from typing import Literal

__all__ = ["PRESETS", "Capability", "Instruction", "instructions", "is_known", "preset_of"]

Capability = tuple[int, int]

# PTX names of the formats of `TensorCoreConfig`.
_TYPES = {"fp16": "f16", "bf16": "bf16", "tf32": "tf32", "e4m3": "e4m3", "e5m2": "e5m2", "int8": "s8"} | {
    "fp32": "f32",
    "int32": "s32",
}
_WIDTHS = {"fp16": 16, "bf16": 16, "tf32": 32, "e4m3": 8, "e5m2": 8, "int8": 8, "fp32": 32, "int32": 32}

PRESETS = {
    (7, 0): "volta",
    (7, 5): "turing",
    (8, 0): "ampere",
    (8, 6): "ampere",
    (8, 7): "ampere",
    (8, 9): "ada",
    (9, 0): "hopper",
    (10, 0): "blackwell",
}
"""Compute capability to preset."""


@dataclass(frozen=True)
class Instruction:
    """Tensor-core instruction: ``D = A @ B + C`` on one tile.

    Attributes
    ----------
    kind : "wmma", "mma" or "wgmma"
        Family of the instruction.
    m, n, k : int
        Size of the tile: A is (m, k), B (k, n), C and D (m, n).
    a_format, b_format, out_format : str
        As in `tercet.golden.tensorcore.config.TensorCoreConfig`; C and D share a format.
    saturate : bool
        Whether int32 sums saturate, by ``.satfinite``, instead of wrapping.
    """

    kind: Literal["wmma", "mma", "wgmma"]
    m: int
    n: int
    k: int
    a_format: str
    b_format: str
    out_format: str
    saturate: bool = False

    @property
    def threads(self) -> int:
        """Threads that issue it together: a warp, or a warpgroup of four warps."""
        return 128 if self.kind == "wgmma" else 32

    @property
    def operand_width(self) -> int:
        """Bits of an element of A and of B."""
        return _WIDTHS[self.a_format]

    @property
    def out_width(self) -> int:
        """Bits of an element of C and of D."""
        return _WIDTHS[self.out_format]

    @property
    def ptx(self) -> str:
        """The instruction without its operands."""
        a, b, out = (_TYPES[name] for name in (self.a_format, self.b_format, self.out_format))
        shape = f"m{self.m}n{self.n}k{self.k}"
        finite = ".satfinite" if self.saturate else ""
        if self.kind == "wgmma":
            return f"wgmma.mma_async.sync.aligned.{shape}.{out}.{a}.{b}"
        if self.kind == "wmma":
            return f"wmma.mma.sync.aligned.row.col.{shape}.{out}.{out}"
        return f"mma.sync.aligned.{shape}.row.col{finite}.{out}.{a}.{b}.{out}"


_VOLTA = tuple(Instruction("wmma", 16, 16, 16, "fp16", "fp16", out) for out in ("fp32", "fp16"))
_TURING = (
    *(Instruction("mma", 16, 8, 8, "fp16", "fp16", out) for out in ("fp32", "fp16")),
    *(Instruction("mma", 8, 8, 16, "int8", "int8", "int32", saturate) for saturate in (False, True)),
)
_AMPERE = (
    *(Instruction("mma", 16, 8, 16, "fp16", "fp16", out) for out in ("fp32", "fp16")),
    Instruction("mma", 16, 8, 16, "bf16", "bf16", "fp32"),
    Instruction("mma", 16, 8, 8, "tf32", "tf32", "fp32"),
    *(Instruction("mma", 16, 8, 32, "int8", "int8", "int32", saturate) for saturate in (False, True)),
)
_FP8 = tuple((a, b, out) for out in ("fp32", "fp16") for a in ("e4m3", "e5m2") for b in ("e4m3", "e5m2"))
# Native on Ada. Hopper and Blackwell widen FP8 to FP16 first (F2FP and HMMA in the machine code).
_ADA_FP8 = tuple(Instruction("mma", 16, 8, 32, *formats) for formats in _FP8)
_HOPPER_FP8 = tuple(Instruction("wgmma", 64, 8, 32, *formats) for formats in _FP8)


def instructions(capability: Capability) -> tuple[Instruction, ...]:
    """List the instructions to test on a GPU of this compute capability, in report order.

    Parameters
    ----------
    capability : (int, int)
        Major and minor number.

    Returns
    -------
    tuple of Instruction

    Raises
    ------
    ValueError
        If such a GPU has no tensor cores.
    """
    if capability < (7, 0):
        raise ValueError(f"Compute capability {_text(capability)} has no tensor cores; use a GPU of 7.0 or later")
    if capability < (7, 5):
        return _VOLTA
    if capability < (8, 0):
        return _TURING
    if capability < (8, 9):
        return _AMPERE
    return _AMPERE + _ADA_FP8 + (_HOPPER_FP8 if capability == (9, 0) else ())


def is_known(capability: Capability) -> bool:
    """Whether a preset is known to match GPUs of this compute capability."""
    return capability in PRESETS


def preset_of(capability: Capability) -> str:
    """Preset that a GPU of this compute capability should match.

    GPUs later than the first Blackwell, 10.0, are compared with ``blackwell``, although it is not known to match them;
    see `is_known`.

    Raises
    ------
    ValueError
        If there is no preset for it.
    """
    if capability > max(PRESETS):
        return PRESETS[max(PRESETS)]
    if capability not in PRESETS:
        names = ", ".join(dict.fromkeys(PRESETS.values()))
        raise ValueError(
            f"No preset is known for compute capability {_text(capability)}; choose one with --preset: {names}"
        )
    return PRESETS[capability]


def _text(capability: Capability) -> str:
    return ".".join(str(number) for number in capability)
