"""``manifest.json``: what was generated, from what, and how to use it."""

import dataclasses
import json
import subprocess
from collections.abc import Collection
from importlib import metadata
from typing import Any

from tercet.rtl.emit import yosys_command

__all__ = ["manifest"]


def manifest(facts: dict[str, Any], config: Any, interface: dict[str, Any], chosen: Collection[str] = ()) -> str:
    """The manifest as JSON text, the same for the same parameters and tools.

    `facts` come first; `chosen` are the parameters that were chosen for a network.
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
    # The first two words; what follows names the machine it was built on.
    yosys = " ".join(done.stdout.split()[:2]) or "unknown"
    return {"tercet": metadata.version("tercet"), "amaranth": metadata.version("amaranth"), "yosys": yosys}
