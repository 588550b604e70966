"""The command line and the demos."""

from .commands import main

__all__ = ["main"]
