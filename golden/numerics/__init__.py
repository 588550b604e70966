"""Arithmetic that engines share: requantisation of INT32 sums to int8."""

from ..requantize import Requant, requantize

__all__ = ["Requant", "requantize"]
