"""Refusals of model files: one line each, with the node, what is not understood, and what helps."""

__all__ = ["MissingPackage", "Unsupported"]


class Unsupported(ValueError):
    """A model file holds something that the compiler does not take."""


class MissingPackage(ImportError):
    """A package that reads a file is not installed; the message says how to install it."""

    def __init__(self, what: str, package: str):
        super().__init__(f"reading {what} needs the package {package}; run: pip install 'tercet[models]'")
