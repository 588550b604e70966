"""Deep compression: pruning, weight sharing, ternary weights, Huffman coding; low-rank factors, distillation, DSD."""

from .dense_sparse_dense import dense_sparse_dense
from .distill import distill
from .huffman import huffman_decode, huffman_encode
from .low_rank import factor, factor_convolution
from .prune import prune
from .share import share_weights
from .ternary import ternarize

__all__ = [
    "dense_sparse_dense",
    "distill",
    "factor",
    "factor_convolution",
    "huffman_decode",
    "huffman_encode",
    "prune",
    "share_weights",
    "ternarize",
]
