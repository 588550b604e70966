"""Stream bench: jobs pass a design unchanged, cycles are exact, and every protocol violation is reported."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pylibfst
import pytest
from tercet.sim import bench
from tercet.sim.bench import Job, StreamPort
from tercet.sim.build import SimulationError
from tercet.sim.simulators import SimulatorNotFound, find

# A register on each of three streams, and an adder of two others; `count` counts the sums.
LANES = """
module lane #(parameter W = 1) (input clk, input rst, input [W-1:0] d, input dv, output dr,
                                output reg [W-1:0] q, output reg qv, input qr);
    assign dr = !qv | qr;
    always @(posedge clk) if (rst) qv <= 0; else if (dr) begin qv <= dv; q <= d; end
endmodule
module lanes (input clk, input rst,
    input p__payload, input p__valid, output p__ready, output p_q__payload, output p_q__valid, input p_q__ready,
    input [7:0] r__payload, input r__valid, output r__ready,
    output [7:0] r_q__payload, output r_q__valid, input r_q__ready,
    input [63:0] s__payload, input s__valid, output s__ready,
    output [63:0] s_q__payload, output s_q__valid, input s_q__ready,
    input [12:0] a__payload, input a__valid, output a__ready, input [99:0] b__payload, input b__valid, output b__ready,
    output [99:0] sum__payload, output sum__valid, input sum__ready, output reg [15:0] count, output [69:0] wide);
    wire ready;
    wire both = a__valid & b__valid;
    assign a__ready = ready & both, b__ready = ready & both;
    assign wide = {count, 54'd3};
    lane #(1) lane_p (clk, rst, p__payload, p__valid, p__ready, p_q__payload, p_q__valid, p_q__ready);
    lane #(8) lane_r (clk, rst, r__payload, r__valid, r__ready, r_q__payload, r_q__valid, r_q__ready);
    lane #(64) lane_s (clk, rst, s__payload, s__valid, s__ready, s_q__payload, s_q__valid, s_q__ready);
    lane #(100) lane_sum (clk, rst, a__payload + b__payload, both, ready, sum__payload, sum__valid, sum__ready);
    always @(posedge clk) if (rst) count <= 0; else if (both & ready) count <= count + 1;
endmodule
"""
LANE_PORTS = [
    *(StreamPort(n, w, d) for n, w in (("p", 1), ("r", 8), ("s", 64)) for n, d in ((n, "in"), (n + "_q", "out"))),
    *(StreamPort("a", 13, "in"), StreamPort("b", 100, "in"), StreamPort("sum", 100, "out")),
]

# A register whose first beat selects its fault.
FAULTY = """
module faulty (input clk, input rst, input [7:0] i__payload, input i__valid, output i__ready,
               output [7:0] o__payload, output o__valid, input o__ready);
    localparam DROP = 1, CHANGE = 2, HANG = 3, EXTRA = 4, LEAVE = 5, UNDEFINED = 6, SLOW = 7, SWALLOW = 8;
    reg [7:0] q, mode, waited, taken;
    reg qv;
    wire [7:0] now = taken == 0 ? i__payload : mode;
    assign o__valid = qv;
    assign o__payload = mode == UNDEFINED ? 8'bx : q;
    assign i__ready = (!qv | o__ready) & !(mode == HANG & taken == 2) & !(mode == LEAVE & taken == 4)
        & !(mode == SLOW & waited < 50);
    always @(posedge clk) begin
        waited <= i__valid & i__ready ? 0 : waited == 255 ? 255 : waited + 1;
        if (o__ready) qv <= 0;
        if (mode == DROP & qv & !o__ready) qv <= 0;
        if (mode == CHANGE & qv & !o__ready) q <= q + 1;
        if (mode == EXTRA & taken == 4 & waited == 3) qv <= 1;
        if (i__valid & i__ready) begin
            if (taken == 0) mode <= i__payload;
            taken <= taken + 1;
            q <= i__payload;
            qv <= now != SWALLOW;
        end
        if (rst) begin qv <= 0; mode <= 0; taken <= 0; waited <= 0; end
    end
endmodule
"""
FAULTY_PORTS = [StreamPort("i", 8, "in"), StreamPort("o", 8, "out")]
DROP, CHANGE, HANG, EXTRA, LEAVE, UNDEFINED, SLOW, SWALLOW = range(1, 9)


@pytest.fixture(params=["verilator", "icarus"])
def simulator(request):
    try:
        return find(request.param)
    except SimulatorNotFound as error:
        pytest.skip(str(error))


def beats(rng, count: int, width: int) -> np.ndarray:
    array = rng.integers(0, 256, (count, (width + 7) // 8), dtype=np.uint8)
    array[:, -1] &= 0xFF >> (-width % 8)
    return array


def numbers(array: np.ndarray) -> list[int]:
    return [int.from_bytes(beat.tobytes(), "little") for beat in array]


def lane_job(rng, **counts: int) -> Job:
    inputs = {p.name: beats(rng, counts.get(p.name, 0), p.width) for p in LANE_PORTS if p.direction == "in"}
    expect = {name + "_q": counts.get(name, 0) for name in "prs"}
    return Job(inputs, {**expect, "sum": counts.get("a", 0)})


def run_lanes(jobs, simulator, **options):
    return bench.run({"lanes.v": LANES}, "lanes", LANE_PORTS, jobs, simulator=simulator, **options)


def run_faulty(modes, simulator, *, expect=4, count=4, **options):
    jobs = [Job({"i": np.array([[m], [10], [20], [30], [40]][:count], np.uint8)}, {"o": expect}) for m in modes]
    return bench.run({"faulty.v": FAULTY}, "faulty", FAULTY_PORTS, jobs, simulator=simulator, **options)


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_every_beat_arrives(simulator, stall):
    rng = np.random.default_rng(1)
    jobs = [lane_job(rng, p=40, r=300, s=77, a=150, b=150), lane_job(rng), lane_job(rng, p=1, r=1, s=1, a=1, b=1)]
    results = run_lanes(jobs, simulator, stall=stall, probes={"count": 16, "wide": 70})
    for job, result in zip(jobs, results, strict=True):
        for name in "prs":
            assert result.outputs[name + "_q"].dtype == np.uint8
            np.testing.assert_array_equal(result.outputs[name + "_q"], job.inputs[name])
        pairs = zip(numbers(job.inputs["a"]), numbers(job.inputs["b"]), strict=True)
        assert numbers(result.outputs["sum"]) == [(a + b) % 2**100 for a, b in pairs]
        count = len(job.inputs["a"])
        assert result.probes == {"count": count, "wide": count << 54 | 3}


def test_cycles_are_exact_without_stall(simulator):
    rng = np.random.default_rng(2)
    jobs = [lane_job(rng, r=n) for n in (1, 2, 25, 0)] + [lane_job(rng, r=3, s=9)]
    # One clock of latency: n beats take n + 1 clocks, inclusive.
    assert [result.cycles for result in run_lanes(jobs, simulator)] == [2, 3, 26, 0, 10]


def test_stall_is_a_probability_and_seeded():
    rng = np.random.default_rng(3)
    jobs = [lane_job(rng, r=1000), lane_job(rng, r=1000)]
    cycles = {}
    for name in ("verilator", "icarus"):
        try:
            simulator = find(name)
        except SimulatorNotFound:
            continue
        cycles[name] = [[r.cycles for r in run_lanes(jobs, simulator, stall=0.4, seed=seed)] for seed in (1, 1, 2)]
    if not cycles:
        pytest.skip("no simulator")
    for first, again, other in cycles.values():
        assert first == again
        assert len({*first, *other}) == 4  # each job and seed has its own sequence
        # Both ends stall: slower than 1 / 0.6, the rate of one alone, but faster than 1 / 0.36.
        assert all(1667 < count < 2778 for count in first + other)
    assert len({str(c) for c in cycles.values()}) == 1


def test_a_correct_design_passes_with_and_without_stall(simulator):
    for stall in (0.0, 0.7):
        results = run_faulty([0, SLOW], simulator, stall=stall)
        assert [numbers(r.outputs["o"]) for r in results] == [[mode, 10, 20, 30] for mode in (0, SLOW)]


def test_without_outputs_expected_the_job_ends_with_its_input(simulator):
    (result,) = run_faulty([SWALLOW], simulator, expect=0)
    assert result.cycles == 4
    assert result.outputs["o"].shape == (0, 1)
    with pytest.raises(SimulationError, match="job 0: stream 'o': extra beat; beats moved: i . of 4, o . of 0"):
        run_faulty([0], simulator, expect=0)


@pytest.mark.parametrize(
    ("mode", "stall", "message"),
    [
        (DROP, 0.7, r"job 1: stream 'o': valid dropped before the beat was taken; beats moved: i \d of 4, o \d of 4"),
        (CHANGE, 0.7, "job 1: stream 'o': payload changed before the beat was taken"),
        (HANG, 0.0, "job 1: no handshake for 300 clocks; beats moved: i 2 of 4, o 2 of 4"),
        (EXTRA, 0.0, "job 1: stream 'o': extra beat; beats moved: i 4 of 4, o . of 4"),
    ],
)
def test_protocol_violations_are_reported(simulator, mode, stall, message):
    with pytest.raises(SimulationError, match=message) as caught:
        run_faulty([0, mode, 0], simulator, stall=stall, idle_limit=300)
    assert "\n" not in str(caught.value)


def test_input_left_over(simulator):
    with pytest.raises(SimulationError, match="job 0: .* not all input was taken; beats moved: i 4 of 5, o 4 of 4"):
        run_faulty([LEAVE], simulator, count=5)


def test_undefined_output_bits():
    try:
        simulator = find("icarus")
    except SimulatorNotFound as error:
        pytest.skip(f"needs a simulator with x: {error}")
    with pytest.raises(SimulationError, match="job 0: stream 'o' beat 0 has undefined bits: xx"):
        run_faulty([UNDEFINED], simulator)


@pytest.mark.parametrize("suffix", [".fst", ".vcd"])
def test_waves(simulator, suffix, tmp_path):
    waves = tmp_path / "new" / f"w{suffix}"
    run_faulty([0], simulator, waves=waves)
    if suffix == ".vcd":
        assert re.search(r"\$scope module dut ", waves.read_text())
    else:
        fst = pylibfst.lib.fstReaderOpen(str(waves).encode())
        names = pylibfst.get_scopes_signals2(fst)[1].by_name
        pylibfst.lib.fstReaderClose(fst)
        assert any(re.search(r"\.dut\.clk$", name) for name in names)


def test_waves_that_cannot_be_written(simulator):
    with pytest.raises(ValueError, match=r"'w.ghw' must end in .fst or .vcd"):
        run_faulty([0], simulator, waves=Path("w.ghw"))
    with pytest.raises(OSError, match="Cannot write waves to '/proc/none/w.vcd': No such"):
        run_faulty([0], simulator, waves="/proc/none/w.vcd")


def test_jobs_are_cut_off(simulator):
    """Output up to the cut is kept, probes are sampled then, and the next job is unaffected."""
    rng = np.random.default_rng(4)
    whole, later = lane_job(rng, r=20, a=20, b=20), lane_job(rng, r=5, a=3, b=3)
    cuts = [dataclasses.replace(whole, cut_after=clocks) for clocks in (1, 8, 100)]
    jobs = [job for cut in cuts for job in (cut, later)]
    results = run_lanes(jobs, simulator, probes={"count": 16})
    for result in results[1::2]:
        assert result.probes == {"count": 3}
        np.testing.assert_array_equal(result.outputs["r_q"], later.inputs["r"])
    counts = [len(result.outputs["r_q"]) for result in results[::2]]
    assert counts == [0, 7, 20]
    assert [result.probes["count"] for result in results[::2]] == [0, 7, 20]
    np.testing.assert_array_equal(results[2].outputs["r_q"], whole.inputs["r"][:7])


def test_no_jobs():
    assert run_lanes([], None) == []


def test_wrong_arguments():
    good = np.zeros((2, 1), np.uint8)
    ports = [StreamPort("i", 5, "in"), StreamPort("o", 5, "out")]

    def check(job, error, message, **options):
        with pytest.raises(error, match=message):
            bench.run({}, "top", ports, [job], **options)

    check(Job({}, {"o": 1}), ValueError, r"Job 0 has inputs for \[\]; the streams are \['i'\]")
    check(Job({"i": good}, {"q": 1}), ValueError, r"Job 0 has expect for \['q'\]; the streams are \['o'\]")
    check(Job({"i": good.astype(int)}, {"o": 1}), TypeError, "must be a uint8 array, not int64")
    check(Job({"i": good.reshape(1, 2)}, {"o": 1}), ValueError, r"has shape \(1, 2\); use \(beats, 1\)")
    check(Job({"i": good + 32}, {"o": 1}), ValueError, "bits set above its width of 5")
    check(Job({"i": good}, {"o": -1}), ValueError, "from 'o' is -1; use at least 0")
    check(Job({"i": good}, {"o": 1.0}), TypeError, "must be an int, not float")  # pyright: ignore[reportArgumentType]
    check(Job({"i": good}, {"o": 1}, -1), ValueError, "after which job 0 is cut off is -1; use at least 0")
    check(Job({"i": good}, {"o": 1}), ValueError, "Stall probability 1.0 must be", stall=1.0)
    check(Job({"i": good}, {"o": 1}), ValueError, "Probe name 'a b' is not", probes={"a b": 1})
    with pytest.raises(ValueError, match="direction 'inout'; use 'in' or 'out'"):
        StreamPort("i", 8, "inout")
    with pytest.raises(ValueError, match="width 0; use at least 1"):
        StreamPort("i", 0, "in")
