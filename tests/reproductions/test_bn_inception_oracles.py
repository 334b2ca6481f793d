"""The same weights give the logits of an independent implementation."""

import functools

import numpy as np
import pytest

import reproductions
from common.errors import RunError
from reproductions.bn_inception.forms import FORMS
from reproductions.bn_inception.weights import LAYOUTS, from_cadene
from tests import golden

build_model = functools.partial(reproductions.build_model, "bn_inception")

ORACLE = "cadene_bninception"


@pytest.fixture(scope="module")
def caffe():
    model = build_model("bn_inception_caffe")
    from_cadene(golden.state(ORACLE), model)
    return model


def rgb():
    """The oracle's input, whose colours are BGR, as ours."""
    return golden.image(ORACLE)[..., ::-1]


def test_logits_are_those_of_the_released_network_which_takes_bgr(caffe):
    logits = caffe(rgb()).numpy()
    # Measured 1.3e-5.
    assert golden.difference(logits, ORACLE) < 5e-5


def test_every_weight_was_set(caffe):
    state = golden.state(ORACLE)
    assert sum(np.prod(value.shape) for value in state.values()) == sum(
        np.prod(weight.shape) for weight in caffe.weights
    )
    for name in ("conv2_3x3", "inception_5b_pool_proj"):
        np.testing.assert_array_equal(
            caffe.get_layer(f"{name}_bn").moving_variance, state[f"{name}_bn.running_var"]
        )


def test_the_other_epsilon_would_show(caffe):
    # Measured 6e-2.
    image = rgb()
    norms = [layer for layer in caffe.layers if layer.name.endswith("_bn")]
    for norm in norms:
        norm.epsilon = 1e-3
    logits = caffe(image).numpy()
    for norm in norms:
        norm.epsilon = 1e-5
    assert golden.difference(logits, ORACLE) > 1e-2


@pytest.mark.parametrize("variant", [v for v in FORMS if v != "bn_inception_caffe"])
def test_another_variant_takes_no_cadene_weights(variant):
    model = build_model(variant, image_size=32, num_classes=1000)
    before = model.get_layer("conv2_3x3").get_weights()
    with pytest.raises(RunError, match=f"{variant} would not.*into bn_inception_caffe"):
        from_cadene(golden.state(ORACLE), model)
    for old, new in zip(before, model.get_layer("conv2_3x3").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_weights_of_another_network_are_refused():
    model = build_model("bn_inception_caffe", image_size=32, num_classes=10)
    with pytest.raises(RunError, match="last_linear.* has the shape"):
        from_cadene(golden.state(ORACLE), model)
    odd = golden.state(ORACLE)
    odd["inception_6a_1x1.weight"] = odd.pop("inception_3a_1x1.weight")
    with pytest.raises(RunError, match="Missing: inception_3a_1x1.weight"):
        from_cadene(odd, model)


def test_cadene_is_the_only_layout():
    assert LAYOUTS == {"cadene": from_cadene}
