"""Cross entropy, the loss with which all networks here are trained."""

from collections.abc import Callable

import numpy as np

from ..checks import int_array

__all__ = ["Loss", "cross_entropy"]

Loss = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]]
"""Mean loss of scores (samples, classes) for labels (samples,), and its gradient with respect to the scores."""


def cross_entropy(scores: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean cross entropy of the softmax of scores and its gradient, in the precision of the scores.

    Parameters
    ----------
    scores : (samples, classes) float array
        Outputs of a network.
    labels : (samples,) integer array
        Index of the correct output of each sample.

    Returns
    -------
    (float, (samples, classes) float array)
        Loss and its gradient with respect to the scores.

    Raises
    ------
    TypeError, ValueError
        If labels are not integers or do not name an output.
    """
    classes = scores.shape[1]
    labels = int_array("Labels", labels, (0, classes - 1), f"the network has {classes} outputs")
    shifted = scores - scores.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = float((np.log(sums[:, 0]) - shifted[rows, labels]).mean())
    delta = exponentials / sums
    delta[rows, labels] -= 1
    return loss, delta / np.asarray(len(labels), delta.dtype)
