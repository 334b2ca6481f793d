"""Published weights go into the variants that compute what they were trained for."""

import importlib
import re

import keras
import pytest

import reproductions
from common.errors import RunError

RESNETS = ("resnet50", "resnet101", "resnet152")
# (paper, layout) -> the variants that take them; of Inception-v4, whose layout has weights
# of two networks, and of ResNeXt, whose weights say their template, see their own tests.
FITTING = {
    ("alexnet", "caffe"): {"bvlc_alexnet", "caffenet"},
    ("bn_inception", "cadene"): {"bn_inception_caffe"},
    ("googlenet", "caffe"): {"bvlc_googlenet", "googlenet"},
    ("inception_v3", "torchvision"): {"inception_v3_torchvision"},
    ("inception_v3", "keras"): {"inception_v3"},
    ("inception_v4", "keras"): {"inception_resnet_v2_released"},
    ("polynet", "cadene"): {"polynet"},
    ("resnet", "torchvision"): {"resnet18", "resnet34", *(f"{name}_v1_5" for name in RESNETS)},
    ("resnet", "caffe"): {f"{name}_caffe" for name in RESNETS},
    ("resnet", "keras"): {*RESNETS},
    ("resnet_cifar", "akamaster"): {f"akamaster_resnet{depth}" for depth in (20, 32, 44, 56)},
    ("vgg", "torchvision"): {"vgg11", "vgg13", "vgg16", "vgg19"},  # A fits A-LRN, too
    ("vgg", "keras"): {"vgg16", "vgg19"},
    ("vgg", "caffe"): {"vgg16", "vgg19"},
    ("wide_resnet", "torchvision"): {"wrn_50_2"},
}
TRAINED_OTHERWISE = re.compile("_(384|jitter|glorot)$")  # of VGG: the same networks


@pytest.mark.parametrize(("paper", "layout"), FITTING)
def test_weights_are_refused_by_networks_that_would_compute_something_else(paper, layout):
    load = importlib.import_module(f"reproductions.{paper}.weights").LAYOUTS[layout]
    for variant in reproductions.load(paper).RECIPES:
        advice = advice_of(load, variant)
        if TRAINED_OTHERWISE.sub("", variant) in FITTING[paper, layout]:
            assert advice is None, variant
            continue
        advised = {TRAINED_OTHERWISE.sub("", name) for name in advice}
        depth = re.search(r"\d+", variant)
        same = {name for name in FITTING[paper, layout] if depth and depth[0] in name}
        assert advised == (same or FITTING[paper, layout]), variant


def test_pages_import_weights_into_networks_that_take_them():
    folders = [reproductions.REPOSITORY / name for name in ("common", "launch", "reproductions")]
    pages = "".join(page.read_text() for folder in folders for page in folder.rglob("*.md"))
    found = set(re.findall(r"launch import (\w+) --from (\w+)", pages)) - {("NAME", "LAYOUT")}
    assert found
    for variant, layout in found:
        assert variant in FITTING[reproductions.find(variant)[0], layout], (variant, layout)


def advice_of(load, variant):
    """The variants that a refusal names, or None if there is none."""
    model = keras.Model(*[keras.Input((1,))] * 2, name=variant)
    try:
        load({}, model)
    except RunError as error:
        found = re.search(r"would not compute .* Import them into (.*)\.$", str(error))
        return found and found[1].split(", ")
    except ValueError:  # the stub lacks a layer
        return None
