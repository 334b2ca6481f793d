import numpy as np
import pytest

from common.errors import RunError
from common.evaluation.metrics import best, wilson, wrong


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


def test_a_network_that_says_nothing_is_right_by_chance_only():
    labels = np.arange(1000)
    assert wrong(np.zeros((1000, 1000)), labels, 5).sum() == 995


def test_a_probability_of_zero_is_a_score():
    scores = np.log(np.maximum([[0.0, 1.0, 0.0]], 1e-300))
    scores[0, 0] = -np.inf
    assert wrong(scores, np.array([1]), 1).tolist() == [False]
    assert best(scores, 3).tolist() == [[1, 2, 0]]


def test_nan_is_refused_and_named():
    scores = np.zeros((3, 4))
    scores[2, 1] = np.nan
    with pytest.raises(RunError, match="Image 2 .* class 1"):
        wrong(scores, np.zeros(3, int), 1)
    with pytest.raises(RunError, match="Image 2 .* class 1"):
        best(scores, 1)


@pytest.mark.parametrize("label", [-1, 4])
def test_an_unknown_label_is_refused_and_named(label):
    with pytest.raises(RunError, match=f"Image 1 .* label {label}"):
        wrong(np.zeros((2, 4)), np.array([0, label]), 1)


def test_the_interval_is_wilsons_and_never_empty():
    # Wilson's 95 % interval of 10 in 100 is 5.52 % to 17.44 %.
    low, high = wilson(10, 100)
    assert (round(low, 4), round(high, 4)) == (0.0552, 0.1744)
    assert wilson(0, 100)[0] == 0.0 and 0.03 < wilson(0, 100)[1] < 0.04
    assert wilson(100, 100)[1] == 1.0
