"""Graph-to-NPU compiler: placement, buffer allocation, instruction lowering, memory images."""

from .compile import compile_graph

__all__ = ["compile_graph"]
