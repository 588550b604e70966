"""What there is to compare on a GPU, and the comparison: the same tiles to the GPU and to the golden model."""

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
    """An instruction and the golden model that it should equal.

    Attributes
    ----------
    instruction : Instruction
        What the GPU runs.
    config : TensorCoreConfig
        What it should compute.
    zero_addend : bool
        All of C is +0: of FP8 by ``wgmma``, nothing else was recorded.
    """

    instruction: Instruction
    config: TensorCoreConfig
    zero_addend: bool = False

    @property
    def title(self) -> str:
        """The formats, and how they are summed."""
        wanted = self.instruction
        how = ", saturating" if wanted.saturate else ", c = 0" if self.zero_addend else ""
        how += ", through FP16" if self.config.emulated else ""
        return f"{wanted.a_format} x {wanted.b_format} + {wanted.out_format}{how}"

    @property
    def guessed(self) -> bool:
        """Whether the preset only guesses: FP8 by ``wgmma`` with an addend."""
        return self.instruction.kind == "wgmma" and not self.zero_addend


def checks(capability: Capability, preset: str, formats: Sequence[str] = ()) -> list[Check]:
    """All that a GPU and a preset have in common.

    Parameters
    ----------
    capability : (int, int)
        Compute capability.
    preset : str
        A preset of `TensorCoreConfig` that is hardware.
    formats : sequence of str
        Only operands of these formats; all if empty.

    Returns
    -------
    list of Check
        In the order of the GPU's instructions, each with its own rule; ``wgmma`` twice, with c = 0 and with any.

    Raises
    ------
    ValueError
        If the GPU has no tensor cores, a format is on neither list, or the preset sums more products in one step than
        an instruction has.
    """
    found = []
    for instruction in instructions(capability):
        if formats and not {instruction.a_format, instruction.b_format} & set(formats):
            continue
        config = _config(preset, instruction)
        if config is None:
            continue
        if instruction.k % config.k_step:
            raise ValueError(
                f"Preset {preset} sums {config.k_step} products in one step, more than {instruction.ptx} has; "
                "choose another by --preset"
            )
        if instruction.kind == "wgmma":
            found.append(Check(instruction, config, zero_addend=True))
        found.append(Check(instruction, config))
    for format in formats:
        if not any(format in (check.instruction.a_format, check.instruction.b_format) for check in found):
            known = dict.fromkeys(check.instruction.a_format for check in checks(capability, preset))
            raise ValueError(
                f"Format {format!r} is not in both preset {preset} and what is run on compute capability "
                f"{capability[0]}.{capability[1]}; use {', '.join(known)}"
            )
    return found


def verify(
    gpu: Gpu, check: Check, count: int, seed: int = 0, progress: Callable[[int], object] | None = None
) -> Comparison:
    """Run one check.

    Parameters
    ----------
    gpu : Gpu
        From `tercet.gpu.device.open_gpu`.
    check : Check
        One of `checks` for it.
    count : int
        Dot products to compare, rounded up to whole tiles.
    seed : int
        Of the random cases.
    progress : callable
        Told after each block how many dot products it had.

    Returns
    -------
    Comparison

    Raises
    ------
    GpuError
        If the GPU does not do it.
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
    """What the preset says of the instruction; None where it has no such formats, or no such rule for FP8."""
    rules = ARCHITECTURES[preset].fp8
    # wgmma takes FP8 as it is; of mma.sync an architecture has one rule.
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
