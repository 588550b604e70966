"""Demo of the EIE engine: handwritten digits, compressed, encoded, run on the golden model and on the RTL."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tercet.cli.compress import compression_table
from tercet.cli.figures import figure, png
from tercet.cli.fixed_rows import error_rows, fraction_rows, saturation_fix, saturation_row, warn_of_saturation
from tercet.cli.output import check_folder, console, progress, table, write_files
from tercet.engines.eie import SPEC
from tercet.golden.compress.container import dumps
from tercet.golden.compress.eie import eie_acts, eie_layers
from tercet.golden.compress.fixed_network import FixedNetwork, FloatError, fixed_network
from tercet.golden.compress.model import to_mlp
from tercet.golden.compress.pipeline import Compression, Data, compress
from tercet.golden.compress.retrain import Dense, train
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.cycle_model import EieCycles, column_counts
from tercet.golden.eie.encoding import network_cycles
from tercet.golden.eie.layer import EieLayer
from tercet.golden.eie.product import spmv
from tercet.golden.eie.program import link
from tercet.golden.networks.mlp import Mlp
from tercet.sim import eie
from tercet.sim.engine import EngineRun

from .digits import Digits, load_digits

__all__ = ["TEXT", "run_demo"]

TEXT = """Handwritten digits through an EIE engine of 8 PEs, bit for bit.

Trains a small network on scikit-learn's digits, prunes it to a tenth, shares 15 values per layer among its weights,
and runs the test images on the golden model and on the simulated RTL. Writes the Verilog, the compressed network and
plots to the output folder."""

_SHAPE = (64, 300, 100, 10)
_DENSITY = (0.15, 0.06, 0.3)
"""Share of weights kept per layer, about a tenth in all; the first layer has few inputs to choose from."""
_RATE = 0.1
_QUEUES = (1, 2, 4, 8, 16, 32, 64)
_GREY, _BLUE = "#b0b0b0", "#2a6fb0"


@dataclass(frozen=True)
class _Encoded:
    """Encoded network and test digits, with rows in the original order (`plain`) and balanced by expected work."""

    config: EieConfig
    plain: list[EieLayer]
    fixed: FixedNetwork

    @property
    def balanced(self) -> list[EieLayer]:
        return self.fixed.layers


def run_demo(
    output: Path,
    simulator: str | None,
    *,
    config: EieConfig | None = None,
    epochs: int = 60,
    images: int | None = None,
) -> bool:
    """Run the demo, print its tables and write its files; returns whether RTL, golden and cycle model agree exactly.

    Parameters
    ----------
    output : Path
        Output folder.
    simulator : str or None
        As for :func:`tercet.sim.bench.run`.
    config : EieConfig or None
        Engine config; by default 8 PEs.
    epochs : int
        Epochs of training, and of retraining.
    images : int or None
        Number of test digits; by default all.
    """
    check_folder(output)
    config = config or EieConfig(n_pe=8)
    with progress("digits", total=5) as advance:
        digits = load_digits()
        digits = dataclasses.replace(digits, test_x=digits.test_x[:images], test_y=digits.test_y[:images])
        mlp, result = _train(digits, epochs, advance)
        kept = sum(np.count_nonzero(layer.codes) for layer in result.layers)
        advance(f"pruned to {kept / sum(w.size for w in mlp.weights):.1%}, shared {2**4 - 1} values per layer")
        encoded = _encode(config, result, digits)
        acts = encoded.fixed.acts
        golden = _golden(encoded.balanced, acts)
        advance("encoded, and run on the golden model")
        verilog = SPEC.verilog(config)
        advance("generated the Verilog")
        run = eie.network(config, encoded.balanced, acts, simulator=simulator)
        advance(f"ran {len(acts)} test digits on the RTL")
    model = network_cycles(encoded.balanced, acts)
    known = encoded.fixed.run()
    same = bool((run.out == golden[-1]).all())
    exact = all(run.counters[name] == value for name, value in vars(model).items())
    exact = exact and run.counters["saturated"] == sum(known.saturated)
    error = encoded.fixed.error(run.out, digits.test_y)
    shape = "-".join(map(str, _SHAPE))
    console().print(compression_table(result, f"{shape}, {result.sizes['entries']} entries"))
    console().print(_summary(encoded, result, run, model, error, same=same, exact=exact))
    warn_of_saturation(known.saturated, saturation_fix(encoded.fixed))
    files = {
        "eie.v": verilog,
        "digits.tercet": dumps(result.layers),
        "eie_weights.png": _weights_picture(mlp, result),
        "eie_work.png": _work_picture(encoded, golden[:-1]),
        "eie_queue.png": _queue_picture(encoded, acts),
    }
    for path in write_files(output, files):
        console().print(str(path), soft_wrap=True)
    return same and exact


def _train(digits: Digits, epochs: int, advance: Callable[[str], None]) -> tuple[Mlp, Compression]:
    """Train the network and compress it."""
    from threadpoolctl import threadpool_limits

    start = Mlp.random(_SHAPE)
    weights = [Dense(w) for w in start.weights]
    data = Data(digits.train_x, digits.train_y, digits.test_x, digits.test_y)
    # Products this small gain nothing from threads, and lose time on a busy machine.
    with threadpool_limits(1):
        mlp = train(weights, start.biases, data.train_x, data.train_y, epochs=epochs, rate=_RATE)
        advance(f"trained {'-'.join(map(str, _SHAPE))} on {len(digits.train_x)} digits")
        return mlp, compress(mlp, density=_DENSITY, data=data, epochs=epochs, rate=_RATE)


def _encode(config: EieConfig, result: Compression, digits: Digits) -> _Encoded:
    """Encode the network; rows are balanced by how often the training digits use their weights."""
    plain = eie_layers(result.layers, config)
    inputs = to_mlp(result.layers).activations(digits.train_x)[:-1]
    codes = [eie_acts(x, config, layer.act_frac) for x, layer in zip(inputs, plain, strict=True)]
    frequencies = [(acts != 0).mean(axis=0) for acts in codes]
    fixed = fixed_network(result.layers, digits.test_x, config, permute="balance", frequencies=frequencies)
    return _Encoded(config, plain, fixed)


def _golden(layers: list[EieLayer], acts: np.ndarray) -> list[np.ndarray]:
    """Inputs of every layer, and the output of the last, on the golden model."""
    values = [acts]
    for layer in layers:
        values.append(spmv(layer, values[-1]))
    return values


def _summary(
    encoded: _Encoded,
    result: Compression,
    run: EngineRun,
    model: EieCycles,
    error: FloatError,
    *,
    same: bool,
    exact: bool,
):
    acts, n_pe = encoded.fixed.acts, encoded.config.n_pe
    images = len(acts)
    dense = sum(-(-layer.shape[0] * layer.shape[1] // n_pe) for layer in encoded.balanced)
    counters, cycles = run.counters, run.cycles / images
    plain = network_cycles(encoded.plain, acts).total / images
    results = images * sum(layer.shape[0] for layer in encoded.plain)
    summary = table(f"{images} handwritten digits on {n_pe} PEs", "item", "value")
    for stage, share in result.accuracy.items():
        summary.add_row(f"accuracy, {stage}", f"{share:.2%}")
    summary.add_row("accuracy, RTL", f"{error.accuracy:.2%}")
    summary.add_row("RTL equals golden model", "yes, every bit" if same else "NO")
    rows = {**fraction_rows(encoded.fixed), **error_rows(dataclasses.replace(error, accuracy=None))}
    for name, value in {**rows, "saturated": saturation_row(counters["saturated"], results)}.items():
        summary.add_row(name, value)
    summary.add_row("cycles per image", f"{cycles:.1f}")
    summary.add_row("cycles per image, rows not balanced", f"{plain:.1f}")
    summary.add_row("to load and unload, in addition", f"{(counters['load'] + counters['unload']) / images:.1f}")
    summary.add_row(f"dense engine of {n_pe} multipliers, always busy", f"{dense} ({dense / cycles:.1f} times as many)")
    summary.add_row("PEs busy, fillers included", f"{counters['busy'] / (n_pe * run.cycles):.1%}")
    summary.add_row("PEs on fillers", f"{counters['filler'] / (n_pe * run.cycles):.1%}")
    summary.add_row("PEs starved", f"{counters['starve'] / (n_pe * run.cycles):.1%}")
    summary.add_row("broadcast stalled", f"{counters['stall'] / run.cycles:.1%}")
    summary.add_row("cycle model", f"{model.total}, {'exact' if exact else 'NOT EQUAL'}")
    return summary


def _weights_picture(mlp: Mlp, result: Compression) -> bytes:
    """Plot the weights of each layer before and after compression."""
    picture, panels = figure(3, 12, 3.6)
    for axes, before, layer in zip(panels, mlp.weights, result.layers, strict=True):
        axes.hist(before.ravel(), bins=80, color=_GREY, label="trained")
        counts = np.bincount(layer.codes.ravel(), minlength=layer.centroids.size)[1:]
        used = counts > 0
        values, counts = layer.centroids[1:][used], counts[used]
        axes.vlines(values, 0.7, counts, color=_BLUE, linewidth=2)
        axes.plot(values, counts, "o", color=_BLUE, markersize=4, label="pruned, retrained, shared")
        kept = np.count_nonzero(layer.codes) / layer.codes.size
        axes.set_yscale("log")
        axes.set(title=f"{before.shape[0]} to {before.shape[1]}, {kept:.0%} kept", xlabel="weight", ylim=(0.7, None))
    panels[0].set_ylabel("weights")
    panels[0].legend(loc="upper right")
    panels[0].set_ylim(0.7, 2e4)
    return png(picture)


def _work(layers: list[EieLayer], inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Mean entries that each PE processes per image, by layer."""
    work = []
    for linked, x in zip(link(layers[0].config, layers).layers, inputs, strict=True):
        counts, _ = column_counts(linked.values, linked.pointers)
        used = (linked.arrange(x) != 0).mean(axis=0).ravel()[: len(counts)]
        work.append(used @ counts)
    return work


def _work_picture(encoded: _Encoded, inputs: list[np.ndarray]) -> bytes:
    """Plot the work of each PE, with rows in the original order and balanced."""
    picture, panels = figure(3, 12, 3.6)
    indices = np.arange(encoded.config.n_pe)
    works = [_work(layers, inputs) for layers in (encoded.plain, encoded.balanced)]
    for number, axes in enumerate(panels):
        for side, work, label, colour in zip(
            (-0.2, 0.2), works, ("rows as is", "balanced"), (_GREY, _BLUE), strict=True
        ):
            axes.bar(indices + side, work[number], width=0.4, label=label, color=colour)
            axes.axhline(work[number].max(), color=colour, linewidth=1, linestyle="--")
        n_out, n_in = encoded.plain[number].shape
        most = max(work[number].max() for work in works)
        axes.set(title=f"{n_in} to {n_out}", xlabel="PE", xticks=indices, ylim=(0, 1.25 * most))
    panels[0].set_ylabel("entries per image, dashed: most")
    panels[0].legend(loc="upper right", ncols=2)
    return png(picture)


def _with_queue(layers: list[EieLayer], depth: int) -> list[EieLayer]:
    """The layers for an engine with another queue depth."""
    return [dataclasses.replace(layer, config=dataclasses.replace(layer.config, fifo_depth=depth)) for layer in layers]


def _queue_picture(encoded: _Encoded, acts: np.ndarray) -> bytes:
    """Plot efficiency over queue depth, from the cycle model."""
    picture, (axes,) = figure(1, 6.5, 4)
    sample = acts[:20]
    for layers, label, colour in ((encoded.plain, "rows as is", _GREY), (encoded.balanced, "balanced", _BLUE)):
        counts = [network_cycles(_with_queue(layers, depth), sample) for depth in _QUEUES]
        axes.plot(_QUEUES, [100 * c.efficiency for c in counts], marker="o", color=colour, label=label)
    axes.axvline(encoded.config.fifo_depth, color="grey", linewidth=1, linestyle=":")
    axes.set_xscale("log", base=2)
    axes.set_xticks(_QUEUES, map(str, _QUEUES))
    axes.set(title=f"{len(sample)} digits through three small layers on {encoded.config.n_pe} PEs", ylim=(0, 105))
    axes.set(xlabel="entries of the queue", ylabel="efficiency, %")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    return png(picture)
