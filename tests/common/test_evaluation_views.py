"""A split under the papers' own views: inputs, scores, and resuming."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.data.statistics import Statistics
from common.data.transforms import SubtractCentreMean, SubtractMeanImage
from common.evaluation import error_rates, protocols, scores
from common.evaluation.frame_views import test_batches as frame_batches
from common.evaluation.paper_views import images_at_once, own_view_batches
from common.evaluation.predictions import Unfinished, read
from common.recipes.losses import SoftmaxCrossEntropy
from tests.common.data_fixtures import PHOTOS, image_folder

IMAGES = 5
RECIPE = dataclasses.replace(PHOTOS, num_classes=2, loss=SoftmaxCrossEntropy())
TEN = protocols.TenCrop(side=64, size=56, average="softmax")
DENSE = protocols.Dense(sides=(60, 72), mirrored=True)
SQUARES = protocols.SquareCrops(sides=(64, 72), size=56)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return image_folder(tmp_path_factory.mktemp("photos"), validation=IMAGES)


@pytest.fixture(scope="module")
def subject(source):
    keras.utils.set_random_seed(3)
    image = keras.Input((56, 56, 3))
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(6, 8, strides=8, activation="relu")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(9, activation="relu")(x)
    model = keras.Model(image, keras.layers.Dense(2)(x))
    return scores.Subject(
        model=model,
        strategy=tf.distribute.get_strategy(),
        source=source,
        recipe=RECIPE,
        statistics=None,
    )


def batches(source, view, recipe=RECIPE, statistics=None, **more):
    more = {"batch_size": 1} | more
    return list(
        own_view_batches(source, "validation", recipe, statistics, view, **more).as_numpy_iterator()
    )


def silent(done, total):
    assert 0 < done <= total


@pytest.mark.parametrize(
    ("view", "name"), [(protocols.CentreCrop(side=64, size=56), "centre_crop"), (TEN, "ten_crop")]
)
def test_what_both_kinds_of_view_can_say_is_the_same(source, view, name):
    frames = frame_batches(source, "validation", RECIPE, None, name, batch_size=5)
    (images, labels, _, ids) = next(frames.as_numpy_iterator())
    ((parts, own_labels, counts, own_ids),) = batches(source, view, batch_size=5)
    np.testing.assert_allclose(parts[0], images, atol=2e-3)
    assert own_labels.tolist() == labels.tolist()
    assert own_ids.tolist() == ids.tolist() and counts.all()


def test_dense_inputs_are_the_images_and_their_mirror_images(source):
    shapes = set()
    for parts, *_ in batches(source, DENSE):
        for part, side in zip(parts, (60, 72), strict=True):
            assert part.shape[:2] == (1, 2) and min(part.shape[2:4]) == side
            np.testing.assert_array_equal(part[:, 1], part[:, 0, :, ::-1])
        shapes.add(parts[0].shape)
    assert len(shapes) > 1  # each image has its own


def test_the_whole_square_is_resized(source):
    ((large, small), *_) = batches(source, SQUARES)[0]
    assert large.shape == small.shape == (1, 36, 56, 56, 3)
    dense = protocols.Dense(sides=(56,), mirrored=False)
    ((whole,), *_) = batches(source, dense)[0]
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
            for _, _, counts, ids in batches(source, TEN, **more)
            for name, counted in zip(ids, counts, strict=True)
            if counted
        ]

    everything = ids()
    assert len(set(everything)) == IMAGES
    assert ids(batch_size=2) == ids(batch_size=3, multiple=2) == everything
    assert ids(skip=2) == ids(batch_size=2, skip=2) == everything[2:]
    padded = batches(source, TEN, batch_size=2, multiple=2)
    assert len(padded) == 4 and padded[-1][2].tolist() == [0, 0]


@pytest.mark.parametrize("normalize", [SubtractMeanImage(), SubtractCentreMean()])
def test_a_mean_image_becomes_its_mean_on_images_of_another_size(source, normalize):
    mean = np.array([1.0, 20.0, 60.0])
    statistics = Statistics(
        mean_image=np.random.default_rng(0).normal(size=(64, 64, 3)),
        pixel_mean=mean,
        pixel_std=np.ones(3),
        covariance=np.eye(3),
    )
    recipe = dataclasses.replace(RECIPE, normalize=normalize)
    ((plain, _), *_) = batches(source, DENSE)[0]
    ((found, _), *_) = batches(source, DENSE, recipe, statistics)[0]
    np.testing.assert_allclose(found, plain - mean, atol=1e-4)


def test_memory_holds_few_images_of_many_crops():
    views = {
        protocols.SquareCrops(sides=(256, 288, 320, 352), size=224): 1,
        protocols.SquashedCrops(side=320, size=299): 10,
        protocols.CentreCrop(side=320, size=320): 128,
        protocols.Dense(sides=(256,), mirrored=True): 1,  # their sizes differ
    }
    for view, images in views.items():
        assert images_at_once(view, error_rates.TEST_VIEWS) == images


def test_probabilities_are_averaged_with_the_parts_shares():
    rng = np.random.default_rng(0)
    logits = [rng.normal(size=(3, n, 4)).astype("float32") * 5 for n in (6, 1)]

    def softmax(x):
        x = np.exp(x)
        return x / x.sum(-1, keepdims=True)

    found = scores.combine([tf.constant(x) for x in logits], (0.2, 0.8), "softmax")
    expected = 0.2 * softmax(logits[0]).mean(1) + 0.8 * softmax(logits[1])[:, 0]
    np.testing.assert_allclose(softmax(found.numpy()), expected, rtol=1e-5)
    np.testing.assert_allclose(np.exp(found).sum(1), 1, rtol=1e-5)


def test_logits_are_averaged_where_the_paper_does_so():
    logits = np.random.default_rng(0).normal(size=(3, 10, 4)).astype("float32")
    found = scores.combine([tf.constant(logits)], (1.0,), "logits")
    np.testing.assert_allclose(found, logits.mean(1), rtol=1e-5)
    one = scores.combine([tf.constant(logits[:, :1])], (1.0,), "softmax")
    np.testing.assert_array_equal(one, logits[:, 0])


def scores_of(subject, view):
    return np.concatenate([b.scores for b in scores.scored(subject, view)])


def test_dense_scores_are_those_of_the_windows(subject):
    """Windows of the image: the network pads nothing, its stride is 8."""
    found = scores_of(subject, protocols.Dense(sides=(72,), mirrored=False))
    dense = protocols.Dense(sides=(72,), mirrored=False)
    for place, ((part,), *_) in enumerate(batches(subject.source, dense)):
        image = part[:, 0]
        windows = [
            subject.model(image[:, y : y + 56, x : x + 56]).numpy()
            for y in range(0, image.shape[1] - 55, 8)
            for x in range(0, image.shape[2] - 55, 8)
        ]
        assert len(windows) > 3
        np.testing.assert_allclose(found[place], np.mean(windows, axis=0)[0], atol=1e-4)


def test_a_part_is_averaged_after_its_softmax(subject):
    def probabilities(view):
        return np.exp(tf.nn.log_softmax(scores_of(subject, view)))

    both = probabilities(protocols.MeanOf((SQUARES, DENSE)))
    apart = (probabilities(SQUARES) + probabilities(DENSE)) / 2
    np.testing.assert_allclose(both, apart, atol=1e-6)


@pytest.mark.parametrize("name", ["centre_crop", "ten_crop"])
def test_scores_count_what_the_fast_path_counts(subject, name):
    test = error_rates.make_test_step(subject.model, RECIPE.loss, subject.strategy)
    fast = error_rates.measure(test, subject.strategy, subject.source, RECIPE, None, name, silent)
    slow = scores.measure(subject, name, name, silent)
    assert slow.loss == pytest.approx(fast.loss, rel=1e-6)
    assert dataclasses.replace(slow, loss=0) == dataclasses.replace(fast, loss=0)


def unfinished(subject, path):
    classes = np.array(subject.source.class_names())
    return Unfinished(path, {"view": "a"}, IMAGES, classes)


@pytest.mark.parametrize("view", ["centre_crop", DENSE, SQUARES])
def test_predictions_go_on_where_they_were_killed(subject, view, tmp_path):
    whole = unfinished(subject, tmp_path / "whole.npz")
    at_once = scores.predict(subject, "v", view, whole, silent)
    begun = unfinished(subject, tmp_path / "killed.npz")
    first = next(scores.scored(subject, view))
    begun.append(first.ids[:2], first.labels[:2], first.scores[:2])
    again = unfinished(subject, tmp_path / "killed.npz")
    assert again.done == len(first.ids[:2])
    assert scores.predict(subject, "v", view, again, silent) == at_once
    one, other = read(tmp_path / "whole.npz"), read(tmp_path / "killed.npz")
    assert one.ids.tolist() == other.ids.tolist() == sorted(one.ids)
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


def test_a_finished_file_is_counted_without_the_network(subject, tmp_path):
    file = unfinished(subject, tmp_path / "a.npz")
    for batch in scores.scored(subject, DENSE):
        file.append(batch.ids, batch.labels, batch.scores)
    broken = dataclasses.replace(subject, model=None)
    result = scores.predict(broken, "dense", DENSE, file, silent)
    assert result.num_images == IMAGES
    assert result == scores.measure(subject, "dense", DENSE, silent)
