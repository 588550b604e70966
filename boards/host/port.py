"""Serial port with actionable errors: one line that names the port and the remedy.

pyserial raises its own errors, the system's and those of termios, with texts that a user cannot act on. Callers need to
catch only `PortError`.
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

_LOOK = 0.02  # poll interval in seconds; longer waits are repeated polls, as pyserial is slow to change its timeout
_LONGEST_WRITE = 2**16  # bytes, more than any frame
_NOT_TAKEN = 5.0  # seconds that a write may block beyond its transmission time


class PortError(ConnectionError):
    """A serial port cannot be opened or has gone; the message is one line that names it."""


class SerialPort:
    """An open serial port; use :func:`open_port` to create one.

    Attributes
    ----------
    path : str
        Path as given to `open_port`.
    baud : int
        Bits per second; a byte takes ten.
    """

    def __init__(self, path: str, baud: int, device: Any):
        self.path, self.baud, self._device = path, baud, device

    def read(self, timeout: float) -> bytes:
        """Return all received bytes once there is at least one; empty after `timeout` seconds without any.

        Raises
        ------
        PortError
            If the port is gone.
        """
        deadline = time.monotonic() + timeout
        with self._port_errors():
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
            If the port is gone or accepts no bytes.
        """
        with self._port_errors():
            self._device.write(data)

    def close(self) -> None:
        """Close the port. Safe to call twice."""
        with contextlib.suppress(OSError):
            self._device.close()

    def __enter__(self) -> "SerialPort":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _port_errors(self) -> Iterator[None]:
        """Convert the errors of pyserial to `PortError`."""
        try:
            yield
        except serial.SerialTimeoutException:
            raise PortError(f"Port {self.path!r} accepts no more bytes; unplug and replug the board") from None
        except serial.PortNotOpenError:
            raise PortError(f"Port {self.path!r} is closed; open it again") from None
        except (OSError, *_TERMIOS_ERRORS):
            raise PortError(f"Port {self.path!r} is gone; plug the board in again, and open it again") from None


def open_port(path: str, baud: int) -> SerialPort:
    """Open a serial port exclusively, raw, with 8 data bits, no parity and 1 stop bit.

    Bytes received before are discarded.

    Parameters
    ----------
    path : str
        Port such as ``/dev/ttyUSB1`` or ``COM4``.
    baud : int
        Bits per second.

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
    # By default FTDI's driver buffers bytes for 16 ms. Other drivers and pseudo-terminals lack this mode.
    with contextlib.suppress(AttributeError, OSError, ValueError, NotImplementedError):
        device.set_low_latency_mode(True)
    port = SerialPort(path, baud, device)
    try:
        with port._port_errors():
            device.reset_input_buffer()
    except PortError:
        port.close()
        raise
    return port


def _problem(error: Exception, baud: int) -> str:
    """Explain why a port does not open, with the remedy."""
    number, text = getattr(error, "errno", None), str(error)
    # On Windows the error is only in the text.
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO) or "FileNotFoundError" in text:
        others = ", ".join(sorted(port.device for port in list_ports.comports()))
        return "does not exist; plug the board in" + (f", or use one of: {others}" if others else "")
    if number == errno.EACCES:
        return "is not accessible to this user; join its group (sudo usermod -aG dialout $USER) and log in again"
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK) or "PermissionError" in text:
        return "is in use by another program; close it"
    if "configure port" in text or number in (errno.EISDIR, errno.ENOTTY):
        return "is not a serial port; use the board's"
    if "baud" in text:
        return f"does not support {baud} baud; build the bitstream for another rate"
    return f"cannot be opened: {text}"
