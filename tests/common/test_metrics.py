"""Which images are wrong, what became of each, and how sure errors and differences are."""

import math

import numpy as np
import pytest
from scipy import stats

from common.errors import RunError
from common.evaluation.comparisons import paired, student, unpaired
from common.evaluation.metrics import best, wilson, wrong
from common.evaluation.outcomes import confusion, join, judge, worst


def test_wrong_is_a_stable_sort_by_score_and_class():
    """Few distinct scores, so that most of the top five are tied."""
    drawn = np.random.default_rng(0)
    scores = drawn.integers(0, 4, (500, 12)).astype(np.float32)
    labels = drawn.integers(0, 12, 500)
    for k in (1, 5):
        expected = [
            label not in sorted(range(12), key=lambda c: (-row[c], c))[:k]  # noqa: B023
            for row, label in zip(scores, labels, strict=True)
        ]
        assert wrong(scores, labels, k).tolist() == expected
        among = (best(scores, k) == labels[:, None]).any(axis=1)
        assert (~among).tolist() == expected
    found = judge(labels.astype(str), labels, scores, np.zeros(500))
    np.testing.assert_array_equal(found.guesses != labels, wrong(scores, labels, 1))
    np.testing.assert_array_equal(found.missed, wrong(scores, labels, 5))


def test_a_probability_of_zero_is_a_score():
    scores = np.array([[-np.inf, 0.0, np.log(1e-300)]])
    assert wrong(scores, np.array([1]), 1).tolist() == [False]
    assert best(scores, 3).tolist() == [[1, 2, 0]]


def test_nan_and_unknown_labels_are_refused_and_named():
    scores = np.zeros((3, 4))
    scores[2, 1] = np.nan
    for refuse in (lambda: wrong(scores, np.zeros(3, int), 1), lambda: best(scores, 1)):
        with pytest.raises(RunError, match="Image 2 .* class 1"):
            refuse()
    for label in (-1, 4):
        with pytest.raises(RunError, match=f"Image 1 .* label {label}"):
            wrong(np.zeros((2, 4)), np.array([0, label]), 1)


LABELS = np.array([2, 0, 1, 2])
SCORES = np.log([[0.1, 0.2, 0.7], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6], [0.5, 0.25, 0.25]])
LOSSES = np.array([0.3, 2.0, 2.0, 1.5])


def outcomes(part=slice(None)):
    ids = np.array(list("abcd"))
    return judge(ids[part], LABELS[part], SCORES[part].astype("float32"), LOSSES[part])


def test_each_image_has_its_guess_and_both_probabilities():
    found = outcomes()
    assert found.guesses.tolist() == [2, 1, 2, 0]
    certain = [[0.7, 0.7], [0.6, 0.1], [0.6, 0.2], [0.5, 0.25]]
    np.testing.assert_allclose(found.certain, certain, rtol=1e-5)
    # Rows are true classes, columns guesses.
    assert confusion(found, 3).tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 1]]
    assert worst(found, 3).tolist() == [1, 2, 3]  # the highest losses


def test_batches_come_to_the_same():
    whole, parts = outcomes(), join([outcomes(slice(0, 3)), outcomes(slice(3, 4))])
    for name in ("ids", "labels", "guesses", "missed", "losses", "certain"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


def test_the_interval_is_wilsons_and_never_empty():
    # Wilson's 95 % interval of 10 in 100 is 5.52 % to 17.44 %.
    low, high = wilson(10, 100)
    assert (round(low, 4), round(high, 4)) == (0.0552, 0.1744)
    assert wilson(0, 100)[0] == 0.0 and 0.03 < wilson(0, 100)[1] < 0.04
    assert wilson(100, 100)[1] == 1.0


# Newcombe 1998, Table II, method 10.
@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ],
)
def test_unpaired_intervals_are_newcombes(first, second, low, high):
    assert unpaired(first, second) == pytest.approx((low, high), abs=5e-5)


def test_paired_differences_have_students_interval():
    for freedom in (*range(1, 33), 40, 101):
        assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom))
    reach = stats.t.ppf(0.975, 2) * math.sqrt(7 / 3)
    assert paired([1.0, 2.0, 6.0]) == pytest.approx((3 - reach, 3 + reach))
