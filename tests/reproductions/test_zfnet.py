"""ZFNet's facts: Figure 3 and Section 3 of the paper."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data.rng import ExampleRng
from common.data.transforms.view import View
from common.models.layer_table import layer_table, totals, without_weights
from reproductions.zfnet.model import MaxFilterRms
from reproductions.zfnet.recipe import RandomTenCrop

build_model = functools.partial(reproductions.build_model, "zfnet")
RECIPES = reproductions.load("zfnet").RECIPES


@pytest.mark.parametrize(
    "variant,parameters",
    # Of imgclsmob (O. Semery), an implementation that shares nothing with this one.
    [("zfnet", 62_357_608), ("zfnet_b", 107_627_624)],
)
def test_networks_have_the_parameters_of_another_implementation(variant, parameters):
    with without_weights():
        assert totals(layer_table(build_model(variant))).params == parameters


def test_filters_keep_their_scale_up_to_the_radius_and_never_exceed_it():
    kernel = np.random.default_rng(0).normal(size=(7, 7, 3, 4)).astype(np.float32)
    kernel *= [0.01, 0.09, 0.2, 5.0]
    found = keras.ops.convert_to_numpy(MaxFilterRms(0.1)(tf.constant(kernel)))
    rms = np.sqrt((kernel.astype(np.float64) ** 2).mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(found, kernel * np.minimum(1, 0.1 / rms), rtol=1e-6)
    np.testing.assert_array_equal(found[..., :2], kernel[..., :2])


def test_an_update_renormalises_the_filters_of_convolutions_alone():
    model = build_model("zfnet", image_size=47, num_classes=3)
    constrained = [layer.name for layer in model.layers if getattr(layer, "kernel_constraint", 0)]
    assert constrained == [f"conv{i}" for i in range(1, 6)]
    optimizer = keras.optimizers.SGD(0.0)
    for variable in model.trainable_variables:
        variable.assign(tf.ones_like(variable))
    zeros = [tf.zeros_like(v) for v in model.trainable_variables]
    optimizer.apply(zeros, model.trainable_variables)
    values = {v.path: float(tf.reduce_max(v)) for v in model.trainable_variables}
    for path, value in values.items():
        inside = path.startswith("conv") and path.endswith("kernel")
        assert value == pytest.approx(0.1 if inside else 1.0), path


def test_the_ten_windows_are_corners_and_centre_mirrored_or_not():
    view = View.whole(256, 256)
    seen = set()
    for position in range(200):
        crop = RandomTenCrop(224)(view, ExampleRng(7, tf.constant(position, tf.int64)))
        assert (crop.window.height, crop.window.width) == (224, 224)
        seen.add((int(crop.window.top), int(crop.window.left), bool(crop.mirrored)))
    places = [(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)]
    assert seen == {(*place, mirrored) for place in places for mirrored in (False, True)}


def test_dropout_and_norms_stand_where_the_paper_has_them():
    names = [layer.name for layer in build_model("zfnet", image_size=47).layers]
    assert names == (
        "image pad1 conv1 pool1 norm1 conv2 pool2 norm2 conv3 conv4 conv5 pool5 flatten "
        "fc6 drop6 fc7 drop7 fc8".split()
    )
