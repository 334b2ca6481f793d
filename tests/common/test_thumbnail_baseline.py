"""The regression on thumbnails, on pictures made here."""

import numpy as np
import pytest

from common.data import catalog
from common.errors import RunError, UsageError
from common.evaluation import thumbnail_baseline
from tests.common.data_fixtures import write_image


def nothing(what, done, total):
    """Shows no progress."""


def folder(root, **splits):
    """The source of each split's (label, image)s."""
    for split, examples in splits.items():
        for i, (label, image) in enumerate(examples):
            write_image(root / split / str(label) / f"{i}.png", image)
    return catalog.open_source(catalog.find(f"folder:{root}"))


def noise(labels, seed=0):
    """Images of these labels, brighter by the label."""
    rng = np.random.default_rng(seed)
    return [(n, rng.integers(0, 100, (20, 16, 3), np.uint8) + np.uint8(100 * n)) for n in labels]


TRAIN = noise([0, 1] * 10)


def test_a_thumbnail_averages_what_it_covers(tmp_path):
    stripes = np.zeros((64, 32, 3), np.uint8)
    stripes[:, ::4] = 200
    source = folder(tmp_path, train=[*noise([0]), (1, stripes)], test=noise([0]))
    found, labels = thumbnail_baseline.read(source, "train", nothing)
    assert found.shape == (2, 192) and sorted(labels) == [0, 1]
    # A quarter of it is 200; the four pixels nearest to a centre are black.
    inner = found[labels == 1].reshape(8, 8, 3)[1:-1, 1:-1]
    assert inner == pytest.approx(50, abs=1)


def test_the_error_is_of_the_test_split_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(thumbnail_baseline, "CHOICES", (1e-3, 0.1))
    test = noise([0, 1, 1, 0], 1)
    others = [(label, image) for label, (_, image) in zip([1, 1, 0, 0], test, strict=True)]
    right = folder(tmp_path / "right", train=TRAIN, test=test)
    wrong = folder(tmp_path / "wrong", train=TRAIN, test=others)
    first = thumbnail_baseline.measure(right, 0, nothing)
    second = thumbnail_baseline.measure(wrong, 0, nothing)
    assert (first.wrong, second.wrong) == (0, 2)
    assert first.num_images == 4
    # C was chosen without it.
    assert (first.c, first.folds_error) == (second.c, second.folds_error)
    assert first.c in thumbnail_baseline.CHOICES and first.folds_error == 0


@pytest.mark.parametrize(("good", "chosen"), [((0.01,), 0.01), ((0.3, 0.01, 0.1), 0.01)])
def test_c_is_the_smallest_of_the_best_over_the_folds_and_it_says_how_far_it_is(
    good, chosen, tmp_path, monkeypatch
):
    said = []
    monkeypatch.setattr(thumbnail_baseline, "_fit", lambda c, images, labels: c)
    monkeypatch.setattr(thumbnail_baseline, "_wrong", lambda c, images, labels: int(c not in good))
    source = folder(tmp_path, train=TRAIN, test=noise([0]))
    found = thumbnail_baseline.measure(source, 0, lambda *told: said.append(told))
    assert (found.c, found.folds_error, found.wrong) == (chosen, 0, 0)
    fits = [told for told in said if told[0] == "fitting"]
    assert [done for _, done, _ in fits] == list(range(46))
    assert {total for *_, total in fits} == {46}
    assert said[0] == ("reading train", 20, 20)


def test_too_few_images_of_a_class_and_damaged_ones_are_refused(tmp_path):
    source = folder(tmp_path, train=noise([0, 0, 1]), test=noise([0]))
    with pytest.raises(UsageError, match="1 of the rarest"):
        thumbnail_baseline.measure(source, 0, nothing)
    (tmp_path / "train" / "0" / "1.png").write_bytes(b"no image")
    with pytest.raises(RunError, match=r"cannot be read: .*train/0/1\.png"):
        thumbnail_baseline.measure(source, 0, nothing)
