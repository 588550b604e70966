"""A GPU by CuPy: found, named, and given tiles. The only place that imports CuPy."""

import importlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .fragments import fragments
from .instructions import Capability, Instruction, instructions
from .kernels import KERNEL, kernel

__all__ = ["Gpu", "GpuError", "open_gpu"]


class GpuError(RuntimeError):
    """There is no GPU to ask, or it did not do what it was asked to."""


@dataclass
class Gpu:
    """A GPU with tensor cores.

    Attributes
    ----------
    name : str
        What its driver calls it.
    capability : (int, int)
        Compute capability.
    cupy : module
        CuPy, its current device this one.
    """

    name: str
    capability: Capability
    cupy: Any = field(repr=False)
    _kernels: dict[Instruction, Any] = field(default_factory=dict, repr=False)

    @property
    def title(self) -> str:
        """Name and compute capability."""
        return f"{self.name}, compute capability {self.capability[0]}.{self.capability[1]}"

    def run(self, instruction: Instruction, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        """D of tiles.

        Parameters
        ----------
        instruction : Instruction
            One of its compute capability's.
        a, b, c : (count, m, k), (count, k, n) and (count, m, n) arrays
            Elements of the instruction's widths.

        Returns
        -------
        (count, m, n) uint16 or uint32 array
            Patterns.

        Raises
        ------
        GpuError
            If the kernel does not compile or run.
        """
        places = fragments(instruction)
        registers = [places.pack(role, tiles) for role, tiles in (("a", a), ("b", b), ("d", c))]
        function = self._kernels.get(instruction) or self._compile(instruction)
        try:
            given = [self.cupy.asarray(array) for array in registers]
            out = self.cupy.empty_like(given[2])
            function((len(c),), (instruction.threads,), (*given, out))
            result = self.cupy.asnumpy(out)
        except RuntimeError as error:
            raise GpuError(f"{self.name} did not run {instruction.ptx}: {error}") from None
        return places.unpack("d", result, (instruction.m, instruction.n))

    def _compile(self, instruction: Instruction) -> Any:
        # CuPy's own RawModule would compile for sm_90, where wgmma does not exist.
        major, minor = self.capability
        target = f"-arch=sm_{major}{minor}{'a' if instruction.kind == 'wgmma' else ''}"
        nvrtc = self.cupy.cuda.nvrtc
        try:
            program = nvrtc.createProgram(kernel(instruction), "tile.cu", (), ())
            try:
                nvrtc.compileProgram(program, (target,))
            except RuntimeError as error:
                raise RuntimeError(nvrtc.getProgramLog(program) or str(error)) from None
            module = self.cupy.cuda.function.Module()
            module.load(nvrtc.getCUBIN(program))
            function = module.get_function(KERNEL)
        except RuntimeError as error:
            raise GpuError(f"{instruction.ptx} cannot be built for {target[6:]}: {error}") from None
        self._kernels[instruction] = function
        return function


def open_gpu(number: int = 0) -> Gpu:
    """Find a GPU and make it the current one.

    Parameters
    ----------
    number : int
        Which, from 0.

    Returns
    -------
    Gpu

    Raises
    ------
    GpuError
        If there is no CuPy, no driver, no such GPU, or none with tensor cores.
    """
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise GpuError(f"CuPy cannot be imported ({error}); pip install 'tercet[gpu]'") from None
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except RuntimeError as error:
        raise GpuError(f"CuPy finds no NVIDIA GPU: {error}") from None
    if not 0 <= number < count:
        there = f"there are 0 to {count - 1}" if count > 1 else "there is only 0" if count else "there is none"
        raise GpuError(f"GPU {number} is not there; {there}")
    try:
        cupy.cuda.Device(number).use()
        found = cupy.cuda.runtime.getDeviceProperties(number)
    except RuntimeError as error:
        raise GpuError(f"GPU {number} cannot be used: {error}") from None
    name, capability = found["name"].decode(), (int(found["major"]), int(found["minor"]))
    try:
        instructions(capability)
    except ValueError as error:
        raise GpuError(f"{name}: {error}") from None
    # Its siblings of compute capability 7.5 have tensor cores; these run the same instructions on other units.
    if "GTX 16" in name:
        raise GpuError(f"{name} has no tensor cores, though its compute capability is 7.5")
    return Gpu(name, capability, cupy)
