"""SIGTERM ends a command as Ctrl-C does: it tidies up, and everything that it has started ends with it.

Ctrl-C reaches all processes of a terminal's job; SIGTERM only the one that it is sent to, and nextpnr or a compiler
would go on for minutes, alone.
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
    """The process was told to end. Like a KeyboardInterrupt, it is not an Exception."""


@contextlib.contextmanager
def terminated_by_signals() -> Iterator[None]:
    """On SIGTERM or SIGHUP, unwind what runs inside, end all child processes, and exit with 128 plus the number.

    A second signal ends this process at once. Signals that are ignored, or that someone else handles, stay so.
    """
    received = 0
    children: list[psutil.Process] = []

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal received
        received = number
        _restore(handled)
        # Before anything is unwound: the children of a child that has ended are nobody's.
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
        # Whatever came of the unwinding, a tool that has ended too early for instance.
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
        # It may have ended by now; another process that got its number is not mistaken for it.
        with contextlib.suppress(psutil.Error):
            (child.kill if kill else child.terminate)()


def _end_what_starts() -> None:
    """End what threads still start before they hear of the end, and what does not end by itself."""
    started = time.monotonic()
    while True:
        time.sleep(_LOOK_S)
        _signal(_descendants(), kill=time.monotonic() - started > _PATIENCE_S)
