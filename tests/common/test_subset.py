"""Training images that are left out, or kept for validation."""

import dataclasses

import pytest

from common.data.pipeline import steps_per_epoch
from common.data.sources.subset import TrainingSubset, take_subset
from common.errors import UsageError
from tests.common.data_fixtures import DIGITS, digits, image_folder


def ids(records):
    return [record["id"] for record in records.as_numpy_iterator()]


def shuffled_ids(source, skip=0):
    order = source.shuffled("train", seed=1, epoch=0, skip=skip)
    return ids(order.elements.map(lambda _, element: order.read(element)))


@pytest.mark.parametrize(
    "first, last, title",
    [
        (None, 437, "437 training images held out"),
        (100, 0, "100 training images"),
        (100, 437, "100 training images, 437 training images held out"),
    ],
)
def test_the_first_images_are_trained_on_and_the_last_held_out(first, last, title):
    source, whole = TrainingSubset(digits(), first, last), ids(digits().records("train"))
    size = first or len(whole) - last
    assert ids(source.records("train")) == whole[:size]
    seen = shuffled_ids(source)
    assert sorted(seen) == sorted(whole[:size]) and seen != whole[:size]
    assert steps_per_epoch(source, DIGITS) == size // DIGITS.global_batch_size
    assert source.dataset.title.endswith(f", {title}")
    assert source.fingerprint() == digits().fingerprint() | {"splits": source.dataset.splits}
    if last:
        assert source.dataset.splits == {"train": size, "held_out": last}
        assert ids(source.records(source.dataset.test_split)) == whole[-last:]
    else:  # the test split is as it was
        assert source.dataset.splits == digits().dataset.splits | {"train": size}
        assert source.dataset.test_split == digits().dataset.test_split
        assert ids(source.records("test")) == ids(digits().records("test"))


def test_a_class_that_is_held_out_as_a_whole_is_told(tmp_path):
    """Which the folder as it is would be refused for; the last two of its listing are both a's."""
    source = image_folder(tmp_path, train=4)
    kept = ["b", "b", "a", "a"]
    listing = source.dataset.folders.listing
    listing["train"].sort(key=lambda image: kept.index(image[1]))
    assert TrainingSubset(source, None, 1).dataset.notes == source.dataset.notes
    [told] = set(TrainingSubset(source, None, 2).dataset.notes) - set(source.dataset.notes)
    assert told == "No image that is trained on is of a: theirs count as errors."


def test_a_recipe_of_the_whole_set_has_the_whole_set():
    assert take_subset(digits(), DIGITS) is digits()
    fewer = dataclasses.replace(DIGITS, train_images=9)
    few = take_subset(digits(), fewer)
    assert few.dataset.splits["train"] == 9
    with pytest.raises(UsageError, match="fewer than one batch .* --set global_batch_size=9, or"):
        steps_per_epoch(few, DIGITS)


@pytest.mark.parametrize(
    "first,last", [(0, 0), (1438, 0), (1001, 437), (None, -1), (None, 1437), (None, 5000)]
)
def test_both_sides_have_images_and_no_more_than_there_are(first, last):
    with pytest.raises(UsageError, match="held_out=.* cannot be cut"):
        TrainingSubset(digits(), first, last)


def test_of_a_folder_some_of_each_class_are_held_out(tmp_path):
    source = image_folder(tmp_path, train=40)
    whole = ids(source.records("train"))
    cut = TrainingSubset(source, None, 12)
    assert ids(cut.records("held_out")) == whole[28:]
    assert {path.split(b"/")[1] for path in whole[28:]} == {b"a", b"b"}
    seen = shuffled_ids(cut, skip=3)
    assert len(seen) == 25 and set(seen) < set(whole[:28])
    assert cut.damage("held_out") is None
