"""The same weights give the logits of independent implementations."""

import functools

import keras
import numpy as np
import pytest

import reproductions
from common.errors import RunError
from reproductions.resnet.weights import (
    KERAS_APPLICATIONS,
    from_caffe,
    from_keras,
    from_torchvision,
)
from tests import golden
from tests.reproductions.helpers import torch_entries

build_model = functools.partial(reproductions.build_model, "resnet")

BLOCKS = {  # Table 1
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
    "resnet152": (3, 8, 36, 3),
}


@pytest.fixture(scope="module")
def v1_5():
    model = build_model("resnet50_v1_5")
    from_torchvision(golden.state("torchvision_resnet50"), model)
    return model


@pytest.fixture(scope="module")
def caffe():
    model = build_model("resnet50_caffe")
    from_caffe(golden.state("caffe_resnet50"), model)
    return model


def test_logits_are_torchvisions(v1_5):
    logits = v1_5(golden.image("torchvision_resnet50")).numpy()
    # Measured 1.7e-5.
    assert golden.difference(logits, "torchvision_resnet50") < 5e-5


def test_logits_are_those_of_the_released_caffe_network(caffe):
    logits = caffe(golden.image("caffe_resnet50")).numpy()
    # Measured 1.8e-5.
    assert golden.difference(logits, "caffe_resnet50") < 5e-5


def test_the_other_stride_or_pooling_would_show(v1_5, caffe):
    image = golden.image("caffe_resnet50")
    paper = build_model("resnet50")
    for model, oracle in ((v1_5, "torchvision_resnet50"), (caffe, "caffe_resnet50")):
        paper.set_weights(model.get_weights())  # all shapes agree
        assert golden.difference(paper(image).numpy(), oracle) > 0.05


def test_the_bias_of_the_released_conv1_is_normalised_away(caffe):
    state = golden.state("caffe_resnet50")
    bias = np.random.default_rng(0).normal(size=64).astype("float32")
    state["conv1.bias"] = bias  # conv1 + bias, normalised by mean + bias
    state["bn1.running_mean"] = state["bn1.running_mean"] + bias
    model = build_model("resnet50_caffe")
    from_caffe(state, model)
    logits = model(golden.image("caffe_resnet50")).numpy()
    assert golden.difference(logits, "caffe_resnet50") < 5e-5


@pytest.mark.parametrize(
    "load,variant,right",
    [
        (from_torchvision, "resnet50", "resnet50_v1_5"),
        (from_torchvision, "resnet50_caffe", "resnet50_v1_5"),
        (from_torchvision, "resnet34_c", "resnet34"),
        (from_torchvision, "plain18", "resnet18"),
        (from_caffe, "resnet50", "resnet50_caffe"),
        (from_caffe, "resnet101_v1_5", "resnet101_caffe"),
        (from_keras, "resnet152_v1_5", "resnet152"),
        (from_keras, "resnet50_caffe", "resnet50"),
        (from_keras, "resnet18", "resnet50, resnet101, resnet152"),
    ],
)
def test_a_network_that_computes_something_else_is_refused(load, variant, right):
    model = keras.Model(*[keras.Input((1,))] * 2, name=variant)
    with pytest.raises(RunError, match=f"Import them into {right}\\.$"):
        load({}, model)


def test_moving_the_stride_makes_it_another_network():
    state = golden.state("torchvision_resnet50")
    from_torchvision(state, build_model("resnet50_v1_5", image_size=32))
    paper = build_model("resnet50", image_size=32)
    with pytest.raises(RunError, match="resnet50 would not compute"):
        from_torchvision(state, paper)


def test_weights_of_another_depth_are_refused():
    model = build_model("resnet101_v1_5", image_size=32)
    with pytest.raises(RunError, match="Missing: layer3.10.bn1.bias"):
        from_torchvision(golden.state("torchvision_resnet50"), model)


def test_torch_entries_are_torchvisions():
    wanted = golden.state("torchvision_resnet50")
    found = torch_entries((3, 4, 6, 3))
    assert {e: v.shape for e, v in wanted.items()} == {
        e: v for e, v in found.items() if "num_batches" not in e
    }


@pytest.mark.parametrize(
    "name", ["resnet18", "resnet34", "resnet101", pytest.param("resnet152", marks=pytest.mark.full)]
)
def test_torchvisions_entries_fit_at_every_depth(name):
    bottleneck = name in KERAS_APPLICATIONS
    variant = f"{name}_v1_5" if bottleneck else name
    state = {
        entry: np.full(shape, number, "float32")
        for number, (entry, shape) in enumerate(
            torch_entries(BLOCKS[name], bottleneck=bottleneck).items()
        )
    }
    model = build_model(variant, image_size=32)
    from_torchvision(state, model)
    stage, blocks = 4, BLOCKS[name][2]
    theirs = f"layer{stage - 1}.{blocks - 1}"
    last = model.get_layer(f"conv{stage}_{blocks}_b")
    assert last.kernel.numpy().max() == state[f"{theirs}.conv2.weight"].max()
    norm = model.get_layer(f"conv{stage}_{blocks}_b_bn")
    variance = norm.moving_variance.numpy()
    assert variance.max() == state[f"{theirs}.bn2.running_var"].max()
    down = model.get_layer("conv5_1_shortcut").kernel.numpy()
    assert down.max() == state["layer4.0.downsample.0.weight"].max()
    if bottleneck:  # and into the release's, with its own name of fc
        caffe = build_model(f"{name}_caffe", image_size=32)
        for part in ("weight", "bias"):
            state[f"last_linear.{part}"] = state.pop(f"fc.{part}")
        from_caffe(state, caffe)
        for ours, same in zip(model.weights, caffe.weights, strict=True):
            np.testing.assert_array_equal(ours, same)


@pytest.mark.parametrize("variant", KERAS_APPLICATIONS)
def test_logits_are_those_of_keras_applications(variant):
    theirs = getattr(keras.applications, KERAS_APPLICATIONS[variant])(
        weights=None, input_shape=(64, 64, 3), classes=10, classifier_activation=None
    )
    rng = np.random.default_rng(0)
    for layer in theirs.layers:  # what a new network has is 0 or 1
        for v in layer.weights:
            if v.name in ("gamma", "moving_variance"):
                v.assign(rng.uniform(0.5, 1.5, v.shape))
            elif v.name != "kernel":
                v.assign(rng.normal(0, 0.1, v.shape))
    state = {f"{layer.name}/{v.name}": v.numpy() for layer in theirs.layers for v in layer.weights}
    ours = build_model(variant, image_size=64, num_classes=10)
    from_keras(state, ours)
    images = rng.normal(0, 50, (2, 64, 64, 3)).astype("float32")
    wanted, found = theirs(images).numpy(), ours(images).numpy()
    # Measured 1.1e-6, 7e-7 and 9e-7.
    assert abs(found - wanted).max() / abs(wanted).max() < 1e-5


def test_the_epsilon_of_keras_applications_is_made_up_for():
    """In a layer whose variances are of the size of epsilon."""
    rng = np.random.default_rng(0)
    shape = {
        v.path: tuple(v.shape)
        for v in keras.applications.ResNet50(
            weights=None, input_shape=(32, 32, 3), classes=2
        ).variables
    }
    state = {e: rng.normal(0, 0.1, s).astype("f4") for e, s in shape.items()}
    state["conv1_bn/moving_variance"] = np.full(64, 1e-6, "float32")
    ours = build_model("resnet50", image_size=32, num_classes=2)
    from_keras(state, ours)
    norm = ours.get_layer("conv1_bn")
    np.testing.assert_allclose(norm.moving_variance + norm.epsilon, 1e-6 + 1.001e-5, rtol=1e-6)
    np.testing.assert_allclose(
        norm.moving_mean, state["conv1_bn/moving_mean"] - state["conv1_conv/bias"]
    )
