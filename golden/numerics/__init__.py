"""Arithmetic shared by the engines: requantisation of INT32 sums to int8, and floating-point formats."""

from .requantization import Requant, requantize

__all__ = ["Requant", "requantize"]
