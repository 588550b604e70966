"""Command line, demos and benches."""

from importlib.metadata import version

from .commands import main

__all__ = ["__version__", "main"]

__version__ = version("tercet")
