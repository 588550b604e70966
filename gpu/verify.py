"""Checks of a GPU against the golden model: lists them, and runs the same tiles on both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import mma
from tercet.golden.tensorcore.presets import ARCHITECTURES, FP8

from .cases import tiles
from .compare import Comparison, compare
from .device import Gpu
from .instructions import Capability, Instruction, instructions

__all__ = ["Check", "checks", "verify"]


@dataclass(frozen=True)
class Check:
    """Instruction and the golden configuration that it should match.

    Attributes
    ----------
    instruction : Instruction
        Instruction run on the GPU.
    config : TensorCoreConfig
        Arithmetic expected of it.
    zero_addend : bool
        Whether all of C is +0. For FP8 by ``wgmma``, nothing else was recorded.
    """

    instruction: Instruction
    config: TensorCoreConfig
    zero_addend: bool = False

    @property
    def title(self) -> str:
        """Formats and kind of sum."""
        instruction = self.instruction
        suffix = ", saturating" if instruction.saturate else ", c = 0" if self.zero_addend else ""
        suffix += ", through FP16" if self.config.emulated else ""
        return f"{instruction.a_format} x {instruction.b_format} + {instruction.out_format}{suffix}"

    @property
    def guessed(self) -> bool:
        """Whether the preset is only a guess: FP8 by ``wgmma`` with an addend."""
        return self.instruction.kind == "wgmma" and not self.zero_addend


def checks(capability: Capability, preset: str, formats: Sequence[str] = ()) -> list[Check]:
    """List the checks that both a GPU and a preset support.

    Parameters
    ----------
    capability : (int, int)
        Compute capability.
    preset : str
        Hardware preset of `TensorCoreConfig`.
    formats : sequence of str
        Operand formats to check; all if empty.

    Returns
    -------
    list of Check
        In the order of the GPU's instructions, each with its own rule; ``wgmma`` twice, with c = 0 and with any c.

    Raises
    ------
    ValueError
        If the GPU has no tensor cores, GPU and preset do not share a format, or the preset sums more products in one
        step than an instruction has.
    """
    selected = []
    for instruction in instructions(capability):
        if formats and not {instruction.a_format, instruction.b_format} & set(formats):
            continue
        config = _config(preset, instruction)
        if config is None:
            continue
        if instruction.k % config.k_step:
            raise ValueError(
                f"Preset {preset} sums {config.k_step} products in one step, more than {instruction.ptx} has; "
                "choose another with --preset"
            )
        if instruction.kind == "wgmma":
            selected.append(Check(instruction, config, zero_addend=True))
        selected.append(Check(instruction, config))
    for format in formats:
        if not any(format in (check.instruction.a_format, check.instruction.b_format) for check in selected):
            known = dict.fromkeys(check.instruction.a_format for check in checks(capability, preset))
            raise ValueError(
                f"Format {format!r} is not supported by both preset {preset} and compute capability "
                f"{capability[0]}.{capability[1]}; use {', '.join(known)}"
            )
    return selected


def verify(
    gpu: Gpu, check: Check, count: int, seed: int = 0, progress: Callable[[int], object] | None = None
) -> Comparison:
    """Run one check.

    Parameters
    ----------
    gpu : Gpu
        As returned by `tercet.gpu.device.open_gpu`.
    check : Check
        One of the GPU's `checks`.
    count : int
        Dot products to compare, rounded up to whole tiles.
    seed : int
        Seed of the random cases.
    progress : callable
        Called after each block with its number of dot products.

    Returns
    -------
    Comparison

    Raises
    ------
    GpuError
        If the GPU fails to run it.
    """
    result = Comparison()
    rng = np.random.default_rng(seed)
    for a, b, c in tiles(rng, check.instruction, check.config, count, zero_addend=check.zero_addend):
        want = mma(a, b, c, check.config)
        got = gpu.run(check.instruction, a, b, c)
        result.add(compare(check.config, (a, b, c), got, want.view(f"u{want.itemsize}")))
        if progress is not None:
            progress(want.size)
    return result


def _config(preset: str, instruction: Instruction) -> TensorCoreConfig | None:
    """The preset's config for an instruction; None if it lacks the formats or the FP8 rule."""
    rules = ARCHITECTURES[preset].fp8
    # wgmma takes FP8 natively; for mma.sync each architecture has one rule.
    fp8 = "mma_sync" if instruction.kind == "mma" and "mma_sync" in rules else "native"
    fields = {"fp8": fp8} if instruction.a_format in FP8 else {}
    try:
        return getattr(TensorCoreConfig, preset)(
            a_format=instruction.a_format,
            b_format=instruction.b_format,
            out_format=instruction.out_format,
            overflow="saturate" if instruction.saturate else "wrap",
            **fields,
        )
    except ValueError:
        return None
