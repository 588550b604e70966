"""Refusals of model files: one line each, with the node, what is not understood, and what helps."""

__all__ = ["Unsupported"]


class Unsupported(ValueError):
    """A model file holds something that the compiler does not take."""
