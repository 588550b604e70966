"""From a graph to a program of the NPU: placement, allocation, instructions, memory images."""

from .compile import compile_graph

__all__ = ["compile_graph"]
