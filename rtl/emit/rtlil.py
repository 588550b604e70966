"""RTLIL of a component: Amaranth's writer, with the steps replaced in which it spends most of its time.

It passes all initial contents of memories through an object for each bit, builds values by appending to tuples, and
checks the type of every bit of every value. A large memory took seconds to write. The text is Amaranth's, byte for
byte, except that clock domains are ordered by name; a test compares them.
"""

import contextlib
import graphlib
import itertools
from collections.abc import Iterable, Iterator

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Value, _ast, _ir, _nir
from amaranth.lib import wiring

__all__ = ["convert"]


def convert(component, name: str) -> str:
    """Return ``amaranth.back.rtlil.convert(component, name=name, emit_src=False)``, with clock domains ordered by name.

    Parameters
    ----------
    component : wiring.Component
        Its members become the ports.
    name : str
        Name of the top module.
    """
    ports: list[tuple[str | None, Value, _ir.PortDirection]] = [
        (
            "__".join(map(str, path)),
            Value.cast(value),
            _ir.PortDirection.Input if member.flow == wiring.In else _ir.PortDirection.Output,
        )
        for path, member, value in component.signature.flatten(component)
    ]
    fragment = _ir.Fragment.get(component, None)
    # Amaranth takes the domains from a set, whose order differs between runs: the same design would have other Verilog,
    # another build hash, and another result of place and route.
    for domain in sorted(fragment._propagate_domains(ClockDomain), key=lambda domain: domain.name):
        resets = [] if domain.rst is None else [domain.rst]
        ports += [(None, signal, _ir.PortDirection.Input) for signal in (domain.clk, *resets)]
    design = fragment.prepare(ports=ports, hierarchy=(name,), propagate_domains=False)
    with _unchecked_values():
        netlist, emitter = _netlist(design)
        text, writers = _text(netlist)
    # Some of Amaranth's functions refer to themselves and keep these objects alive. Without their contents, millions of
    # nets are freed at once, not by a collection.
    for fields in netlist.signal_fields.values():
        fields.clear()
    for owner in (netlist, emitter, *writers):
        vars(owner).clear()
    return text


def _text(netlist: _nir.Netlist) -> tuple[str, list["_Writer"]]:
    """Return the text of all modules, and their writers."""
    empty, design = rtlil.EmptyModuleChecker(netlist), rtlil.Design(emit_src=False)
    names, writers = _ast.SignalDict(), []
    for index, module in enumerate(netlist.modules):
        if not empty.is_empty(index):
            written = design.module(".".join(module.name), src_loc=module.src_loc)
            if index == 0:
                written.attribute("top", 1)
            writers.append(_Writer(written, netlist, module, names, empty_checker=empty))
            writers[-1].emit()
    return str(design), writers


def _netlist(design: _ir.Design) -> tuple[_nir.Netlist, _ir.NetlistEmitter]:
    """Return ``amaranth.hdl._ir.build_netlist(design)``, and what has made it."""
    netlist = _Netlist()
    emitter = _ir.NetlistEmitter(netlist, design, all_undef_to_ff=False)
    emitter.emit_fragment(design.fragment, None)
    netlist.check_comb_cycles()
    netlist.resolve_all_nets()
    _compute_net_flows(netlist)
    _ir._compute_ports(netlist)
    _ir._compute_ionet_dirs(netlist)
    _ir._compute_io_ports(netlist, design.ports)
    return netlist, emitter


def _compute_net_flows(netlist: _nir.Netlist) -> None:
    if len(netlist.modules) > 1:
        _ir._compute_net_flows(netlist)
        return
    # Between submodules that are definitions of their own, no net is routed: each stays where it is driven.
    flow = netlist.modules[0].net_flow
    for index, cell in enumerate(netlist.cells):
        flow.update(dict.fromkeys(cell.output_nets(index), _nir.ModuleNetFlow.Internal))


_BITS = _nir.Net.from_const(0), _nir.Net.from_const(1)


def _value(nets: Iterable[int]) -> _nir.Value:
    """Return a value without a check of the type of each of its nets."""
    return tuple.__new__(_nir.Value, nets)


def _new_value(cls, nets: Iterable[int] | _nir.Net = ()):
    return tuple.__new__(cls, (nets,) if isinstance(nets, _nir.Net) else nets)


def _constant_value(value: int, width: int) -> _nir.Value:
    if value == 0:
        return _value(_BITS[:1] * width)
    return _value(_BITS[value >> bit & 1] for bit in range(width))


def _net_of_cell(cell: int, bit: int) -> _nir.Net:
    return _nir.Net(cell << 16 | bit)


# What is replaced, by what, and what it was. Read here rather than on entry: of conversions in several threads, the
# last to end would otherwise put back what another one had replaced.
_UNCHECKED = tuple(
    (owner, name, unchecked, vars(owner)[name])
    for owner, name, unchecked in (
        (_nir.Value, "__new__", _new_value),
        (_nir.Value, "from_const", staticmethod(_constant_value)),
        (_nir.Net, "from_cell", staticmethod(_net_of_cell)),
    )
)


@contextlib.contextmanager
def _unchecked_values() -> Iterator[None]:
    """Make Amaranth's values without a check of each of their nets: millions in a wide array."""
    for owner, name, unchecked, _ in _UNCHECKED:
        setattr(owner, name, unchecked)
    try:
        yield
    finally:
        for owner, name, _, checked in _UNCHECKED:
            setattr(owner, name, checked)


# An instance and a memory's clocked read have no combinational path.
_WITHOUT_PATHS = (_nir.Top, _nir.Instance, _nir.SyncReadPort)


class _Netlist(_nir.Netlist):
    """Netlist that makes whole values at once.

    A net is an integer: 0 and 1 are constants, a negative one is connected to another net.
    """

    def add_value_cell(self, width, cell):
        assert width <= 1 << 16
        first = self.add_cell(cell) << 16
        return _value(map(_nir.Net, range(first, first + width)))

    def alloc_late_value(self, signal):
        size = len(signal)
        self.last_late_net -= size
        value = _value(map(_nir.Net, range(self.last_late_net, self.last_late_net + size)))
        self.late_to_signal.update(zip(value, zip(itertools.repeat(signal), range(size), strict=False), strict=False))
        return value

    def check_comb_cycles(self):
        """Raise an error if a net depends on itself. Amaranth searches only if a cell seems to depend on itself."""
        drivers = self._drivers()
        if drivers is None or self._has_cycle(drivers):
            super().check_comb_cycles()
        if drivers is not None:
            self.connections = drivers  # what reads them needs no detours

    def _has_cycle(self, drivers: dict) -> bool:
        """Return whether a cell depends on itself, if every output of a cell depended on all its inputs."""
        graph = {}
        for index, cell in enumerate(self.cells):
            if isinstance(cell, _nir.FlipFlop):
                nets = {cell.clk, cell.arst}
            elif isinstance(cell, _WITHOUT_PATHS):
                continue
            else:
                nets = cell.input_nets()
            graph[index] = {(drivers[net] if net < 0 else net) >> 16 for net in nets}
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError:
            return True
        return False

    def _drivers(self) -> dict | None:
        """Return the net that drives each connected one, over any number of connections; None if some drive nothing."""
        connections, drivers = self.connections, {}
        for first in connections:
            net, passed = connections[first], 0
            while net < 0 and net not in drivers:
                net, passed = connections[net], passed + 1
                if passed > len(connections):
                    return None
            drivers[first] = drivers[net] if net < 0 else net
        return drivers

    def resolve_value(self, value):
        if not value or min(value) >= 0:
            return value
        resolved, connections = [], self.connections
        for net in value:
            while net < 0:
                net = connections[net]
            resolved.append(net)
        return _value(resolved)


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
