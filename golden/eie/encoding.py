"""Golden model of the EIE engine: compressed layer encoding, and cycle counts of layers.

A pruned layer with shared weights is stored without its zeros, interleaved over processing elements. Each non-zero
activation is broadcast and multiplied by one column of the layer in every PE::

    a_j -> queue -> pointers[j], pointers[j + 1] -> entries (v, z) -> acc[row] += codebook[v] * a_j
                                                                       row = rows passed so far + z
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ..checks import float_array, int_array, integer, native, show, where
from .config import FRACTION_BITS, EieConfig
from .cycle_model import EieCycles, column_counts, step_cycles
from .layer import EieLayer
from .product import EieResult, check_acts, network_spmv, spmv
from .program import link
from .sizing import check_depths
from .spread import spread
from .storage import balance, interleave, pack, row_work

__all__ = [
    "EieConfig",
    "EieCycles",
    "EieLayer",
    "EieResult",
    "check_acts",
    "cycles",
    "decode",
    "encode",
    "network_cycles",
    "network_spmv",
    "spmv",
]


def encode(
    codes: Any,
    codebook: Any,
    config: EieConfig,
    *,
    bias: Any = None,
    relu: bool = False,
    shift: int | None = None,
    permute: Literal["balance", "spread"] | None = None,
    act_max: int = 32768,
    frequencies: Any = None,
    act_frac: int | None = None,
    weight_frac: int | None = None,
    out_frac: int | None = None,
) -> EieLayer:
    """Compress a layer for an engine and prove that no accumulator can overflow.

    Parameters
    ----------
    codes : (out, in) uint8 array
        Codebook index of each weight, 0 = pruned.
    codebook : (2**code_bits,) int16 array
        Weights with ``weight_frac`` fraction bits; ``codebook[0] == 0``.
    config : EieConfig
        The engine.
    bias : (out,) integer array or None
        Bias in accumulator LSBs: ``act_frac + weight_frac`` fraction bits.
    relu : bool
        Whether negative outputs become zero.
    shift : int or None
        Right shift from accumulator to output, 0 to ``acc_width - 1``; None is ``act_frac + weight_frac - out_frac``.
    permute : "balance", "spread" or None
        None puts row i on PE ``i mod n_pe``. ``"balance"`` deals rows by their non-zeros to equalise the PEs' work over
        the whole layer. ``"spread"`` equalises it in every stretch of columns, so large layers take fewer
        clock cycles, but up to a few seconds longer to encode. Results are in original order in any case.
    act_max : int
        Largest magnitude of an activation, 1 to 32768.
    frequencies : (in,) float array or None
        How often each activation is non-zero, used by a permutation to weight the non-zeros.
    act_frac, weight_frac : int or None
        Fraction bits of the layer's inputs and codebook, -48 to 48; None takes the config's.
    out_frac : int or None
        Fraction bits of the outputs; None is ``act_frac``, or unspecified if a shift is given.

    Returns
    -------
    EieLayer

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If shapes do not match, a code is out of range, ``codebook[0]`` is not 0, shift and fraction bits are
        inconsistent, or a row's accumulator could exceed ``acc_width`` for some activations up to ``act_max``.
    DepthsExceeded
        If the layer exceeds the engine's memories; the message names all of them.

    Notes
    -----
    Source: Han et al., ISCA 2016, section III; ``spec/eie.md``, "The format" and "Numbers".
    """
    codes = _check_codes(codes, config)
    n_out, n_in = codes.shape
    codebook = _check_codebook(codebook, config)
    bias = _check_bias(bias, n_out, config)
    if not isinstance(relu, (bool, np.bool_)):
        raise TypeError(f"relu {show(relu)} is not a bool; use True or False")
    act_frac = integer("act_frac", config.act_frac if act_frac is None else act_frac, FRACTION_BITS)
    weight_frac = integer("weight_frac", config.weight_frac if weight_frac is None else weight_frac, FRACTION_BITS)
    shift, out_frac = _scale(act_frac, weight_frac, out_frac, shift, config)
    act_max = integer("act_max", act_max, (1, 32768))
    rows = _assign(codes, config, permute, frequencies)
    packed = [pack(codes[r], config.index_bits) for r in rows]
    values, zeros, pointers = zip(*packed, strict=True)
    layer = EieLayer(
        values=values,
        zeros=zeros,
        pointers=pointers,
        rows=tuple(rows),
        codebook=codebook,
        bias=bias,
        relu=bool(relu),
        shift=shift,
        act_frac=act_frac,
        weight_frac=weight_frac,
        out_frac=out_frac,
        act_max=act_max,
        config=config,
        shape=(n_out, n_in),
    )
    check_depths(config, [layer])
    _prove(layer)
    return layer


def _check_codes(codes: Any, config: EieConfig) -> np.ndarray:
    codes = np.asarray(codes)
    if codes.dtype != np.uint8:
        raise TypeError(f"Codes have dtype {codes.dtype}; use uint8, 0 for a pruned weight")
    if codes.ndim != 2:
        raise ValueError(f"Codes have shape {codes.shape}; use a matrix (out, in)")
    if 0 in codes.shape:
        raise ValueError(f"Codes have shape {codes.shape}; every size must be at least 1")
    bad = codes >= 2**config.code_bits
    if bad.any():
        index = where(bad)
        raise ValueError(
            f"Code {codes[index]} at index {index} is outside [0, {2**config.code_bits - 1}]; "
            f"code_bits is {config.code_bits}, use fewer shared weights or more bits"
        )
    return codes


def _check_codebook(codebook: Any, config: EieConfig) -> np.ndarray:
    codebook = native(np.asarray(codebook))
    if codebook.dtype != np.int16:
        raise TypeError(f"Codebook has dtype {codebook.dtype}; use int16 with weight_frac fraction bits")
    if codebook.shape != (2**config.code_bits,):
        raise ValueError(
            f"Codebook has shape {codebook.shape}; code_bits {config.code_bits} needs ({2**config.code_bits},), "
            "pad with zeros"
        )
    if codebook[0]:
        raise ValueError(f"Codebook begins with {codebook[0]}, not 0; code 0 is reserved for pruned weights")
    return codebook


def _check_bias(bias: Any, n_out: int, config: EieConfig) -> np.ndarray | None:
    if bias is None:
        return None
    limit = 2 ** (config.acc_width - 1)
    bias = int_array("Bias", bias, (-limit, limit - 1), f"it must fit acc_width {config.acc_width}")
    if bias.shape != (n_out,):
        raise ValueError(f"Bias has shape {bias.shape} but the codes have {n_out} rows; use shape ({n_out},)")
    return bias


def _scale(
    act_frac: int, weight_frac: int, out_frac: int | None, shift: int | None, config: EieConfig
) -> tuple[int, int | None]:
    """Shift and fraction bits of the outputs; whichever is not given follows from the other."""
    most = config.acc_width - 1
    if shift is not None:
        shift = integer("shift", shift, (0, most))
    if out_frac is None and shift is not None:
        return shift, None
    out_frac = act_frac if out_frac is None else integer("out_frac", out_frac, FRACTION_BITS)
    sum_frac = act_frac + weight_frac
    needed = sum_frac - out_frac
    if not 0 <= needed <= most:
        raise ValueError(
            f"out_frac {out_frac} needs a shift of {needed} from act_frac + weight_frac = {sum_frac}, outside "
            f"[0, {most}]; use an out_frac in [{sum_frac - most}, {sum_frac}]"
        )
    if shift not in (None, needed):
        raise ValueError(
            f"shift {shift} leaves {sum_frac - shift} fraction bits, but out_frac is {out_frac}; leave one of them out"
        )
    return needed, out_frac


def _assign(codes: np.ndarray, config: EieConfig, permute: str | None, frequencies: Any) -> list[np.ndarray]:
    """Original rows of each PE."""
    if permute is not None and not isinstance(permute, str):
        raise TypeError(f"permute {show(permute)} is not a string; use 'balance', 'spread' or None")
    if permute not in (None, "balance", "spread"):
        raise ValueError(f"permute {permute!r} is unknown; use 'balance', 'spread' or None")
    if frequencies is not None:
        if permute is None:
            raise ValueError("Frequencies have no effect without a permutation; use permute='balance' or 'spread'")
        frequencies = _check_frequencies(frequencies, codes.shape[1])
    if permute is None:
        return interleave(codes.shape[0], config.n_pe)
    if permute == "balance":
        return balance(row_work(codes, frequencies), config.n_pe)
    return spread(codes, config.n_pe, config.index_bits, frequencies)


def _check_frequencies(frequencies: Any, n_in: int) -> np.ndarray:
    frequencies = float_array("Frequencies", frequencies)
    if frequencies.shape != (n_in,):
        raise ValueError(f"Frequencies have shape {frequencies.shape} but the codes {n_in} columns; use ({n_in},)")
    if (frequencies < 0).any():
        index = where(frequencies < 0)
        raise ValueError(f"Frequency {frequencies[index]} at index {index} is negative; use numbers of at least 0")
    return frequencies


def _prove(layer: EieLayer) -> None:
    """Reject a layer if activations up to ``act_max`` could overflow an accumulator, even in a partial sum only."""
    n_out = layer.shape[0]
    row, _, code = layer.weights()
    # Below 2**53, so bincount is exact in float64.
    reach = np.bincount(row, np.abs(layer.codebook.astype(np.int64))[code], n_out).astype(np.int64) * layer.act_max
    bias = np.zeros(n_out, np.int64) if layer.bias is None else layer.bias
    limit = 2 ** (layer.config.acc_width - 1)
    excess = np.maximum(bias + reach - (limit - 1), -limit - (bias - reach))
    worst = int(np.argmax(excess))
    if excess[worst] > 0:
        raise ValueError(
            f"Row {worst} can reach [{bias[worst] - reach[worst]}, {bias[worst] + reach[worst]}], {excess[worst]} "
            f"beyond acc_width {layer.config.acc_width}; use smaller weights, a smaller bias, a smaller act_max or a "
            "wider accumulator"
        )


def decode(layer: EieLayer) -> np.ndarray:
    """Decode a layer to its codes, the exact inverse of `encode`.

    Parameters
    ----------
    layer : EieLayer
        An encoded layer.

    Returns
    -------
    (out, in) uint8 array
        In original row order, without fillers.
    """
    row, col, code = layer.weights()
    codes = np.zeros(layer.shape, np.uint8)
    codes[row, col] = code
    return codes


def cycles(layer: EieLayer, acts: Any) -> EieCycles:
    """Exact clock cycles of the RTL for a single layer, run as in :func:`tercet.sim.eie.spmv`.

    Parameters
    ----------
    layer : EieLayer
        An encoded layer.
    acts : (in,) or (batch, in) int16 array
        Activations; the vectors of a batch run in sequence.

    Returns
    -------
    EieCycles
        Counts, summed over the batch.

    Raises
    ------
    TypeError, ValueError
        As in `spmv`.
    """
    return network_cycles([layer], acts)


def network_cycles(layers: Sequence[EieLayer], acts: Any) -> EieCycles:
    """Exact clock cycles of the RTL for a chain of layers, summed; see `cycles`."""
    program = link(layers[0].config, layers)
    vectors = check_acts(layers[0], acts).reshape(-1, layers[0].shape[1])
    total = EieCycles(0, 0, 0, 0, 0)
    for number, linked in enumerate(program.layers):
        counts, fillers = column_counts(linked.values, linked.pointers)
        after = program.layers[number + 1].rows if number + 1 < len(program.layers) else 0
        chunk = linked.layer.config.act_depth * linked.layer.config.n_pe
        for vector in linked.arrange(vectors).reshape(len(vectors), -1):
            used = vector[: linked.columns.size]
            for start in range(0, used.size, chunk):
                part = slice(start, start + chunk)
                rows = max(linked.rows, after) if start + chunk >= used.size else None
                total += step_cycles(linked.layer.config, counts[part], fillers[part], used[part], rows, bool(start))
        if after:
            vectors = spmv(linked.layer, vectors.astype(np.int16))
    return total
