"""Deep compression: pruning, weight sharing, ternary weights and Huffman coding; low-rank factors."""

from .huffman import huffman_decode, huffman_encode
from .low_rank import factor, factor_convolution
from .prune import prune
from .share import share_weights
from .ternary import ternarize

__all__ = [
    "factor",
    "factor_convolution",
    "huffman_decode",
    "huffman_encode",
    "prune",
    "share_weights",
    "ternarize",
]
