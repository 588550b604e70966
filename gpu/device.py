"""Access to a GPU through CuPy: opens it and runs tiles on it. The only module that imports CuPy."""

import importlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .fragments import fragments
from .instructions import Capability, Instruction, instructions
from .kernels import KERNEL, kernel

__all__ = ["Gpu", "GpuError", "open_gpu"]


class GpuError(RuntimeError):
    """No usable GPU, or a kernel failed on it."""


@dataclass
class Gpu:
    """GPU with tensor cores.

    Attributes
    ----------
    name : str
        Name reported by its driver.
    capability : (int, int)
        Compute capability.
    cupy : module
        CuPy, with this GPU as the current device.
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
        """Compute D of tiles.

        Parameters
        ----------
        instruction : Instruction
            One of those of its compute capability.
        a, b, c : (count, m, k), (count, k, n) and (count, m, n) arrays
            Elements of the instruction's widths.

        Returns
        -------
        (count, m, n) uint16 or uint32 array
            Bit patterns of D.

        Raises
        ------
        GpuError
            If the kernel fails to compile or run.
        """
        layout = fragments(instruction)
        registers = [layout.pack(role, tiles) for role, tiles in (("a", a), ("b", b), ("d", c))]
        function = self._kernels.get(instruction) or self._compile(instruction)
        try:
            given = [self.cupy.asarray(array) for array in registers]
            out = self.cupy.empty_like(given[2])
            function((len(c),), (instruction.threads,), (*given, out))
            result = self.cupy.asnumpy(out)
        except RuntimeError as error:
            raise GpuError(f"{self.name} failed to run {instruction.ptx}: {error}") from None
        return layout.unpack("d", result, (instruction.m, instruction.n))

    def _compile(self, instruction: Instruction) -> Any:
        # CuPy's RawModule would compile for sm_90, which lacks wgmma; that needs sm_90a.
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
    """Open a GPU and make it the current one.

    Parameters
    ----------
    number : int
        Index of the GPU, from 0.

    Returns
    -------
    Gpu

    Raises
    ------
    GpuError
        If CuPy or the driver is missing, the GPU does not exist, or it has no tensor cores.
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
        present = f"use 0 to {count - 1}" if count > 1 else "use 0" if count else "there is none"
        raise GpuError(f"GPU {number} does not exist; {present}")
    try:
        cupy.cuda.Device(number).use()
        properties = cupy.cuda.runtime.getDeviceProperties(number)
    except RuntimeError as error:
        raise GpuError(f"GPU {number} cannot be used: {error}") from None
    name, capability = properties["name"].decode(), (int(properties["major"]), int(properties["minor"]))
    try:
        instructions(capability)
    except ValueError as error:
        raise GpuError(f"{name}: {error}") from None
    # Other GPUs of compute capability 7.5 have tensor cores; the GTX 16 runs the same instructions on other units.
    if "GTX 16" in name:
        raise GpuError(f"{name} has no tensor cores, though its compute capability is 7.5")
    return Gpu(name, capability, cupy)
