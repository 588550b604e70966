"""Verification of the golden model against real tensor cores. CuPy is imported only when a GPU is opened."""
