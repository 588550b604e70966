"""Compiler launcher that caches the parts common to all Verilator builds.

Verilator's makefile prefixes every compiler call with ``$(OBJCACHE)``, intended for ccache. Set to this script, it
reuses the objects of Verilator's own runtime, ``verilated*.cpp``, from the folder given as first argument. They are the
same for every design and account for two thirds of a small build. The cache key covers the command, the compiler and
all of Verilator's runtime. An object's file name ends in its digest, so a damaged one is detected and recompiled.

With ``-O0``, used for builds that run only briefly, half of the remaining time goes into parsing Verilator's headers,
which are therefore precompiled once. They take 90 MB, so other builds do without.

Runs as a script, without site-packages: standard library only.
"""

import hashlib
import os
import shutil
import subprocess
import sys

__all__ = ["main"]

# Precompiled headers: included by every source of a model.
_HEADERS = ("verilated.h", "verilated_vpi.h")


def main(folder: str, command: list[str]) -> int:
    """Run the compiler command, reusing cached results from `folder`."""
    source = command[-1]
    if os.path.basename(source).startswith("verilated") and os.path.isabs(source) and "-o" in command:
        return _object(folder, command)
    return subprocess.run(_with_headers(folder, command), check=False).returncode


def _object(folder: str, command: list[str]) -> int:
    """Copy a runtime object from the folder, or compile and store it."""
    source = command[-1]
    key = _key(command, os.path.dirname(source))
    output = command[command.index("-o") + 1]
    for name in _names(folder, key):
        with open(os.path.join(folder, name), "rb") as file:
            content = file.read()
        if name == f"{key}-{_digest(content)}.o":
            with open(output, "wb") as file:
                file.write(content)
            return 0
    status = subprocess.run(command, check=False).returncode
    if status == 0:
        with open(output, "rb") as file:
            content = file.read()
        # Renamed into place, so concurrent builds never see a partial object.
        os.makedirs(folder, exist_ok=True)
        stored = os.path.join(folder, f"{key}-{_digest(content)}.o")
        part = f"{stored}.{os.getpid()}"
        with open(part, "wb") as file:
            file.write(content)
        os.replace(part, stored)
    return status


def _with_headers(folder: str, command: list[str]) -> list[str]:
    """Add the precompiled headers to a command that compiles a model source; return other commands unchanged."""
    runtime = next((flag[2:] for flag in command if flag.startswith("-I") and _is_runtime(flag[2:])), None)
    if runtime is None or "-O0" not in command or command[-4:-2] != ["-c", "-o"]:
        return command
    # Verilator's makefile also passes -Os, before or after -O0.
    command = [flag for flag in command if flag != "-Os"]
    compiler = [flag for flag in command[:-4] if flag not in ("-MMD", "-I.")]
    header = os.path.join(folder, f"{_key(compiler, runtime)}.h")
    if not _is_whole(header) and not _precompile(header, compiler):
        return command
    return [command[0], "-include", header, *command[1:]]


def _is_whole(header: str) -> bool:
    """Whether the precompiled header exists with the size recorded in the header."""
    try:
        with open(header) as file:
            return file.readline() == _note(os.path.getsize(f"{header}.gch"))
    except OSError:
        return False


def _note(size: int) -> str:
    return f"// precompiled: {size} bytes\n"


def _is_runtime(folder: str) -> bool:
    return all(os.path.exists(os.path.join(folder, name)) for name in _HEADERS)


def _precompile(header: str, compiler: list[str]) -> bool:
    """Precompile `_HEADERS`; return whether it worked. Without its ``.gch``, the plain header is equivalent."""
    os.makedirs(os.path.dirname(header), exist_ok=True)
    part = f"{header}.{os.getpid()}"
    text = "".join(f"#include <{name}>\n" for name in _HEADERS)
    with open(part, "w") as file:
        file.write(text)
    command = [*compiler, "-x", "c++-header", "-o", f"{part}.gch", part]
    made = subprocess.run(command, check=False, capture_output=True).returncode == 0
    if made:
        with open(part, "w") as file:
            file.write(_note(os.path.getsize(f"{part}.gch")) + text)
        os.replace(f"{part}.gch", f"{header}.gch")
        os.replace(part, header)
    return made


def _key(command: list[str], runtime: str) -> str:
    compiler = os.path.realpath(shutil.which(command[0]) or command[0])
    sources = [(e.name, e.stat().st_size, e.stat().st_mtime_ns) for e in os.scandir(runtime)]
    facts = (command, compiler, os.stat(compiler).st_mtime_ns, os.path.getsize(compiler), sorted(sources))
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def _names(folder: str, key: str) -> list[str]:
    """File names of the cached objects with a key."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return [name for name in names if name.startswith(f"{key}-") and name.endswith(".o")]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
