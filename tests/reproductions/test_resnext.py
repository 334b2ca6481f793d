"""What the ResNeXt paper says: Sections 3 and 4, Tables 1 to 4 and 7."""

import keras
import numpy as np
import pytest

from common.errors import RunError
from reproductions.resnext import weights
from reproductions.resnext.model import block
from reproductions.resnext.weights import from_cadene, from_torchvision
from tests.reproductions.graphs import convolve, graph_of, randomize
from tests.reproductions.layouts import check_torch_entries, constant, take, torch_entries

EPSILON = 1e-5


# The three forms of Fig. 3, in NumPy; x is (H, W, maps).


def normalized(x, norm, part=slice(None)):
    gamma, beta, mean, variance = (v[part] for v in norm)
    return (x - mean) / np.sqrt(variance + EPSILON) * gamma + beta


def relu(x):
    return np.maximum(x, 0)


def paths(x, weights, cardinality, strides):
    """Each path up to its 3x3: the split and the transform of Fig. 3(a)."""
    kernels, norms = weights
    d = kernels["b"].shape[2]
    for index in range(cardinality):
        part = slice(index * d, (index + 1) * d)
        y = relu(normalized(convolve(x, kernels["a"][..., part]), norms["a"], part))
        y = convolve(y, kernels["b"][..., part], strides)
        yield part, relu(normalized(y, norms["b"], part))


def summed_paths(x, weights, cardinality, strides):
    """Fig. 3(a): every path has its own last 1x1; their sum is normalised."""
    kernels, norms = weights
    last = kernels["c"]
    outputs = [convolve(y, last[:, :, part]) for part, y in paths(x, weights, cardinality, strides)]
    return normalized(sum(outputs), norms["c"])


def concatenated_paths(x, weights, cardinality, strides):
    """Fig. 3(b): one last 1x1 after all the paths."""
    kernels, norms = weights
    outputs = [y for _, y in paths(x, weights, cardinality, strides)]
    joined = np.concatenate(outputs, axis=-1)
    return normalized(convolve(joined, kernels["c"]), norms["c"])


def toy_block(maps, filters, strides, shortcut):
    """Keras's block of 4x3, with random weights and statistics."""
    image = keras.Input((6, 6, maps))
    shape = {"cardinality": 4, "width": 3, "filters": filters, "strides": strides}
    output = block(image, **shape, shortcut=shortcut, name="toy")
    model = randomize(keras.Model(image, output), 0.5)
    kernels, norms = {}, {}
    for layer in model.layers:
        name = layer.name.removeprefix("toy_")
        if name.endswith("_bn"):
            variables = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
            norms[name.removesuffix("_bn")] = [v.numpy().astype("float64") for v in variables]
        elif layer.weights:
            kernels[name] = layer.kernel.numpy()
    return model, (kernels, norms)


@pytest.mark.parametrize("form", [summed_paths, concatenated_paths])
@pytest.mark.parametrize("filters,strides", [(8, 1), (16, 2)])
@pytest.mark.parametrize("shortcut", [True, False])
def test_a_block_is_split_transform_merge(form, filters, strides, shortcut):
    model, weights = toy_block(8, filters, strides, shortcut)
    kernels, norms = weights
    x = np.random.default_rng(1).normal(size=(6, 6, 8))
    short = x if shortcut else 0
    if "shortcut" in kernels:
        short = convolve(x, kernels["shortcut"], strides)
        short = normalized(short, norms["shortcut"])
    wanted = relu(short + form(x, weights, 4, strides))
    found = model(x[None].astype("float32")).numpy()[0]
    assert found.shape == wanted.shape == (6 // strides, 6 // strides, filters)
    assert abs(found - wanted).max() < 1e-5 * abs(wanted).max()
    # And the groups matter: a path that sees its neighbour's maps is another.
    kernels["b"] = np.roll(kernels["b"], 3, axis=-1)
    assert abs(form(x, weights, 4, strides) + short - wanted).max() > 0.1


def test_paths_of_two_layers_are_one_wide_block():  # Fig. 4
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 5, 6))
    first = rng.normal(size=(4, 3, 3, 6, 2))
    second = rng.normal(size=(4, 3, 3, 2, 6))
    summed = sum(
        convolve(relu(convolve(x, one)), two) for one, two in zip(first, second, strict=True)
    )
    wide = convolve(
        relu(convolve(x, np.concatenate(first, axis=-1))), np.concatenate(second, axis=2)
    )
    np.testing.assert_allclose(summed, wide)


# Published weights; the logits: test_golden.py.


BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def test_torchvisions_entries_of_101_64x4d_fit(monkeypatch):
    entries = torch_entries(BLOCKS[101], groups=64, width=4)
    assert entries["layer3.22.conv2.weight"] == (1024, 16, 3, 3)
    model, state = graph_of("resnext", "resnext101_64x4d"), constant(entries)
    with pytest.raises(RunError, match="--from torchvision_232"):
        from_torchvision(state, model)  # it is not resized to 256
    found = take(monkeypatch, weights, "torchvision_232", state, model)
    check_torch_entries(model, found["prefixes"], entries, conv4_23_b="layer3.22.conv2")


@pytest.mark.parametrize(
    "weights,variant,message",
    [
        ((50, 32, 4), "resnext101_32x4d", "not the weights of .*Missing: layer3"),
        ((50, 32, 4), "resnext50_8x14d", r"resnext50_8x14d has .* another network"),
        (
            (101, 64, 4),
            "resnext50_32x4d",
            r"not the weights of .*unknown: layer3",
        ),
        ((101, 64, 4), "resnext101_32x4d", "resnext101_32x4d has .* another network"),
        ((50, 1, 64), "resnext50_32x4d", "resnext50_32x4d has .* another network"),
        ((101, 32, 8), "resnext101_32x4d", "resnext101_32x4d has .* another network"),
        ((50, 32, 4), "cifar_resnext29_8x64d", "not the weights of cifar_resnext29_8x64d"),
    ],
)
def test_weights_of_another_network_are_refused(weights, variant, message):
    entries = torch_entries(BLOCKS[weights[0]], groups=weights[1], width=weights[2])
    with pytest.raises(RunError, match=message) as told:
        from_torchvision(constant(entries), graph_of("resnext", variant))
    assert "\n" not in str(told.value)


def test_the_layout_serves_every_template(monkeypatch):
    entries = torch_entries(BLOCKS[50], groups=8, width=14)
    model = graph_of("resnext", "resnext50_8x14d")
    found = take(monkeypatch, weights, "torchvision", constant(entries), model)
    check_torch_entries(model, found["prefixes"], entries, conv3_1_b="layer2.0.conv2")


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


def test_cadenes_entries_fit(monkeypatch):
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
    model = graph_of("resnext", "resnext101_32x4d")
    incomplete = {e: v for e, v in state.items() if e != "features.5.3.0.0.0.4.running_mean"}
    with pytest.raises(RunError, match="features.5.3.0.0.0.4.running_mean"):
        from_cadene(incomplete, model)
    found = take(monkeypatch, weights, "cadene", state, model)["prefixes"]
    same = take(monkeypatch, weights, "torchvision", theirs, model)["prefixes"]
    assert found == {
        ours: converted(f"{module}.weight").removesuffix(".weight") for ours, module in same.items()
    }


def test_cadenes_weights_of_another_template_are_refused():
    theirs = constant(torch_entries(BLOCKS[101], groups=64, width=4))
    state = {converted(entry): value for entry, value in theirs.items()}
    model = graph_of("resnext", "resnext101_32x4d")
    with pytest.raises(RunError, match="resnext101_32x4d has .* another network"):
        from_cadene(state, model)
