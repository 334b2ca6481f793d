import dataclasses
import shutil
import time

import numpy as np
import pytest
import tensorflow as tf

from common.data import catalog, diagnosis, pipeline
from common.data.sharding import WorkerShard
from common.data.sources import tfds
from common.data.sources.subset import TrainingSubset
from common.data.statistics import compute
from common.data.transforms import (
    PcaColourNoise,
    PhotometricDistortions,
    RandomAffine,
    RandomAreaCrop,
    RandomCrop,
    RandomFlip,
    RandomShorterSide,
    ScalePixels,
    SubtractChannelMean,
    SubtractMeanImage,
    UntilEpoch,
)
from common.data.transforms.resampling import FILTERS
from common.errors import RunError, UsageError
from common.evaluation import inputs
from common.evaluation.views import FrameView
from tests.common.data_fixtures import (
    DIGITS,
    PHOTOS,
    digits,
    image_folder,
    mnist,
    shapes,
    write_images,
)

CENTRE = FrameView(name="centre_crop", size=56)


def untuned(dataset):
    """Deleting an iterator may take a minute while tf.data's tuner is on."""
    assert dataset.options().autotune.enabled is False
    return dataset


def batches(source, recipe, statistics=None, *, threads=None, **asked):
    asked = {"seed": 0, "epoch": 0} | asked
    dataset = untuned(pipeline.train_batches(source, recipe, statistics, **asked))
    options = tf.data.Options()
    if threads:
        options.threading.private_threadpool_size = threads
        options.threading.max_intra_op_parallelism = threads
    return [(x.numpy(), y.numpy()) for x, y in dataset.with_options(options)]


def same(first, second):
    pairs = zip(first, second, strict=True)
    return all((x == u).all() and (y == v).all() for (x, y), (u, v) in pairs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return image_folder(tmp_path_factory.mktemp("folder"), train=30, validation=10)


@pytest.fixture(scope="module", params=["held", "streamed", "folder"])
def kind(request):
    """The three ways in which records are read, 30 training images each."""
    return request.param


def open_source(kind, folder, patch):
    if kind == "streamed":
        patch.setattr(tfds, "HELD_BYTES", 0)
        patch.setattr(tfds, "SHUFFLE_BUFFER", 10)
    return folder if kind == "folder" else shapes()


@pytest.fixture
def source(kind, folder, monkeypatch):
    return open_source(kind, folder, monkeypatch)


@pytest.fixture(scope="module")
def recipe(kind):
    return dataclasses.replace(PHOTOS, num_classes=2 if kind == "folder" else 10)


@pytest.fixture(scope="module")
def whole(kind, folder, recipe):
    """The batches of epoch 0 under seed 0."""
    with pytest.MonkeyPatch.context() as patch:
        return batches(open_source(kind, folder, patch), recipe)


def test_batches_have_the_recipes_shape(source, recipe, whole):
    assert len(whole) == pipeline.steps_per_epoch(source, recipe) == 3
    for images, labels in whole:
        assert images.shape == (8, 56, 56, 3) and images.dtype == np.float32
        assert labels.shape == (8,) and labels.dtype == np.int64


def test_skipped_steps_leave_the_tail_bit_for_bit(source, recipe, whole):
    assert same(batches(source, recipe, skip_steps=2), whole[2:])
    assert batches(source, recipe, skip_steps=3) == []


def test_batches_repeat_on_any_threads_and_differ_by_seed_and_epoch(source, recipe, whole):
    assert same(batches(source, recipe, threads=1), whole)
    assert not same(batches(source, recipe, seed=1), whole)
    assert not same(batches(source, recipe, epoch=1), whole)


def test_one_image_is_cut_elsewhere_in_another_epoch_and_seed():
    one = TrainingSubset(shapes(), 1, 0)
    recipe = dataclasses.replace(PHOTOS, global_batch_size=1)
    first, *others = [{"epoch": i} for i in range(4)] + [{"seed": i} for i in range(1, 4)]
    first, *others = (batches(one, recipe, **asked)[0][0].tobytes() for asked in (first, *others))
    for images in (others[:3], others[3:]):
        assert len({first, *images}) >= 3


@pytest.mark.parametrize(
    "operations",
    [
        (*PHOTOS.train_transforms, PhotometricDistortions(low=0.5, high=1.5)),
        (RandomAreaCrop(56, (0.08, 1.0), (3 / 4, 4 / 3), FILTERS), RandomFlip()),
        (RandomShorterSide(56, 90), RandomCrop(56), RandomFlip()),
        (
            *PHOTOS.train_transforms,
            RandomAffine(probability=0.9, translate_pixels=2.0, scale=0.1, squeeze=0.1, shear=0.1),
        ),
    ],
)
def test_what_is_drawn_does_not_depend_on_threads(operations):
    recipe = dataclasses.replace(PHOTOS, train_transforms=operations)
    alone = batches(shapes(), recipe, threads=1)
    assert same(batches(shapes(), recipe, threads=4), alone)
    assert not same(batches(shapes(), recipe, seed=1), alone)


def test_an_epoch_has_each_image_once(source, recipe):
    recipe = dataclasses.replace(
        recipe, global_batch_size=30, train_transforms=recipe.test_transforms, image_size=64
    )
    [(images, labels)] = batches(source, recipe)
    stored = list(untuned(pipeline.frames(source, "train", recipe)))
    key = [float(image.sum()) for image in images]
    expected = [float(r["image"].numpy().sum()) for r in stored]
    np.testing.assert_allclose(sorted(key), sorted(expected), rtol=1e-6)
    assert key != pytest.approx(expected, rel=1e-6)  # in another order
    assert sorted(labels) == sorted(int(r["label"]) for r in stored)


def test_draws_of_one_operation_do_not_move_the_others(source, recipe, whole):
    """The noise ends at epoch 1; crops and flips of epoch 0 do not notice."""
    off = UntilEpoch(0, ScalePixels(1.0, 2.0))
    without = dataclasses.replace(recipe, train_noise=(off,))
    assert same(batches(source, without), whole)


@pytest.mark.parametrize("batch_size", [1, 4, 10, 64])
def test_every_test_image_counts_once_in_batches_of_any_size(source, recipe, batch_size):
    split = source.dataset.test_split
    made = inputs.test_batches(source, split, recipe, None, CENTRE, batch_size=batch_size)
    found = list(untuned(made))
    assert len(found) == -(-10 // batch_size)
    assert all(x.shape == (batch_size, 1, 56, 56, 3) for (x,), *_ in found)
    labels, counts, ids = (np.concatenate([batch[i].numpy() for batch in found]) for i in (1, 2, 3))
    records = list(source.records(split).as_numpy_iterator())
    assert counts.sum() == len(records) == 10
    assert list(ids[counts == 1]) == [r["id"] for r in records]
    assert list(labels[counts == 1]) == [r["label"] for r in records]
    assert set(ids[counts == 0]) <= {b""}


def test_ten_crop_cuts_and_normalises_each_window_at_its_place():
    statistics = compute(shapes(), PHOTOS)
    recipe = dataclasses.replace(PHOTOS, normalize=SubtractMeanImage())
    view = FrameView(name="ten_crop", size=56)
    found = inputs.test_batches(shapes(), "test", recipe, statistics, view, batch_size=4)
    (images,), *_ = next(iter(found))
    frames = list(pipeline.frames(shapes(), "test", recipe).take(4))
    assert images.shape == (4, 10, 56, 56, 3)
    for views, frame in zip(images.numpy(), frames, strict=True):
        clean = frame["image"].numpy() - statistics.mean_image
        places = [(0, 0), (0, 8), (8, 0), (8, 8), (4, 4)]
        for i, (y, x) in enumerate(places):
            cut = clean[y : y + 56, x : x + 56]
            np.testing.assert_allclose(views[i], cut, atol=1e-3)
            np.testing.assert_allclose(views[i + 5], cut[:, ::-1], atol=1e-3)


def test_training_subtracts_the_mean_at_the_crops_place():
    """With one image as the mean, that image leaves zeros wherever it is cut.

    A mean from another place, or not mirrored with the crop, would not.
    """
    recipe = dataclasses.replace(PHOTOS, normalize=SubtractMeanImage(), global_batch_size=30)
    stored = [record["image"].numpy() for record in pipeline.frames(shapes(), "train", recipe)]
    statistics = compute(shapes(), PHOTOS)
    for frame in stored[:2]:
        as_mean = dataclasses.replace(statistics, mean_image=frame)
        [(images, _)] = batches(shapes(), recipe, as_mean)
        assert sum(np.abs(image).max() < 0.05 for image in images) == 1


def test_sample_batch_is_not_the_epochs_own_order():
    images, labels = pipeline.sample_batch(digits(), DIGITS, None, seed=0, epoch=0, size=500)
    assert images.shape == (500, 32, 32, 1) and labels.shape == (500,)
    assert len({x.tobytes() for x in images.numpy()}) == 500
    first, _ = batches(digits(), DIGITS)[0]
    assert not (images[:32].numpy() == first).all()
    again, _ = pipeline.sample_batch(digits(), DIGITS, None, seed=0, epoch=1, size=500)
    assert not (images == again).numpy().all()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"global_batch_size": 31}, "30 training examples.*batch of 31"),
        ({"image_size": 48}, "image_size"),
        ({"train_transforms": (ScalePixels(0.0, 1.0), *PHOTOS.train_transforms)}, "geometric"),
    ],
)
def test_recipes_that_make_no_batches_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        batches(shapes(), dataclasses.replace(PHOTOS, **changes))


def test_class_folders_of_imagenet_alone_say_why_they_train_nothing(tmp_path):
    write_images(tmp_path, {"n01440764": 1, "n01443537": 1})
    source = catalog.open_source(catalog.find(f"folder:{tmp_path}"))
    with pytest.raises(UsageError, match="for tests only.*ImageNet.*call them otherwise"):
        pipeline.steps_per_epoch(source, PHOTOS)


def test_label_outside_of_the_classes_stops_the_training_and_is_named():
    recipe = dataclasses.replace(PHOTOS, num_classes=9)
    name = "sample_shapes-train.tfrecord-00000-of-00001__"
    with pytest.raises(RunError, match=f"{name}.*label 9.*0 .. 8"):
        with diagnosis.explained(shapes(), "train", recipe):
            batches(shapes(), recipe)


def one_bit_flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]


def cut_in_a_record(content):
    return content[: len(content) // 2]


def cut_between_records(content):
    length, place = 0, 0
    while place < len(content) // 2:  # length, its checksum, data, its checksum
        length = int.from_bytes(content[place : place + 8], "little")
        place += 8 + 4 + length + 4
    return content[:place]


@pytest.mark.parametrize("held", [True, False], ids=["held", "streamed"])
@pytest.mark.parametrize(
    "damage, words",
    [
        (one_bit_flipped, "corrupted record"),
        (cut_in_a_record, "truncated record"),
        (cut_between_records, "whole records, not 30"),
    ],
)
def test_a_damaged_record_file_is_named(tmp_path, monkeypatch, held, damage, words):
    if not held:
        monkeypatch.setattr(tfds, "HELD_BYTES", 0)
    shutil.copytree(shapes().where, tmp_path / "sample_shapes" / "1.0.0")
    file = next(tmp_path.rglob("*train.tfrecord*"))
    file.write_bytes(damage(file.read_bytes()))
    dataset = catalog.find("tfds:sample_shapes", data_dir=str(tmp_path))
    source = catalog.open_source(dataset, str(tmp_path))
    with pytest.raises(RunError) as caught, diagnosis.explained(source, "train", PHOTOS):
        batches(source, PHOTOS)
    assert file.name in str(caught.value) and words in str(caught.value)
    assert "repare the data set again" in str(caught.value)


def test_the_workers_parts_are_the_whole_batches(kind, source, recipe, whole):
    count = 4 if kind == "held" else 2
    parts = [
        batches(source, recipe, skip_steps=1, shard=WorkerShard(index, count))
        for index in range(count)
    ]
    together = [
        tuple(np.concatenate(shares) for shares in zip(*row, strict=True))
        for row in zip(*parts, strict=True)
    ]
    assert same(together, whole[1:])


def test_error_that_is_not_the_datas_is_said_so():
    error = diagnosis.explain(ValueError("odd"), shapes(), "test", PHOTOS)
    assert "reads well" in str(error) and "odd" in str(error)


def test_mnist_batches_of_one_are_fast(shared_data):
    """LeNet-5 pulls 60,000 of them for each pass."""
    source = mnist(shared_data)
    recipe = dataclasses.replace(DIGITS, global_batch_size=1)
    dataset = pipeline.train_batches(source, recipe, None, seed=0, epoch=0)
    iterator = iter(dataset.take(6_000))
    next(iterator)

    @tf.function
    def pull(count):
        total = 0.0
        for _ in tf.range(count):
            images, _ = next(iterator)
            total += images[0, 0, 0, 0]
        return total

    pull(tf.constant(10))
    began = time.process_time()
    pull(tf.constant(5_000))
    assert 5_000 / (time.process_time() - began) > 4_000  # about 20,000


def test_colour_noise_is_one_draw_for_each_image():
    statistics = compute(shapes(), PHOTOS)
    recipe = dataclasses.replace(PHOTOS, normalize=SubtractChannelMean())
    noise = (PcaColourNoise(std=0.1, shrink=1.0),)
    noisy = batches(shapes(), dataclasses.replace(recipe, train_noise=noise), statistics)
    clean = batches(shapes(), recipe, statistics)
    shift = (noisy[0][0] - clean[0][0]).reshape(8, -1, 3)
    np.testing.assert_allclose(shift, np.broadcast_to(shift[:, :1], shift.shape), atol=1e-3)
    assert np.unique(shift[:, 0].round(3)).size > 8
