"""The same weights give the logits of torchvision's ResNeXt."""

import functools

import keras
import numpy as np
import pytest

import reproductions
from common.errors import RunError
from reproductions.resnext.weights import from_cadene, from_torchvision, from_torchvision_232
from tests import golden
from tests.reproductions.helpers import constant, torch_entries

build_model = functools.partial(reproductions.build_model, "resnext")

ORACLE = "torchvision_resnext50_32x4d"
BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def test_logits_are_torchvisions():
    model = build_model("resnext50_32x4d")
    from_torchvision(golden.state(ORACLE), model)
    logits = model(golden.image(ORACLE)).numpy()
    # Measured 1.6e-5.
    assert golden.difference(logits, ORACLE) < 5e-5


def test_torch_entries_are_torchvisions():
    wanted = golden.state(ORACLE)
    found = torch_entries(BLOCKS[50], groups=32, width=4)
    assert {e: v.shape for e, v in wanted.items()} == {
        e: v for e, v in found.items() if "num_batches" not in e
    }


def test_torchvisions_entries_of_101_64x4d_fit():
    state = constant(torch_entries(BLOCKS[101], groups=64, width=4))
    assert state["layer3.22.conv2.weight"].shape == (1024, 16, 3, 3)
    model = build_model("resnext101_64x4d", image_size=32)
    with pytest.raises(RunError, match="--from torchvision_232"):
        from_torchvision(state, model)  # it is not resized to 256
    from_torchvision_232(state, model)
    for ours, theirs in (
        ("conv4_23_b", "layer3.22.conv2"),
        ("conv2_1_shortcut", "layer1.0.downsample.0"),
        ("conv5_3_c", "layer4.2.conv3"),
    ):
        kernel = model.get_layer(ours).kernel.numpy()
        assert (kernel == state[f"{theirs}.weight"].max()).all()
    norm = model.get_layer("conv3_4_a_bn")
    variance = norm.moving_variance.numpy()
    assert (variance == state["layer2.3.bn1.running_var"]).all()


def empty(variant):
    return keras.Model(*[keras.Input((1,))] * 2, name=variant)


@pytest.mark.parametrize(
    "weights,variant,message",
    [
        ((50, 32, 4), "resnext101_32x4d", "into resnext50_32x4d"),
        ((50, 32, 4), "resnext50_8x14d", "into resnext50_32x4d"),
        ((101, 64, 4), "resnext50_32x4d", "into resnext101_64x4d"),
        ((101, 64, 4), "resnext101_32x4d", "into resnext101_64x4d"),
        ((50, 1, 64), "resnext50_32x4d", "into resnet50_1x64d"),
        ((101, 32, 8), "resnext101_32x4d", "101 layers of 32x8d.*no such"),
        ((101, 32, 8), "resnext101_64x4d", "101 layers of 32x8d.*no such"),
        ((50, 32, 4), "cifar_resnext29_8x64d", "a network for CIFAR-10"),
    ],
)
def test_weights_of_another_network_are_refused(weights, variant, message):
    with pytest.raises(RunError, match=message):
        from_torchvision(
            constant(torch_entries(BLOCKS[weights[0]], groups=weights[1], width=weights[2])),
            empty(variant),
        )


def test_weights_of_something_else_are_refused():
    with pytest.raises(RunError, match="Missing: bn1.bias"):
        from_torchvision(
            {"features.0.weight": np.zeros((64, 3, 11, 11))},
            build_model("resnext50_32x4d", image_size=32),
        )


def test_the_layout_serves_every_template():
    state = constant(torch_entries(BLOCKS[50], groups=8, width=14))
    model = build_model("resnext50_8x14d", image_size=32)
    from_torchvision(state, model)
    kernel = model.get_layer("conv3_1_b").kernel.numpy()
    assert (kernel == state["layer2.0.conv2.weight"].max()).all()


def converted(entry):
    """Cadene's name of an entry of torchvision's, by its nn.Sequentials.

    resnext_features/*.py: a block is (((a, bn, relu, b, bn, relu), c, bn),
    (shortcut, bn)), within a list of blocks within a list of layers.
    """
    module, kind = entry.rsplit(".", 1)
    stem = {"conv1": "features.0", "bn1": "features.1", "fc": "last_linear"}
    if module in stem:
        return f"{stem[module]}.{kind}"
    layer, index, part = module.split(".", 2)
    place = {"conv1": "0.0.0", "bn1": "0.0.1", "conv2": "0.0.3"}
    place |= {"bn2": "0.0.4", "conv3": "0.1", "bn3": "0.2"}
    place |= {"downsample.0": "1.0", "downsample.1": "1.1"}
    after = 3 + int(layer.removeprefix("layer"))  # stem: 0 to 3
    return f"features.{after}.{index}.0.{place[part]}.{kind}"


def test_cadenes_entries_fit():
    theirs = constant(torch_entries(BLOCKS[101], groups=32, width=4))
    state = {converted(entry): value for entry, value in theirs.items()}
    for entry in (  # as its source has them
        "features.0.weight",
        "features.1.running_var",
        "features.4.0.0.0.0.3.weight",
        "features.6.22.0.0.2.bias",
        "features.7.0.0.1.1.weight",
        "last_linear.bias",
    ):
        assert entry in state
    model = build_model("resnext101_32x4d", image_size=32)
    from_cadene(state, model)
    found = [v.numpy().copy() for v in model.variables]
    from_torchvision(theirs, model)
    for one, other in zip(found, model.variables, strict=True):
        assert (one == other.numpy()).all()
    del state["features.5.3.0.0.0.4.running_mean"]
    with pytest.raises(RunError, match="features.5.3.0.0.0.4.running_mean"):
        from_cadene(state, model)


def test_cadenes_weights_of_another_template_are_refused():
    theirs = constant(torch_entries(BLOCKS[101], groups=64, width=4))
    state = {converted(entry): value for entry, value in theirs.items()}
    model = build_model("resnext101_32x4d", image_size=32)
    with pytest.raises(RunError, match="into resnext101_64x4d"):
        from_cadene(state, model)
