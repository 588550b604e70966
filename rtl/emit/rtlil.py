"""RTLIL of a component: Amaranth's writer, with the two steps replaced in which it spends most of its time.

It passes all initial contents of memories through an object for each bit, and builds values by appending to tuples. A
large memory took seconds to write. The text is Amaranth's, byte for byte; a test compares them.
"""

from amaranth.back import rtlil
from amaranth.hdl import Value, _ast, _ir, _nir
from amaranth.lib import wiring

__all__ = ["convert"]


def convert(component, name: str) -> str:
    """Return ``amaranth.back.rtlil.convert(component, name=name, emit_src=False)``.

    Parameters
    ----------
    component : wiring.Component
        Its members become the ports.
    name : str
        Name of the top module.
    """
    ports = {
        "__".join(map(str, path)): (
            Value.cast(value),
            _ir.PortDirection.Input if member.flow == wiring.In else _ir.PortDirection.Output,
        )
        for path, member, value in component.signature.flatten(component)
    }
    netlist = _ir.build_netlist(_ir.Fragment.get(component, None), ports, name=name)
    empty, design = rtlil.EmptyModuleChecker(netlist), rtlil.Design(emit_src=False)
    names = _ast.SignalDict()
    for index, module in enumerate(netlist.modules):
        if not empty.is_empty(index):
            written = design.module(".".join(module.name), src_loc=module.src_loc)
            if index == 0:
                written.attribute("top", 1)
            _Writer(written, netlist, module, names, empty_checker=empty).emit()
    return str(design)


class _Writer(rtlil.ModuleEmitter):
    """Writes a module; a net is an integer, 0 and 1 the constants."""

    def sigspec(self, *parts):
        value = [net for part in parts for net in ((part,) if isinstance(part, _nir.Net) else part)]
        chunks, begin, size, nets = [], 0, len(value), self.nets
        while begin < size:
            end = begin
            if 0 <= value[begin] <= 1:
                while end < size and 0 <= value[end] <= 1:
                    end += 1
                bits = "".join(["01"[net] for net in value[begin:end]])
                chunks.append(f"{end - begin}'{bits[::-1]}")
            else:
                wire, first = nets[value[begin]]
                bit = first
                while end < size and not 0 <= value[end] <= 1 and nets[value[end]] == (wire, bit):
                    end += 1
                    bit += 1
                last = bit - 1
                chunks.append(f"{wire.name} [{first}]" if last == first else f"{wire.name} [{last}:{first}]")
            begin = end
        return chunks[0] if len(chunks) == 1 else "{ " + " ".join(reversed(chunks)) + " }"

    def emit_memory(self, cell_idx, cell):
        memory, bits = self.memories[cell_idx], cell.width * cell.depth
        mask = (1 << cell.width) - 1
        words = [format(word & mask, f"0{cell.width}b") for word in reversed(cell.init)]
        ports = {
            "ADDR": self.sigspec(),
            "DATA": f"{bits}'{''.join(words)}" if bits else self.sigspec(),
            "EN": self.sigspec(_nir.Value.ones(cell.width)),
        }
        parameters = {
            "MEMID": memory.memid,
            "ABITS": 0,
            "WIDTH": cell.width,
            "WORDS": cell.depth,
            "PRIORITY": 0,
        }
        self.builder.cell("$meminit_v2", ports=ports, parameters=parameters, src_loc=cell.src_loc)
