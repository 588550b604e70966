"""Verilog from Amaranth components.

`definitions` converts each distinct component once, `names` and `processes` shape the text, `writer` runs yosys between
them.
"""

from .definitions import SharedDefinition, check_module_name, prototype, shared, verilog
from .writer import LANGUAGES, EmitError, yosys_command

__all__ = [
    "LANGUAGES",
    "EmitError",
    "SharedDefinition",
    "check_module_name",
    "prototype",
    "shared",
    "verilog",
    "yosys_command",
]
