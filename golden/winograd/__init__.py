"""Winograd's minimal filtering F(2x2, 3x3) in exact integers: 3x3 convolutions with 16 products instead of 36."""

from .convolution import WinogradConvolution, refusal
from .transforms import input_transform, output_transform, weight_transform

__all__ = ["WinogradConvolution", "input_transform", "output_transform", "refusal", "weight_transform"]
