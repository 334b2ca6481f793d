"""LeNet-5's network, codes, losses and recipe: Sections II and III."""

import functools
import itertools
import math

import keras
import numpy as np
import pytest

import reproductions
from common.errors import UsageError
from reproductions.lenet5.glyphs import codes
from reproductions.lenet5.losses import MapLoss, MseLoss
from reproductions.lenet5.model import C3_INPUTS, squash

build_model = functools.partial(reproductions.build_model, "lenet5")
RECIPES = reproductions.load("lenet5").RECIPES

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
    squashed = {
        layer.input._keras_history.operation.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Activation)
    }
    assert squashed == set(LAYERS) - {"OUT"}
    assert {
        layer.activation for layer in model.layers if isinstance(layer, keras.layers.Activation)
    } == {squash}


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


def test_c3_map_sees_its_inputs_and_no_others(model):
    layer = model.get_layer("C3")
    images = np.random.default_rng(0).normal(size=(1, 14, 14, 6))
    images = images.astype("float32")
    before = layer(images).numpy()
    for i in range(6):
        changed = images.copy()
        changed[..., i] += 1
        moved = (layer(changed).numpy() != before).any((0, 1, 2))
        assert moved.tolist() == [i in g for g in C3_INPUTS]


def test_c3_correlates_each_link_with_its_own_kernel(model):
    layer = model.get_layer("C3")
    images = np.random.default_rng(0).normal(size=(1, 14, 14, 6))
    kernel, links = layer.kernel.numpy(), iter(range(60))
    for f, group in enumerate(C3_INPUTS):
        total = layer.bias.numpy()[f]
        for i in group:
            patch = images[0, 2:7, 3:8, i]
            total += (patch * kernel[:, :, next(links)]).sum()
        found = layer(images.astype("float32"))[0, 2, 3, f]
        assert float(found) == pytest.approx(total, abs=1e-5)


def test_convolution_by_patches_is_conv2d():
    ours = build_model("lenet5").get_layer("C1")
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 1))
    theirs = keras.ops.conv(images.astype("float32"), ours.kernel) + ours.bias
    np.testing.assert_allclose(ours(images.astype("float32")), theirs, rtol=1e-4, atol=1e-5)


def test_subsampling_is_sum_times_coefficient_plus_bias(model):
    layer = model.get_layer("S2")
    images = np.random.default_rng(0).normal(size=(2, 28, 28, 6))
    sums = sum(images[:, i::2, j::2] for i, j in itertools.product((0, 1), repeat=2))
    expected = sums * layer.coefficient.numpy() + layer.bias.numpy()
    np.testing.assert_allclose(layer(images.astype("float32")), expected, rtol=1e-4, atol=1e-5)


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
