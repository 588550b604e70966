"""The command line and the demos."""

from importlib.metadata import version

from .commands import main

__all__ = ["__version__", "main"]

__version__ = version("tercet")
