"""Rewriting of yosys' always blocks as Verilog-2005 or SystemVerilog.

yosys gives each signal its own block, and each register two: one for its next value and one for the clock edge. Here
each register has a single block again. In Verilog, combinational logic becomes a function of the signals that it reads,
with a continuous assignment::

    always_comb begin          function [1:0] x_value(input a, input [1:0] b);
      x = 2'h0;                  begin
      if (a)           ->          x_value = 2'h0;
        x = b;                     if (a)
    end                              x_value = b;
                                 end
                               endfunction
                               assign x = x_value(a, b);

An ``always @*`` waits for a first change, but registers have their value before time 0, so Icarus never starts such a
block. A continuous assignment has its value from the start, and it assigns once. A block that assigns a default and
then overrides it makes its signal glitch in zero time: listeners wake up for nothing, and two blocks that listen to
different bits of each other wake each other forever. SystemVerilog's ``always_comb`` therefore works on a local
variable, and assigns the result to its signal at the end.
"""

import re
from collections import Counter

from .names import RESERVED

__all__ = ["rewrite"]

_COMBINATIONAL = re.compile(r"^  always_comb(?: begin\n(.*?)^  end\n|\n(    [^\n]*;\n))", re.M | re.S)
_REGISTER = re.compile(r"^  always_ff @\(posedge clk\)\n    (\w+) <= (_\d+_);\n", re.M)
_DECLARED = re.compile(r"^  (?:input|output|wire|reg) (\[\d+:\d+\] )?(\w+)\b", re.M)
_LEFT = re.compile(r"^ +(\{[^\n}]*\}|\w+(?:\[[\d:]+\])?) = ", re.M)
# A name and its constant bit select; neither a literal's digits nor a system function.
_READ = re.compile(r"(?<![\w'$])([A-Za-z_]\w*)(?:\[(\d+(?::\d+)?)\])?")


def rewrite(module: str, language: str) -> str:
    """Rewrite the always blocks of one module.

    Parameters
    ----------
    module : str
        Text of the module, as yosys' SystemVerilog.
    language : "verilog" or "sv"
        Language of the result, Verilog-2005 or SystemVerilog.
    """
    return _Rewriter(module, language).text


class _Rewriter:
    """State of the rewriting of one module."""

    def __init__(self, module: str, language: str):
        self._verilog = language == "verilog"
        self._widths = {name: width for width, name in _DECLARED.findall(module)}
        self._uses = Counter(re.findall(r"\w+", module))
        self._taken = set(self._uses)
        self._next: dict[str, str] = {}
        self._wires: set[str] = set()
        registers = {name: register for register, name in _REGISTER.findall(module)}
        text = _COMBINATIONAL.sub(lambda match: self._combinational(match[1] or match[2], registers), module)
        text = _REGISTER.sub(self._register, text)
        text = re.sub(r"^  reg (\[\d+:\d+\] )?(\w+);\n", self._declaration, text, flags=re.M)
        self.text = text.replace("  always_ff @", "  always @") if self._verilog else text

    def _combinational(self, body: str, registers: dict[str, str]) -> str:
        targets = {name for left in _LEFT.findall(body) for name, _ in _READ.findall(left)}
        (target,) = targets
        # Uses outside the block: its declaration, and the register that it feeds.
        if target in registers and self._uses[target] == len(re.findall(rf"\b{target}\b", body)) + 2:
            self._next[target] = body
            return ""
        if body.count("\n") == 1:
            self._wires.add(target)
            return f"  assign{body[3:]}"
        bits = list(dict.fromkeys(re.findall(rf"^    {target}(\[[\d:]+\])? = ", body, re.M)))
        # Other blocks may assign the signal's other bits. The bits assigned here have a default at the beginning of the
        # block, unless all cases assign them.
        bits = bits or list(dict.fromkeys(re.findall(rf"^ +{target}(\[[\d:]+\])? = ", body, re.M))) or [""]
        return self._function(target, bits, body) if self._verilog else self._block(target, bits, body)

    def _new(self, signal: str, suffix: str) -> str:
        """Return an unused name derived from a signal's; yosys' own names are numbers between underscores."""
        stem = signal.strip("_")
        name = f"{'n' if stem[:1].isdigit() else ''}{stem}_{suffix}"
        while name in self._taken:
            name += "_"
        return name

    def _block(self, target: str, assigned: list[str], body: str) -> str:
        """Write a SystemVerilog block that computes a variable and assigns it to the signal."""
        value, block = self._new(target, "value"), self._new(target, "block")
        self._taken |= {value, block}
        body = _rename_target(body, target, value)
        outcome = "".join(f"    {target}{part} = {value}{part};\n" for part in assigned)
        declaration = f"    logic {self._widths[target]}{value};\n"
        return f"  always_comb begin : {block}\n{declaration}{body}{outcome}  end\n"

    def _function(self, target: str, assigned: list[str], body: str) -> str:
        """Write a Verilog function of the signals read, and its assignment to the signal."""
        function, outcome = self._new(target, "value"), self._new(target, "outcome")
        self._taken |= {function, outcome}
        body = _rename_target(body, target, function)
        taken: dict[str, set[str]] = {}
        for read, part in _READ.findall(body):
            if read != function and read not in RESERVED:
                taken.setdefault(read, set()).add(part)
        inputs, given = [], []
        for read, parts in taken.items():
            # The assignment should only be sensitive to the bits that are read.
            part = parts.pop() if len(parts) == 1 else ""
            high, _, low = part.partition(":")
            bits = self._widths[read] if not part else f"[{int(high) - int(low)}:0] " if low else ""
            chosen = f"[{part}]" if part else ""
            name = self._new(read, f"{part.replace(':', '_')}_i".lstrip("_"))
            body = re.sub(rf"(?<![\w'$]){read}\b{re.escape(chosen)}", name, body)
            inputs.append(f"input {bits}{name}")
            given.append(f"{read}{chosen}")
        self._wires.add(target)
        body = re.sub(r"^", "  ", body, flags=re.M).rstrip(" ")
        width = self._widths[target] if assigned == [""] else f"{_span(assigned)} "
        definition = f"  function {width}{function}({', '.join(inputs)});\n    begin\n{body}    end\n  endfunction\n"
        call = f"{function}({', '.join(given)})"
        if len(assigned) == 1:
            return f"{definition}  assign {target}{assigned[0]} = {call};\n"
        assigns = "".join(f"  assign {target}{part} = {outcome}{part};\n" for part in assigned)
        return f"{definition}  wire {width}{outcome} = {call};\n{assigns}"

    def _register(self, match: re.Match) -> str:
        register, following = match.groups()
        if following not in self._next:
            return match[0]
        body = self._next[following]
        # A register holds its value by itself.
        body = body.removeprefix(f"    {following} = {register};\n")
        body = re.sub(_LEFT, lambda left: left[0].replace(" = ", " <= "), body)
        body = re.sub(rf"\b{following}\b", register, body)
        return f"  always_ff @(posedge clk) begin\n{body}  end\n"

    def _declaration(self, match: re.Match) -> str:
        width, name = match.groups()
        if name in self._next:
            return ""
        if name not in self._wires or not self._verilog:
            return match[0]
        return f"  wire {width or ''}{name};\n"


def _span(parts: list[str]) -> str:
    """Return the range that covers bit selects such as ``[5]`` and ``[3:0]``."""
    bits = [int(bit) for part in parts for bit in re.findall(r"\d+", part)]
    return f"[{max(bits)}:{min(bits)}]"


def _rename_target(body: str, target: str, value: str) -> str:
    """Rename the target on left-hand sides only; reads of the signal's other bits keep its name."""
    return _LEFT.sub(lambda match: re.sub(rf"\b{target}\b", value, match[0]), body)
