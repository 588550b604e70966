"""Deep compression: pruning, weight sharing, ternary weights and Huffman coding."""

from .huffman import huffman_decode, huffman_encode
from .prune import prune
from .share import share_weights
from .ternary import ternarize

__all__ = ["huffman_decode", "huffman_encode", "prune", "share_weights", "ternarize"]
