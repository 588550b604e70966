"""Soft targets: the outputs of a trained network as labels for another one."""

from dataclasses import dataclass

import numpy as np
from tercet.golden.checks import float_array, int_array
from tercet.golden.networks.loss import cross_entropy

__all__ = ["SoftTargets"]

# Beyond these the scores or the gradients lose their digits.
_TEMPERATURES = (0.01, 1000.0)


@dataclass(frozen=True, eq=False)
class SoftTargets:
    """A teacher's scores for samples, and how much they count beside the labels.

    Attributes
    ----------
    scores : (samples, classes) float array
        The teacher's outputs, before any softmax.
    temperature : float
        Divisor T of all scores before the softmax, 0.01 to 1000. Above 1 the teacher's small probabilities count more.
    alpha : float
        Share of the soft targets in the loss, 0 to 1; the labels have the rest.

    Raises
    ------
    TypeError, ValueError
        If the scores are not a matrix of finite floats, or a number is out of range.

    Notes
    -----
    Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", NeurIPS workshop 2014, section 2.
    """

    scores: np.ndarray
    temperature: float
    alpha: float

    def __post_init__(self):
        object.__setattr__(self, "scores", float_array("Scores of the teacher", self.scores))
        if self.scores.ndim != 2 or 0 in self.scores.shape:
            raise ValueError(f"Scores of the teacher have shape {self.scores.shape}; use (samples, classes)")
        low, high = _TEMPERATURES
        # Comparisons that a NaN fails.
        if not low <= self.temperature <= high:
            raise ValueError(f"Temperature {self.temperature} is outside [{low}, {high:g}]; use 1 to 8 to begin with")
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"Alpha {self.alpha} is outside [0, 1]; use the share of the soft targets in the loss")

    def check(self, samples: int, classes: int) -> None:
        """Reject targets that are not of these samples and classes.

        Raises
        ------
        ValueError
            If their shape is another one.
        """
        if self.scores.shape != (samples, classes):
            raise ValueError(
                f"Scores of the teacher have shape {self.scores.shape} but there are {samples} samples and the network "
                f"has {classes} outputs; use ({samples}, {classes})"
            )

    def take(self, rows: np.ndarray) -> "SoftTargets":
        """Return the targets of some samples."""
        return SoftTargets(self.scores[rows], self.temperature, self.alpha)

    def loss(self, scores: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss of scores and its gradient: ``alpha T^2 KL(teacher || scores) + (1 - alpha) CE``.

        KL is the divergence of the two softmaxes at temperature T, averaged over the samples; CE is the cross entropy
        of the scores at temperature 1, summed over the samples with a label and divided by the number of all. The
        factor T^2 keeps the gradients of the first, which shrink with T^2, in proportion.

        Parameters
        ----------
        scores : (samples, classes) float array
            Outputs of the network in training.
        labels : (samples,) integer array
            Index of the correct output of each sample; -1 if there is none.

        Raises
        ------
        TypeError, ValueError
            If the labels are not integers or do not name an output.
        """
        classes = scores.shape[1]
        fix = f"the network has {classes} outputs, and -1 is a sample without label"
        labels = int_array("Labels", labels, (-1, classes - 1), fix)
        known = labels >= 0
        hard, delta = 0.0, np.zeros_like(scores)
        if known.any():
            hard, by_score = cross_entropy(scores[known], labels[known])
            # Exactly 1 if all have labels.
            delta[known] = by_score * known.mean()
            hard *= known.mean()
        if not self.alpha:
            return hard, delta
        soft, wanted = _log_softmax(scores / self.temperature), _log_softmax(self.scores / self.temperature)
        divergence = float((np.exp(wanted) * (wanted - soft)).sum(axis=1).mean())
        pull = self.temperature * (np.exp(soft) - np.exp(wanted)) / len(scores)
        loss = self.alpha * self.temperature**2 * divergence + (1 - self.alpha) * hard
        return loss, self.alpha * pull + (1 - self.alpha) * delta


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
