"""Renaming of identifiers to plain Verilog names that need no escapes.

Amaranth joins the path of a submodule by ``.``, distinguishes signals of the same name by ``$``, and ignores Verilog's
reserved words. Each such name becomes a plain one, unique within the text.
"""

import re

__all__ = ["RESERVED", "plain_names"]

# IEEE 1800-2017, annex B. The reserved words of Verilog-2005 are among them, and Verilator reads every file as
# SystemVerilog.
_WORDS = """
    accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind bins
    binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const
    constraint context continue cover covergroup coverpoint cross deassign default defparam design disable dist do edge
    else end endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface endmodule
    endpackage endprimitive endprogram endproperty endsequence endspecify endtable endtask enum event eventually expect
    export extends extern final first_match for force foreach forever fork forkjoin function generate genvar global
    highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir include initial inout input
    inside instance int integer interconnect interface intersect join join_any join_none large let liblist library local
    localparam logic longint macromodule matches medium modport module nand negedge nettype new nexttime nmos nor
    noshowcancelled not notif0 notif1 null or output package packed parameter pmos posedge primitive priority program
    property protected pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase
    randsequence rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0
    rtranif1 s_always s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled
    signed small soft solve specify specparam static string strong strong0 strong1 struct super supply0 supply1
    sync_accept_on sync_reject_on table tagged task this throughout time timeprecision timeunit tran tranif0 tranif1
    tri tri0 tri1 triand trior trireg type typedef union unique unique0 unsigned until until_with untyped use uwire var
    vectored virtual void wait wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
"""
RESERVED = frozenset(_WORDS.split())
"""Words that cannot be names in SystemVerilog or Verilog."""

_NAME = re.compile(r"(?<=\s)\\(\S+)")
_FIELD = re.compile(r"\\\$?\w+(?:\$\d+)?[.\[]")


def plain_names(rtlil: str) -> str:
    """Rename identifiers that Verilog would have to escape, in one module's RTLIL, and remove unread struct fields."""
    # Amaranth adds a wire for every field of a struct.
    rtlil = re.sub(rf"^\s*wire [^\n]*{_FIELD.pattern}\S*\n", "", rtlil, flags=re.M)
    rtlil = re.sub(rf"^\s*connect {_FIELD.pattern}\S* [^\n]*\n", "", rtlil, flags=re.M)
    # yosys 0.70's synth_ecp5 loses an instance whose ports are on signed wires; the operators carry their own signs.
    rtlil = re.sub(r"^(\s*wire .*?)signed ", r"\1", rtlil, flags=re.M)
    names = set(_NAME.findall(rtlil))
    taken = {name for name in names if _is_plain(name)}
    plain: dict[str, str] = {}
    for name in sorted(names - taken):
        # A trailing _ is added only if nothing else makes the name plain and unique.
        stem = re.sub(r"\W", "_", re.sub(r"\$(\d+)$", r"__\1", name).lstrip("$"))
        candidate = stem if _is_plain(stem) else f"{stem}_" if not stem[:1].isdigit() else f"n{stem}"
        while candidate in taken:
            candidate += "_"
        taken.add(candidate)
        plain[name] = candidate
    rtlil = _NAME.sub(lambda match: "\\" + plain.get(match[1], match[1]), rtlil)
    # A memory's ports name it in a string.
    return re.sub(r'(?<=\\MEMID "\\\\)[^"]+', lambda match: plain.get(match[0], match[0]), rtlil)


def _is_plain(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) is not None and name not in RESERVED
