"""GoogLeNet's facts: Table 1, Figure 3, Sections 5 and 6, BVLC's solver."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.errors import RunError
from common.training.optimizers import rates_at
from reproductions.googlenet.forms import FORMS
from reproductions.googlenet.weights import from_caffe
from tests import golden
from tests.reproductions.graphs import draws, graph_of
from tests.reproductions.test_golden import auxiliary_state

build_model = functools.partial(reproductions.build_model, "googlenet")
RECIPES = reproductions.load("googlenet").RECIPES
SMALLEST = 65


@pytest.fixture(scope="module")
def paper():
    return graph_of("googlenet", "googlenet")


@functools.cache
def small(variant="googlenet"):
    keras.utils.set_random_seed(0)
    return build_model(variant, image_size=SMALLEST, num_classes=10)


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


def test_a_module_joins_1x1_3x3_5x5_and_projection_in_this_order():
    model, filters = small(), {"1x1": 64, "3x3": 128, "5x5": 32, "pool_proj": 32}
    for value, branch in enumerate(filters, 1):
        layer = model.get_layer(f"inception_3a_{branch}")
        layer.kernel.assign(tf.zeros_like(layer.kernel))
        layer.bias.assign(tf.fill(layer.bias.shape, float(value)))
    module = keras.Model(model.input, model.get_layer("inception_3a_output").output)
    found = module(draws(1, SMALLEST, SMALLEST, 3)).numpy()
    np.testing.assert_array_equal(found[0, 0, 0], np.repeat([1, 2, 3, 4], list(filters.values())))


@pytest.mark.parametrize("variant", ["googlenet", "googlenet_separable"])
def test_conv1_looks_three_pixels_to_either_side(variant):
    model = small(variant)
    output = "conv1_7x7" if variant == "googlenet" else "conv1_depthwise"
    layer = model.get_layer(output)
    centre = np.zeros(layer.kernel.shape, "float32")
    centre[3, 3, 0, 0] = 1  # red, as it is
    layer.kernel.assign(centre)
    image = abs(draws(1, SMALLEST, SMALLEST, 3))
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
    model = graph_of("googlenet", "googlenet_separable")
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


def test_half_of_the_auxiliary_classifiers_is_refused():
    state = {**golden.state("caffe_googlenet_caffe"), **auxiliary_state()}
    one = {k: v for k, v in state.items() if not k.startswith("loss2")}
    with pytest.raises(RunError, match="Missing: loss2/classifier.bias"):
        from_caffe(one, graph_of("googlenet", "bvlc_googlenet"))


def test_bvlcs_network_is_the_papers():  # so its golden logits are
    assert FORMS["bvlc_googlenet"] == FORMS["googlenet"]
