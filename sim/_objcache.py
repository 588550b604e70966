"""A compiler launcher that keeps the objects of Verilator's own runtime.

Two thirds of a small build is compiling `verilated*.cpp`, the same for every design. Verilator's makefile starts every
compiler call through ``$(OBJCACHE)`` (made for ccache); set to this script it takes those objects from the folder named
first, and hands every other call to the compiler. The key covers the command, the compiler and all of Verilator's
runtime sources. Runs as a script, without site-packages: standard library only.
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
    stored = os.path.join(folder, hashlib.sha256(repr(facts).encode()).hexdigest()[:32] + ".o")
    output = command[command.index("-o") + 1]
    if os.path.exists(stored):
        shutil.copyfile(stored, output)
        return 0
    status = subprocess.run(command, check=False).returncode
    if status == 0:
        # Renamed into place, so that another build never sees half an object.
        os.makedirs(folder, exist_ok=True)
        part = f"{stored}.{os.getpid()}"
        shutil.copyfile(output, part)
        os.replace(part, stored)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
