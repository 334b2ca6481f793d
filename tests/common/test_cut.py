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


def test_the_last_images_are_held_out_and_never_trained_on():
    source = TrainingSubset(digits(), None, 437)
    whole = ids(digits().records("train"))
    kept = len(whole) - 437
    assert ids(source.records("train")) == whole[:kept]
    assert ids(source.records(source.dataset.test_split)) == whole[kept:]
    seen = shuffled_ids(source)
    assert sorted(seen) == sorted(whole[:kept]) and seen != whole[:kept]


def test_sizes_and_fingerprint_say_so():
    source = TrainingSubset(digits(), None, 437)
    assert source.dataset.splits == {"train": 1000, "held_out": 437}
    assert steps_per_epoch(source, DIGITS) == 1000 // DIGITS.global_batch_size
    assert "437 training images held out" in source.dataset.title
    assert source.fingerprint()["splits"] == source.dataset.splits
    assert source.fingerprint()["sha256"] == digits().fingerprint()["sha256"]


def test_fewer_training_images_leave_the_test_split_as_it_is():
    source = TrainingSubset(digits(), 100, 0)
    assert ids(source.records("train")) == ids(digits().records("train"))[:100]
    assert ids(source.records("test")) == ids(digits().records("test"))
    assert source.dataset.test_split == digits().dataset.test_split
    assert source.dataset.splits == digits().dataset.splits | {"train": 100}
    assert "100 training images" in source.dataset.title
    assert steps_per_epoch(source, DIGITS) == 100 // DIGITS.global_batch_size
    assert sorted(shuffled_ids(source)) == sorted(ids(source.records("train")))


def test_what_is_left_out_is_not_held_out():
    source = TrainingSubset(digits(), 100, 437)
    whole = ids(digits().records("train"))
    assert ids(source.records("train")) == whole[:100]
    assert ids(source.records("held_out")) == whole[1000:]


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
