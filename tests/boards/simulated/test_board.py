"""Simulated boards behave as serial ports: bytes arrive, hosts come and go, and unplugging removes the port."""

import dataclasses
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from tercet.boards.host.port import PortError, open_port
from tercet.boards.host.soc_config import SocConfig
from tercet.boards.simulated.board import SimulatedBoard
from tercet.golden.systolic.config import SystolicConfig
from tercet.sim.build import SimulationError
from tercet.sim.simulators import SimulatorNotFound, find

STREAMS = ("commands", "acts", "weights", "params", "sums", "outs")
BAUD = 1_000_000

# Echoes a byte after as many clocks as its value, and accepts no other meanwhile.
BYTES = """
module tercet_soc (input clk, input rst, input [7:0] i__payload, input i__valid, output i__ready,
                   output [7:0] o__payload, output o__valid, input o__ready, output busy);
    reg [7:0] held, left;
    reg [31:0] last;
    assign i__ready = !busy, o__payload = held, o__valid = busy & left == 0;
    reg full;
    assign busy = full;
    always @(posedge clk) begin
        if (i__valid & i__ready) begin
            {full, held, left} <= {1'b1, i__payload, i__payload};
            last <= {last[23:0], i__payload};
        end
        if (full) left <= left - (left != 0);
        if (o__valid & o__ready) full <= 0;
        if (last == 32'hdeadbeef) begin
            $display("I was told to stop");
            $finish;
        end
        if (rst) {full, last} <= 0;
    end
endmodule
"""
# Echoes rx, and prints the clocks of its falling edges.
UART = """
module tercet_soc (input clk, input rst, input rx, output reg tx, output busy);
    reg s;
    integer clock;
    assign busy = 0;
    always @(posedge clk) begin
        {tx, s} <= {s, rx};
        clock <= clock + 1;
        if (tx & !s) $display("%0d", clock);
        if (rst) {tx, s, clock} <= {2'b11, 32'd0};
    end
endmodule
"""
VERILOG = {"uart": UART, "line": UART, "bytes": BYTES}
# Answers a byte with itself, and prints the clocks of link and engine, and each clock of a reset.
TWO_CLOCKS = """
module tercet_soc (input clk, input engine_clk, input rst, input [7:0] i__payload, input i__valid, output i__ready,
                   output reg [7:0] o__payload, output reg o__valid, input o__ready, output busy);
    integer link = 0, engine = 0;
    assign i__ready = 1, busy = 0;
    always @(posedge engine_clk) engine <= engine + 1;
    always @(posedge clk) begin
        link <= link + 1;
        {o__payload, o__valid} <= {i__payload, i__valid & !rst};
        if (i__valid) $display("clocks %0d %0d", link, engine);
        if (rst) $display("reset");
    end
endmodule
"""


@pytest.fixture(autouse=True)
def verilator():
    try:
        find("verilator")
    except SimulatorNotFound as error:
        pytest.skip(str(error))


def soc_at(clocks_per_bit: float) -> SocConfig:
    depths = tuple((name, 16) for name in STREAMS)
    return SocConfig("systolic", SystolicConfig(rows=2, cols=2), depths, int(clocks_per_bit * BAUD), BAUD)


def simulated(mode: str, clocks_per_bit: float = 4) -> SimulatedBoard:
    return SimulatedBoard(soc_at(clocks_per_bit), VERILOG[mode], mode=mode)


def receive(port, number):
    """Receive a number of bytes, or fewer on timeout."""
    data = b""
    while len(data) < number:
        more = port.read(1)
        if not more:
            break
        data += more
    return data


def echo(port, data):
    port.write(data)
    return receive(port, len(data))


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:13]))


def rests(pid):
    """Whether a process uses less than half a percent of a CPU for half a second."""
    for _ in range(20):
        before = cpu_ticks(pid)
        time.sleep(0.5)
        if cpu_ticks(pid) <= before + 0.005 * os.sysconf("SC_CLK_TCK"):
            return True
    return False


def levels(*frames, late=0):
    """Line samples packed into bytes: start bit, byte and stop bit of each frame, between idle levels."""
    line = [1] * late + [
        bit for start, byte, stop in frames for bit in (start, *(byte >> n & 1 for n in range(8)), stop)
    ]
    line += [1] * (16 - len(line) % 8)
    return bytes(sum(bit << n for n, bit in enumerate(line[k : k + 8])) for k in range(0, len(line), 8))


@pytest.mark.parametrize(("mode", "clocks_per_bit"), [("bytes", 4), ("uart", 4), ("uart", 8), ("uart", 10.4)])
def test_bytes_come_back(mode, clocks_per_bit):
    data = random.Random(1).randbytes(2000)
    with simulated(mode, clocks_per_bit) as board, open_port(board.path, BAUD) as port:
        assert echo(port, data) == data
        for n in range(0, 40, 4):  # and in short bursts, with silence in between
            assert echo(port, data[n : n + 4]) == data[n : n + 4]


@pytest.mark.parametrize("clocks_per_bit", [4, 10.4])
def test_bits_are_as_long_as_the_rate_says(clocks_per_bit):
    with simulated("uart", clocks_per_bit) as board, open_port(board.path, BAUD) as port:
        assert echo(port, bytes(1000) + b"\x55") == bytes(1000) + b"\x55"
        falls = [int(line) for line in board.log.split()]
    # Start bits of the zeros, then every second bit.
    bits = [*range(0, 10_001, 10), *range(10_002, 10_010, 2)]
    assert len(falls) == len(bits)
    assert all(abs(fall - falls[0] - bit * clocks_per_bit) <= 1 for fall, bit in zip(falls, bits, strict=True))


def test_line_levels():
    good = [(0, byte, 1) for byte in random.Random(2).randbytes(800)]
    with simulated("line", 10.4) as board, open_port(board.path, BAUD) as port:
        port.write(levels(*good))
        assert receive(port, 800) == bytes(byte for _, byte, _ in good)
        for byte in levels(*good[:10]):
            port.write(bytes([byte]))
            time.sleep(0.001)  # the clock waits for the next levels
        assert receive(port, 10) == bytes(byte for _, byte, _ in good[:10])
        # Delayed by three levels; with a 1 as start bit, so that the first 0 acts as one; with a 0 as stop bit.
        port.write(levels((0, 0x31, 1), late=3) + levels((1, 0x32, 1)) + levels((0, 0x33, 0)))
        assert receive(port, 3) == bytes([0x31, 0x32 >> 1 | 0x80, 0x33])
        assert port.read(0.1) == b""
        assert "tx: a stop bit is 0\n" in board.log


def test_hosts_come_and_go():
    with simulated("bytes") as board:
        for data in (b"first", b"second"):
            with open_port(board.path, BAUD) as port:
                assert echo(port, data) == data
                port.write(b"not waited for")
                with pytest.raises(PortError, match="is in use"):
                    open_port(board.path, BAUD)
                time.sleep(0.1)


def test_host_that_reads_late():
    data = bytes(random.Random(3).choices(range(4), k=300_000))
    with simulated("bytes") as board, open_port(board.path, BAUD) as port:
        assert echo(port, data) == data


@pytest.mark.parametrize("mode", ["uart", "bytes"])
def test_idle_board_takes_no_time(mode):
    with simulated(mode) as board:
        with open_port(board.path, BAUD) as port:
            assert echo(port, b"here") == b"here"
            assert rests(board.pid)
            # Nobody reads the echo, and 100 000 bytes exceed the terminal's buffer.
            port.write(bytes(100_000 if mode == "bytes" else 1000))
            assert rests(board.pid)
        assert rests(board.pid)


def test_two_boards():
    with simulated("uart", 4) as first, simulated("bytes") as second:
        assert first.path != second.path
        with open_port(first.path, BAUD) as one, open_port(second.path, BAUD) as other:
            one.write(b"to the first")
            other.write(b"to the second")
            assert receive(one, 12) == b"to the first"
            assert receive(other, 13) == b"to the second"


def test_unplugged():
    with simulated("uart") as board:
        path = board.path
        with open_port(path, BAUD) as port:
            assert echo(port, b"still here") == b"still here"
            board.kill()
            gone = f"^Port '{path}' is gone; plug the board in again, and open it again$"
            with pytest.raises(PortError, match=gone):
                port.read(1)
            with pytest.raises(PortError, match=gone):
                port.write(b"a")
            with pytest.raises(PortError, match=f"^Port '{path}' does not exist; plug the board in"):
                open_port(path, BAUD)
        board.check()


def test_board_that_ends_by_itself():
    board = simulated("bytes")
    with open_port(board.path, BAUD) as port:
        port.write(b"\xde\xad\xbe\xef")
        with pytest.raises(PortError, match="is gone"):
            receive(port, 5)
    message = (
        r"Simulated board at '/dev/pts/\d+' exited unexpectedly \(status 1\):\n(.*\n)*I was told to stop(.|\n)*finish"
    )
    time.sleep(0.1)
    with pytest.raises(SimulationError, match=message):
        board.check()
    with pytest.raises(SimulationError, match=message):
        board.close()
    board.close()


def test_board_ends_with_its_process():
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); from test_board import simulated\n"
        "board = simulated('bytes'); print(board.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, os.path.dirname(__file__)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    os.kill(pid, 0)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{pid}/exe") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{pid}/exe")


def test_refuses_a_mode():
    with pytest.raises(ValueError, match="Mode is 'spi'; use one of uart, line, bytes"):
        SimulatedBoard(soc_at(4), UART, mode="spi")


@pytest.mark.parametrize("ratio", [None, 0.173, 4.9])
def test_two_clocks(ratio):
    """The engine's runs at its own rate, by default that of the configuration."""
    soc = dataclasses.replace(soc_at(4), clock_hz=10 * BAUD, link_hz=4 * BAUD)
    with (
        SimulatedBoard(soc, TWO_CLOCKS, mode="bytes", engine_clocks=ratio) as board,
        open_port(board.path, BAUD) as port,
    ):
        port.write(bytes(500))
        assert receive(port, 500) == bytes(500)
        counts = [[int(word) for word in line.split()[1:]] for line in board.log.splitlines() if "clocks" in line]
    link, engine = (last - first for first, last in zip(counts[0], counts[-1], strict=True))
    assert link > 1000
    assert abs(engine - link * (ratio or 2.5)) <= 1


def test_reset_of_the_link():
    """Taken before `reset` returns, asleep or busy: what is sent afterwards arrives."""
    soc = dataclasses.replace(soc_at(4), clock_hz=10 * BAUD, link_hz=4 * BAUD)
    with SimulatedBoard(soc, TWO_CLOCKS, mode="bytes") as board, open_port(board.path, BAUD) as port:
        for pressed in range(10):
            port.write(b"x")
            assert receive(port, 1) == b"x"
            # Held from the start for 16 clocks, then for one at a time.
            assert board.log.count("reset") == 16 + 2 * pressed
            board.reset()
            port.write(bytes(1000))
            board.reset()
            # As many as came through.
            port.write(b"end")
            while receive(port, 1) not in (b"d", b""):
                pass
