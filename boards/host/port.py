"""A serial port whose every failure is one line that names it and says what helps.

pyserial raises its own errors, the system's and those of termios, with texts that a user cannot act on; whoever speaks
to a board catches `PortError` alone.
"""

import contextlib
import errno
import time
from collections.abc import Iterator
from typing import Any

import serial
from serial.tools import list_ports

try:
    import termios
except ImportError:  # Windows
    _TERMIOS_ERRORS: tuple[type[Exception], ...] = ()
else:
    _TERMIOS_ERRORS = (termios.error,)

__all__ = ["PortError", "SerialPort", "open_port"]

_LOOK = 0.02  # seconds of a look at the port; longer waits are several, as pyserial is slow to change its timeout
_LONGEST_WRITE = 2**16  # bytes, longer than any frame
_NOT_TAKEN = 5.0  # seconds that a write may hang beyond what its bytes need


class PortError(ConnectionError):
    """A serial port cannot be opened, or is gone; one line that names it."""


class SerialPort:
    """An open serial port, made by :func:`open_port`.

    Attributes
    ----------
    path : str
        As it was opened.
    baud : int
        Bits a second; a byte is ten of them.
    """

    def __init__(self, path: str, baud: int, device: Any):
        self.path, self.baud, self._device = path, baud, device

    def read(self, timeout: float) -> bytes:
        """Return what has come, as soon as there is a byte; empty after `timeout` seconds without one.

        Raises
        ------
        PortError
            If the port is gone.
        """
        deadline = time.monotonic() + timeout
        with self._told():
            while True:
                first = self._device.read(1)
                if first:
                    return first + self._device.read(self._device.in_waiting)
                if time.monotonic() >= deadline:
                    return b""

    def write(self, data: bytes) -> None:
        """Send bytes.

        Raises
        ------
        PortError
            If the port is gone, or does not take them.
        """
        with self._told():
            self._device.write(data)

    def close(self) -> None:
        """Give the port back; again is no error."""
        with contextlib.suppress(OSError):
            self._device.close()

    def __enter__(self) -> "SerialPort":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except serial.SerialTimeoutException:
            raise PortError(f"Port {self.path!r} takes no more bytes; unplug the board and plug it in again") from None
        except serial.PortNotOpenError:
            raise PortError(f"Port {self.path!r} is closed; open it again") from None
        except (OSError, *_TERMIOS_ERRORS):
            raise PortError(f"Port {self.path!r} is gone; plug the board in again, and open it again") from None


def open_port(path: str, baud: int) -> SerialPort:
    """Open a serial port for this program alone, raw, with 8 data bits, no parity and a stop bit.

    What came before is thrown away.

    Parameters
    ----------
    path : str
        Such as ``/dev/ttyUSB1`` or ``COM4``.
    baud : int
        Bits a second.

    Raises
    ------
    PortError
        If it cannot be opened.
    """
    if not isinstance(path, str):
        raise TypeError(f"Path of a port is {path!r}; use a str")
    if not isinstance(baud, int):
        raise TypeError(f"Baud is {baud!r}; use an int")
    if not 1 <= baud < 2**31:
        raise ValueError(f"Baud is {baud}; use 1 to {2**31 - 1}")
    longest = 10 * _LONGEST_WRITE / baud + _NOT_TAKEN
    try:
        device = serial.Serial(path, baud, timeout=_LOOK, write_timeout=longest, exclusive=True)
    except (OSError, ValueError, *_TERMIOS_ERRORS) as error:
        raise PortError(f"Port {path!r} {_problem(error, baud)}") from None
    # FTDI's driver else collects bytes for 16 ms. Others, and pseudo-terminals, have no such mode.
    with contextlib.suppress(AttributeError, OSError, ValueError, NotImplementedError):
        device.set_low_latency_mode(True)
    port = SerialPort(path, baud, device)
    try:
        with port._told():
            device.reset_input_buffer()
    except PortError:
        port.close()
        raise
    return port


def _problem(error: Exception, baud: int) -> str:
    """Say why a port does not open, and what helps."""
    number, text = getattr(error, "errno", None), str(error)
    # Windows tells its errors in the text only.
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO) or "FileNotFoundError" in text:
        others = ", ".join(sorted(port.device for port in list_ports.comports()))
        return "is not there; plug the board in" + (f", or use one of: {others}" if others else "")
    if number == errno.EACCES:
        return "may not be opened by this user; join its group (sudo usermod -aG dialout $USER) and log in again"
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK) or "PermissionError" in text:
        return "is in use by another program; close that"
    if "configure port" in text or number in (errno.EISDIR, errno.ENOTTY):
        return "is no serial port; use the board's"
    if "baud" in text:
        return f"has no rate of {baud} baud; build the bitstream for another"
    return f"cannot be opened: {text}"
