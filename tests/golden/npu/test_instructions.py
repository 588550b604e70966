"""Instructions: fields, encoding, assembler text."""

import random

import pytest
from tercet.golden.npu.instructions import BYTES, FIELDS, Instruction, Opcode, assemble, decode, disassemble, encoded


def random_instruction(rng):
    fields = {field.name: rng.choice((*field.bounds, rng.randint(*field.bounds))) for field in FIELDS[1:]}
    return Instruction(rng.choice(list(Opcode)), **fields)


def test_round_trips():
    """Through memory and through text, every field at its ends and between."""
    rng = random.Random(1)
    found = [random_instruction(rng) for _ in range(500)]
    assert [decode(row.tobytes()) for row in encoded(found)] == found
    assert assemble(disassemble(found)) == found
    assert len({*found}) > 490


def test_fields_do_not_overlap():
    """Each bit of a field changes that field alone, and their bits are those of the encoding."""
    zero = decode(bytes(BYTES))
    at = 0
    for field in FIELDS:
        for bit in range(field.bits):
            data = (1 << (at + bit)).to_bytes(BYTES, "little")
            try:
                found = decode(data)
            except ValueError:
                assert field.name == "opcode"
                continue
            wrong = [f.name for f in FIELDS if getattr(found, f.name) != getattr(zero, f.name)]
            assert wrong == [field.name]
        at += field.bits
    assert at <= 8 * BYTES
    with pytest.raises(ValueError, match="bits beyond its fields"):
        decode((1 << at).to_bytes(BYTES, "little"))


def test_text():
    text = "# a comment\nLOOKUP source=3 out_rows=1 table=2 # another\n\nHALT\n"
    found = assemble(text)
    assert [i.opcode for i in found] == [Opcode.LOOKUP, Opcode.HALT]
    assert (found[0].source, found[0].table, found[0].high) == (3, 2, 127)
    assert disassemble(found) == "LOOKUP source=3 out_rows=1 table=2\nHALT\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("JUMP 3", "line 1, 'JUMP 3'"),
        ("HALT source", "line 1"),
        ("LOOKUP nothing=3", "Unknown field 'nothing'"),
        ("LOOKUP fill=128", r"fill 128 is outside its 8-bit range \[-128, 127\]"),
        ("LOOKUP source=x", "line 1"),
    ],
)
def test_wrong_text(line, message):
    with pytest.raises(ValueError, match=message) as found:
        assemble(line)
    assert "\n" not in str(found.value)


def test_wrong_memory():
    with pytest.raises(ValueError, match=f"has 3 bytes; use {BYTES}"):
        decode(bytes(3))
    with pytest.raises(ValueError, match="15 is not a valid Opcode"):
        decode(b"\x0f" + bytes(BYTES - 1))
    with pytest.raises(AttributeError):
        Instruction(Opcode.HALT).nothing  # noqa: B018
