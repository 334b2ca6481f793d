"""GoogLeNet's facts: Table 1, Figure 3, Sections 5 and 6, BVLC's solver."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data.transforms import (
    CentreCrop,
    ResizeShorterSide,
)
from common.errors import RunError
from common.models.layer_table import layer_table
from common.training.optimizers import rates_at
from reproductions.googlenet.weights import from_caffe
from tests import golden
from tests.reproductions.helpers import draws

build_model = functools.partial(reproductions.build_model, "googlenet")
RECIPES = reproductions.load("googlenet").RECIPES
SMALLEST = 65
IMAGENET = 1_281_167  # training images
FRAME = (ResizeShorterSide(256), CentreCrop(256))  # Sec. 7


@pytest.fixture(scope="module")
def paper():
    keras.utils.set_random_seed(0)
    return build_model("googlenet")


@pytest.fixture(scope="module")
def rows(paper):
    return layer_table(paper)


@pytest.fixture
def small():
    keras.utils.set_random_seed(0)
    return build_model("googlenet", image_size=SMALLEST, num_classes=10)


def test_layers_of_the_stem_stand_in_the_right_order(paper):
    names = [layer.name for layer in paper.layers]
    assert (
        names[1 : names.index("pool2") + 1]
        == ("conv1_pad conv1_7x7 pool1 norm1 conv2_3x3_reduce conv2_3x3 norm2 pool2").split()
    )


def test_every_convolution_has_a_relu(paper):
    found = [x for x in paper.layers if isinstance(x, keras.layers.Conv2D)]
    assert len(found) == 3 + 9 * 6 + 2
    assert {layer.activation for layer in found} == {keras.activations.relu}


def test_a_module_joins_1x1_3x3_5x5_and_projection_in_this_order(small):
    filters = {"1x1": 64, "3x3": 128, "5x5": 32, "pool_proj": 32}
    for value, branch in enumerate(filters, 1):
        layer = small.get_layer(f"inception_3a_{branch}")
        layer.kernel.assign(tf.zeros_like(layer.kernel))
        layer.bias.assign(tf.fill(layer.bias.shape, float(value)))
    module = keras.Model(small.input, small.get_layer("inception_3a_output").output)
    found = module(draws(1, SMALLEST, SMALLEST, 3)).numpy()
    np.testing.assert_array_equal(found[0, 0, 0], np.repeat([1, 2, 3, 4], list(filters.values())))


@pytest.mark.parametrize("variant", ["googlenet", "googlenet_separable"])
def test_conv1_looks_three_pixels_to_either_side(variant):
    model = build_model(variant, image_size=66, num_classes=2)
    output = "conv1_7x7" if variant == "googlenet" else "conv1_depthwise"
    layer = model.get_layer(output)
    centre = np.zeros(layer.kernel.shape, "float32")
    centre[3, 3, 0, 0] = 1  # red, as it is
    layer.kernel.assign(centre)
    image = abs(draws(1, 66, 66, 3))
    bias = 0.2 if variant == "googlenet" else 0.0
    found = keras.Model(model.input, layer.output)(image).numpy()
    np.testing.assert_allclose(found[..., 0], image[:, ::2, ::2, 0] + bias, rtol=1e-5)


def test_poolings_cut_their_windows_off_at_the_border(paper):
    x = draws(1, 6, 6, 2)
    found = paper.get_layer("pool1")(x).numpy()
    for row in range(3):
        for column in range(3):
            window = x[0, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            np.testing.assert_array_equal(found[0, row, column], window.max((0, 1)))


def test_auxiliary_pooling_averages_5x5_every_3_places(paper):
    x = draws(1, 14, 14, 2)
    found = paper.get_layer("aux1_pool")(x).numpy()
    assert found.shape == (1, 4, 4, 2)
    for row in range(4):
        for column in range(4):
            window = x[0, 3 * row : 3 * row + 5, 3 * column : 3 * column + 5]
            np.testing.assert_allclose(
                found[0, row, column], window.mean((0, 1)), rtol=1e-4, atol=1e-6
            )


def test_lrn_is_caffes(paper):
    a = draws(2, 3, 4, 64, scale=100)
    b = np.zeros_like(a)
    for i in range(64):
        near = a[..., max(0, i - 2) : i + 3].astype("float64")
        total = (near**2).sum(-1)
        b[..., i] = a[..., i] / (1 + 1e-4 / 5 * total) ** 0.75
    for name in ("norm1", "norm2"):
        np.testing.assert_allclose(paper.get_layer(name)(a), b, rtol=1e-4)


@pytest.mark.parametrize("name,module", [("aux1", "4a"), ("aux2", "4d")])
def test_auxiliary_classifiers_have_section_5s_layers(name, module, paper):
    def layer(part):
        return paper.get_layer(f"{name}_{part}")

    trunk = paper.get_layer(f"inception_{module}_output")
    assert layer("pool").input is trunk.output
    assert layer("flatten").output.shape == (None, 2048)
    assert layer("fc").activation is keras.activations.relu
    assert layer("dropout").input is layer("fc").output
    main, *heads = paper.outputs
    assert main is paper.get_layer("classifier").output
    assert heads[int(name[-1]) - 1] is layer("classifier").output


def test_separable_conv1_is_linear_between_its_parts():
    model = build_model("googlenet_separable", image_size=65, num_classes=2)
    depthwise = model.get_layer("conv1_depthwise")
    assert not depthwise.use_bias
    assert depthwise.activation is keras.activations.linear
    assert model.get_layer("conv1_pointwise").use_bias


def test_rate_of_bvlcs_quick_solver():
    left = {0: 1, 600_000: 0.75, 1_200_000: 0.5, 2_399_999: 1 / 2_400_000, 2_400_000: 0}
    for step, part in (left | {2_400_001: 0}).items():
        recipe = RECIPES["bvlc_googlenet"]
        found = rates_at(recipe, epoch=0, step=step, steps_per_epoch=1, history=[])
        wanted = 0.01 * part**0.5
        np.testing.assert_allclose(found, [2 * wanted, wanted])  # biases first


# The same weights give the logits of an independent implementation.


ORACLE = "caffe_googlenet_caffe"
MAPS = {"loss1": 512, "loss2": 528}  # of 4a and of 4d


def auxiliary_state():
    """Entries that Caffe's deploy network, and so the oracle, leaves out."""
    rng = np.random.default_rng(1)
    state = {}
    for name, maps in MAPS.items():
        shapes = {"conv": (128, maps, 1, 1), "fc": (1024, 2048), "classifier": (1000, 1024)}
        for part, shape in shapes.items():
            std = np.sqrt(2 / np.prod(shape[1:]))
            state[f"{name}/{part}.weight"] = rng.normal(0, std, shape)
            state[f"{name}/{part}.bias"] = rng.normal(0, 0.1, shape[0])
    return {k: v.astype("float32") for k, v in state.items()}


@pytest.fixture(scope="module")
def imported():
    model = build_model("bvlc_googlenet")
    from_caffe(golden.state(ORACLE) | auxiliary_state(), model)
    return model


@pytest.mark.parametrize("variant", ["bvlc_googlenet", "googlenet"])
def test_logits_are_those_of_the_published_prototxt(variant):
    model = build_model(variant)
    from_caffe(golden.state(ORACLE), model)
    logits, *_ = model(golden.image(ORACLE))
    assert golden.difference(logits.numpy(), ORACLE) < 1e-5


@pytest.mark.parametrize("number,name,module", [(1, "loss1", "4a"), (2, "loss2", "4d")])
def test_auxiliary_logits_are_those_of_a_numpy_reading(number, name, module, imported):
    image = golden.image(ORACLE)
    trunk = imported.get_layer(f"inception_{module}_output").output
    both = keras.Model(imported.input, [trunk, imported.outputs[number]])
    maps, found = (output.numpy() for output in both(image))
    wanted = auxiliary_logits(maps, name)
    assert abs(found - wanted).max() < 1e-5 * abs(wanted).max()


def auxiliary_logits(x, name):
    """Caffe's loss1 or loss2 branch: maps first, as its blobs have them."""
    state = auxiliary_state()

    def layer(x, part):
        kernel = state[f"{name}/{part}.weight"]
        kernel = kernel.reshape(len(kernel), -1).astype("float64")
        return x @ kernel.T + state[f"{name}/{part}.bias"]

    pooled = np.stack(
        [
            x[:, 3 * i : 3 * i + 5, 3 * j : 3 * j + 5].mean((1, 2))
            for i in range(4)
            for j in range(4)
        ],
        axis=1,
    )  # (batch, 16 places, maps)
    x = np.maximum(layer(pooled, "conv"), 0).transpose(0, 2, 1)
    x = np.maximum(layer(x.reshape(len(x), -1), "fc"), 0)
    return layer(x, "classifier")


def test_a_state_without_auxiliary_classifiers_leaves_ours(imported):
    before = [w.numpy() for w in auxiliary_weights(imported)]
    from_caffe(golden.state(ORACLE), imported)
    after = auxiliary_weights(imported)
    assert len(after) == 12
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def auxiliary_weights(model):
    layers = [layer for layer in model.layers if layer.name.startswith("aux")]
    return [weight for layer in layers for weight in layer.trainable_weights]


def test_half_of_the_auxiliary_classifiers_is_refused():
    model = build_model("bvlc_googlenet")
    state = golden.state(ORACLE) | auxiliary_state()
    one = {k: v for k, v in state.items() if not k.startswith("loss2")}
    with pytest.raises(RunError, match="Missing: loss2/classifier.bias"):
        from_caffe(one, model)
