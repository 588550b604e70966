"""Tables that are copied while the instruction before runs."""

from collections.abc import Iterator, Sequence

from tercet.golden.npu.instructions import Instruction, Opcode

__all__ = ["prefetching"]

_READERS = (Opcode.ADD, Opcode.LOOKUP)


def prefetching(instructions: Sequence[Instruction]) -> Iterator[Instruction]:
    """Let each instruction in front of one that reads tables copy these, unless it reads tables itself."""
    for now, later in zip(instructions, [*instructions, None][1:], strict=True):
        if later is None or later.opcode not in _READERS or now.opcode in (*_READERS, Opcode.HALT):
            yield now
        elif later.opcode == Opcode.ADD:
            yield now.replaced(table=later.table, other_table=later.other_table, prefetch=3)
        else:
            yield now.replaced(table=later.table, prefetch=1)
