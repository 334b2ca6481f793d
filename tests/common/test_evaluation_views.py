"""A split under every kind of view: inputs, scores, and resuming."""

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.data.transforms import SubtractCentreMean, SubtractMeanImage
from common.evaluation import inputs, views
from common.evaluation.evaluator import Evaluator, _add_up, score
from common.evaluation.metrics import wrong
from common.evaluation.predictions import PredictionWriter, read
from common.evaluation.views import FrameView
from common.recipes.losses import SoftmaxCrossEntropy
from tests.common.data_fixtures import PHOTOS, image_folder, statistics_of

IMAGES = 5
RECIPE = dataclasses.replace(PHOTOS, num_classes=5, loss=SoftmaxCrossEntropy())
TEN = views.CornerCrops(sides=(64,), size=56, mirrored=True)
CENTRE = views.CentreCrop(sides=(64,), size=56)
DENSE = views.Dense(sides=(60, 72), mirrored=True)
SQUARES = views.SquareCrops(sides=(64, 72), size=56, mirrored=True)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return image_folder(tmp_path_factory.mktemp("photos"), validation=IMAGES)


def evaluator_of(model, source):
    strategy = tf.distribute.get_strategy()
    return Evaluator(model=model, strategy=strategy, source=source, recipe=RECIPE, statistics=None)


@pytest.fixture(scope="module")
def evaluator(source):
    keras.utils.set_random_seed(3)
    image = keras.Input((56, 56, 3))
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(6, 8, strides=8, activation="relu")(x)
    x = keras.layers.BatchNormalization()(x)  # of a batch of tests it would take the statistics
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(9, activation="relu")(x)
    return evaluator_of(keras.Model(image, keras.layers.Dense(5)(x)), source)


def batches(source, view, recipe=RECIPE, statistics=None, **more):
    """Batches of one image, unless `more` says otherwise; made as they are asked for."""
    more = {"batch_size": 1} | more
    made = inputs.test_batches(source, "validation", recipe, statistics, view, **more)
    return made.as_numpy_iterator()


def silent(done, total):
    assert 0 < done <= total


@pytest.mark.parametrize(
    ("view", "name", "alike"),
    [(CENTRE, "centre_crop", [0]), (TEN, "ten_crop", [4, 9])],  # corners are of another image
)
def test_what_both_kinds_of_view_can_say_is_the_same(source, view, name, alike):
    frames = FrameView(name=name, size=56)
    (((images,), labels, _, ids),) = batches(source, frames, batch_size=5)
    ((own, own_labels, counts, own_ids),) = batches(source, view, batch_size=5)
    np.testing.assert_allclose(own[0][:, alike], images[:, alike], atol=2e-3)
    assert own[0].shape == images.shape
    assert own_labels.tolist() == labels.tolist()
    assert own_ids.tolist() == ids.tolist() and counts.all()


def test_the_whole_square_is_resized(source):
    (large,), *_ = next(batches(source, views.SquareCrops(sides=(64,), size=56)))
    assert large.shape == (1, 18, 56, 56, 3)
    (whole,), *_ = next(batches(source, views.Dense(sides=(56,))))
    landscape = whole.shape[3] > 56
    assert landscape
    # The left square of the image at 64, made 56: the image at 56, nearly.
    difference = large[0, 5][2:-2, 2:-4] - whole[0, 0, 2:-2, 2:52]
    assert abs(difference).mean() < 3
    centre = large[0, 5] - large[0, 4]
    assert abs(centre).mean() > 3  # the centre crop is another thing


def test_every_image_is_there_once_whatever_the_batches(source):
    def ids(**more):
        return [
            name
            for _, _, counts, ids in batches(source, CENTRE, **more)
            for name, counted in zip(ids, counts, strict=True)
            if counted
        ]

    everything = ids()
    assert len(set(everything)) == IMAGES
    assert ids(batch_size=2) == ids(batch_size=3, replicas=2) == everything
    assert ids(batch_size=5, skip=2) == everything[2:]
    padded = list(batches(source, CENTRE, batch_size=2, replicas=2))
    assert len(padded) == 4 and padded[-1][2].tolist() == [0, 0]


@pytest.mark.parametrize("normalize", [SubtractMeanImage(), SubtractCentreMean()])
def test_a_mean_image_becomes_its_mean_on_images_of_another_size(source, normalize):
    mean = np.random.default_rng(0).normal((1.0, 20.0, 60.0), size=(64, 64, 3))
    statistics = statistics_of(mean)
    recipe = dataclasses.replace(RECIPE, normalize=normalize)
    view = views.Dense(sides=(60,))
    (plain,), *_ = next(batches(source, view))
    (found,), *_ = next(batches(source, view, recipe, statistics))
    np.testing.assert_allclose(found, plain - mean.mean((0, 1)), atol=1e-4)


def test_memory_holds_few_images_of_many_crops():
    at_once = {
        views.SquareCrops(sides=(256, 288, 320, 352), size=224, mirrored=True): 1,
        views.SquareCrops(sides=(320,), size=299, squashed=True, mirrored=True): 11,
        views.CentreCrop(sides=(320,), size=320): 128,
        views.Dense(sides=(256,), mirrored=True): 1,  # their sizes differ
        FrameView(name="ten_crop", size=224): 13,
    }
    for view, images in at_once.items():
        assert inputs.images_at_once(view, 224) == images
        assert inputs.images_at_once(view, 224, replicas=2) == -(-images // 2)


def average(logits, view):
    """`score` of a main head's outputs, (images, crops, classes), by scaled image."""

    def network(images, training):
        assert not training
        return [images[:, 0, 0], -images[:, 0, 0]]

    given = [tf.constant(x[:, :, None, None]) for x in logits]
    return score(network, given, view).numpy()


def test_probabilities_are_averaged_with_the_images_weights():
    rng = np.random.default_rng(0)
    logits = [rng.normal(size=(3, n, 4)).astype("float32") * 5 for n in (5, 5, 1)]
    view = views.MeanOf((views.CornerCrops(sides=(64, 72), size=56), CENTRE))

    def softmax(x):
        x = np.exp(x)
        return x / x.sum(-1, keepdims=True)

    found = average(logits, view)
    expected = sum(w * softmax(x).mean(1) for w, x in zip((0.25, 0.25, 0.5), logits, strict=True))
    np.testing.assert_allclose(softmax(found), expected, rtol=1e-5)
    np.testing.assert_allclose(np.exp(found).sum(1), 1, rtol=1e-5)


def test_logits_are_averaged_where_the_paper_does_so():
    logits = np.random.default_rng(0).normal(size=(3, 10, 4)).astype("float32")
    found = average([logits], dataclasses.replace(TEN, average="logits"))
    np.testing.assert_allclose(found, logits.mean(1), rtol=1e-5)
    np.testing.assert_array_equal(average([logits[:, :1]], CENTRE), logits[:, 0])


def test_the_devices_sums_are_those_of_the_metrics_without_the_padding():
    """Few distinct scores, so that most are tied: a dead network is not right."""
    drawn, counts = np.random.default_rng(0), np.float32(np.arange(50) < 45)
    scores, labels = drawn.integers(0, 4, (50, 12)).astype("float32"), drawn.integers(0, 12, 50)
    losses = drawn.uniform(size=50).astype("float32")
    found = _add_up(scores, np.where(counts, losses, np.nan), labels, counts)
    sums = [x[:45].sum() for x in (losses, wrong(scores, labels, 1), wrong(scores, labels, 5))]
    assert [float(x) for x in found] == pytest.approx([*sums, 45])
    scores[3, labels[3] - 1] = np.inf  # which the loss of another class does not show
    assert np.isnan(_add_up(scores, losses, labels, counts)[0])


@pytest.fixture(scope="module")
def scored(evaluator):
    """Each view's batches of (ids, labels, scores), computed once."""
    return functools.cache(lambda view: list(evaluator.iterate_scores(view)))


def scores_of(scored, view):
    return np.concatenate([scores for _, _, scores in scored(view)])


def test_dense_scores_are_those_of_the_windows(evaluator, scored):
    """Windows of the image: the network pads nothing, its stride is 8."""
    dense = views.Dense(sides=(72,))
    found = scores_of(scored, dense)
    for place, ((part,), *_) in enumerate(batches(evaluator.source, dense)):
        image = part[0, 0]
        places = [
            (y, x)
            for y in range(0, image.shape[0] - 55, 8)
            for x in range(0, image.shape[1] - 55, 8)
        ]
        windows = np.stack([image[y : y + 56, x : x + 56] for y, x in places])
        assert len(windows) > 3
        expected = evaluator.model(windows).numpy().mean(axis=0)
        np.testing.assert_allclose(found[place], expected, atol=1e-4)


def open_writer(path):
    return PredictionWriter(path, {"view": "a"}, IMAGES, np.array(list("abcde")))


FRAMES = [FrameView(name=name, size=56) for name in ("centre_crop", "ten_crop", "nine_crop")]


@pytest.mark.parametrize(
    "view", [*FRAMES, DENSE, SQUARES, dataclasses.replace(TEN, average="logits")]
)
def test_a_file_counts_what_the_device_counts_and_goes_on_where_it_was_killed(
    evaluator, scored, view, tmp_path
):
    counted = evaluator.measure("v", view, silent)
    assert counted.top5_error is None  # of five classes
    first = [column[:2] for column in scored(view)[0]]
    begun = open_writer(tmp_path / "killed.npz")
    begun.append(*first)
    again = open_writer(tmp_path / "killed.npz")
    assert again.done == len(first[0])
    written, outcomes = evaluator.measure_each("v", view, silent, again)
    writer = open_writer(tmp_path / "whole.npz")
    for batch in scored(view):
        writer.append(*batch)
    without = evaluator_of(None, evaluator.source)  # nothing is left to compute
    result, at_once = without.measure_each("v", view, silent, writer)
    for one in (written, result):
        assert one.loss == pytest.approx(counted.loss, rel=1e-6)
        assert dataclasses.replace(one, loss=0) == dataclasses.replace(counted, loss=0)
    assert written == result
    np.testing.assert_array_equal(outcomes.ids, at_once.ids)
    np.testing.assert_array_equal(outcomes.guesses, at_once.guesses)
    one, other = read(tmp_path / "whole.npz"), read(tmp_path / "killed.npz")
    assert one.ids.tolist() == other.ids.tolist() == sorted(one.ids)
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
