"""Ensembles over prediction files: rules, and how they may be reported.

A rule that is fitted to labels is only ever applied out of fold: the images
are dealt into five parts, stratified by class, and each part is fused with
what was fitted on the other four. There is no way to ask for anything else.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from common.errors import UsageError
from common.evaluation.predictions import Predictions, require_same_images
from reproductions.ilsvrc2016 import fusion_rules as rules

FOLDS = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Ensemble:
    """Prediction files of the same images, one row each.

    Attributes:
        names: The rows' names.
        models: Whose row it is; rows of one model are its scales.
        logs: (rows, N, C) float32, log-probabilities.
        labels: (N,), -1 where it is not known.
    """

    names: tuple[str, ...]
    models: tuple[str, ...]
    logs: np.ndarray
    labels: np.ndarray

    def first_scales(self) -> np.ndarray:
        """(models, N, C): each model's first row."""
        return self.logs[[rows[0] for rows in self.rows_of().values()]]

    def averaged_scales(self) -> np.ndarray:
        """(models, N, C): the mean of each model's rows' probabilities."""
        if not self.has_scales():
            return self.logs
        rows = self.rows_of().values()
        return np.stack([rules.average(self.logs[r]) for r in rows])

    def every_scale(self) -> np.ndarray:
        """(rows, N, C)."""
        return self.logs

    def rows_of(self) -> dict[str, list[int]]:
        """Each model's rows."""
        found: dict[str, list[int]] = {}
        for row, model in enumerate(self.models):
            found.setdefault(model, []).append(row)
        return found

    def has_scales(self) -> bool:
        """Whether a model has more than one row."""
        return len(set(self.models)) < len(self.models)

    def without(self, model: str) -> "Ensemble":
        """The ensemble of all other models."""
        kept = [row for row, m in enumerate(self.models) if m != model]
        names, models = (tuple(of[row] for row in kept) for of in (self.names, self.models))
        return Ensemble(names=names, models=models, logs=self.logs[kept], labels=self.labels)


def of_members(members: list[tuple[str, str, Predictions]]) -> Ensemble:
    """The ensemble of (name, model, predictions).

    Raises:
        UsageError: if there are fewer than two, a name comes twice, they are
            not of the same images, or one was itself tuned on their labels.
    """
    names = [name for name, _, _ in members]
    if len(names) < 2:
        raise UsageError("An ensemble takes at least two prediction files.")
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise UsageError(f"Two members are called {twice!r}; each needs a name of its own.")
    require_same_images([(name, found) for name, _, found in members])
    for name, _, found in members:
        if found.record.get("tuned"):
            raise UsageError(
                f"{name} is a fusion that was fitted to labels of these "
                "images; whatever it is fused into would be reported on "
                "images that it was tuned on. Give its members instead."
            )
    return Ensemble(
        names=tuple(names),
        models=tuple(model for _, model, _ in members),
        logs=np.stack([rules.log_softmax(p.scores) for _, _, p in members]),
        labels=members[0][2].labels,
    )


@dataclasses.dataclass(frozen=True)
class Rule:
    """A way to fuse.

    Attributes:
        name: Its formula is reproductions.ilsvrc2016.fusion_rules'.
        takes: What of the ensemble it fuses, (M, N, C).
        fit: (logs, labels) -> what `fuse` takes; None: nothing is fitted.
        fuse: (logs, and what was fitted if anything is) -> scores (N, C).
    """

    name: str
    takes: Callable[[Ensemble], np.ndarray]
    fit: Callable | None
    fuse: Callable

    @property
    def tuned(self) -> bool:
        """Whether it is fitted to labels, so reported out of fold."""
        return self.fit is not None

    @property
    def cost(self) -> int:
        """Its time, about, as a multiple of the simple average's."""
        searches = isinstance(self.fit, functools.partial)
        return 20 if searches else 4 if self.tuned else 1


_ONE, _ALL = Ensemble.first_scales, Ensemble.averaged_scales
_EACH = Ensemble.every_scale
_BY_MEAN, _BY_STD, _BY_MAX = (
    functools.partial(rules.normalised_logits, size=size)
    for size in (rules.mean_size, np.std, rules.largest_size)
)
_TOP1 = functools.partial(rules.searched_weights, k=1)
_TOP5 = functools.partial(rules.searched_weights, k=5)
RULES = (
    Rule("simple", _ONE, None, rules.average),
    Rule("multi_scale", _ALL, None, rules.average),
    Rule("geometric", _ALL, None, rules.geometric_mean),
    Rule("norm_l2", _ALL, None, rules.l2_probabilities),
    Rule("norm_max", _ALL, None, rules.max_probabilities),
    Rule("norm_l1_logits", _ALL, None, _BY_MEAN),
    Rule("norm_zscore", _ALL, None, _BY_STD),
    Rule("norm_max_logits", _ALL, None, _BY_MAX),
    Rule("norm_temperature", _ALL, rules.temperatures, rules.tempered_average),
    Rule("accuracy_weighted", _ALL, rules.accuracy_weights, rules.mixture),
    Rule("weighted_nll", _ALL, rules.nll_weights, rules.mixture),
    Rule("weighted_top1", _ALL, _TOP1, rules.mixture),
    Rule("weighted_top5", _ALL, _TOP5, rules.mixture),
    Rule("fused_scale", _EACH, rules.nll_weights, rules.mixture),
    Rule("class_reweighted", _ALL, rules.class_weights, rules.mixture),
    Rule("class_reweighted_l2", _ALL, rules.class_weights, rules.class_reweighted_l2),
)


def why_not(rule: Rule, ensemble: Ensemble) -> str | None:
    """Why a rule cannot be applied; None if it can."""
    if rule.name in ("multi_scale", "fused_scale") and not ensemble.has_scales():
        return "every model has one scale"
    if rule.name == "weighted_top5" and ensemble.logs.shape[-1] <= 5:
        return "there are no more than five classes"
    if rule.tuned and (ensemble.labels < 0).any():
        return "it is fitted to labels, and not all are known"
    if rule.tuned and len(ensemble.labels) < 2 * FOLDS:
        return f"there are fewer than {2 * FOLDS} images to fit it on"
    return None


def fuse(rule: Rule, ensemble: Ensemble, seed: int) -> np.ndarray:
    """Scores (N, C) float32; out of fold where the rule is fitted.

    Args:
        rule: One that applies: `why_not` says None.
        seed: Of the folds.
    """
    logs = rule.takes(ensemble)
    if not rule.tuned:
        return rule.fuse(logs)
    fused = np.empty(logs.shape[1:], np.float32)
    fold = folds(ensemble.labels, seed)
    for number in range(FOLDS):
        held_out = fold == number
        fitted = rule.fit(logs[:, ~held_out], ensemble.labels[~held_out])
        fused[held_out] = rule.fuse(logs[:, held_out], fitted)
    return fused


def untuned_average(ensemble: Ensemble) -> np.ndarray:
    """The mean over scales, then over models; (N, C) scores."""
    return rules.average(ensemble.averaged_scales())


def folds(labels: np.ndarray, seed: int) -> np.ndarray:
    """(N,): each image's fold, 0 to 4; classes are dealt out evenly."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[by_class] = np.arange(len(labels)) % FOLDS
    return fold
