"""Simulated board: its RTL in Verilator, behind a pseudo-terminal that opens like a serial port.

The host software is the same as for a real board. Only timing differs, as clocks run at simulation speed::

    host --- pyserial --- /dev/pts/N --- board.cpp --- rx, tx --- tercet_soc

The board is a separate process that owns the terminal. A host can close and reopen the port at will; if the process
ends, the port disappears as if unplugged. The process ends with its parent, however that ends.
"""

import os
import pty
import socket
import subprocess
import tempfile
import tty
from collections.abc import Mapping
from pathlib import Path

from tercet.sim.build import SimulationError
from tercet.sim.program import build_program

from ..host.soc_config import SocConfig

__all__ = ["MODES", "SimulatedBoard"]

_TOP = "tercet_soc"
_MAIN = Path(__file__).with_name("board.cpp")
_DEFINES = {"uart": {}, "line": {}, "bytes": {"TERCET_BYTES": "1"}}
_PATIENCE = 5  # seconds for the process to end
_TAIL = 10  # lines of its output quoted in an error

MODES = tuple(_DEFINES)
"""``uart``: bit-level UART. ``line``: the same, but each byte from the host is 8 levels of rx, LSB first, one bit time
each; start and stop bits are up to the host. ``bytes``: a SoC without UART, which needs far fewer clocks."""


class SimulatedBoard:
    """A SoC that runs until it is closed; a context manager.

    Parameters
    ----------
    soc : SocConfig
        Configuration, used for clocks and baud rate.
    verilog : str or Mapping[str, str]
        Verilog of the top module ``tercet_soc`` and all modules below it, or file name to text. Its ports are ``clk``,
        ``rst``, ``busy`` and ``rx``, ``tx``, or for ``bytes`` the streams ``i`` and ``o``; with two clocks also
        ``engine_clk``. The clocks stop while `busy` is low and the line is idle.
    mode : str
        One of `MODES`.
    engine_clocks : float
        With two clocks, clocks of the engine for each of the link; by default as in `soc`.

    Attributes
    ----------
    path : str
        Path of the port to open.

    Raises
    ------
    ValueError
        If the mode is unknown.
    SimulatorNotFound, BuildError
        If Verilator is missing or the build fails.
    """

    def __init__(
        self,
        soc: SocConfig,
        verilog: str | Mapping[str, str],
        *,
        mode: str = "uart",
        engine_clocks: float | None = None,
    ):
        if mode not in MODES:
            raise ValueError(f"Mode is {mode!r}; use one of {', '.join(MODES)}")
        defines = _DEFINES[mode] | ({"TERCET_ENGINE_CLOCK": "1"} if soc.two_clocks else {})
        ratio = soc.clock_hz / soc.uart_hz if engine_clocks is None else engine_clocks
        sources = {f"{_TOP}.v": verilog} if isinstance(verilog, str) else verilog
        program = build_program(sources, _TOP, _MAIN.read_text(), defines=defines)
        self._unplugged = False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115, the log outlives this
        master, slave = pty.openpty()
        self._control, control = socket.socketpair()
        self._control.settimeout(_PATIENCE)
        try:
            tty.setraw(slave)
            self.path = os.ttyname(slave)
            # The child keeps the host's end open too, or the terminal would hang up when the host closes it. The socket
            # at its standard input tells it when this process ends. In a session of its own, Ctrl-C does not reach it.
            self._process = subprocess.Popen(
                [program, mode, str(master), repr(soc.uart_hz / soc.baud), repr(ratio)],
                stdin=control.fileno(),
                stdout=self._log,
                stderr=subprocess.STDOUT,
                pass_fds=(master, slave),
                start_new_session=True,
            )
        finally:
            os.close(master)
            os.close(slave)
            control.close()

    @property
    def pid(self) -> int:
        """Process ID."""
        return self._process.pid

    @property
    def log(self) -> str:
        """Output of the process so far, including every ``$display`` of the design."""
        # Read without moving the file position, which both processes share.
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def check(self) -> None:
        """Check that the board is still running.

        Raises
        ------
        SimulationError
            If its process has exited unexpectedly; the message ends with the log's last lines.
        """
        status = self._process.poll()
        if status is not None and not self._unplugged:
            tail = "".join(f"\n{line}" for line in self.log.splitlines()[-_TAIL:])
            output = f":{tail}" if tail else ", without output"
            raise SimulationError(f"Simulated board at {self.path!r} exited unexpectedly (status {status}){output}")

    def reset(self) -> None:
        """Reset the link, as its reset input does, for one clock; returns once that has passed."""
        self._control.sendall(b"r")
        self._control.recv(1)

    def kill(self) -> None:
        """Unplug the board: its port disappears at once."""
        self._unplugged = True
        self._process.kill()
        self._end()

    def close(self) -> None:
        """Stop the board. Safe to call twice.

        Raises
        ------
        SimulationError
            As `check` does.
        """
        try:
            self.check()
        finally:
            self._unplugged = True
            self._process.terminate()
            self._end()

    def _end(self) -> None:
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._control.close()

    def __enter__(self) -> "SimulatedBoard":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
