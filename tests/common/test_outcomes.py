"""What became of each image: guesses, probabilities, who is taken for whom."""

import numpy as np

from common.evaluation import metrics
from common.evaluation.outcomes import confusion, join, judge, worst

LABELS = np.array([2, 0, 1, 2])
SCORES = np.log([[0.1, 0.2, 0.7], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6], [0.5, 0.25, 0.25]])
LOSSES = np.array([0.3, 2.0, 2.0, 1.5])


def outcomes(part=slice(None)):
    ids = np.array(list("abcd"))
    return judge(ids[part], LABELS[part], SCORES[part].astype("float32"), LOSSES[part])


def test_each_image_has_its_guess_and_both_probabilities():
    found = outcomes()
    assert found.guesses.tolist() == [2, 1, 2, 0]
    np.testing.assert_allclose(
        found.certain, [[0.7, 0.7], [0.6, 0.1], [0.6, 0.2], [0.5, 0.25]], rtol=1e-5
    )


def test_wrong_and_missed_are_as_errors_are_counted():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, (50, 9)).astype("float32")  # with ties
    labels = rng.integers(0, 9, 50)
    found = judge(np.arange(50).astype(str), labels, scores, np.zeros(50))
    np.testing.assert_array_equal(found.guesses != labels, metrics.wrong(scores, labels, 1))
    np.testing.assert_array_equal(found.missed, metrics.wrong(scores, labels, 5))


def test_rows_are_true_classes_and_columns_guesses():
    assert confusion(outcomes(), 3).tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 1]]


def test_batches_come_to_the_same():
    whole, parts = outcomes(), join([outcomes(slice(0, 3)), outcomes(slice(3, 4))])
    for name in ("ids", "labels", "guesses", "missed", "losses", "certain"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


def test_the_worst_have_the_highest_losses():
    assert worst(outcomes(), 3).tolist() == [1, 2, 3]
