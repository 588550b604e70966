"""AXI ports of an engine: AXI4-Stream members and an AXI4-Lite register port.

Signal names follow the ARM specifications (AMBA AXI-Stream, AMBA AXI4-Lite), so a generated block drops into existing
designs.
"""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["AxiLitePort", "axi_lite_members", "axi_stream_members", "connect_axi_stream", "tdata_bits"]

_OKAY, _SLVERR = 0b00, 0b10


def tdata_bits(width: int) -> int:
    """Return the width of ``tdata`` for a payload of `width` bits.

    It is a power-of-two number of bytes, as interconnects and width converters expect.
    """
    return 8 << max(0, (-(-width // 8) - 1).bit_length())


def axi_stream_members(name: str, width: int, *, is_input: bool) -> dict[str, wiring.Member]:
    """Members of an AXI4-Stream port, ``s_axis_<name>_*`` for an input or ``m_axis_<name>_*`` for an output.

    Only an output has ``tlast``. ``tdata`` is `tdata_bits` wide, with the payload in the least significant bits.
    """
    prefix = f"{'s' if is_input else 'm'}_axis_{name}"
    forward, back = (In, Out) if is_input else (Out, In)
    members = {f"{prefix}_tdata": forward(tdata_bits(width)), f"{prefix}_tvalid": forward(1)}
    if not is_input:
        members[f"{prefix}_tlast"] = forward(1)
    return {**members, f"{prefix}_tready": back(1)}


def connect_axi_stream(
    m: Module, component, name: str, inner, *, payload: Value | None = None, last: Value | None = None
):
    """Connect the AXI4-Stream port `name` of a component to the inner stream `inner`.

    An input takes neither `payload` nor `last`; an output may split its payload into the two.
    """
    if last is None:
        data, valid, ready = (getattr(component, f"s_axis_{name}_{part}") for part in ("tdata", "tvalid", "tready"))
        m.d.comb += [
            Value.cast(inner.payload).eq(data),
            inner.valid.eq(valid),
            ready.eq(inner.ready),
        ]
    else:
        port = f"m_axis_{name}"
        m.d.comb += [
            getattr(component, f"{port}_tdata").eq(Value.cast(inner.payload if payload is None else payload)),
            getattr(component, f"{port}_tlast").eq(last),
            getattr(component, f"{port}_tvalid").eq(inner.valid),
            inner.ready.eq(getattr(component, f"{port}_tready")),
        ]


def axi_lite_members(address_bits: int) -> dict[str, wiring.Member]:
    """Members of a 32-bit AXI4-Lite slave port, all with the prefix ``s_axil_``."""
    ins = {"awaddr": address_bits, "awprot": 3, "awvalid": 1, "wdata": 32, "wstrb": 4, "wvalid": 1, "bready": 1}
    ins |= {"araddr": address_bits, "arprot": 3, "arvalid": 1, "rready": 1}
    outs = {"awready": 1, "wready": 1, "bresp": 2, "bvalid": 1, "arready": 1, "rdata": 32, "rresp": 2, "rvalid": 1}
    return {f"s_axil_{n}": In(w) for n, w in ins.items()} | {f"s_axil_{n}": Out(w) for n, w in outs.items()}


class AxiLitePort(wiring.Component):
    """AXI4-Lite slave with 32-bit registers: one access at a time, whole words only.

    A write of a partial word, to an unknown register or rejected by `write_error` is answered with SLVERR and has no
    effect.

    Parameters
    ----------
    address_bits : int
        Width of the byte address.

    Members
    -------
    s_axil_* :
        See `axi_lite_members`.
    address : Out(address_bits - 2)
        Word address of the access.
    write : Out(1)
        Write `data` to `address` in this clock. Stays 0 for a rejected write.
    data : Out(32)
        Word to write.
    write_error, read_error : In(1)
        Reject the access to `address`; combinational.
    read : Out(1)
        `value` is sampled in this clock.
    value : In(32)
        Register at `address`; combinational.
    """

    def __init__(self, *, address_bits: int):
        super().__init__(
            {
                **axi_lite_members(address_bits),
                "address": Out(address_bits - 2),
                "write": Out(1),
                "data": Out(32),
                "write_error": In(1),
                "read_error": In(1),
                "read": Out(1),
                "value": In(32),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        writable = Signal()
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [self.address.eq(self.s_axil_araddr[2:]), self.data.eq(self.s_axil_wdata)]
                with m.If(self.s_axil_awvalid & self.s_axil_wvalid):
                    m.d.sync += self.address.eq(self.s_axil_awaddr[2:])
                    m.next = "CHECK"
                with m.Elif(self.s_axil_arvalid):
                    m.next = "READ"
            with m.State("CHECK"):
                # Registered: no path from `write_error` to `write`, which would loop through the user's decoder.
                m.d.sync += writable.eq((self.s_axil_wstrb == 0b1111) & ~self.write_error)
                m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += [self.s_axil_awready.eq(1), self.s_axil_wready.eq(1), self.write.eq(writable)]
                m.d.sync += [self.s_axil_bvalid.eq(1), self.s_axil_bresp.eq(Mux(writable, _OKAY, _SLVERR))]
                m.next = "WRITTEN"
            with m.State("WRITTEN"), m.If(self.s_axil_bready):
                m.d.sync += self.s_axil_bvalid.eq(0)
                m.next = "IDLE"
            with m.State("READ"):
                m.d.comb += [self.s_axil_arready.eq(1), self.read.eq(1)]
                m.d.sync += [self.s_axil_rvalid.eq(1), self.s_axil_rdata.eq(Mux(self.read_error, 0, self.value))]
                m.d.sync += self.s_axil_rresp.eq(Mux(self.read_error, _SLVERR, _OKAY))
                m.next = "SHOWN"
            with m.State("SHOWN"), m.If(self.s_axil_rready):
                m.d.sync += self.s_axil_rvalid.eq(0)
                m.next = "IDLE"
        return m
