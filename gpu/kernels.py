"""CUDA source of kernels: each block of threads runs one tile through one tensor-core instruction.

Operands and results are packed in registers by `tercet.gpu.fragments`, so a kernel computes nothing else. It has no
``#include``, so NVRTC needs no CUDA toolkit.
"""

from .fragments import fragments
from .instructions import Instruction

__all__ = ["KERNEL", "kernel"]

KERNEL = "tile"
"""Name of the kernel."""

_KERNEL = """\
extern "C" __global__ void {name}(const unsigned *a, const unsigned *b, const {sum} *c, {sum} *d)
{{
{body}}}
"""

_MMA = """\
    const unsigned thread = blockIdx.x * {threads} + threadIdx.x;
    {sum} s[{sums}];
    a += thread * {a};
    b += thread * {b};
    for (int n = 0; n < {sums}; ++n)
        s[n] = c[thread * {sums} + n];
    asm volatile("{ptx} {s}, {{{a_at}}}, {{{b_at}}}, {s};" : {outputs} : {inputs});
    for (int n = 0; n < {sums}; ++n)
        d[thread * {sums} + n] = s[n];
"""

# B is two blocks of 128 bytes in shared memory. Both offset fields of the descriptor get this distance, in units of 16
# bytes. The fence makes the threads' writes visible to the asynchronous reader. The predicate adds C.
_WGMMA = """\
    const unsigned thread = blockIdx.x * {threads} + threadIdx.x;
    __shared__ __align__(128) unsigned shared[{words}];
    {sum} s[{sums}];
    a += thread * {a};
    if (threadIdx.x < {words})
        shared[threadIdx.x] = b[blockIdx.x * {words} + threadIdx.x];
    for (int n = 0; n < {sums}; ++n)
        s[n] = c[thread * {sums} + n];
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    __syncthreads();
    const unsigned long long address = __cvta_generic_to_shared(shared);
    const unsigned long long descriptor = (address & 0x3ffff) >> 4 | 8ull << 16 | 8ull << 32;
    asm volatile("{{ .reg .pred add; setp.eq.u32 add, 0, 0; wgmma.fence.sync.aligned; "
                 "{ptx} {s}, {{{a_at}}}, %{b_at}, add, 1, 1; "
                 "wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0; }}"
                 : {outputs} : {inputs}, "l"(descriptor) : "memory");
    for (int n = 0; n < {sums}; ++n)
        d[thread * {sums} + n] = s[n];
"""

_WMMA = """\
    asm volatile("{{ .reg .b32 a<8>, b<8>; .reg {type} s<{sums}>; "
                 "wmma.load.a.sync.aligned.row.{shape}.f16 {a_at}, [%0], 16; "
                 "wmma.load.b.sync.aligned.col.{shape}.f16 {b_at}, [%1], 16; "
                 "wmma.load.c.sync.aligned.row.{shape}.{out} {s}, [%2], 16; "
                 "{ptx} {s}, {a_at}, {b_at}, {s}; "
                 "wmma.store.d.sync.aligned.row.{shape}.{out} [%3], {s}, 16; }}"
                 :: "l"(a + blockIdx.x * {a}), "l"(b + blockIdx.x * {b}),
                    "l"(c + blockIdx.x * {c}), "l"(d + blockIdx.x * {c}) : "memory");
"""


def kernel(instruction: Instruction) -> str:
    """CUDA C++ of an instruction's kernel ``tile(a, b, c, d)``, launched with one block per tile.

    Parameters
    ----------
    instruction : Instruction
        Instruction that the `Instruction.threads` threads of a block issue together.

    Returns
    -------
    str
        The kernel's pointers are to (tiles, threads, registers) arrays of 32-bit registers, as packed by
        `tercet.gpu.fragments.Fragments.pack`.
    """
    fields = _wmma(instruction) if instruction.kind == "wmma" else _mma(instruction)
    # Inline assembly takes FP32 sums as float registers, all others as bits. The kernel does not compute with them.
    fields |= {"sum": "float" if instruction.out_format == "fp32" else "unsigned", "ptx": instruction.ptx}
    text = {"mma": _MMA, "wgmma": _WGMMA, "wmma": _WMMA}[instruction.kind]
    return _KERNEL.format(name=KERNEL, sum=fields["sum"], body=text.format(**fields))


def _mma(instruction: Instruction) -> dict[str, str | int]:
    layout = fragments(instruction)
    a, b, sums = layout.a.shape[1], layout.b.shape[1], layout.d.shape[1]
    inputs = [f'"r"(a[{n}])' for n in range(a)]
    if instruction.kind == "mma":
        inputs += [f'"r"(b[{n}])' for n in range(b)]
        b_at = _list("%", sums + a, b)
    else:
        b_at = str(sums + a)
    constraint = "+f" if instruction.out_format == "fp32" else "+r"
    return {
        "threads": instruction.threads,
        "words": layout.b.shape[0],
        "a": a,
        "b": b,
        "sums": sums,
        "s": "{" + _list("%", 0, sums) + "}",
        "a_at": _list("%", sums, a),
        "b_at": b_at,
        "outputs": ", ".join(f'"{constraint}"(s[{n}])' for n in range(sums)),
        "inputs": ", ".join(inputs),
    }


def _wmma(instruction: Instruction) -> dict[str, str | int]:
    layout = fragments(instruction)
    real = instruction.out_format == "fp32"
    sums = 8 if real else 4
    return {
        "type": ".f32" if real else ".b32",
        "out": "f32" if real else "f16",
        "shape": f"m{instruction.m}n{instruction.n}k{instruction.k}",
        "sums": sums,
        "a": layout.a[..., 0].size,
        "b": layout.b[..., 0].size,
        "c": layout.d[..., 0].size,
        "s": "{" + _list("s", 0, sums) + "}",
        "a_at": "{" + _list("a", 0, 8) + "}",
        "b_at": "{" + _list("b", 0, 8) + "}",
    }


def _list(prefix: str, first: int, count: int) -> str:
    """Numbered operands: those of ``asm``, with a percent sign as the prefix, or registers."""
    return ", ".join(f"{prefix}{first + n}" for n in range(count))
