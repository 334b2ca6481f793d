"""The regression on thumbnails, on pictures made here."""

import types

import numpy as np
import pytest
import tensorflow as tf

from common.errors import RunError, UsageError
from common.evaluation import thumbnail_baseline


def nothing(what, done, total):
    """Shows no progress."""


class Source:
    """Images and labels of both splits, encoded as PNG."""

    where = "nowhere"

    def __init__(self, **splits):
        self.splits = splits
        self.dataset = types.SimpleNamespace(
            name="made",
            channels=3,
            splits={name: len(labels) for name, (_, labels) in splits.items()},
            test_split="test",
            how_to_get="It is made.",
        )

    def records(self, split):
        images, labels = self.splits[split]
        encoded = [
            image if isinstance(image, bytes) else tf.io.encode_png(image).numpy()
            for image in images
        ]
        return tf.data.Dataset.from_tensor_slices(
            {"image": encoded, "label": np.asarray(labels, np.int64)}
        )

    def damage(self, split):
        return f"a file of {split} is cut off."


def images(labels, seed=0):
    """Noise, brighter by the label."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 100, (20, 16, 3), np.uint8) + np.uint8(100 * label) for label in labels]


TRAIN = [0, 1] * 10


def test_a_thumbnail_averages_what_it_covers():
    stripes = np.zeros((64, 32, 3), np.uint8)
    stripes[:, ::4] = 200
    source = Source(train=([stripes], [3]))
    found, labels = thumbnail_baseline.read(source, "train", nothing)
    assert found.shape == (1, 192) and labels.tolist() == [3]
    # A quarter of it is 200; the four pixels nearest to a centre are black.
    inner = found.reshape(8, 8, 3)[1:-1, 1:-1]
    assert inner == pytest.approx(50, abs=1)


def test_the_error_is_of_the_test_split_alone(monkeypatch):
    monkeypatch.setattr(thumbnail_baseline, "CHOICES", (1e-3, 0.1))
    test = [0, 1, 1, 0]
    right = Source(train=(images(TRAIN), TRAIN), test=(images(test, 1), test))
    wrong = Source(train=(images(TRAIN), TRAIN), test=(images(test, 1), [1, 1, 0, 0]))
    first = thumbnail_baseline.measure(right, 0, nothing)
    second = thumbnail_baseline.measure(wrong, 0, nothing)
    assert (first.wrong, second.wrong) == (0, 2)
    assert first.num_images == 4
    # C was chosen without it.
    assert (first.c, first.folds_error) == (second.c, second.folds_error)
    assert first.c in thumbnail_baseline.CHOICES and first.folds_error == 0


@pytest.mark.parametrize(("good", "chosen"), [((0.01,), 0.01), ((0.3, 0.01, 0.1), 0.01)])
def test_c_is_the_smallest_of_the_best_over_the_folds_and_it_says_how_far_it_is(
    good, chosen, monkeypatch
):
    said = []
    monkeypatch.setattr(thumbnail_baseline, "_fit", lambda c, images, labels: c)
    monkeypatch.setattr(thumbnail_baseline, "_wrong", lambda c, images, labels: int(c not in good))
    source = Source(train=(images(TRAIN), TRAIN), test=(images([0]), [0]))
    found = thumbnail_baseline.measure(source, 0, lambda *told: said.append(told))
    assert (found.c, found.folds_error, found.wrong) == (chosen, 0, 0)
    fits = [told for told in said if told[0] == "fitting"]
    assert [done for _, done, _ in fits] == list(range(46))
    assert {total for *_, total in fits} == {46}
    assert said[0] == ("reading train", 20, 20)


def test_too_few_images_of_a_class_and_damaged_ones_are_refused():
    source = Source(train=(images([0, 0, 1]), [0, 0, 1]))
    with pytest.raises(UsageError, match="1 of the rarest"):
        thumbnail_baseline.measure(source, 0, nothing)
    source = Source(train=([b"no image"], [0]))
    with pytest.raises(RunError, match="a file of train is cut off"):
        thumbnail_baseline.measure(source, 0, nothing)
