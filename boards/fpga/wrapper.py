"""Four-pin wrapper for any unit: inputs from a shift register, outputs reduced to one bit by XOR.

The wrapper is fully registered, so it is never the critical path and leaves the unit's own paths whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["WRAPPER_TOP", "UnitPort", "wrapper"]

WRAPPER_TOP = "tercet_wrapper"

_FOLD = 4  # inputs of a LUT


@dataclass(frozen=True)
class UnitPort:
    """A port of the unit: name, width in bits and direction."""

    name: str
    width: int
    is_input: bool


def wrapper(unit: str, ports: Sequence[UnitPort]) -> str:
    """Return the Verilog of a module with the pins ``clk``, ``rst``, ``si`` and ``so`` around one instance of a unit.

    Parameters
    ----------
    unit : str
        Module name of the unit.
    ports : Sequence[UnitPort]
        All ports of the unit; ``clk`` and ``rst`` connect directly to the pins.
    """
    inputs = [p for p in ports if p.is_input and p.name not in ("clk", "rst")]
    outputs = [p for p in ports if not p.is_input]
    lines = [f"module {WRAPPER_TOP}(input wire clk, input wire rst, input wire si, output wire so);"]
    total = sum(p.width for p in inputs)
    pins, low = [f".{p.name}({p.name})" for p in ports if p.name in ("clk", "rst")], 0
    if total:
        lines += [f"  reg [{total}:0] shift;", f"  always @(posedge clk) shift <= {{shift[{total - 1}:0], si}};"]
    for p in inputs:
        pins.append(f".{p.name}(shift[{low + p.width}:{low + 1}])")
        low += p.width
    for n, p in enumerate(outputs):
        lines.append(f"  wire [{p.width - 1}:0] out{n};")
        pins.append(f".{p.name}(out{n})")
    lines.append(f"  {unit} unit ({', '.join(pins)});")
    width = sum(p.width for p in outputs)
    lines += [f"  reg [{width - 1}:0] level0;"]
    lines += [f"  always @(posedge clk) level0 <= {{{', '.join(f'out{n}' for n in range(len(outputs)))}}};"]
    level = 0
    while width > 1:
        groups = [f"^level{level}[{min(n + _FOLD, width) - 1}:{n}]" for n in range(0, width, _FOLD)]
        level, width = level + 1, len(groups)
        lines += [f"  reg [{width - 1}:0] level{level};"]
        lines += [f"  always @(posedge clk) level{level} <= {{{', '.join(reversed(groups))}}};"]
    return "\n".join([*lines, f"  assign so = level{level}[0];", "endmodule", ""])
