"""A board without a board: its RTL in Verilator, behind a pseudo-terminal that opens like a serial port.

The host's program is the same as with a real one; only time differs, as clocks take as long as the machine needs::

    host --- pyserial --- /dev/pts/N --- board.cpp --- rx, tx --- tercet_soc

The board is a process of its own, and the terminal belongs to it: a host can close and open the port as often as it
likes, and if the process ends, the port is gone as if unplugged. It ends with this one, however that ends.
"""

import os
import pty
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
_TAIL = 10  # lines of its output that go into an error

MODES = tuple(_DEFINES)
"""``uart``: every bit of the UART. ``line``: the same, where each byte from the host is 8 levels of rx, the lowest bit
first, one bit time each; start and stop bits are up to the host. ``bytes``: a SoC without UART, many clocks faster."""


class SimulatedBoard:
    """A SoC that runs until it is closed; a context manager.

    Parameters
    ----------
    soc : SocConfig
        Its clock and baud.
    verilog : str or Mapping[str, str]
        Text of the top module ``tercet_soc`` and all below it, or file name to text. Its ports are ``clk, rst, busy``
        and ``rx, tx``, or for ``bytes`` the streams ``i`` and ``o``. Clocks stop while `busy` and the line are at rest.
    mode : str
        One of `MODES`.

    Attributes
    ----------
    path : str
        The port to open.

    Raises
    ------
    ValueError
        If the mode is unknown.
    SimulatorNotFound, BuildError
        If Verilator is missing, or cannot build it.
    """

    def __init__(self, soc: SocConfig, verilog: str | Mapping[str, str], *, mode: str = "uart"):
        if mode not in MODES:
            raise ValueError(f"Mode is {mode!r}; use one of {', '.join(MODES)}")
        sources = {f"{_TOP}.v": verilog} if isinstance(verilog, str) else verilog
        program = build_program(sources, _TOP, _MAIN.read_text(), defines=_DEFINES[mode])
        self._unplugged = False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115, the log outlives this
        master, slave = pty.openpty()
        try:
            tty.setraw(slave)
            self.path = os.ttyname(slave)
            # It keeps the host's end open too, or the terminal would hang up when the host closes it. The pipe to its
            # input tells it when this process ends. Not in this session, where Ctrl-C would end it before its host.
            self._process = subprocess.Popen(
                [program, mode, str(master), repr(soc.clock_hz / soc.baud)],
                stdin=subprocess.PIPE,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                pass_fds=(master, slave),
                start_new_session=True,
            )
        finally:
            os.close(master)
            os.close(slave)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def log(self) -> str:
        """What the process has written so far, all ``$display`` of the design included."""
        # Read without moving the position, which both processes share.
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def check(self) -> None:
        """See whether the board is still there.

        Raises
        ------
        SimulationError
            If its process has ended by itself; the message ends with the log's last lines.
        """
        status = self._process.poll()
        if status is not None and not self._unplugged:
            tail = "".join(f"\n{line}" for line in self.log.splitlines()[-_TAIL:])
            said = f":{tail}" if tail else ", and said nothing"
            raise SimulationError(f"Simulated board at {self.path!r} has ended by itself (status {status}){said}")

    def kill(self) -> None:
        """Unplug the board: its port is gone at once."""
        self._unplugged = True
        self._process.kill()
        self._end()

    def close(self) -> None:
        """End the board; again is no error.

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
        if self._process.stdin is not None:
            self._process.stdin.close()

    def __enter__(self) -> "SimulatedBoard":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
