"""GoogLeNet's facts: Section 5, BVLC's solver, the separable conv1 of Table 1.

What else its layers compute: test_golden.py, under bvlc_googlenet's weights.
"""

import keras
import numpy as np
import pytest

import reproductions
from common.errors import RunError
from common.training.optimizers import rates_at
from reproductions.googlenet.forms import FORMS
from reproductions.googlenet.weights import from_caffe
from tests import golden
from tests.reproductions.graphs import draws, graph_of
from tests.reproductions.test_golden import auxiliary_state

RECIPES = reproductions.load("googlenet").RECIPES
SMALLEST = 65


def test_the_separable_conv1_is_linear_and_looks_three_pixels_to_either_side():
    keras.utils.set_random_seed(0)
    model = reproductions.build_model(
        "googlenet", "googlenet_separable", image_size=SMALLEST, num_classes=10
    )
    depthwise = model.get_layer("conv1_depthwise")
    assert not depthwise.use_bias
    assert model.get_layer("conv1_pointwise").use_bias
    centre = np.zeros(depthwise.kernel.shape, "float32")
    centre[3, 3, 0, 0] = 1  # red, as it is
    depthwise.kernel.assign(centre)
    image = draws(1, SMALLEST, SMALLEST, 3)
    found = keras.Model(model.input, depthwise.output)(image).numpy()
    np.testing.assert_allclose(found[..., 0], image[:, ::2, ::2, 0], rtol=1e-5)


@pytest.mark.parametrize("name", ["aux1", "aux2"])
def test_auxiliary_classifiers_drop_their_hidden_units(name):
    model = graph_of("googlenet", "googlenet")
    assert model.get_layer(f"{name}_dropout").input is model.get_layer(f"{name}_fc").output


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
