"""The classifiers that Sec. III-C compares LeNet-5 with and that are no networks, in NumPy."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.errors import UsageError
from reproductions.lenet5.classical import (
    GaussianUnits,
    LeastSquares,
    Neighbours,
    PairProducts,
    PrincipalComponents,
)
from reproductions.lenet5.fitting import FitLayers
from reproductions.lenet5.levenberg_marquardt import diagonal_curvature
from reproductions.lenet5.losses import PairsMse
from reproductions.lenet5.model import PairScores
from tests.reproductions.graphs import draws

PAIRS = list(itertools.combinations(range(10), 2))


def test_components_are_those_of_the_largest_variance():  # item 3
    digits = draws(50, 6) * np.array([1, 5, 1, 9, 2, 1], "float32") + 3
    layer = PrincipalComponents(2)
    layer.build(digits.shape)
    layer.fit(digits, None)
    _, _, rows = np.linalg.svd(digits - digits.mean(0), full_matrices=False)
    expected = (digits - digits.mean(0)) @ rows[:2].T
    np.testing.assert_allclose(np.abs(layer(digits)), np.abs(expected), 1e-3, 1e-3)


def test_products_are_of_all_pairs():  # item 3: 821 inputs with the constant one
    x = draws(3, 40)
    expected = [x[:, i] * x[:, j] for i in range(40) for j in range(i, 40)]
    np.testing.assert_allclose(PairProducts()(x), np.transpose(expected), 1e-6)
    assert len(expected) + 1 == 821


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_a_linear_system_gives_the_least_squares(ridge):
    x, labels = draws(60, 5), np.arange(60) % 3
    layer = LeastSquares(3, ridge=ridge)
    layer.build(x.shape)
    layer.fit(x, labels)
    design = np.c_[x, np.ones(60)]
    more = np.sqrt(60 * ridge) * np.eye(6)  # rows that ask for zeros
    targets = np.r_[np.where(labels[:, None] == range(3), 1, -1), np.zeros((6, 3))]
    expected, *_ = np.linalg.lstsq(np.r_[design, more], targets, rcond=None)
    np.testing.assert_allclose(layer.kernel, expected[:-1], 1e-4, 1e-5)
    np.testing.assert_allclose(layer.bias, expected[-1], 1e-4, 1e-5)


def test_gaussian_units_stand_in_their_own_classes_digits():  # item 4
    labels = np.arange(200) % 2
    digits = draws(200, 3) / 10 + 4 * labels[:, None].astype("float32")
    layer = GaussianUnits(6, 2)
    layer.build(digits.shape)
    layer.fit(digits, labels)
    centres, width = layer.centres.numpy(), float(layer.width.numpy())
    assert (centres[:3] < 2).all() and (centres[3:] > 2).all()
    squares = ((digits[:, None] - centres) ** 2).sum(-1)
    assert width == pytest.approx(squares.min(1).mean(), rel=1e-3)
    np.testing.assert_allclose(layer(digits), np.exp(-squares / (2 * width)), 1e-3, 1e-5)


def neighbours(k, digits, labels, places):
    layer = Neighbours(k, places, 10)
    layer.build((None, digits.shape[-1]))
    layer.fit(digits, labels)
    return layer


def test_the_nearest_digits_vote():  # item 2
    digits, labels = draws(40, 4), np.arange(40) % 10
    asked = draws(30, 4, seed=1)
    found = np.asarray(neighbours(3, digits, labels, 64)(asked))  # some places are empty
    for one, scores in zip(asked, found, strict=True):
        nearest = labels[np.argsort(((digits - one) ** 2).sum(-1))[:3]]
        counts = np.bincount(nearest, minlength=10)
        likeliest = np.flatnonzero(counts == counts.max())
        assert scores.argmax() == (nearest[0] if len(likeliest) > 1 else likeliest[0])
        assert (np.argsort(scores)[-1] in nearest) and scores.min() == -1


def test_neighbours_that_agree_score_one():
    layer = neighbours(3, np.zeros((3, 2), "float32"), np.array([4, 4, 4]), 3)
    np.testing.assert_allclose(
        layer(np.ones((1, 2), "float32"))[0], np.where(np.arange(10) == 4, 1, -1)
    )


def test_too_few_and_too_many_digits_are_refused():
    with pytest.raises(UsageError, match="Each class has 100 .* one class has 0 images"):
        GaussianUnits(1000, 10).fit(draws(900, 3), np.arange(900) % 9)
    with pytest.raises(UsageError, match="Of 4 training images 3 can .* train_images=3"):
        Neighbours(1, 3, 10).fit(draws(4, 2), np.arange(4))


def test_a_score_is_the_sum_of_its_pairs_outputs():  # item 1
    units = draws(5, 45)
    scores, same = PairScores()(units)
    np.testing.assert_array_equal(same, units)
    for row, expected in zip(units, np.asarray(scores), strict=True):
        sums = np.zeros(10)
        for unit, (i, j) in zip(row, PAIRS, strict=True):
            sums[i] += np.sign(unit) + unit / 100
            sums[j] -= np.sign(unit) + unit / 100
        np.testing.assert_allclose(sums, expected, 1e-4, 1e-4)


def test_a_pairs_unit_is_trained_on_its_two_classes_alone():  # item 1
    units, labels = tf.constant(draws(4, 45)), np.array([0, 3, 9, 3])
    with tf.GradientTape() as tape:
        tape.watch(units)
        losses = PairsMse()(PairScores()(units), labels)
    for row, label, loss, moved in zip(
        units.numpy(), labels, losses.numpy(), tape.gradient(losses, units).numpy(), strict=True
    ):
        of_pairs = [(u, 1 if i == label else -1) for u, (i, j) in zip(row, PAIRS, strict=True)]
        trained = [label in pair for pair in PAIRS]
        expected = sum((u - t) ** 2 for (u, t), yes in zip(of_pairs, trained, strict=True) if yes)
        assert loss == pytest.approx(expected, rel=1e-5)
        assert (moved != 0).tolist() == trained


def test_the_curvature_of_a_pairs_unit_is_of_its_classes_share():  # App. C
    keras.utils.set_random_seed(0)
    model = reproductions.build_model("lenet5", "mnist_pairwise")
    images, labels = tf.constant(draws(20, 28, 28, 1)), np.arange(20) % 10
    _, of_bias = diagonal_curvature(model, PairsMse(), images, labels)
    np.testing.assert_allclose(of_bias, np.full(45, 2 * 2 / 10), 1e-4)


@pytest.mark.parametrize("variant", ["mnist_quadratic", "mnist_rbf", "mnist_knn_deslanted"])
def test_layers_are_fitted_in_order_and_know_what_they_were_shown(variant):
    keras.utils.set_random_seed(0)
    model = reproductions.build_model("lenet5", variant)
    labels = np.arange(2000) % 10
    strokes = np.random.default_rng(0).uniform(0, 1, (10, 28, 28, 1)) > 0.7
    images = (strokes[labels] * 1.2 + draws(2000, 28, 28, 1) / 10).astype("float32")
    FitLayers()(model, None, None, (tf.constant(images), tf.constant(labels)))
    asked = slice(None, None, 9)  # of all classes, from the first to the last
    found = model.predict(images[asked], verbose=0).argmax(-1)
    assert (found == labels[asked]).mean() > 0.99


def test_what_is_fitted_asks_for_all_digits_and_no_step_changes_it():
    recipe = reproductions.load("lenet5").RECIPES["mnist_rbf"]
    assert recipe.before_epoch.samples is None and recipe.epochs == 1
    assert recipe.optimizer.learning_rate == 0


def test_neighbours_of_lenet4_see_a_trained_lenet4():  # item 8
    model = reproductions.build_model("lenet5", "lenet4_knn")
    lenet4 = reproductions.build_model("lenet5", "lenet4")
    begun = reproductions.load("lenet5").RECIPES["lenet4_knn"].initialize_from
    copied = begun.layers.split("|")
    assert begun.variant == "lenet4" and not model.trainable_variables
    shapes = [[w.shape for w in m.get_layer(n).weights] for m in (model, lenet4) for n in copied]
    assert shapes[: len(copied)] == shapes[len(copied) :]
    assert [layer.name for layer in model.layers if layer.weights] == [*copied, "OUT"]
    assert model.get_layer("OUT").k == 1
