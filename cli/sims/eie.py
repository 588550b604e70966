"""``tercet sim eie``."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
from tercet.golden.compress.eie import eie_acts
from tercet.golden.eie import EieConfig, EieLayer, check_acts, encode, network_cycles, spmv
from tercet.golden.eie_program import link
from tercet.golden.eie_sizing import DEPTHS, size_engine
from tercet.sim import eie
from tercet.sim.eie_stimuli import random_acts, random_layer

from ..arrays import read_array
from ..eie_sizing import chosen_fields, eie_fields, model_option, permute_option, sized_model, told_as_flags
from ..engines import ENGINES, examples
from ..options import config_options
from .common import RunOptions, read_sizes, run_options, simulate

__all__ = ["command"]

_NOTES = """A layer has codes (out, in) uint8, 0 where a weight is pruned, a codebook int16 of one weight for each code,
and may have a bias (out,) in accumulator LSBs. Activations are (in,) or (batch, in) int16; for a model they may be real
numbers. Without --acts they are random, without --codes and --model the layer is, too.

Depths of memories that are not given are the least that hold the network. The simulator is compiled once for each
engine: to run several networks on one, give it depths that are enough for all of them.
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


def _rows(config: EieConfig, chosen: Mapping[str, int], run: eie.EieRun) -> dict[str, str]:
    counters = run.counters
    clocks = config.n_pe * run.cycles
    shares = {"busy": clocks, "starve": clocks, "stall": run.cycles, "filler": max(1, counters["busy"])}
    texts = {"busy": "of all PEs' clocks", "starve": "of all PEs' clocks", "stall": "of cycles", "filler": "of busy"}
    found = {name: f"{value}, chosen" for name, value in chosen.items()}
    found["efficiency"] = f"{counters['busy'] / clocks:.1%}"
    for name, count in counters.items():
        found[f"  {name}"] = f"{count}  {count / shares[name]:.1%} {texts[name]}" if name in shares else str(count)
    return found


@click.command("eie", epilog=examples("sim", "eie", notes=_NOTES))
@config_options(EieConfig, ENGINES["eie"].presets, dict.fromkeys(DEPTHS, "as the network needs"))
@click.option("--codes", type=click.Path(path_type=Path), help="Codes (out, in), .npy or .npz.")
@click.option("--codebook", type=click.Path(path_type=Path), help="Codebook (2**code_bits,), .npy or .npz.")
@click.option("--bias", type=click.Path(path_type=Path), help="Bias (out,), .npy or .npz.")
@model_option
@click.option("--acts", type=click.Path(path_type=Path), help="Activations (in,) or (batch, in), .npy or .npz.")
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
    if model is not None or codes is not None:
        _refuse({"shape": shape, "density": density}, "goes with a random layer")
    if model is not None:
        _refuse({**own, "relu": relu, "shift": shift}, "goes with one layer, not with --model, which has its own")
        layers = sized_model(model, fields, permute)
    elif codes is not None and codebook is not None:
        arrays = {role: read_array(role, path) for role, path in own.items() if path is not None}
        of_layer: Any = {"bias": arrays.get("bias"), "relu": relu, "shift": shift, "permute": permute}
        with told_as_flags():
            layers = size_engine(
                lambda config: [encode(arrays["codes"], arrays["codebook"], config, **of_layer)],
                _code_bits(arrays["codebook"]) | fields,
            )
    elif codes is not None or codebook is not None:
        raise ValueError("Only one of --codes and --codebook is given; give both, or --shape for a random layer")
    else:
        _refuse({"bias": bias, "acts": acts}, "goes with --codes and --codebook, not with a random layer")
        n_out, n_in, *batch = read_sizes(shape or "256x256", "OUTxIN[xBATCH]", "512x256")
        share = _density("Density", density, 0.1)
        of_layer = {"bias": True, "relu": relu, "shift": shift, "permute": permute}
        with told_as_flags():
            layers = size_engine(lambda config: [random_layer(rng, config, n_out, n_in, share, **of_layer)], fields)
    if acts is None:
        share = _density("Activation density", act_density, 0.3)
        vectors = random_acts(rng, layers[0].shape[1], share, *batch, act_max=layers[0].act_max)
    else:
        _refuse({"act-density": act_density}, "goes with random activations, not with --acts")
        vectors = read_array("acts", acts)
        if model is not None and vectors.dtype.kind == "f":
            vectors = eie_acts(vectors, layers[0].config)
    _simulate(options, layers, vectors, chosen_fields(layers, fields))


def _code_bits(codebook: np.ndarray) -> dict[str, int]:
    """Bits of the codes of a codebook, if it is one."""
    bits = codebook.size.bit_length() - 1
    return {"code_bits": bits} if codebook.ndim == 1 and codebook.size == 2**bits and 2 <= bits <= 8 else {}


def _simulate(options: RunOptions, layers: Sequence[EieLayer], acts: np.ndarray, chosen: Mapping[str, int]) -> None:
    config = layers[0].config
    link(config, layers)
    check_acts(layers[0], acts)
    sizes = "-".join(str(n) for n in (layers[0].shape[1], *(layer.shape[0] for layer in layers)))
    entries = sum(layer.entries for layer in layers)
    vectors = f"{len(acts)} vectors" if acts.ndim == 2 else "1 vector"
    simulate(
        options,
        functools.partial(eie.network, config, layers, acts),
        functools.reduce(lambda values, layer: spmv(layer, values), layers, acts),
        f"eie, {config.n_pe} PEs, {sizes}, {entries} entries, {vectors}",
        network_cycles(layers, acts).total,
        functools.partial(_rows, config, chosen),
    )
