"""Verilog source of a stream bench: the design, its sources and sinks, and a job controller.

The source depends on the streams and probes only. Jobs, seeds and limits are read from a file at run time, so they
never cause a build.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tercet.golden.streams import StreamPort

__all__ = ["BENCH_TOP", "FAULTS", "bench_sources"]

BENCH_TOP = "tercet_bench"

# Fault codes of stream_source.v and stream_sink.v.
FAULTS = {
    1: "input file ended early",
    2: "extra beat",
    3: "valid dropped before the beat was taken",
    4: "payload changed before the beat was taken",
    5: "valid is undefined (x)",
}

_TEXT = """\
// Everything below the top, so that the top has only what cocotb needs to see.
module tercet_bench_core (
    input  wire clk,
    output reg  finished,
    output reg  failed
);
    localparam FETCH = 2'd0, RESET = 2'd1, RUN = 2'd2, END = 2'd3;
    localparam RESET_CLOCKS = 3;
    localparam SETTLE_CLOCKS = 8;

    reg [8*1024-1:0] folder, path;
    integer jobs_file, results, got;
    reg [1:0] state;
    reg cut, keep, kept;
    reg [31:0] timer, quiet, job, jobs, threshold;
    reg [63:0] cut_after;
    reg [63:0] idle, idle_limit, cycle, last;
    reg begun, rst, load;
    wire start = state == RESET && timer == 0;
    wire running = state == RUN;
{signals}
    wire fire_in = {fire_in};
    wire fire_out = {fire_out};
    wire sources_done = {sources_done};
    wire sinks_done = {sinks_done};
    wire waiting = {waiting};
    wire no_inputs = {no_inputs};
    wire no_outputs = {no_outputs};
    wire fault = {fault};
    wire begins = fire_in | (no_inputs & fire_out);
    wire [63:0] now = (begun | begins) ? cycle + 1 : 0;
    wire complete = sinks_done & (sources_done | !no_outputs) & !waiting & !fire_in & !fire_out;
{instances}
    task stop(input bad);
        begin
            $fclose(results);
            state <= END;
            failed <= bad;
            finished <= 1;
        end
    endtask

    initial begin
        finished = 0;
        failed = 0;
        state = FETCH;
        rst = 1;
        load = 0;
        cut = 0;
        kept = 0;
        job = 0;
        if (!$value$plusargs("tercet_dir=%s", folder)) folder = ".";
        $sformat(path, "%0s/jobs", folder);
        jobs_file = $fopen(path, "r");
        $sformat(path, "%0s/results", folder);
        results = $fopen(path, "w");
        got = $fscanf(jobs_file, "%d %d %d", jobs, threshold, idle_limit);
    end

    always @(posedge clk) begin
        case (state)
            FETCH: begin
                got = $fscanf(jobs_file, "%d %d {scan_format}", cut_after, keep, {scan_targets});
                load <= 1;
                timer <= cut | kept ? 1 : RESET_CLOCKS;
                if (cut) rst <= 0;
                state <= RESET;
            end
            RESET: begin
                load <= 0;
                timer <= timer - 1;
                cycle <= 0;
                last <= 0;
                begun <= 0;
                idle <= 0;
                quiet <= 0;
                if (start) begin
                    rst <= 0;
                    state <= RUN;
                end
            end
            RUN: begin
                cut_after <= cut_after - 1;
                cycle <= now;
                begun <= begun | begins;
                if (no_outputs ? fire_in : fire_out) last <= now;
                idle <= (fire_in | fire_out) ? 0 : idle + 1;
                quiet <= complete ? quiet + 1 : 0;
                if (fault || (quiet == SETTLE_CLOCKS && !sources_done) || idle == idle_limit) begin
                    $fwrite(results, "E %0d %0s", job, fault ? "fault" : idle == idle_limit ? "idle" : "left");
                    $fwrite(results, "{error_format}\\n", {error_values});
                    stop(1);
                end else if (quiet == SETTLE_CLOCKS || cut_after == 1) begin
                    $fwrite(results, "R %0d %0d{probe_format}\\n", job, last{probe_values});
                    rst <= !keep;
                    kept <= keep;
                    cut <= quiet != SETTLE_CLOCKS;
                    job <= job + 1;
                    state <= FETCH;
                    if (job + 1 == jobs) stop(0);
                end
            end
            default: rst <= 1;
        endcase
    end
endmodule

module tercet_bench (
    input  wire clk,
    output wire finished,
    output wire failed
);
    tercet_bench_core core (.clk(clk), .finished(finished), .failed(failed));
endmodule
"""


def bench_sources(top: str, ports: Sequence[StreamPort], probes: Mapping[str, int]) -> dict[str, str]:
    """Return the Verilog around the design `top`: file name to text."""
    ins = [i for i, port in enumerate(ports) if port.direction == "in"]
    outs = [i for i, port in enumerate(ports) if port.direction == "out"]
    every = range(len(ports))
    text = _fill(
        _TEXT,
        signals="".join(map(_signals, every, ports)) + "".join(_probe_signal(n, w) for n, w in probes.items()),
        instances="".join(map(_instance, every, ports)) + _design(top, ports, probes),
        fire_in=_join(" | ", "fire_{}", ins, "1'b0"),
        fire_out=_join(" | ", "fire_{}", outs, "1'b0"),
        sources_done=_join(" & ", "done_{}", ins, "1'b1"),
        sinks_done=_join(" & ", "done_{}", outs, "1'b1"),
        waiting=_join(" | ", "waiting_{}", ins, "1'b0"),
        no_inputs=_join(" & ", "(beats_{} == 0)", ins, "1'b1"),
        no_outputs=_join(" & ", "(beats_{} == 0)", outs, "1'b1"),
        fault=_join(" | ", "(fault_{} != 0)", every, "1'b0"),
        scan_format=" ".join("%d %d" for _ in every),
        scan_targets=_join(", ", "beats_{0}, seed_{0}", every),
        error_format="".join(" %0d %0d" for _ in every),
        error_values=_join(", ", "moved_{0}, fault_{0}", every),
        probe_format="".join(" %h" for _ in probes),
        probe_values="".join(f", probe_{name}" for name in probes),
    )
    files = {name: Path(__file__).with_name(name).read_text() for name in ("stream_source.v", "stream_sink.v")}
    return {**{f"tercet_{name}": text for name, text in files.items()}, f"{BENCH_TOP}.v": text}


def _fill(text: str, **parts: str) -> str:
    for name, part in parts.items():
        text = text.replace("{" + name + "}", part)
    return text


def _join(separator: str, pattern: str, indices: Sequence[int], empty: str = "") -> str:
    return separator.join(pattern.format(i) for i in indices) or empty


def _signals(index: int, port: StreamPort) -> str:
    waiting = f", waiting_{index}" if port.direction == "in" else ""
    return (
        f"    reg [63:0] beats_{index};\n    reg [31:0] seed_{index};\n    wire [63:0] moved_{index};\n"
        f"    wire [3:0] fault_{index};\n    wire [{port.width - 1}:0] payload_{index};\n"
        f"    wire valid_{index}, ready_{index}, fire_{index}, done_{index}{waiting};\n"
    )


def _probe_signal(name: str, width: int) -> str:
    return f"    wire [{width - 1}:0] probe_{name};\n"


def _instance(index: int, port: StreamPort) -> str:
    kind = "source" if port.direction == "in" else "sink"
    own = ["beats", "seed", "payload", "valid", "ready", "fire", "done", "moved", "fault"]
    own += ["waiting"] if port.direction == "in" else []
    shared = ["clk", "load", "start", "running", "threshold", "job"]
    pins = ", ".join([f".{n}({n})" for n in shared] + [f".{n}({n}_{index})" for n in own])
    return f'    tercet_stream_{kind} #(.WIDTH({port.width}), .NAME("{port.name}")) stream_{index} ({pins});\n'


def _design(top: str, ports: Sequence[StreamPort], probes: Mapping[str, int]) -> str:
    pins = [".clk(clk)", ".rst(rst)"]
    for index, port in enumerate(ports):
        pins += [f".{port.name}__{part}({part}_{index})" for part in ("payload", "valid", "ready")]
    pins += [f".{name}(probe_{name})" for name in probes]
    return f"    {top} dut ({', '.join(pins)});\n"
