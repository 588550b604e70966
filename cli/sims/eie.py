"""``tercet sim eie``."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
from tercet.golden.compress.container import load
from tercet.golden.compress.eie import entry_bits
from tercet.golden.compress.fixed_network import FixedNetwork, sized_network
from tercet.golden.compress.model import CompressedLayer
from tercet.golden.compress.ranges import fraction_bits
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import encode, network_cycles
from tercet.golden.eie.layer import EieLayer
from tercet.golden.eie.product import check_acts, network_spmv
from tercet.golden.eie.program import link
from tercet.golden.eie.sizing import DEPTHS, size_engine, unbounded
from tercet.golden.eie.stimuli import random_acts, random_layer
from tercet.sim import eie
from tercet.sim.engine import EngineRun

from ..arrays import read_array, read_roles
from ..eie_sizing import (
    chosen_fields,
    eie_fields,
    follows_ranges,
    model_option,
    permute_option,
    told_as_flags,
)
from ..engines import ENGINES, examples
from ..fixed_rows import (
    error_rows,
    fraction_rows,
    read_labels,
    saturation_fix,
    saturation_row,
    warn_of_saturation,
)
from ..options import config_options
from .common import NPZ_NOTE, RunOptions, read_sizes, run_options, simulate

__all__ = ["command"]

_NOTES = f"""A layer has codes (out, in), uint8, 0 where a weight is pruned; a codebook, int16, one weight per code; and
optionally a bias (out,) in accumulator LSBs. Activations are (in,) or (batch, in), int16; for a model they may be
floats. Without --acts they are random; without --codes and --model the layer is random, too. {NPZ_NOTE}

The fraction bits of a model follow from its ranges, layer by layer, or, if it has none, from the ranges of these
activations; --act-frac or --weight-frac apply the engine's fraction bits to all layers. Results are int16, with the
fraction bits that the table shows for the last layer's outputs.

Memory depths that are not given are the least that hold the network. The simulator is compiled once per engine: to run
several networks on one engine, give depths that are enough for all of them.
"""


def _density(name: str, value: float | None, default: float) -> float:
    value = default if value is None else value
    if not 0 <= value <= 1:
        raise ValueError(f"{name} {value} is outside [0, 1]; use the share that is not zero")
    return value


def _refuse(options: dict[str, Any], reason: str) -> None:
    for name, value in options.items():
        if value is not None and value is not False:
            raise ValueError(f"--{name} {reason}; leave it out")


def _rows(
    chosen: Mapping[str, int],
    config: EieConfig,
    results: int,
    fixed: FixedNetwork | None,
    labels: Any,
    run: EngineRun,
) -> dict[str, str]:
    counters = run.counters
    clocks = config.n_pe * run.cycles
    shares = {"busy": clocks, "starve": clocks, "stall": run.cycles, "filler": max(1, counters["busy"])}
    texts = {"busy": "of all PEs' clocks", "starve": "of all PEs' clocks", "stall": "of cycles", "filler": "of busy"}
    rows = {name: f"{value}, chosen" for name, value in chosen.items()}
    rows["efficiency"] = f"{counters['busy'] / clocks:.1%}"
    for name, count in counters.items():
        rows[f"  {name}"] = f"{count}  {count / shares[name]:.1%} {texts[name]}" if name in shares else str(count)
    rows["  saturated"] = saturation_row(counters["saturated"], results)
    if fixed is not None:
        rows |= {**fraction_rows(fixed), **error_rows(fixed.error(run.out, labels))}
    return rows


@click.command("eie", epilog=examples("sim", "eie", notes=_NOTES))
@config_options(EieConfig, ENGINES["eie"].model.presets, dict.fromkeys(DEPTHS, "as the network needs"))
@click.option("--codes", type=click.Path(path_type=Path), help="Codes (out, in), .npy or .npz.")
@click.option("--codebook", type=click.Path(path_type=Path), help="Codebook (2**code_bits,), .npy or .npz.")
@click.option("--bias", type=click.Path(path_type=Path), help="Bias (out,), .npy or .npz.")
@model_option
@click.option("--acts", type=click.Path(path_type=Path), help="Activations (in,) or (batch, in), .npy or .npz.")
@click.option("--labels", type=click.Path(path_type=Path), help="Labels (batch,) of --acts, .npy, or y in an .npz.")
@click.option("--relu", is_flag=True, help="Negative results of the layer become zero.")
@click.option("--shift", type=int, help="Right shift from a sum to its result. [default: weight_frac]")
@permute_option
@click.option("--shape", help="OUTxIN[xBATCH] of a random layer. [default: 256x256]")
@click.option("--density", type=float, help="Share of weights of a random layer that are not pruned. [default: 0.1]")
@click.option("--act-density", type=float, help="Share of random activations that are not zero. [default: 0.3]")
@run_options
def command(
    preset: str | None,
    config_file: Path | None,
    codes: Path | None,
    codebook: Path | None,
    bias: Path | None,
    model: Path | None,
    acts: Path | None,
    labels: Path | None,
    relu: bool,
    shift: int | None,
    permute: Literal["balance", "spread"] | None,
    shape: str | None,
    density: float | None,
    act_density: float | None,
    **flags: Any,
) -> None:
    """Run a compressed layer or network on the EIE engine's RTL."""
    options = RunOptions.taken_from(flags)
    fields = eie_fields(preset, config_file, flags)
    rng = np.random.default_rng(options.seed)
    own = {"codes": codes, "codebook": codebook, "bias": bias}
    batch: list[int] = []
    right = read_labels(labels, {"model": model, "acts": acts})
    arrays: dict[str, np.ndarray] = {}
    if model is not None or codes is not None:
        _refuse({"shape": shape, "density": density}, "applies only to a random layer")
    if model is not None:
        _refuse({**own, "relu": relu, "shift": shift}, "applies to a single layer; a --model has its own")
        network, ranges = load(model), follows_ranges(fields)
        if acts is None:
            share = _density("Activation density", act_density, 0.3)
            inputs = _random_inputs(rng, network, unbounded(entry_bits(network) | fields), share, ranges)
        else:
            _refuse({"act-density": act_density}, "applies only to random activations, not to --acts")
            inputs = read_array("acts", acts, ["y"] if labels == acts else [])
        with told_as_flags():
            fixed = sized_network(network, inputs, fields, permute=permute, ranges=ranges)
        _simulate(options, fixed.layers, fixed.acts, chosen_fields(fixed.layers, fields), fixed, right)
        return
    if codes is not None and codebook is not None:
        arrays = read_roles({**own, "acts": acts})
        of_layer: Any = {"bias": arrays.get("bias"), "relu": relu, "shift": shift, "permute": permute}
        with told_as_flags():
            layers = size_engine(
                lambda config: [encode(arrays["codes"], arrays["codebook"], config, **of_layer)],
                _code_bits(arrays["codebook"]) | fields,
            )
    elif codes is not None or codebook is not None:
        raise ValueError("Only one of --codes and --codebook is given; give both, or --shape for a random layer")
    else:
        _refuse({"bias": bias, "acts": acts}, "applies only to a layer from --codes and --codebook")
        n_out, n_in, *batch = read_sizes(shape or "256x256", "OUTxIN[xBATCH]", "512x256")
        share = _density("Density", density, 0.1)
        of_layer = {"bias": True, "relu": relu, "shift": shift, "permute": permute}
        with told_as_flags():
            layers = size_engine(lambda config: [random_layer(rng, config, n_out, n_in, share, **of_layer)], fields)
    if acts is None:
        share = _density("Activation density", act_density, 0.3)
        vectors = random_acts(rng, layers[0].shape[1], share, *batch, act_max=layers[0].act_max)
    else:
        _refuse({"act-density": act_density}, "applies only to random activations, not to --acts")
        vectors = (arrays or read_roles({"acts": acts}))["acts"]
    _simulate(options, layers, vectors, chosen_fields(layers, fields))


def _code_bits(codebook: np.ndarray) -> dict[str, int]:
    """Width of the codes of a codebook as a config field; empty if the array is not a codebook."""
    bits = codebook.size.bit_length() - 1
    return {"code_bits": bits} if codebook.ndim == 1 and codebook.size == 2**bits and 2 <= bits <= 8 else {}


def _random_inputs(
    rng: np.random.Generator, network: Sequence[CompressedLayer], config: EieConfig, share: float, ranges: bool
) -> np.ndarray:
    """Random input codes over the full range of the network's inputs."""
    largest = network[0].act_range if ranges else None
    reach = 32768.0 if not largest else largest * 2.0 ** fraction_bits(network, config)[0].act
    return random_acts(rng, network[0].codes.shape[1], share, act_max=max(1, int(reach)))


def _simulate(
    options: RunOptions,
    layers: Sequence[EieLayer],
    acts: np.ndarray,
    chosen: Mapping[str, int],
    fixed: FixedNetwork | None = None,
    labels: Any = None,
) -> None:
    config = layers[0].config
    link(config, layers)
    check_acts(layers[0], acts)
    sizes = "-".join(str(n) for n in (layers[0].shape[1], *(layer.shape[0] for layer in layers)))
    entries = sum(layer.entries for layer in layers)
    vectors = f"{len(acts)} vectors" if acts.ndim == 2 else "1 vector"
    want = network_spmv(layers, acts)
    if fixed is not None:
        fixed.error(want.out, labels)  # rejects wrong labels before the RTL runs
    results = acts.size // layers[0].shape[1] * sum(layer.shape[0] for layer in layers)
    simulate(
        options,
        functools.partial(eie.network, config, layers, acts),
        want.out,
        f"eie, {config.n_pe} PEs, {sizes}, {entries} entries, {vectors}",
        network_cycles(layers, acts).total,
        functools.partial(_rows, chosen, config, results, fixed, labels),
    )
    if fixed is not None:
        warn_of_saturation(want.saturated, saturation_fix(fixed))
