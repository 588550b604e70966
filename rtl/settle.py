"""Combinational blocks that assign their signal once, so that event-driven simulators settle.

A block that gives its signal a default and then overrides it makes the signal jump there and back in no time at all.
Who listens wakes up for nothing; and where two blocks listen to different bits of each other, they wake each other for
ever, although nothing changes. So each block works on a variable of its own, and its signal gets the outcome.
"""

import re

__all__ = ["settle"]

_BLOCK = re.compile(r"^  always_comb begin\n(.*?)^  end\n", re.M | re.S)
_TARGET = re.compile(r"^\s+(\w+)(?:\[[\d:]+\])? = ", re.M)


def settle(module: str) -> str:
    """Rewrite the combinational blocks of one module, in the form that yosys writes.

    A block whose signal only feeds a register (yosys gives it a name with an underscore at both ends) is left alone:
    nothing listens to it that could be woken. So is one that reads its own signal.
    """
    declared = {name: width for width, name in re.findall(r"^  (?:reg|logic) (\[\d+:\d+\] )?(\w+)\b", module, re.M)}
    taken = set(re.findall(r"\w+", module))

    def once(match: re.Match) -> str:
        body = match[1]
        targets = set(_TARGET.findall(body))
        if len(targets) != 1:
            return match[0]
        name = targets.pop()
        if re.fullmatch(r"_\d+_", name) or name not in declared:
            return match[0]
        if len(re.findall(rf"\b{name}\b", body)) != len(re.findall(rf"^\s+{name}(?:\[[\d:]+\])? = ", body, re.M)):
            return match[0]
        # Other blocks may assign the rest of a signal's bits. Those of this one have a default at its beginning, unless
        # all cases assign them.
        bits = re.findall(rf"^    {name}(\[[\d:]+\])? = ", body, re.M)
        bits = dict.fromkeys(bits or re.findall(rf"^\s+{name}(\[[\d:]+\])? = ", body, re.M))
        value = f"{name}_value"
        while value in taken:
            value += "_"
        body = re.sub(rf"\b{name}\b", value, body)
        declaration = f"    logic {declared[name]}{value};\n"
        outcome = "".join(f"    {name}{part} = {value}{part};\n" for part in bits)
        return f"  always_comb begin : {value}_block\n{declaration}{body}{outcome}  end\n"

    return _BLOCK.sub(once, module)
