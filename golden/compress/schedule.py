"""Iterative pruning: in steps of falling density, with retraining after each.

Weights that are pruned at once are chosen by their magnitudes before any retraining. In steps, those that remain adapt
before the next ones are chosen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tercet.golden.checks import integer
from tercet.golden.networks.mlp import Mlp

from .prune import check_density, densities, prune
from .retrain import Masked, train

__all__ = [
    "SPACINGS",
    "PruningStep",
    "check_epochs",
    "density_schedule",
    "layer_schedule",
    "prune_at_once",
    "prune_iteratively",
]

SPACINGS = ("cubic", "linear", "geometric")
"""Ways to space the densities of a schedule."""

Densities = float | Sequence[float]
"""Fraction of weights to keep, for all layers or for each."""


@dataclass(frozen=True)
class PruningStep:
    """A network after one step of pruning and retraining.

    Attributes
    ----------
    densities : tuple of float
        Fraction of weights to keep in each layer.
    masks : tuple of bool arrays
        Weights kept in each layer, (in, out).
    mlp : Mlp
        The network; weights outside the masks are 0.
    epochs : int
        Epochs of retraining.
    """

    densities: tuple[float, ...]
    masks: tuple[np.ndarray, ...]
    mlp: Mlp
    epochs: int


def density_schedule(final: float, steps: int, *, initial: float = 1.0, spacing: str = "cubic") -> list[float]:
    """Densities of each step of a schedule; the last is `final`, exactly.

    With ``left = 1 - t / steps`` for the steps ``t`` from 1, they are::

        cubic       final + (initial - final) * left**3    large steps first, while many weights are redundant
        linear      final + (initial - final) * left       the same number of weights each step
        geometric   final * (initial / final)**left        the same share of the remaining weights each step

    Parameters
    ----------
    final, initial : float
        Densities after the last step, and before the first.
    steps : int
        Number of steps, at least 1.
    spacing : "cubic", "linear" or "geometric"
        Spacing of the densities.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or range, `final` is not below `initial`, or `final` is 0 and the spacing
        geometric.

    Notes
    -----
    Source: cubic: Zhu and Gupta, "To prune, or not to prune", 2017, equation 1, which has sparsities, 1 minus the
    density; geometric: as in Frankle and Carbin, "The Lottery Ticket Hypothesis", ICLR 2019.
    """
    final, initial, steps = check_density(final), check_density(initial), integer("Steps", steps, (1, 1000))
    if spacing not in SPACINGS:
        raise ValueError(f"Spacing {spacing!r} is unknown; use {', '.join(SPACINGS)}")
    if not final < initial:
        raise ValueError(f"Density {final} is not below the {initial} before the first step; there is nothing to prune")
    if spacing == "geometric" and final == 0:
        raise ValueError("Density 0 has no geometric schedule; use a density above 0, or another spacing")
    left = [1 - t / steps for t in range(1, steps + 1)]
    if spacing == "geometric":
        return [final * (initial / final) ** part for part in left]
    power = 3 if spacing == "cubic" else 1
    return [final + (initial - final) * part**power for part in left]


def layer_schedule(mlp: Mlp, schedule: Sequence[Densities]) -> list[tuple[float, ...]]:
    """Densities of each layer in each step, checked.

    Parameters
    ----------
    mlp : Mlp
        The network.
    schedule : sequence of float, or of sequences of float
        Densities of each step, for all layers or for each.

    Raises
    ------
    TypeError, ValueError
        If a density is not in [0, 1], their number is not that of the layers, a layer's density rises, a step lowers
        none, or the network has linear layers.
    """
    if mlp.linear:
        raise ValueError(f"Layer {mlp.linear[0]} is linear; only networks with a ReLU after each layer are compressed")
    if not schedule:
        raise ValueError("The schedule has no step; use at least one density")
    count, steps = len(mlp.weights), []
    for step in schedule:
        steps.append(tuple(densities(step, count)))
    for n, (before, after) in enumerate(zip(steps, steps[1:], strict=False), 2):
        pairs = list(zip(before, after, strict=True))
        wrong = [pair for pair in pairs if pair[1] > pair[0]] or (pairs[:1] if before == after else [])
        if wrong:
            old, new = wrong[0]
            raise ValueError(f"Density {new} of step {n} is not below the {old} before; use a schedule that falls")
    return steps


def check_epochs(epochs: int, steps: int) -> int:
    """Return the number of epochs if there is one for each step; a single step may have none."""
    epochs = integer("Epochs", epochs, (0, 10**6))
    if epochs < steps > 1:
        raise ValueError(f"Epochs {epochs} are fewer than the {steps} steps; use at least one per step")
    return epochs


def prune_at_once(mlp: Mlp, densities: Sequence[float]) -> PruningStep:
    """Prune each layer to a density, without retraining; see `prune`."""
    masks = tuple(prune(w, density=d) for w, d in zip(mlp.weights, densities, strict=True))
    weights = [Masked(w, mask).value for w, mask in zip(mlp.weights, masks, strict=True)]
    return PruningStep(tuple(densities), masks, Mlp(weights, mlp.biases), 0)


def prune_iteratively(
    mlp: Mlp,
    schedule: Sequence[Densities],
    x: np.ndarray,
    labels: np.ndarray,
    *,
    epochs: int,
    rate: float = 0.05,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> list[PruningStep]:
    """Prune a network step by step, and retrain what is left after each.

    A pruned weight is 0 and has the smallest magnitude in the next step, so that it stays pruned. The learning rate
    decays to zero in each step.

    Parameters
    ----------
    mlp : Mlp
        Trained network.
    schedule
        As in `layer_schedule`; a single step is pruning at once.
    x, labels, rate, progress
        As in `train`.
    epochs : int
        Epochs of all steps together, so that schedules compare fairly with pruning at once. Each step has as many; the
        remainder goes to the last steps.
    seed : int
        Seed of the sample order of the first step; each step adds 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or range, or there are fewer epochs than steps.
    """
    steps = layer_schedule(mlp, schedule)
    each, extra = divmod(check_epochs(epochs, len(steps)), len(steps))
    done: list[PruningStep] = []
    for n, wanted in enumerate(steps):
        start = prune_at_once(mlp, wanted)
        taken = each + (n >= len(steps) - extra)
        parts = [Masked(w, mask) for w, mask in zip(start.mlp.weights, start.masks, strict=True)]
        options = {"epochs": taken, "rate": rate, "seed": seed + n, "progress": progress}
        mlp = train(parts, start.mlp.biases, x, labels, **options)
        done.append(PruningStep(wanted, start.masks, mlp, taken))
    return done
