"""Conversion of recorded waves from VCD to FST.

Verilator writes FST only if the headers of two compression libraries are installed, which a machine without root access
may lack.
"""

import functools
import io
import subprocess
from pathlib import Path
from typing import Any, BinaryIO

import pylibfst
from vcd.reader import TokenKind, VCDParseError, tokenize

__all__ = ["compiler_has_fst_libraries", "vcd_to_fst"]


@functools.cache
def compiler_has_fst_libraries() -> bool:
    """Whether the libraries of Verilator's FST writer can be compiled and linked here."""
    program = "#include <lz4.h>\n#include <zlib.h>\nint main() { return LZ4_versionNumber() + zlibVersion()[0]; }\n"
    command = ["g++", "-x", "c++", "-", "-llz4", "-lz", "-o", "/dev/null"]
    try:
        return subprocess.run(command, input=program, text=True, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def vcd_to_fst(vcd: Path, fst: Path) -> None:
    """Convert a simulator's recording, with one change per line.

    Raises
    ------
    ValueError
        If `vcd` is not a VCD file.
    OSError
        If a file cannot be read or written.
    """
    with vcd.open("rb") as file:
        context = pylibfst.lib.fstWriterCreate(str(fst).encode(), 1)
        if context == pylibfst.ffi.NULL:
            raise OSError(f"Cannot write waves to {str(fst)!r}")
        try:
            _changes(file, context, _header(file, context))
        except (VCDParseError, KeyError, ValueError) as error:
            raise ValueError(f"{str(vcd)!r} is not a VCD file: {error}") from None
        finally:
            pylibfst.lib.fstWriterClose(context)


def _header(file: BinaryIO, context: Any) -> dict[bytes, tuple[int, int]]:
    """Convert the declarations; return FST's handle and the width of each signal by its VCD code."""
    lib = pylibfst.lib
    signals: dict[bytes, tuple[int, int]] = {}
    lines = []
    for line in file:
        lines.append(line)
        if b"$enddefinitions" in line:
            break
    for kind, _, data in tokenize(io.BytesIO(b"".join(lines))):
        details: Any = data
        if kind is TokenKind.TIMESCALE:
            unit = f"{details.magnitude.value}{details.unit.value}"
            lib.fstWriterSetTimescaleFromString(context, unit.encode())
        elif kind is TokenKind.SCOPE:
            scope = getattr(lib, f"FST_ST_VCD_{details.type_.value.upper()}")
            lib.fstWriterSetScope(context, scope, details.ident.encode(), pylibfst.ffi.NULL)
        elif kind is TokenKind.UPSCOPE:
            lib.fstWriterSetUpscope(context)
        elif kind is TokenKind.VAR:
            code, width = details.id_code.encode(), details.size
            # A second name of a signal refers to the first.
            known = signals.get(code, (0, width))[0]
            variable = getattr(lib, f"FST_VT_VCD_{details.type_.value.upper()}")
            name = details.ref_str.encode()
            handle = lib.fstWriterCreateVar(context, variable, lib.FST_VD_IMPLICIT, width, name, known)
            signals.setdefault(code, (handle, width))
    return signals


def _changes(file: BinaryIO, context: Any, signals: dict[bytes, tuple[int, int]]) -> None:
    """Convert the changes, line by line: there are millions, and tokenising them would take minutes."""
    emit_time, emit = pylibfst.lib.fstWriterEmitTimeChange, pylibfst.lib.fstWriterEmitValueChange
    for line in file:
        kind = line[:1]
        if kind == b"#":
            emit_time(context, int(line[1:]))
        elif kind == b"b":
            bits, code = line[1:].split()
            handle, width = signals[code]
            # VCD omits leading bits: zeros before a 1, otherwise copies of the first bit.
            emit(context, handle, bits.rjust(width, b"0" if bits[:1] == b"1" else bits[:1]))
        elif kind in b"01xz" and kind:
            emit(context, signals[line[1:].rstrip()][0], kind)
        elif kind not in b"$\n":
            raise ValueError(f"unexpected {line[:20]!r}")
