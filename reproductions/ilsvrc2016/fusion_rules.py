"""The formulas of the fusion rules, over log-probabilities.

M models, N images, C classes: `logs` is (M, N, C) float32, the logarithm of
p[m], each model's class probabilities. What a rule returns is (N, C) float32
scores, whose order is the rule's and whose softmax is its probabilities.

ILSVRC2016 published names of rules and no formulas; where a formula is this
suite's reading of a name, its docstring says so.
"""

import math
from collections.abc import Callable

import numpy as np

from common.evaluation.metrics import wrong

# The class accuracies of a model shrink to its accuracy over all classes, as
# if each class had this many more images: as many as ILSVRC's validation has.
SHRINKAGE = 50
_TINY = np.finfo(np.float32).tiny
_EM_STEPS, _EM_CHANGE = 2000, 1e-6
FACTORS = (0.25, 0.5, 0.8, 1.25, 2.0, 4.0)  # of the coordinate search


def log_softmax(scores: np.ndarray) -> np.ndarray:
    """The logarithm of the softmax, over the last axis."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def mixture(logs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The logarithm of P, P_c = sum_m w_mc p[m]_c; `weights` (M,) or (M, C)."""
    weights = np.asarray(weights, np.float32)
    peak = logs.max(axis=0)
    total = np.zeros_like(peak)
    for w, one in zip(weights, logs, strict=True):
        total += w * np.exp(one - peak)
    return log_softmax(peak + np.log(np.maximum(total, _TINY)))


def average(logs: np.ndarray) -> np.ndarray:
    """The logarithm of P = mean_m p[m]: ResNeXt's ensemble A."""
    return mixture(logs, np.full(len(logs), 1 / len(logs)))


def geometric_mean(logs: np.ndarray) -> np.ndarray:
    """The logarithm of softmax(mean_m log p[m])."""
    return log_softmax(logs.mean(axis=0))


# Per-instance normalisation: every image and model by itself, then the mean
# over the models. Our readings. The L1 norm of p is 1, which is the simple
# average; the L2 norm of centred logits is their z-score times sqrt(C).


def l2_normalised(logs: np.ndarray) -> np.ndarray:
    """log(p / |p|_2)."""
    peak = logs.max(axis=-1, keepdims=True)
    squares = np.exp(2 * (logs - peak)).sum(axis=-1, keepdims=True)
    return logs - peak - np.log(squares) / 2


def l2_probabilities(logs: np.ndarray) -> np.ndarray:
    """Mean of p / |p|_2."""
    return average(l2_normalised(logs))


def max_probabilities(logs: np.ndarray) -> np.ndarray:
    """Mean of p / max p."""
    return average(logs - logs.max(axis=-1, keepdims=True))


def normalised_logits(logs: np.ndarray, size: Callable) -> np.ndarray:
    """Mean of z / size(z), z the logits centred: a softmax knows them but for a constant."""
    z = logs - logs.mean(axis=-1, keepdims=True)
    return (z / np.maximum(size(z, axis=-1, keepdims=True), _TINY)).mean(axis=0)


def mean_size(z: np.ndarray, **over) -> np.ndarray:
    """Mean of |z|."""
    return np.abs(z).mean(**over)


def largest_size(z: np.ndarray, **over) -> np.ndarray:
    """Max of |z|."""
    return np.abs(z).max(**over)


# What follows is fitted to labels; reproductions.ilsvrc2016.fusion calls it with other images
# than those that it then predicts.


def _right(logs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(M, N) bool."""
    return np.stack([~wrong(one, labels, 1) for one in logs])


def accuracy_weights(logs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """w_m = a_m / sum a, a_m the top-1 accuracy; our reading of Trimps."""
    accuracy = np.maximum(_right(logs, labels).mean(axis=1), _TINY)
    return accuracy / accuracy.sum()


def nll_weights(logs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The least -sum_n log sum_m w_m p[m]_n,label over w >= 0, sum w = 1.

    It is convex. Expectation maximisation, which keeps both constraints:
    w_m <- mean over n of w_m p[m]_n,label / sum_m' w_m' p[m']_n,label.
    """
    likelihood = logs[:, np.arange(len(labels)), labels].astype(np.float64)
    likelihood = np.exp(likelihood - likelihood.max(axis=0))
    weights = np.full(len(logs), 1 / len(logs))
    for _ in range(_EM_STEPS):
        joint = weights[:, np.newaxis] * likelihood
        updated = (joint / joint.sum(axis=0)).mean(axis=1)
        change = np.abs(updated - weights).max()
        weights = updated
        if change < _EM_CHANGE:
            break
    return weights


def searched_weights(logs: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """From `nll_weights`, one weight at a time to fewer top-k errors.

    Coordinate search: a weight is multiplied by each of six factors, the sum
    is 1 again, and what has fewer errors is kept, until none has.
    """
    best = nll_weights(logs, labels)
    # What every model has right stays right under any weights.
    unsure = ~_right(logs, labels).all(axis=0)
    logs, labels = logs[:, unsure], labels[unsure]
    # One factor per image for all models and classes: the order stays.
    scaled = np.exp(logs - logs.max(axis=(0, 2), keepdims=True, initial=-1e9))

    def errors(weights):
        fused = np.tensordot(weights.astype(np.float32), scaled, axes=1)
        return int(wrong(fused, labels, k).sum())

    fewest, before = errors(best), math.inf
    while fewest < before:
        before = fewest
        for m in range(len(logs)):
            for factor in FACTORS:
                trial = best.copy()
                trial[m] = factor * max(trial[m], 0.1 / len(logs))
                trial /= trial.sum()
                count = errors(trial)
                if count < fewest:
                    best, fewest = trial, count
    return best


def class_weights(logs: np.ndarray, labels: np.ndarray, shrinkage: float = SHRINKAGE) -> np.ndarray:
    """(M, C): w_mc = a_mc / sum_m' a_m'c, a_mc the shrunk class accuracy.

    a_mc = (right_mc + s a_m) / (n_c + s), with a_m the accuracy over all
    classes and s the shrinkage. Our reading of CU-DeepLink's name.
    """
    right = _right(logs, labels)
    per_class = np.stack([np.bincount(labels, weights=r, minlength=logs.shape[-1]) for r in right])
    # n_c + s is the same for every model, so it cancels.
    shrunk = per_class + shrinkage * right.mean(axis=1)[:, np.newaxis]
    shrunk = np.maximum(shrunk, _TINY)
    return shrunk / shrunk.sum(axis=0)


def class_reweighted_l2(logs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """P_c = sum_m w_mc (p[m] / |p[m]|_2)_c."""
    return mixture(l2_normalised(logs), weights)


def temperatures(logs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(M,): T_m = argmin of -sum_n log softmax(log p[m] / T)_n,label."""
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(labels))

    def fitted(one):
        def loss(log_t):
            scaled = log_softmax(one / np.float32(math.exp(log_t)))
            return -float(scaled[rows, labels].mean(dtype=np.float64))

        bounds = (math.log(0.05), math.log(20))
        return math.exp(
            minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3}).x
        )

    return np.array([fitted(one) for one in logs], np.float32)


def tempered_average(logs: np.ndarray, temperature: np.ndarray) -> np.ndarray:
    """Mean of softmax(log p[m] / T_m)."""
    return average(log_softmax(logs / temperature[:, np.newaxis, np.newaxis]))
