"""Training images that are kept for validation."""

import pytest

from common.data import catalog
from common.data.held_out import HeldOut
from common.data.pipeline import steps_per_epoch
from common.errors import UsageError
from tests.common.data_fixtures import DIGITS, image_folder


@pytest.fixture(scope="module")
def digits():
    return catalog.open_source(catalog.find("sample", channels=1))


def ids(records):
    return [record["id"] for record in records.as_numpy_iterator()]


def test_the_last_images_are_held_out_and_never_trained_on(digits):
    source = HeldOut(digits, 437)
    whole = ids(digits.records("train"))
    kept = len(whole) - 437
    assert ids(source.records("train")) == whole[:kept]
    assert ids(source.records(source.dataset.test_split)) == whole[kept:]
    order = source.shuffled("train", seed=1, epoch=0, skip=0)
    seen = ids(order.elements.map(lambda _, element: order.read(element)))
    assert sorted(seen) == sorted(whole[:kept]) and seen != whole[:kept]


def test_sizes_and_fingerprint_say_so(digits):
    source = HeldOut(digits, 437)
    assert source.dataset.splits == {"train": 1000, "held_out": 437}
    assert steps_per_epoch(source, DIGITS) == 1000 // DIGITS.global_batch_size
    assert "437 training images held out" in source.dataset.title
    assert source.fingerprint()["splits"] == source.dataset.splits
    assert source.fingerprint()["sha256"] == digits.fingerprint()["sha256"]


@pytest.mark.parametrize("count", [-1, 1437, 5000])
def test_both_sides_must_have_images(digits, count):
    with pytest.raises(UsageError, match="held_out"):
        HeldOut(digits, count)


def test_a_folder_is_refused_since_its_order_is_not_random(tmp_path):
    source = image_folder(tmp_path)
    with pytest.raises(UsageError, match="validation folder"):
        HeldOut(source, 2)
