"""Each fusion rule beside a direct reading of its formula in NumPy."""

import numpy as np
import pytest
from scipy import special

from common.errors import UsageError
from common.evaluation.comparisons import error_correlation, mcnemar
from common.evaluation.metrics import wrong
from common.evaluation.predictions import Predictions
from reproductions.ilsvrc2016 import fusion
from reproductions.ilsvrc2016 import fusion_rules as rules

CLASSES, IMAGES = 12, 60
RULES = {rule.name: rule for rule in fusion.RULES}


def softmax(z):
    return special.softmax(z.astype(np.float64), axis=-1)


def make(scores, labels, **record):
    n, c = scores.shape
    return Predictions(
        ids=np.array([f"{i:05d}" for i in range(n)]),
        labels=labels,
        classes=np.array([f"class {j:04d}" for j in range(c)]),
        scores=scores.astype(np.float32),
        record=record,
    )


def simulated(seed, *, members=3, per_class=5, classes=CLASSES, shared=0.3, gain=1.5):
    """Scores (M, N, C) whose noise is partly the members' common one."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(classes), per_class)
    n = len(labels)
    common = rng.normal(size=(n, classes))
    own = rng.normal(size=(members, n, classes))
    scores = shared * common + np.sqrt(1 - shared**2) * own
    scores[:, np.arange(n), labels] += gain
    return scores.astype(np.float32), labels


def ensemble(scores, labels, models=None):
    models = models or [f"m{i}" for i in range(len(scores))]
    return fusion.of_members(
        [
            (f"row {i}", model, make(one, labels))
            for i, (model, one) in enumerate(zip(models, scores, strict=True))
        ]
    )


@pytest.fixture(scope="module")
def three():
    return simulated(0)


def fused(name, scores, labels, models=None):
    """Probabilities, by the rule's scores."""
    return softmax(fusion.fuse(RULES[name], ensemble(scores, labels, models), seed=0))


def rows_to_one(p):
    return p / p.sum(-1, keepdims=True)


def centred(z):
    return z - z.mean(-1, keepdims=True)


# Of z (M, N, C), in float64.
DIRECT = {
    "simple": lambda z: softmax(z).mean(0),
    "geometric": lambda z: softmax(np.log(softmax(z)).mean(0)),
    "norm_l2": lambda z: rows_to_one(
        np.mean([p / np.linalg.norm(p, axis=1, keepdims=True) for p in softmax(z)], axis=0)
    ),
    "norm_max": lambda z: rows_to_one(
        np.mean([p / p.max(1, keepdims=True) for p in softmax(z)], axis=0)
    ),
    "norm_l1_logits": lambda z: softmax(
        (centred(z) / np.abs(centred(z)).mean(-1, keepdims=True)).mean(0)
    ),
    "norm_zscore": lambda z: softmax((centred(z) / z.std(-1, keepdims=True)).mean(0)),
    "norm_max_logits": lambda z: softmax(
        (centred(z) / np.abs(centred(z)).max(-1, keepdims=True)).mean(0)
    ),
}


@pytest.mark.parametrize("name", DIRECT)
def test_an_untuned_rule_is_its_formula(three, name):
    scores, labels = three
    direct = DIRECT[name](scores.astype(np.float64))
    np.testing.assert_allclose(fused(name, *three), direct, atol=2e-6)


def test_scores_far_apart_stay_finite():
    labels = np.arange(20) % 2
    scores = np.zeros((2, 20, 2), np.float32)
    scores[0, :, 0], scores[1, :, 1] = 1000, 2000
    for rule in fusion.RULES:
        if fusion.why_not(rule, ensemble(scores, labels)) is None:
            got = fusion.fuse(rule, ensemble(scores, labels), 0)
            assert np.isfinite(got).all(), rule.name
    np.testing.assert_allclose(fused("simple", scores, labels), 0.5)


@pytest.mark.parametrize("right", [True, False])
def test_members_that_are_all_right_or_all_wrong_can_be_fused(right):
    labels = np.arange(60) % 12
    scores = np.zeros((2, 60, 12), np.float32)
    scores[:, np.arange(60), labels] = 9 if right else -9
    together = ensemble(scores, labels)
    for rule in fusion.RULES:
        if fusion.why_not(rule, together) is None:
            missed = wrong(fusion.fuse(rule, together, 0), labels, 1)
            assert missed.sum() == (0 if right else 60), rule.name


def test_scales_are_views_of_their_model(three):
    scores, labels = three
    models = ["a", "b", "a"]
    p = softmax(scores)
    np.testing.assert_allclose(
        fused("simple", scores, labels, models), (p[0] + p[1]) / 2, atol=2e-6
    )
    np.testing.assert_allclose(
        fused("multi_scale", scores, labels, models), ((p[0] + p[2]) / 2 + p[1]) / 2, atol=2e-6
    )


def out_of_fold(labels, fit, predict):
    """The direct reading of the protocol; `fit` and `predict` are given rows as bools."""
    fold = fusion.folds(labels, 0)
    found = np.empty((len(labels), labels.max() + 1))
    for k in range(5):
        found[fold == k] = predict(fit(fold != k), fold == k)
    return found


def test_accuracy_weights_are_fitted_on_the_other_folds(three):
    scores, labels = three
    p = softmax(scores)

    def fit(rows):
        right = [(one[rows].argmax(1) == labels[rows]).mean() for one in p]
        return np.array(right) / sum(right)

    direct = out_of_fold(labels, fit, lambda w, rows: np.einsum("m,mnc->nc", w, p[:, rows]))
    np.testing.assert_allclose(fused("accuracy_weighted", *three), direct, atol=2e-6)


def test_class_weights_are_shrunk_class_accuracies_of_the_other_folds(three):
    scores, labels = three
    p = softmax(scores)

    def fit(rows):
        right = p[:, rows].argmax(-1) == labels[rows]
        w = np.empty((3, CLASSES))
        for c in range(CLASSES):
            of_c = labels[rows] == c
            w[:, c] = (right[:, of_c].sum(1) + 50 * right.mean(1)) / (of_c.sum() + 50)
        return w / w.sum(0)

    direct = out_of_fold(labels, fit, lambda w, rows: rows_to_one((w[:, None] * p[:, rows]).sum(0)))
    np.testing.assert_allclose(fused("class_reweighted", *three), direct, atol=2e-6)


def nll(weights, scores, labels):
    p = softmax(scores)[:, np.arange(len(labels)), labels]
    return -np.log(np.einsum("m,mn->n", weights, p)).mean()


def test_the_likelihoods_weights_are_its_optimum():
    scores, labels = simulated(3, per_class=40)
    scores[0] *= 0.2  # the members' sharpness differs
    w = rules.nll_weights(rules.log_softmax(scores), labels)
    assert w.min() >= 0
    assert w.sum() == pytest.approx(1)
    best = nll(w, scores, labels)
    # Convex, so no point of a fine grid of the simplex is better.
    steps = np.arange(0, 1.0001, 0.02)
    grid = [(a, b, 1 - a - b) for a in steps for b in steps if a + b <= 1]
    assert best <= min(nll(np.array(g), scores, labels) for g in grid) + 1e-9


@pytest.mark.parametrize("k", [1, 5])
def test_the_search_never_adds_errors_and_counts_all_images(k):
    scores, labels = simulated(4, members=4, per_class=30)
    scores[0] *= 5  # so sure of itself that equal weights are bad
    logs = rules.log_softmax(scores)

    def errors(weights):
        return wrong(rules.mixture(logs, weights), labels, k).sum()

    start = errors(rules.nll_weights(logs, labels))
    found = rules.searched_weights(logs, labels, k)
    assert found.sum() == pytest.approx(1) and found.min() >= 0
    assert errors(found) < start
    for m in range(4):  # no step on all images is better
        for factor in rules.FACTORS:
            step = found.copy()
            step[m] *= factor
            assert errors(step / step.sum()) >= errors(found)


def test_temperatures_undo_what_sharpened_a_member():
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(1, 4000, 6)).astype(np.float32) * 2
    p = softmax(scores[0])
    labels = np.array([rng.choice(6, p=row) for row in p])
    both = np.concatenate([scores, 3 * scores])
    found = rules.temperatures(rules.log_softmax(both), labels)
    np.testing.assert_allclose(found, [1, 3], rtol=0.1)
    back = rules.tempered_average(rules.log_softmax(both), found)
    np.testing.assert_allclose(softmax(back), p, atol=0.05)


def test_folds_deal_out_every_class_evenly_and_depend_on_the_seed():
    labels = np.random.default_rng(6).permutation(np.repeat(range(7), 50))
    fold = fusion.folds(labels, 0)
    for c in range(7):
        assert np.bincount(fold[labels == c]).tolist() == [10] * 5
    assert (fold != fusion.folds(labels, 1)).any()
    np.testing.assert_array_equal(fold, fusion.folds(labels, 0))


@pytest.mark.parametrize("rule", [r for r in fusion.RULES if r.tuned], ids=lambda r: r.name)
def test_no_image_is_fused_with_what_its_own_label_helped_to_fit(rule):
    # Other labels in one fold must leave that fold's scores as they were.
    scores, labels = simulated(7, members=4)
    models = ["a", "a", "b", "c"]
    fold = fusion.folds(labels, 0)
    inside = np.flatnonzero(fold == 2)
    before = fusion.fuse(rule, ensemble(scores, labels, models), 0)
    swapped = scores.copy()
    # Not the labels, which deal the folds: what the members say of them.
    for m in range(4):
        swapped[m, inside] = np.roll(scores[m, inside], m + 1, axis=1)
    after = fusion.fuse(rule, ensemble(swapped, labels, models), 0)
    logs = rule.takes(ensemble(swapped, labels, models))
    kept = rule.takes(ensemble(scores, labels, models))
    fitted = rule.fit(kept[:, fold != 2], labels[fold != 2])
    np.testing.assert_array_equal(before[inside], rule.fuse(kept[:, inside], fitted))
    np.testing.assert_array_equal(after[inside], rule.fuse(logs[:, inside], fitted))


def test_what_is_tuned_cannot_be_tuned_again_or_without_labels(three):
    scores, labels = three
    tuned = make(scores[0], labels, tuned=True)
    other = make(scores[1], labels)
    with pytest.raises(UsageError, match="b is a fusion that was fitted"):
        fusion.of_members([("a", "a", other), ("b", "b", tuned)])
    unknown = ensemble(scores, np.full(len(labels), -1))
    assert "not all are known" in fusion.why_not(RULES["weighted_nll"], unknown)
    assert fusion.fuse(RULES["simple"], unknown, 0).shape == (IMAGES, CLASSES)


def test_one_file_or_two_of_one_name_are_no_ensemble(three):
    one = make(three[0][0], three[1])
    with pytest.raises(UsageError, match="at least two"):
        fusion.of_members([("a", "a", one)])
    with pytest.raises(UsageError, match="called 'a'"):
        fusion.of_members([("a", "a", one), ("a", "b", one)])


def counts(seed, shrinkage):
    """Wrong: (simple average, fitted in sample, out of fold)."""
    scores, labels = simulated(seed, members=5, per_class=50, classes=20, gain=1.0)
    logs = rules.log_softmax(scores)

    def fit(rows):
        return rules.class_weights(logs[:, rows], labels[rows], shrinkage)

    def mix(weights, rows):
        return rules.mixture(logs[:, rows], weights)

    whole = slice(None)
    found = rules.average(logs), mix(fit(whole), whole), out_of_fold(labels, fit, mix)
    return np.array([wrong(one, labels, 1).sum() for one in found])


def test_class_weights_of_fifty_images_a_class_overfit():
    # CU-DeepLink's class-reweighted ensemble had 47 images of the test more
    # wrong than its basic one: so has one whose weights are fitted on
    # validation's 50 images a class, although it looks better there.
    simple, in_sample, out = sum(counts(seed, 0) for seed in range(8))
    assert in_sample < simple < out
    _, _, shrunk = sum(counts(seed, rules.SHRINKAGE) for seed in range(8))
    assert shrunk < out


def test_mcnemar_is_the_binomial_test_of_what_only_one_has_wrong():
    a = np.array([1] * 9 + [0] * 3 + [1] * 5 + [0] * 20, bool)
    b = np.array([0] * 9 + [1] * 3 + [1] * 5 + [0] * 20, bool)
    found = mcnemar(a, b)
    assert (found.only_first, found.only_second) == (9, 3)
    # 2 (C(12,0) + C(12,1) + C(12,2) + C(12,3)) / 2^12
    assert found.p == pytest.approx(2 * (1 + 12 + 66 + 220) / 4096)
    assert mcnemar(b, a).p == found.p
    assert mcnemar(a, a).p == 1
    assert mcnemar(a[:6] | True, b[:6]).p == pytest.approx(2 / 64)


def test_error_correlation_is_one_for_the_same_errors():
    a = np.array([1, 0, 0, 1, 0, 0, 0, 0], bool)
    b = np.array([0, 1, 0, 1, 0, 0, 0, 0], bool)
    found = error_correlation(np.stack([a, a, b]))
    assert found[0, 1] == pytest.approx(1)
    # (n11 n00 - n10 n01) / (row and column sums' root): (5 - 1) / 12
    assert found[0, 2] == pytest.approx(4 / 12)
