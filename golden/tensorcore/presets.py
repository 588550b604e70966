"""Tensor-core parameters by architecture: formats, products per step, fraction bits, exponent floor."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["ARCHITECTURES", "FP8", "FP8_RULES", "OPERANDS", "Architecture"]

OPERANDS = ("fp16", "bf16", "tf32", "e4m3", "e5m2", "int8")
"""Formats of A and B."""

FP8 = ("e4m3", "e5m2")
"""The 8-bit floating-point formats, which may be mixed."""

FP8_RULES = ("native", "mma_sync")
"""Rules for multiplying FP8 operands; see ``fp8`` of `tercet.golden.tensorcore.config.TensorCoreConfig`."""


@dataclass(frozen=True)
class Architecture:
    """Arithmetic of a generation of tensor cores.

    Attributes
    ----------
    steps : mapping of str to (int, int)
        Products summed in one step and fraction bits kept in alignment, by operand format.
    floors : mapping of str to int or None
        Floor under the largest exponent, by output format; None if there is none. "fp16" applies only to FP16 operands;
        all others use "fp32", whatever their output format.
    fp8 : tuple of str
        The supported `FP8_RULES`, default first.
    """

    steps: Mapping[str, tuple[int, int]]
    floors: Mapping[str, int | None] = field(default_factory=lambda: {"fp32": None, "fp16": None})
    fp8: tuple[str, ...] = ("native",)

    @property
    def formats(self) -> tuple[str, ...]:
        """Supported operand formats, in the order of `OPERANDS`."""
        emulated = FP8 if "mma_sync" in self.fp8 else ()
        return tuple(format for format in OPERANDS if format in self.steps or format in emulated)

    def step(self, operand: str, fp8: str) -> tuple[int, int]:
        """Products and fraction bits of a step, for an operand format in `formats`."""
        return self.steps[_multiplied(operand, fp8)]

    def floor(self, operand: str, out: str, fp8: str) -> int | None:
        """Floor under the largest exponent."""
        half = out == "fp16" and _multiplied(operand, fp8) == "fp16"
        return self.floors["fp16" if half else "fp32"]


def _multiplied(operand: str, fp8: str) -> str:
    """The format in which operands reach the multipliers."""
    return "fp16" if operand in FP8 and fp8 == "mma_sync" else operand


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "volta": Architecture({"fp16": (4, 23)}, {"fp32": None, "fp16": -19}),
        "turing": Architecture({"fp16": (8, 24), "int8": (16, 0)}, {"fp32": -132, "fp16": -20}),
        "ampere": Architecture(
            {"fp16": (8, 24), "bf16": (8, 24), "tf32": (4, 24), "int8": (16, 0)}, {"fp32": -132, "fp16": -20}
        ),
        "ada": Architecture(
            {"fp16": (8, 24), "bf16": (8, 24), "tf32": (4, 24), "e4m3": (16, 13), "e5m2": (16, 13), "int8": (16, 0)},
            {"fp32": -132, "fp16": -20},
        ),
        "hopper": Architecture(
            {"fp16": (16, 25), "bf16": (16, 25), "tf32": (8, 25), "e4m3": (32, 13), "e5m2": (32, 13), "int8": (32, 0)},
            {"fp32": -133, "fp16": -21},
            ("native", "mma_sync"),
        ),
        "blackwell": Architecture(
            {"fp16": (16, 25), "bf16": (16, 25), "tf32": (8, 25), "int8": (32, 0)},
            {"fp32": -133, "fp16": -21},
            ("mma_sync",),
        ),
        "exact": Architecture({format: (1, 0) for format in OPERANDS if format != "int8"}),
    }
)
"""Architectures by preset name.

Steps: Fasi et al., PeerJ CS 7:e330, 2021; Khattak and Mikaitis, arXiv 2512.07004; Xie et al., arXiv 2511.10909; results
recorded from V100, A100, A2, Ada, L40S, H100, H200 and B200. Floors: models published since August 2026, and one dot
product recorded from an H100. No results were recorded from Turing. The number of int8 products per step does not
affect wrapping sums."""
