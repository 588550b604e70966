"""Errors raised for model files: one line each, naming the node, the unsupported feature and the fix."""

__all__ = ["MissingPackage", "Unsupported"]


class Unsupported(ValueError):
    """A model file uses a feature that the compiler does not support."""


class MissingPackage(ImportError):
    """A package required to read a file is not installed; the message says how to install it."""

    def __init__(self, what: str, package: str):
        super().__init__(f"reading {what} needs the package {package}; run: pip install 'tercet[models]'")
