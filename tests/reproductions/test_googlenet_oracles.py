"""The same weights give the logits of an independent implementation."""

import functools

import keras
import numpy as np
import pytest

import reproductions
from common.errors import RunError
from reproductions.googlenet.weights import from_caffe
from tests import golden

build_model = functools.partial(reproductions.build_model, "googlenet")

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


def test_a_separable_conv1_takes_no_caffe_weights():
    model = build_model("googlenet_separable")
    with pytest.raises(RunError, match="into bvlc_googlenet, googlenet"):
        from_caffe(golden.state(ORACLE), model)


def test_weights_of_another_network_are_refused():
    model = build_model("bvlc_googlenet", image_size=65, num_classes=10)
    with pytest.raises(RunError, match="loss3/classifier.* has the shape"):
        from_caffe(golden.state(ORACLE), model)
    odd = golden.state(ORACLE)
    odd["loss3/classifier.extra"] = odd.pop("loss3/classifier.bias")
    with pytest.raises(RunError, match="Missing: loss3/classifier.bias"):
        from_caffe(odd, model)
