"""New networks' weights: as their paper says, or the release that they follow."""

import math
import re

import keras
import numpy as np
import pytest

import reproductions
from tests.reproductions.graphs import graph_of

VGG = ("vgg11", "vgg11_lrn", "vgg13", "vgg16_c", "vgg16", "vgg19")


def he(shape):
    return math.sqrt(2 / math.prod(shape[:-1]))


def he_of_the_outputs(shape):
    return math.sqrt(2 / (shape[0] ** 2 * shape[3]))


def glorot(shape):
    return math.sqrt(2 / (math.prod(shape[:-2]) * (shape[-2] + shape[-1])))


def xavier(fan_in):  # Caffe's
    return math.sqrt(1 / fan_in)


def cut_off(deviation):
    """What is left of a normal draw that is repeated beyond twice its deviation."""
    return 0.8796 * deviation


def alexnet(bias, conv3, fc6):
    """Sec. 5, where all but these three are the same."""
    deviations = dict.fromkeys(["conv1", "conv2", "fc8"], 0.01)
    deviations |= dict.fromkeys(["conv3", "conv4", "conv5"], conv3)
    deviations |= dict.fromkeys(["fc6", "fc7"], fc6)
    biased = dict.fromkeys(["conv2", "conv4", "conv5", "fc6", "fc7"], bias)
    return "normal", deviations, biased


# variant, distribution, {layers: deviation}, {layer: its bias, if it is not 0}.
CASES = [
    ("alexnet", *alexnet(1.0, 0.01, 0.01)),
    ("alexnet_as_run", *alexnet(1.0, 0.03, 0.01)),
    ("bvlc_alexnet", *alexnet(0.1, 0.01, 0.005)),
    ("caffenet", *alexnet(1.0, 0.01, 0.005)),
    *((variant, "normal", {".*": 0.01}, {}) for variant in VGG),  # Sec. 3.1
    ("zfnet", "normal", {".*": 0.01}, {}),  # Sec. 3.1
    *((f"vgg{n}_glorot", "uniform", {".*": glorot}, {}) for n in (11, 16)),
    (
        "googlenet",  # BVLC's
        "uniform",
        {
            "conv1_7x7": xavier(7 * 7 * 3),
            "conv2_3x3": xavier(3 * 3 * 64),
            "inception_3a_5x5": xavier(5 * 5 * 16),
            "inception_5b_pool_proj": xavier(832),
            "aux1_conv": xavier(512),
            "aux2_fc": xavier(4 * 4 * 128),
            "classifier": xavier(1024),
            "aux1_classifier": xavier(1024),
        },
        {"(?!.*classifier).*": 0.2},
    ),
    # A kernel of the separable conv1 sees one colour.
    (
        "googlenet_separable",
        "uniform",
        {"conv1_depthwise": xavier(49)},
        {},
    ),
    (
        "bn_inception",  # TF-slim, inception_v2
        "cut off",
        {
            "conv1_(depth|point)wise": cut_off(1.0),
            "conv2_3x3_reduce": cut_off(0.1),
            "conv2_3x3": he,
            "inception_3a_1x1": he,
            "inception_3c_3x3_reduce": cut_off(0.09),
            "inception_4a_double_3x3_reduce": cut_off(0.09),
            "inception_4e_double_3x3_2": he,
            "inception_5b_pool_proj": cut_off(0.1),
            "classifier": he,
        },
        {},
    ),
    (
        "inception_no_bn",  # GoogLeNet's
        "uniform",
        {
            "conv1_depthwise": xavier(49),
            "conv1_pointwise": xavier(24),
            "conv2_3x3": xavier(9 * 64),
            "inception_4e_double_3x3_2": xavier(9 * 256),
            "classifier": xavier(1024),
        },
        {".*_.*": 0.2},
    ),
    *((variant, "normal", {".*": 0.1}, {}) for variant in ("bn_mnist", "bn_mnist_baseline")),
    (
        "inception_v3",
        "cut off",
        {
            "conv_1a_3x3|mixed_6b_branch7x7dbl_5|aux_conv0": cut_off(0.1),
            "aux_conv1|logits": cut_off(0.01),
            "aux_logits": cut_off(0.001),
        },
        {},
    ),
    ("inception_v4", "cut off", {"stem_1|reduction_b_3x3_1|inception_c_3_.*": he}, {}),
    ("inception_v4", "uniform", {"logits": glorot}, {}),
    *(
        (
            f"inception_resnet_{v}",
            "uniform",
            {"stem_1|.*_c_10?_.*|reduction_b_.*|logits": glorot},
            {},
        )
        for v in ("v1", "v2", "v2_released")
    ),
    ("ir_3_6_3", "normal", {"(stem|reduction|stage).*": he, "fc": 0.01}, {}),  # ours
    ("resnet18", "normal", {"conv.*": he, "fc": 0.01}, {}),
    ("cifar_resnet56", "normal", {"stage.*": he}, {}),
    ("preact_resnet50", "normal", {"stage.*": he}, {}),
    *(
        (f"cifar_resnet110_{gating}", "normal", {"stage[13]_.*_gate": he}, {".*_gate": bias})
        for gating, bias in {
            "exclusive_gating": -6,  # Table 1
            "exclusive_gating_bias7": -7,
            "shortcut_gating": -6,
            "shortcut_gating_bias0": 0,
        }.items()
    ),
    ("resnext50_32x4d", "normal", {"conv.*": he_of_the_outputs}, {}),  # the release's
    ("resnext50_32x4d", "uniform", {"fc": xavier(3 * 2048)}, {}),
    ("wrn_50_2", "normal", {"conv.*": he}, {}),  # the release's
    ("wrn_50_2", "uniform", {"fc": xavier(3 * 2048)}, {}),
]


@pytest.mark.parametrize(("variant", "distribution", "deviations", "biases"), CASES)
def test_weights_are_drawn_as_their_source_says(variant, distribution, deviations, biases):
    keras.utils.set_random_seed(0)
    model = graph_of(reproductions.find(variant)[0], variant)
    for name, deviation in deviations.items():
        layers = [layer for layer in model.layers if re.fullmatch(name, layer.name)]
        layers = [layer for layer in layers if hasattr(layer, "kernel")]
        assert layers, name
        for layer in layers:
            *ins, outs = layer.kernel.shape
            shape = (*ins, min(outs, 64))
            wanted = deviation(shape) if callable(deviation) else deviation
            kernel = initializer(layer, "kernel")(shape).numpy()
            check_draws(kernel, distribution, wanted, layer.name)
            if layer.use_bias:
                bias = [value for of, value in biases.items() if re.fullmatch(of, layer.name)]
                found = initializer(layer, "bias")((8,))
                np.testing.assert_array_equal(found, np.float32((bias or [0])[0]))


def initializer(layer, weight):
    depthwise = weight == "kernel" and isinstance(layer, keras.layers.DepthwiseConv2D)
    return getattr(layer, f"{'depthwise' if depthwise else weight}_initializer")


def check_draws(kernel, distribution, deviation, name):
    error = 3 / math.sqrt(kernel.size)
    assert abs(kernel.mean()) < 5 / 3 * error * deviation, name
    np.testing.assert_allclose(kernel.std(), deviation, rtol=error, err_msg=name)
    most = abs(kernel).max() / deviation
    if distribution == "normal":
        assert most > 2.3, name  # not cut off at 2
    elif distribution == "cut off":
        assert most <= 2.0001 / cut_off(1), name
    else:
        assert 0.97 < most / math.sqrt(3) <= 1.0001, name
