"""Makes SIGTERM end a command as Ctrl-C does: it cleans up, and its child processes end with it.

Ctrl-C reaches every process of a terminal's job. SIGTERM reaches only the one it is sent to: an orphaned nextpnr or
compiler would run on for minutes.
"""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

import psutil

__all__ = ["Terminated", "terminated_by_signals"]

_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
_LOOK_S, _PATIENCE_S = 0.1, 3.0


class Terminated(BaseException):
    """Raised when the process is told to end. Like KeyboardInterrupt, not an Exception."""


@contextlib.contextmanager
def terminated_by_signals() -> Iterator[None]:
    """On SIGTERM or SIGHUP, unwind the body, end all child processes, and exit with 128 plus the signal number.

    A second signal ends this process at once. Signals that are ignored or have another handler are left alone.
    """
    received = 0
    children: list[psutil.Process] = []

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal received
        received = number
        _restore(handled)
        # Before anything unwinds: once a child has ended, its own children can no longer be found.
        children.extend(_descendants())
        _signal(children)
        threading.Thread(target=_end_what_starts, daemon=True).start()
        raise Terminated

    handled = []
    if threading.current_thread() is threading.main_thread():
        handled = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in handled:
        signal.signal(number, end)
    try:
        yield
    except BaseException:
        # Errors of the unwinding itself, such as a tool that ended too early.
        if not received:
            raise
    finally:
        _restore(handled)
    if received:
        _signal(psutil.wait_procs(children, timeout=_PATIENCE_S)[1], kill=True)
        sys.exit(128 + received)


def _restore(handled: list[int]) -> None:
    for number in handled:
        signal.signal(number, signal.SIG_DFL)


def _descendants() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def _signal(children: list[psutil.Process], *, kill: bool = False) -> None:
    for child in children:
        # It may have ended by now; psutil does not mistake a process that reuses its PID for it.
        with contextlib.suppress(psutil.Error):
            (child.kill if kill else child.terminate)()


def _end_what_starts() -> None:
    """Terminate processes that other threads still start; kill those that outlast the grace period."""
    started = time.monotonic()
    while True:
        time.sleep(_LOOK_S)
        _signal(_descendants(), kill=time.monotonic() - started > _PATIENCE_S)
