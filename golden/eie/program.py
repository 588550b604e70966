"""Linker for EIE programs: combines layers into memory contents, program steps and frames of 64-bit words.

A layer leaves its results at the positions to which its rows were dealt. Linking puts the next layer's columns into
that order, so a permutation costs nothing at run time::

    layer 0   columns 0 1 2 ...                     rows of PE k: rows[k]
    layer 1   column r * n_pe + k meets input rows[k][r] of layer 0, or is empty if PE k has no row r
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .config import EieConfig, step_fields
from .layer import EieLayer
from .sizing import check_depths

__all__ = ["EVERY_PE", "FRAMES", "FRAME_FIELDS", "LinkedLayer", "Program", "link", "step_beats", "step_fields"]

FRAMES = ("matrix", "pointers", "constants", "program", "run")
"""Kinds of frames, in the order of their codes."""

FRAME_FIELDS = {"kind": 4, "pe": 12, "address": 24, "count": 24}
"""Fields of a frame header and their widths in bits, starting at the LSB."""

EVERY_PE = 2**12 - 1
"""Value of the field ``pe`` that addresses all PEs."""


@dataclass(frozen=True)
class LinkedLayer:
    """A layer with its columns in the order of its input positions.

    Attributes
    ----------
    layer : EieLayer
        The encoded layer.
    columns : (positions,) int64 array
        Input index at each position of the source buffers, -1 for none.
    values, zeros, pointers : tuples of one vector per PE
        As in `EieLayer`, by position.
    """

    layer: EieLayer
    columns: np.ndarray = field(repr=False)
    values: tuple[np.ndarray, ...] = field(repr=False)
    zeros: tuple[np.ndarray, ...] = field(repr=False)
    pointers: tuple[np.ndarray, ...] = field(repr=False)

    @property
    def groups(self) -> int:
        """Number of groups of ``n_pe`` activations."""
        return -(-self.columns.size // self.layer.config.n_pe)

    @property
    def rows(self) -> int:
        """Largest number of rows in a PE."""
        return max(rows.size for rows in self.layer.rows)

    def arrange(self, acts: np.ndarray) -> np.ndarray:
        """Arrange activations (batch, in) as in the source buffers: (batch, groups, n_pe)."""
        n_pe = self.layer.config.n_pe
        placed = np.zeros((len(acts), self.groups * n_pe), acts.dtype)
        placed[:, : self.columns.size] = np.where(self.columns >= 0, acts[:, self.columns], 0)
        return placed.reshape(len(acts), self.groups, n_pe)

    def collect(self, groups: np.ndarray) -> np.ndarray:
        """Restore results (batch, rows, n_pe) to original row order: (batch, out)."""
        out = np.empty((len(groups), self.layer.shape[0]), groups.dtype)
        for k, rows in enumerate(self.layer.rows):
            out[:, rows] = groups[:, : rows.size, k]
        return out


@dataclass(frozen=True)
class Program:
    """Memory contents and steps with which an engine runs a network.

    Attributes
    ----------
    config : EieConfig
        The engine.
    layers : tuple of LinkedLayer
        The layers.
    steps : tuple of dict
        Fields of each step, named as in `step_fields`.
    matrix, pointers, constants : tuples of one vector per PE
        Contents of the memories, uint64.
    """

    config: EieConfig
    layers: tuple[LinkedLayer, ...] = field(repr=False)
    steps: tuple[Mapping[str, int], ...]
    matrix: tuple[np.ndarray, ...] = field(repr=False)
    pointers: tuple[np.ndarray, ...] = field(repr=False)
    constants: tuple[np.ndarray, ...] = field(repr=False)

    def frames(self, vectors: int = 0) -> np.ndarray:
        """Frames that load the program and, if `vectors` is not 0, run it on that many vectors.

        Returns
        -------
        (words,) uint64 array
        """
        # Codebooks are the same in every PE and are broadcast.
        table = np.stack(self.constants)
        differs = (table != table[0]).any(axis=0)
        common = int(differs.argmax()) if differs.any() else table.shape[1]
        parts = [frame_head("constants", EVERY_PE, 0, common), table[0, :common]]
        starts = {"matrix": 0, "pointers": 0, "constants": common}
        for kind, start in starts.items():
            for k, words in enumerate(getattr(self, kind)):
                if words.size > start:
                    parts += [frame_head(kind, k, start, words.size - start), words[start:]]
        steps = _join(self.steps, step_fields(self.config))
        parts += [frame_head("program", 0, 0, steps.size), steps]
        if vectors:
            parts.append(frame_head("run", 0, 0, vectors))
        return np.concatenate(parts)


def step_beats(config: EieConfig) -> int:
    """Number of 64-bit words in a step."""
    return -(-sum(step_fields(config).values()) // 64)


def frame_head(kind: str, pe: int, address: int, count: int) -> np.ndarray:
    """Frame header, as an array of one word."""
    values = {"kind": FRAMES.index(kind), "pe": pe, "address": address, "count": count}
    return _join([values], FRAME_FIELDS)


def _join(items: Sequence[Mapping[str, int]], fields: Mapping[str, int]) -> np.ndarray:
    """Pack the fields of each item and split it into 64-bit words."""
    beats = -(-sum(fields.values()) // 64)
    words = []
    for item in items:
        packed, low = 0, 0
        for name, width in fields.items():
            value = item.get(name, 0)
            if not 0 <= value < 2**width:
                raise ValueError(f"{name} {value} is outside [0, {2**width - 1}]")
            packed |= value << low
            low += width
        words += [packed >> 64 * n & 2**64 - 1 for n in range(beats)]
    return np.array(words, np.uint64)


def link(config: EieConfig, layers: Any) -> Program:
    """Link a chain of layers into a program for an engine.

    Parameters
    ----------
    config : EieConfig
        The engine.
    layers : sequence of EieLayer
        At least one layer, each fed by the previous one.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If layers do not match each other or the engine.
    DepthsExceeded
        If they exceed the engine's memories; the message names all of them.
    """
    layers = list(layers) if isinstance(layers, Sequence) else layers
    if not isinstance(layers, list) or not all(isinstance(layer, EieLayer) for layer in layers):
        raise TypeError("Layers are not a list of EieLayer; make each with tercet.golden.eie.encode")
    if not layers:
        raise ValueError("There is no layer; use at least one")
    for number, layer in enumerate(layers):
        _check_layer(config, layer, f"Layer {number}")
        if number and layer.shape[1] != layers[number - 1].shape[0]:
            raise ValueError(
                f"Layer {number} has {layer.shape[1]} inputs but layer {number - 1} has {layers[number - 1].shape[0]} "
                "outputs; use equal numbers"
            )
        given = layers[number - 1].out_frac
        if number and given is not None and given != layer.act_frac:
            raise ValueError(
                f"Layer {number} takes activations with {layer.act_frac} fraction bits but layer {number - 1} gives "
                f"{given}; encode one of them with other act_frac or out_frac"
            )
        # Saturated results reach -32768, unless a ReLU zeroes negative ones.
        if number and layer.act_max < (reach := 32767 if layers[number - 1].relu else 32768):
            raise ValueError(
                f"Layer {number} is proven for activations up to {layer.act_max} but layer {number - 1} can give "
                f"{reach}; encode it with act_max={reach}"
            )
    check_depths(config, layers)
    columns = [np.arange(layers[0].shape[1]), *(_positions(layer) for layer in layers[:-1])]
    linked = [_in_order(layer, order) for layer, order in zip(layers, columns, strict=True)]
    matrix, pointers, first_pointers = _entries(config, linked)
    constants, codebooks, biases = _constants(config, linked)
    steps = _steps(config, linked, first_pointers, codebooks, biases)
    return Program(config, tuple(linked), tuple(steps), tuple(matrix), tuple(pointers), tuple(constants))


def _check_layer(config: EieConfig, layer: EieLayer, what: str) -> None:
    for name in ("n_pe", "code_bits", "index_bits", "acc_width", "act_frac", "weight_frac"):
        ours, its = getattr(config, name), getattr(layer.config, name)
        if ours != its:
            raise ValueError(f"{what} is encoded for {name} {its} but the engine has {ours}; encode it with its config")


def _positions(layer: EieLayer) -> np.ndarray:
    """Output index at each position of the destination buffers, -1 for none."""
    n_pe = layer.config.n_pe
    positions = np.full((max(rows.size for rows in layer.rows), n_pe), -1, np.int64)
    for k, rows in enumerate(layer.rows):
        positions[: rows.size, k] = rows
    return positions.ravel()


def _in_order(layer: EieLayer, columns: np.ndarray) -> LinkedLayer:
    """Reorder a layer's columns."""
    parts = []
    present = columns >= 0
    for values, zeros, pointers in zip(layer.values, layer.zeros, layer.pointers, strict=True):
        first = np.where(present, pointers[columns], 0)
        counts = np.where(present, pointers[columns + 1], 0) - first
        after = np.concatenate(([0], np.cumsum(counts)))
        entries = np.repeat(first - after[:-1], counts) + np.arange(after[-1])
        parts.append((values[entries], zeros[entries], after))
    return LinkedLayer(layer, columns, *zip(*parts, strict=True))


def _entries(config: EieConfig, linked: list[LinkedLayer]) -> tuple[list[np.ndarray], list[np.ndarray], list[int]]:
    """Matrix words and pointers of each PE, and the address of each layer's first pointer."""
    sizes = [layer.columns.size + 1 for layer in linked]
    per_word = config.entries_per_word
    words = [-(-sum(layer.values[k].size for layer in linked) // per_word) for k in range(config.n_pe)]
    matrix, pointers = [], []
    for k in range(config.n_pe):
        values = np.concatenate([layer.values[k] for layer in linked]).astype(np.uint64)
        zeros = np.concatenate([layer.zeros[k] for layer in linked]).astype(np.uint64)
        entries = np.zeros(words[k] * per_word, np.uint64)
        entries[: values.size] = values | zeros << np.uint64(config.code_bits)
        shifts = np.arange(per_word, dtype=np.uint64) * np.uint64(config.entry_width)
        matrix.append(np.bitwise_or.reduce(entries.reshape(-1, per_word) << shifts, axis=1))
        first = np.cumsum([0, *(layer.values[k].size for layer in linked)])
        positions = np.concatenate([start + layer.pointers[k] for start, layer in zip(first, linked, strict=False)])
        word, offset = np.divmod(positions, per_word)
        pointers.append((word << config.offset_width | offset).astype(np.uint64))
    return matrix, pointers, np.cumsum([0, *sizes]).tolist()[:-1]


def _constants(config: EieConfig, linked: list[LinkedLayer]) -> tuple[list[np.ndarray], list[int], list[int]]:
    """Constants of each PE, and each layer's codebook number and first bias address."""
    books: list[bytes] = []
    codebooks = []
    for layer in linked:
        book = layer.layer.codebook.tobytes()
        if book not in books:
            books.append(book)
        codebooks.append(books.index(book))
    common = np.frombuffer(b"".join(books), np.int16).astype(np.int64)
    # Layers without bias share the zeros after the codebooks.
    zeros = max((layer.rows for layer in linked if layer.layer.bias is None), default=0)
    biases, end = [], common.size + zeros
    for layer in linked:
        if layer.layer.bias is None:
            biases.append(common.size)
        else:
            biases.append(end)
            end += layer.rows
    constants = []
    width = max(16, config.acc_width)
    for k in range(config.n_pe):
        words = np.zeros(end, np.int64)
        words[: common.size] = common
        for layer, first in zip(linked, biases, strict=True):
            if layer.layer.bias is not None:
                mine = layer.layer.bias[layer.layer.rows[k]]
                words[first : first + mine.size] = mine
        constants.append(words.astype(np.uint64) & np.uint64(2**width - 1))
    return constants, codebooks, biases


def _steps(
    config: EieConfig, linked: list[LinkedLayer], pointers: list[int], codebooks: list[int], biases: list[int]
) -> list[dict[str, int]]:
    """A step that loads the first layer's activations and biases, then one per layer; a long input takes several."""
    most = config.act_depth
    steps: list[dict[str, int]] = []
    first = linked[0]
    loads = [min(most, first.groups - start) for start in range(0, first.groups, most)]
    steps.append({"load": 1, "sweep": 1, "groups": loads[0], "rows": first.rows, "biases": biases[0]})
    for number, layer in enumerate(linked):
        common = {
            "compute": 1,
            "codebook": codebooks[number],
            "shift": layer.layer.shift,
            "relu": int(layer.layer.relu),
        }
        parts = loads if number == 0 else [layer.groups]
        for part, groups in enumerate(parts):
            at = pointers[number] + part * most * config.n_pe
            steps.append({**common, "load": int(part > 0), "groups": groups, "pointers": at})
        after = linked[number + 1] if number + 1 < len(linked) else None
        steps[-1] |= {
            "sweep": 1,
            "deliver": 1,
            "last": int(after is None),
            "rows": max(layer.rows, after.rows if after else 0),
            "results": layer.rows,
            "biases": biases[number + 1] if after else 0,
        }
    return steps
