"""Compiler launcher that caches the objects of Verilator's own runtime.

Compiling `verilated*.cpp`, which are the same for every design, takes two thirds of a small build. Verilator's makefile
runs every compiler call through ``$(OBJCACHE)`` (meant for ccache). Set to this script, it takes those objects from the
folder given first, and passes every other call on to the compiler. The key covers the command, the compiler and all of
Verilator's runtime sources. The file name ends with the digest of the object, so a damaged one is compiled again. Runs
as a script without site-packages: standard library only.
"""

import hashlib
import os
import shutil
import subprocess
import sys

__all__ = ["main"]


def main(folder: str, command: list[str]) -> int:
    """Run the compiler command, or copy its object from `folder`."""
    source = command[-1]
    if not (os.path.basename(source).startswith("verilated") and os.path.isabs(source) and "-o" in command):
        return subprocess.run(command, check=False).returncode
    compiler = os.path.realpath(shutil.which(command[0]) or command[0])
    runtime = [(e.name, e.stat().st_size, e.stat().st_mtime_ns) for e in os.scandir(os.path.dirname(source))]
    facts = (command, compiler, os.stat(compiler).st_mtime_ns, os.path.getsize(compiler), sorted(runtime))
    key = hashlib.sha256(repr(facts).encode()).hexdigest()[:32]
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
        # Renamed into place: another build never sees a partial object.
        os.makedirs(folder, exist_ok=True)
        stored = os.path.join(folder, f"{key}-{_digest(content)}.o")
        part = f"{stored}.{os.getpid()}"
        with open(part, "wb") as file:
            file.write(content)
        os.replace(part, stored)
    return status


def _names(folder: str, key: str) -> list[str]:
    """File names of the objects with a key."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return [name for name in names if name.startswith(f"{key}-") and name.endswith(".o")]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
