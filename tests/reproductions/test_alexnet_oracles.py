"""The same weights give the logits of independent implementations."""

import functools

import keras
import numpy as np
import pytest

import reproductions
from common.errors import RunError
from reproductions.alexnet.weights import from_caffe
from tests import golden

build_model = functools.partial(reproductions.build_model, "alexnet")


@pytest.mark.parametrize(
    "oracle,variant",
    [
        ("caffe_alexnet_caffe", "bvlc_alexnet"),
        ("caffe_caffenet", "caffenet"),
        ("caffe_alexnet_paper_lrn", "alexnet"),
    ],
)
def test_logits_are_those_of_the_published_prototxts(oracle, variant):
    model = build_model(variant, image_size=224)
    from_caffe(golden.state(oracle), model)
    image = golden.image(oracle)[:, :224, :224]  # the rest is zeros
    assert golden.difference(model(image).numpy(), oracle) < 1e-5


def test_227_pixels_give_the_same_as_224_and_zeros():
    model = build_model("bvlc_alexnet")  # Caffe's own size
    from_caffe(golden.state("caffe_alexnet_caffe"), model)
    logits = model(golden.image("caffe_alexnet_caffe")).numpy()
    assert golden.difference(logits, "caffe_alexnet_caffe") < 1e-5


def test_weights_of_another_network_are_refused():
    keras.utils.set_random_seed(0)
    model = build_model("alexnet", image_size=64, num_classes=10)
    state = golden.state("caffe_alexnet_caffe")
    with pytest.raises(RunError, match="fc6.weight has the shape"):
        from_caffe(state, model)
    odd = {k: v for k, v in state.items() if k != "fc8.bias"}
    odd["fc9.bias"] = np.zeros(10)
    with pytest.raises(RunError, match="Missing: fc8.bias; unknown: fc9.bias"):
        from_caffe(odd, model)
