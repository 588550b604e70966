"""``manifest.json``: generated files, their parameters and tools, and the interface of the engine."""

import dataclasses
import json
import subprocess
from collections.abc import Collection
from importlib import metadata
from typing import Any

from tercet.rtl.emit import yosys_command

__all__ = ["manifest"]


def manifest(facts: dict[str, Any], config: Any, interface: dict[str, Any], chosen: Collection[str] = ()) -> str:
    """Return the manifest as JSON text. The same parameters and tools give the same text.

    `facts` come first; `chosen` lists the parameters chosen for a network.
    """
    content = {
        **facts,
        "parameters": dataclasses.asdict(config),
        **({"chosen": list(chosen)} if chosen else {}),
        **interface,
        "tools": _tools(),
    }
    return json.dumps(content, indent=2) + "\n"


def _tools() -> dict[str, str]:
    done = subprocess.run([*yosys_command(), "-V"], capture_output=True, text=True, check=False)
    # Only the first two words; the rest names the build machine.
    yosys = " ".join(done.stdout.split()[:2]) or "unknown"
    return {"tercet": metadata.version("tercet"), "amaranth": metadata.version("amaranth"), "yosys": yosys}
