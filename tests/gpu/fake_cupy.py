"""Fake CuPy whose GPU computes with a golden model on the packed registers it receives."""

import types

import numpy as np
from tercet.golden.tensorcore.model import mma
from tercet.gpu.fragments import fragments
from tercet.gpu.instructions import instructions
from tercet.gpu.verify import checks

__all__ = ["fake_cupy"]

ALL = {one.ptx: one for capability in ((7, 0), (7, 5), (9, 0)) for one in instructions(capability)}


def fake_cupy(capability=(8, 0), *, preset, name="Fake A100", count=1, fails=(), alter=lambda results: results):
    """Make a fake module with `count` GPUs.

    `fails` names the steps that raise RuntimeError: "driver", "compile", "load", "launch". `alter` edits result tiles.
    """
    used = []

    def fail(what):
        if what in fails:
            raise RuntimeError(f"the {what}\nfails")

    def device_count():
        fail("driver")
        return count

    def compile_program(program, options):
        fail("compile")
        assert options[0] == f"-arch=sm_{capability[0]}{capability[1]}{'a' if 'wgmma' in program else ''}"

    class Module:
        def load(self, image):
            fail("load")
            (self.instruction,) = [one for ptx, one in ALL.items() if f"{ptx} ".encode() in image]

        def get_function(self, kernel):
            assert kernel == "tile"
            return self

        def __call__(self, grid, block, arrays):
            fail("launch")
            a, b, c, d = arrays
            assert (grid, block) == ((len(a),), (self.instruction.threads,))
            d[...] = _compute(self.instruction, capability, preset, (a, b, c), alter)

    cuda = types.SimpleNamespace(
        runtime=types.SimpleNamespace(
            getDeviceCount=device_count,
            getDeviceProperties=lambda _: {"name": name.encode(), "major": capability[0], "minor": capability[1]},
        ),
        Device=lambda number: types.SimpleNamespace(use=lambda: used.append(number)),
        nvrtc=types.SimpleNamespace(
            createProgram=lambda text, *_: text,
            compileProgram=compile_program,
            getCUBIN=str.encode,
            getProgramLog=lambda _: "tile.cu(3): error:\nsomething",
        ),
        function=types.SimpleNamespace(Module=Module),
    )
    copy = np.array
    return types.SimpleNamespace(cuda=cuda, asarray=copy, empty_like=np.empty_like, asnumpy=copy, used=used)


def _compute(instruction, capability, preset, registers, alter):
    config = next(check.config for check in checks(capability, preset) if check.instruction == instruction)
    m, n, k = instruction.m, instruction.n, instruction.k
    layout = fragments(instruction)
    roles = (("a", (m, k)), ("b", (k, n)), ("d", (m, n)))
    a, b, c = (layout.unpack(role, array, shape) for (role, shape), array in zip(roles, registers, strict=True))
    if config.integers:
        a, b, c = a.view(np.int8), b.view(np.int8), c.view(np.int32)
    d = mma(a, b, c, config)
    return layout.pack("d", alter(d.view(f"u{d.itemsize}")))
