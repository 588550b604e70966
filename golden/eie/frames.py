"""Description of the EIE engine's frame format, for the manifest."""

from collections.abc import Mapping
from typing import Any

from .config import EieConfig, step_fields
from .program import EVERY_PE, FRAME_FIELDS, FRAMES, step_beats

__all__ = ["frame_format"]

_STEP = {
    "load": "accept groups beats of activations",
    "compute": "multiply by the non-zeros of groups groups",
    "sweep": "read out rows sums and replace them with biases",
    "deliver": "the swept sums become activations of the next step",
    "last": "output the delivered activations, then begin the next vector or end",
    "relu": "negative results become zero",
    "shift": "right shift from a sum to its activation",
    "groups": "groups of activations, one per PE in each",
    "rows": "largest number of rows in a PE, of this layer and the next",
    "pointers": "address of the first column's pointer",
    "biases": "address of the first bias",
    "codebook": "number of the codebook",
    "results": "rows that belong to this layer, whose saturations are counted",
}


def frame_format(config: EieConfig) -> dict[str, Any]:
    """Describe the frame format; positions are bits in a 64-bit word, or in the concatenated words of a step."""
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
        "skipped": "the words of a frame of unknown kind or beyond its memory, which sets error in the status register",
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
        "words": "a column's first entry: its offset in the word, and the word",
        "fields": _positions(fields),
    }


def _constants(config: EieConfig) -> dict[str, Any]:
    return {
        "address": f"constant in the PE; codebook n starts at n * {2**config.code_bits}",
        "words": "a codebook's weight, or the bias of a row in accumulator LSBs, two's complement",
        "fields": _positions({"constant": max(16, config.acc_width)}),
    }


def _positions(fields: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """LSB position and width of each field, packed from bit 0 up; fields of width 0 are omitted."""
    positions, low = {}, 0
    for name, bits in fields.items():
        if bits:
            positions[name] = {"low": low, "bits": bits}
        low += bits
    return positions
