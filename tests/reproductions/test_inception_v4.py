"""The networks and the recipes of Inception-v4's paper."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.errors import RunError
from common.models.inception import Residual
from common.models.layer_table import find_row, totals
from reproductions.inception_v4.distortions import BrightnessAndSaturation
from reproductions.inception_v4.networks import FORMS
from reproductions.inception_v4.weights import from_cadene, from_keras
from tests.reproductions.graphs import context, graph_of, rows_of

RECIPES = reproductions.load("inception_v4").RECIPES
BLOCKS = {  # how many on each grid
    "inception_resnet_v1": (5, 10, 5),
    "inception_resnet_v2": (5, 10, 5),
    "inception_resnet_v2_released": (10, 20, 10),
}


def test_the_released_checkpoints_have_as_many_weights():
    released = {
        "inception_v4_released": (42_649_769, 46_039_280),
        "inception_resnet_v2_released": (55_814_729, 59_211_120),
    }
    for variant, (slim, with_auxiliary) in released.items():
        rows = rows_of("inception_v4", variant)
        norms = sum(row.params for row in rows if row.main and row.kind == "BatchNormalization")
        assert totals(rows).params - norms // 2 + 1536 + 1 == slim
        trainable = graph_of("inception_v4", variant).trainable_variables
        assert sum(np.prod(v.shape) for v in trainable) == with_auxiliary
    # keras.applications: offsets and two moments, no scales
    assert totals(rows).params - norms // 2 + norms == 55_873_736


def test_convolutions_are_as_many_as_drawn_and_released():
    found = [
        sum(row.kind == "Conv2D" for row in rows_of("inception_v4", variant) if row.main)
        for variant in ("inception_v4", *BLOCKS)
    ]
    assert found == [149, 127, 132, 244]


@pytest.mark.parametrize("variant", BLOCKS)
def test_scales_are_0_17_and_0_10_and_0_20(variant):
    wanted = {
        f"inception_resnet_{letter}_{number}": Residual(scale)
        for letter, scale, count in zip("abc", (0.17, 0.10, 0.20), BLOCKS[variant], strict=True)
        for number in range(1, count + 1)
    }
    if variant.endswith("released"):
        wanted["inception_resnet_c_10"] = Residual(1.0, relu=False)
    modules = FORMS[variant].modules
    assert {name: x.residual for name, x in modules.items() if x.residual} == wanted


@pytest.mark.parametrize(
    "variant,trunk,maps",
    [
        ("inception_v4_released", "inception_b_7_output", 1024),
        ("inception_resnet_v2_released", "inception_resnet_b_20_output", 1088),
    ],
)
def test_released_networks_have_an_auxiliary_head(variant, trunk, maps):
    model = graph_of("inception_v4", variant)
    pool = model.get_layer("aux_pool")
    assert pool.input is model.get_layer(trunk).output
    assert model.outputs[0] is model.get_layer("logits").output
    assert model.outputs[1] is model.get_layer("aux_logits").output
    aux = find_row(rows_of("inception_v4", variant), "aux")
    assert aux.weights == 128 * maps + 25 * 128 * 768 + 768_000
    assert aux.params - aux.weights == 2 * (128 + 768) + 1000


def test_the_networks_of_the_figures_have_none():
    for variant in ("inception_v4", "inception_resnet_v1"):
        assert len(graph_of("inception_v4", variant).outputs) == 1


def test_every_open_choice_is_told_once():
    open_choices = {
        "optimizer.momentum",
        "global_batch_size",
        "epochs",
        "clip_global_norm",
        "loss",
        "weight_decay",
        "initial weights",
        "train_transforms",
        "network: auxiliary head",
    }
    for variant, recipe in RECIPES.items():
        fields = [deviation.field for deviation in recipe.deviations]
        assert len(fields) == len(set(fields)), variant
        assert open_choices <= set(fields), variant
        assert ("network: residual scale" in fields) == (variant in BLOCKS)


def distorted(image, position=0, **amounts):
    amounts = dict(brightness=0.0, saturation=(1.0, 1.0)) | amounts
    operation = BrightnessAndSaturation(**amounts)
    return operation(tf.constant(image), context(position)).numpy()


def test_distortions_change_brightness_and_saturation_alone():
    image = np.random.default_rng(0).uniform(80, 170, (8, 9, 3)).astype("f4")
    np.testing.assert_allclose(distorted(image), image, atol=1e-3)
    added = [distorted(image, position, brightness=32 / 255) - image for position in range(100)]
    assert max(np.ptp(one) for one in added) < 1e-3
    means = [one.mean() for one in added]
    assert -32 < min(means) < -28 and 28 < max(means) < 32
    grey = distorted(image, saturation=(0.0, 0.0))
    np.testing.assert_allclose(grey, np.repeat(image.max(-1, keepdims=True), 3, -1), atol=1e-3)
    assert distorted(image, saturation=(9.0, 9.0)).min() == 0


def test_one_image_in_four_has_its_brightness_changed_first():
    # The order shows where a saturated colour is cut off: its least channel is
    # 0 before brightness is added, or after.
    image = np.array([[[10.0, 90.0, 200.0]]], "float32")
    amounts = dict(brightness=0.1, saturation=(1.5, 1.5))
    lighter = [
        found
        for position in range(400)
        if (found := distorted(image, position, **amounts)).max() > 201
    ]
    assert 150 < len(lighter) < 250
    first = sum(found.min() < 0.5 for found in lighter)
    assert 0.15 < first / len(lighter) < 0.35


# Weights of Cadene's ports and keras.applications; the logits: test_golden.py.


V4, RESNET = "inception_v4_released", "inception_resnet_v2_released"


def test_weights_are_refused_by_the_other_networks():
    for variant in FORMS:
        model = keras.Model(*[keras.Input((1,))] * 2, name=variant)
        cases = [(V4, from_cadene, {"features.0.conv.weight": None})]
        cases += [(RESNET, from_cadene, {}), (RESNET, from_keras, {})]
        for fitting, read, state in cases:
            if variant != fitting:
                with pytest.raises(RunError, match=f"Import them into {fitting}\\."):
                    read(state, model)
