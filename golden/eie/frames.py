"""The format of the EIE engine's frames in words, for the manifest; positions are bits."""

from collections.abc import Mapping
from typing import Any

from .config import EieConfig, step_fields
from .program import EVERY_PE, FRAME_FIELDS, FRAMES, step_beats

__all__ = ["frame_format"]

_STEP = {
    "load": "take groups beats of activations",
    "compute": "multiply by the non-zeros of groups groups",
    "sweep": "let rows sums go out, and biases take their places",
    "deliver": "the sums are activations of the next step",
    "last": "give the delivered activations out; then begin the next vector, or end",
    "relu": "negative results become zero",
    "shift": "right shift from a sum to its activation",
    "groups": "groups of activations, one of each PE",
    "rows": "rows of the PE that has most, of this layer and the next",
    "pointers": "address of the first column's pointer",
    "biases": "address of the first bias",
    "codebook": "number of the codebook",
    "results": "rows that are this layer's, of which saturations are counted",
}


def frame_format(config: EieConfig) -> dict[str, Any]:
    """The format of frames; positions are bits of a 64-bit word, or of a step's words together."""
    words = {"matrix": _matrix(config), "pointers": _pointers(config), "constants": _constants(config)}
    words |= {
        "program": {
            "address": "64-bit word",
            "words": f"{step_beats(config)} for each step, the lower one first",
            "fields": {name: {**at, "text": _STEP[name]} for name, at in _positions(step_fields(config)).items()},
        },
        "run": {"address": "first step", "words": "none; count is the number of vectors, at least 1"},
    }
    return {
        "head": _positions(FRAME_FIELDS),
        "every_pe": EVERY_PE,
        "skipped": "a frame of unknown kind or beyond its memory, word for word; it sets error in the status register",
        "kinds": {kind: {"number": number, **words[kind]} for number, kind in enumerate(FRAMES)},
    }


def _matrix(config: EieConfig) -> dict[str, Any]:
    return {
        "address": "word of entries in the PE",
        "words": f"{config.entries_per_word} entries of {config.entry_width} bits, least significant first",
        "fields": _positions({"code": config.code_bits, "zeros": config.index_bits}),
    }


def _pointers(config: EieConfig) -> dict[str, Any]:
    fields = {"offset": config.offset_width, "word": config.pointer_width - config.offset_width}
    return {
        "address": "pointer in the PE",
        "words": "a column's first entry: its place within the word, and the word",
        "fields": _positions(fields),
    }


def _constants(config: EieConfig) -> dict[str, Any]:
    return {
        "address": f"constant in the PE; codebook n from n * {2**config.code_bits} on",
        "words": "a codebook's weight, or the bias of a row in accumulator LSBs, two's complement",
        "fields": _positions({"constant": max(16, config.acc_width)}),
    }


def _positions(fields: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Lowest bit and width of each field, the first in the least significant bits; those without bits are left out."""
    found, low = {}, 0
    for name, bits in fields.items():
        if bits:
            found[name] = {"low": low, "bits": bits}
        low += bits
    return found
