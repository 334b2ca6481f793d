"""LeNet-5's network, codes, losses and recipe: Sections II and III."""

import functools
import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.errors import UsageError
from reproductions.lenet5.deslanting import Deslant
from reproductions.lenet5.glyphs import codes
from reproductions.lenet5.levenberg_marquardt import diagonal_curvature
from reproductions.lenet5.losses import MapLoss, MseLoss, UnitsMse
from reproductions.lenet5.model import C3_INPUTS, C3_OF_LENET1, C3_OF_LENET4, Subsampling, squash
from tests.reproductions.graphs import draws

build_model = functools.partial(reproductions.build_model, "lenet5")
# Sec. II-B: connections, with the biases; OUT has 840 that are not trained.
LAYERS = {"C1": 122_304, "S2": 5_880, "C3": 151_600, "S4": 2_000}
LAYERS |= {"C5": 48_120, "F6": 10_164, "OUT": 840}
SUMMED = 4  # pixels under one coefficient of a subsampling layer


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return build_model("lenet5")


def connections(layer):
    """Links into all units of a layer, one for each bias among them."""
    places = math.prod(layer.output.shape[1:-1])
    if layer.name.startswith("S"):
        (maps,) = layer.coefficient.shape
        return places * maps * (SUMMED + 1)
    return places * sum(math.prod(v.shape) for v in layer.variables)


def test_connections_are_the_papers(model):
    assert {name: connections(model.get_layer(name)) for name in LAYERS} == LAYERS
    assert sum(LAYERS.values()) == 340_908


def test_every_layer_up_to_f6_is_squashed(model):
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Activation)]
    squashed = {layer.input._keras_history.operation.name for layer in layers}
    assert squashed == set(LAYERS) - {"OUT"}
    assert {layer.activation for layer in layers} == {squash}


def test_squash_maps_one_to_one_and_bends_most_near_one():  # App. A
    a = np.linspace(0, 3, 3001)
    f = np.asarray(squash(a))
    np.testing.assert_allclose(squash(np.array([1.0, -1.0])), [1, -1], 0, 1e-4)
    bend = np.abs(np.diff(f, 2))
    assert a[1 + bend.argmax()] == pytest.approx(0.988, abs=2e-3)
    assert float(squash(1e9)) == pytest.approx(1.7159)


def test_c3_table_is_the_papers():  # Table I
    assert [len(g) for g in C3_INPUTS] == [3] * 6 + [4] * 9 + [6]
    fed = [sum(i in g for g in C3_INPUTS) for i in range(6)]
    assert fed == [10] * 6
    rows = ("X   XXX  XXXX XX", "XX   XXX  XXXX X", "XXX   XXX  X XXX")
    rows += (" XXX  XXXX  X XX", "  XXX  XXXX XX X", "   XXX  XXXX XXX")
    for i, row in enumerate(rows):
        assert row == "".join("X" if i in g else " " for g in C3_INPUTS)


# Fan-ins of the units, biases not counted; C3's by groups of maps.
FAN_INS = {"C1": 25, "C5": 400, "F6": 120}
C3_FAN_INS = np.array([75] * 6 + [100] * 9 + [150])


@pytest.mark.parametrize(
    ("variant", "spread", "power"),
    [("lenet5", 2.4, 0.5), ("lenet5_as_written", 2.4, 1.0), ("lenet5_unit_start", 1.0, 0.5)],
)
def test_weights_start_within_their_bounds_and_fill_them(variant, spread, power):
    keras.utils.set_random_seed(0)
    model = build_model(variant)
    for name, fan_in in FAN_INS.items():
        bound = spread / fan_in**power
        largest = np.abs(model.get_layer(name).kernel.numpy()).max()
        assert 0.95 * bound < largest <= bound * (1 + 1e-6)
        bias = np.abs(model.get_layer(name).bias.numpy()).max()
        assert 0.5 * bound < bias <= bound * (1 + 1e-6)
    c3, bounds = model.get_layer("C3"), spread / C3_FAN_INS**power
    of_link = np.repeat(bounds, [len(g) for g in C3_INPUTS])
    filled = np.abs(c3.kernel.numpy()) / of_link
    assert filled.max() <= 1 + 1e-6
    assert (filled.max((0, 1)) > 0.7).all()  # each link by its own map
    biases = np.abs(c3.bias.numpy()) / bounds
    assert 0.5 < biases.max() <= 1 + 1e-6
    assert (np.abs(filled.mean() - 0.5)) < 0.05  # uniform


def test_subsampling_starts_as_an_average(model):
    for name in ("S2", "S4"):
        layer = model.get_layer(name)
        assert (layer.coefficient.numpy() == 0.25).all()
        assert 0.3 < np.abs(layer.bias.numpy()).max() <= 0.6


def test_c3_correlates_each_link_with_its_own_kernel(model):
    layer = model.get_layer("C3")
    images = draws(1, 14, 14, 6)
    kernel, links = layer.kernel.numpy(), iter(range(60))
    for f, group in enumerate(C3_INPUTS):
        total = layer.bias.numpy()[f]
        for i in group:
            patch = images[0, 2:7, 3:8, i]
            total += (patch * kernel[:, :, next(links)]).sum()
        found = layer(images)[0, 2, 3, f]
        assert float(found) == pytest.approx(total, abs=1e-5)


def test_convolution_by_patches_is_conv2d(model):
    ours = model.get_layer("C1")
    images = draws(2, 32, 32, 1)
    theirs = keras.ops.conv(images, ours.kernel) + ours.bias
    np.testing.assert_allclose(ours(images), theirs, rtol=1e-4, atol=1e-5)


def test_subsampling_is_sum_times_coefficient_plus_bias(model):
    layer = model.get_layer("S2")
    images = draws(2, 28, 28, 6)
    sums = sum(images[:, i::2, j::2] for i, j in itertools.product((0, 1), repeat=2))
    expected = sums * layer.coefficient.numpy() + layer.bias.numpy()
    np.testing.assert_allclose(layer(images), expected, rtol=1e-4, atol=1e-5)


def test_logits_are_minus_squared_distances_to_the_codes(model):
    layer = model.get_layer("OUT")
    x = np.random.default_rng(0).uniform(-1.7, 1.7, (3, 84)).astype("float32")
    distances = ((x[:, None] - codes()) ** 2).sum(-1)
    logits = layer(x).numpy()
    np.testing.assert_allclose(logits, -distances, rtol=1e-5)
    np.testing.assert_array_equal(logits.argmax(-1), distances.argmin(-1))
    np.testing.assert_array_equal(layer(codes()).numpy().argmax(-1), range(10))


def test_codes_are_fixed_plus_and_minus_ones_far_apart(model):
    table = codes()
    assert table.shape == (10, 84) and set(table.ravel()) == {1, -1}
    gaps = [(a != b).sum() for a, b in itertools.combinations(table, 2)]
    assert min(gaps) >= 10
    layer = model.get_layer("OUT")
    assert layer.trainable_variables == []
    np.testing.assert_array_equal(layer.codes, table)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"image_size": 28}, "reads 32x32.* not 28x28"),
        ({"num_classes": 100}, "not for 100 classes"),
    ],
)
def test_other_sizes_are_refused(sizes, message):
    with pytest.raises(UsageError, match=message):
        build_model("lenet5", **sizes)


@pytest.mark.parametrize(("j", "scale"), [(0.5, 1.0), (20.0, 0.1)])
def test_map_loss_is_equation_9(j, scale):
    y = np.random.default_rng(0).uniform(0, 30, (6, 10)).astype("float32")
    labels = np.array([3, 1, 4, 1, 5, 9])
    right = y[np.arange(6), labels]
    expected = scale * (right + np.log(np.exp(-j) + np.exp(-y).sum(-1)))
    loss = MapLoss(j=j, scale=scale)(-y, labels)
    np.testing.assert_allclose(loss, expected, rtol=1e-4, atol=1e-5)


def test_mse_loss_is_equation_8():
    y = np.random.default_rng(0).uniform(0, 30, (4, 10)).astype("float32")
    labels = np.array([3, 0, 4, 9])
    loss = MseLoss(scale=0.5)(-y, labels)
    np.testing.assert_allclose(loss, 0.5 * y[np.arange(4), labels])


# The networks that LeNet-5 is compared with: Section III-C.


# Connections with the biases. LeNet-1's are of "Handwritten digit recognition with a
# back-propagation network" (1989).
LENET1 = {"C1": 59_904, "S2": 2_880, "C3": 32_768, "S4": 960, "OUT": 1_930}
LENET4 = {"C1": 81_536, "S2": 7_840, "C3": 121_600, "S4": 2_000, "F5": 48_120, "OUT": 1_210}


@pytest.mark.parametrize(
    ("variant", "layers", "total"), [("lenet1", LENET1, 98_442), ("lenet4", LENET4, 262_306)]
)
def test_connections_are_those_of_their_papers(variant, layers, total):
    model = build_model(variant)
    assert {name: connections(model.get_layer(name)) for name in layers} == layers
    assert sum(layers.values()) == total


def test_links_of_lenet1_are_four_single_maps_and_eight_pairs():
    assert sorted(map(len, C3_OF_LENET1)) == [1] * 4 + [2] * 8
    assert [sum(i in g for g in C3_OF_LENET1) for i in range(4)] == [5] * 4


def test_links_of_lenet4_differ_and_use_all_maps_alike():
    assert len({tuple(sorted(g)) for g in C3_OF_LENET4}) == 16
    assert [sum(i in g for g in C3_OF_LENET4) for i in range(8)] == [6] * 8


def test_a_map_of_lenet4_is_subsampled_twice():
    layer = Subsampling(copies=2)
    layer.build((None, 4, 4, 3))
    layer.coefficient.assign(np.arange(1.0, 7.0))
    images = draws(1, 4, 4, 3)
    out = layer(images).numpy() - layer.bias.numpy()
    sums = images.reshape(1, 2, 2, 2, 2, 3).sum((2, 4))
    for place in range(6):
        expected = (place + 1) * sums[..., place // 2]
        np.testing.assert_allclose(out[..., place], expected, 1e-4, 1e-5)


def test_a_fully_connected_network_is_its_matrices():  # Sec. III-C, item 6
    keras.utils.set_random_seed(0)
    model = build_model("mnist_300_100")
    images = draws(3, 28, 28, 1)
    x = images.reshape(3, 784)
    weights = [v.numpy() for v in model.trainable_variables]
    assert [w.shape for w in weights[::2]] == [(784, 300), (300, 100), (100, 10)]
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        x = 1.7159 * np.tanh((x @ kernel + bias) * 2 / 3)
    np.testing.assert_allclose(model(images), x, rtol=1e-4, atol=1e-4)


def test_the_linear_classifiers_differ_in_their_units():
    keras.utils.set_random_seed(0)
    plain, squashed = map(build_model, ("mnist_linear", "mnist_linear_squashed"))
    squashed.set_weights(plain.get_weights())
    images = draws(3, 28, 28, 1)
    sums = plain(images).numpy()
    kernel, bias = plain.get_weights()
    np.testing.assert_allclose(sums, images.reshape(3, 784) @ kernel + bias, 1e-4, 1e-4)
    np.testing.assert_allclose(squashed(images), squash(sums), 1e-4, 1e-5)


def deslanted(image):
    """A (28, 28) digit of 0 .. 1 by Sec. III-A, line by line, in NumPy."""
    y, x = np.nonzero(image > 0.5)
    slope = np.cov(x, y)[0, 1] / np.var(y, ddof=1)
    columns = np.arange(4, 24)
    return np.stack(
        [
            np.interp(columns + (line - y.mean()) * slope, np.arange(-40, 68), np.pad(row, 40))
            for line, row in enumerate(image)
        ]
    )[4:24]


def test_deslanted_digits_stand_upright():
    line, column = np.mgrid[:28, :28]
    strokes = [abs(column - 14 + (line - 14) * s) < 2 for s in (0.0, 0.4, -0.7)]
    images = np.stack(strokes).astype("float32") * (abs(line - 14) < 9)
    seven = images[1].copy()
    seven[6:8, 8:20] = 1  # no stroke alone: of an axis in between
    images = np.stack([*images, seven, np.zeros((28, 28))]).astype("float32")
    layer = Deslant()
    found = layer(images[..., None] * 1.275 - 0.1)
    assert found.shape == (5, 20, 20, 1)
    found = (np.asarray(found)[..., 0] + 0.1) / 1.275
    for before, after in zip(images[:4], found, strict=False):
        np.testing.assert_allclose(after, deslanted(before), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[0], images[0, 4:24, 4:24], atol=1e-6)  # upright before
    for after in found[:3]:  # the strokes
        ink, (y, x) = after.sum(), np.mgrid[:20, :20]
        slant = (after * (y - 9.5) * (x - (after * x).sum() / ink)).sum()
        assert abs(slant / (after * (y - 9.5) ** 2).sum()) < 0.02
    assert not found[4].any()  # nothing to see


def test_units_are_compared_with_targets_of_plus_and_minus_one():
    units = draws(4, 10)
    labels = np.array([3, 0, 9, 3])
    targets = np.full((4, 10), -1.0)
    targets[np.arange(4), labels] = 1.0
    expected = 0.5 * ((units - targets) ** 2).sum(-1)
    np.testing.assert_allclose(UnitsMse(scale=0.5)(units, labels), expected, rtol=1e-5)


def test_curvature_of_the_output_units_neglects_their_bend():
    # App. C: d2E/da^2 = f'(a)^2 d2E/dy^2, and d2E/dy^2 = 2; f'' is left out.
    keras.utils.set_random_seed(0)
    model = build_model("mnist_linear_squashed")
    images = draws(5, 28, 28, 1)
    kernel, bias = model.get_weights()
    a = images.reshape(5, 784) @ kernel + bias
    h = 2 * (1.7159 * (2 / 3) / np.cosh(2 * a / 3) ** 2) ** 2
    of_kernel, of_bias = diagonal_curvature(
        model, UnitsMse(scale=1.0), tf.constant(images), np.arange(5)
    )
    np.testing.assert_allclose(of_kernel, (images.reshape(5, 784) ** 2).T @ h / 5, 1e-3, 1e-5)
    np.testing.assert_allclose(of_bias, h.mean(0), 1e-3)


@pytest.mark.parametrize(("variant", "power"), [("lenet1", 1.0), ("lenet4", 0.5)])
def test_their_weights_start_within_the_bounds_of_their_fan_in(variant, power):
    keras.utils.set_random_seed(0)
    model = build_model(variant)
    inputs = model.get_layer("OUT").kernel.shape[0]
    for name, fan_in in (("C1", 25), ("OUT", inputs)):
        bound = 2.4 / fan_in**power
        largest = np.abs(model.get_layer(name).kernel.numpy()).max()
        assert 0.9 * bound < largest <= bound * (1 + 1e-6)
