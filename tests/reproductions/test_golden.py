"""The same weights give the logits of independent implementations.

Those of tests/oracles, and keras.applications. Differences are parts of the largest logit,
in float32 unless said; what was measured stands beside the limits.
"""

import importlib
import re
from unittest import mock

import keras
import numpy as np
import pytest

import reproductions
from common.models.layer_table import without_weights
from common.models.state_dicts import of_keras_model
from common.models.weight_import import assign_torch, main_head, numbered_layers
from tests import golden
from tests.reproductions.layouts import constant, difference, keras_application, take

# (variant, layout of its weights.py or a map of names below, oracle, limit)
GOLDEN = [
    ("bvlc_alexnet", "caffe", "caffe_alexnet_caffe", 1e-5),
    ("caffenet", "caffe", "caffe_caffenet", 1e-5),
    ("alexnet", "caffe_names", "caffe_alexnet_paper_lrn", 1e-5),
    ("bn_inception_caffe", "cadene", "cadene_bninception", 5e-5),  # 1.3e-5
    ("bvlc_googlenet", "caffe", "caffe_googlenet_caffe", 1e-5),
    ("inception_resnet_v2_released", "cadene", "cadene_inceptionresnetv2", 1e-4),  # 6.5e-6
    ("inception_v3_torchvision", "torchvision", "torchvision_inception_v3", 1e-4),  # 3.5e-5
    ("preact_resnet18", "preact_names", "pytorchcv_preresnet18", 5e-5),  # 1.2e-6
    ("preact_resnet50", "preact_names", "pytorchcv_preresnet50", 5e-5),  # 1.2e-5
    ("resnet50_caffe", "caffe", "caffe_resnet50", 5e-5),  # 1.8e-5
    ("resnet50_v1_5", "torchvision", "torchvision_resnet50", 5e-5),  # 1.7e-5
    ("resnext50_32x4d", "torchvision", "torchvision_resnext50_32x4d", 5e-5),  # 1.6e-5
    ("vgg16", "torchvision", "torchvision_vgg16", 1e-5),  # 2.3e-6
    ("wrn_34_2", "wide_names", "pytorchcv_resnet34_wide2", 5e-5),  # 4.7e-6
]
OF_VARIANT = {variant: (layout, oracle) for variant, layout, oracle, _ in GOLDEN}
OF_VARIANT |= {
    "inception_v4_released": ("cadene", "cadene_inceptionv4"),
    "polynet": ("cadene", "cadene_polynet"),
}


def preact_names(model):
    """What pytorchcv calls our layers: its activations stand before its convolutions."""
    names = {
        "conv1": "features.init_block.conv",
        "conv1_bn": "features.init_block.bn",
        "last_bn": "features.post_activ.bn",
        "fc": "output",
    }
    ours = re.compile(r"stage(\d)_(\d+)_(pre|conv|shortcut)(\d?)(_bn)?")
    for layer in model.layers:
        if match := ours.fullmatch(layer.name):
            stage, unit, part, number, norm = match.groups()
            prefix = f"features.stage{stage}.unit{unit}"
            if part == "shortcut":
                names[layer.name] = f"{prefix}.identity_conv"
            elif norm:
                names[layer.name] = f"{prefix}.body.conv{int(number or 0) + 1}.bn"
            elif part == "conv":
                names[layer.name] = f"{prefix}.body.conv{number}.conv"
    return names


def wide_names(model):
    """What pytorchcv calls our layers: blocks (3, 4, 6, 3) of two 3x3, twice the maps of 34."""
    first = "features.init_block.conv"
    names = {"conv1": f"{first}.conv", "conv1_bn": f"{first}.bn", "fc": "output"}
    parts = {"a": "body.conv1", "b": "body.conv2", "shortcut": "identity_conv"}
    for layer in model.layers:
        if match := re.fullmatch(r"conv(\d)_(\d+)_(a|b|shortcut)(_bn)?", layer.name):
            stage, unit, part, norm = match.groups()
            unit = f"features.stage{int(stage) - 1}.unit{unit}"
            names[layer.name] = f"{unit}.{parts[part]}.{'bn' if norm else 'conv'}"
    return names


def caffe_names(model):
    """Caffe calls the layers as we do."""
    return {layer.name: layer.name for layer in model.layers if layer.weights}


def take_weights(variant, model, state):
    """Sets the model's weights from the variant's oracle's entries."""
    layout, _ = OF_VARIANT[variant]
    if layout == "preact_names":
        # pytorchcv's PreResNet activates once more, before its first unit. Under these
        # weights that does nothing to what the pooling gives, which is not negative.
        once_more = "features.stage1.unit1.body.conv1.bn"
        state = {e: v for e, v in state.items() if not e.startswith(once_more)}
    if layout == "caffe_names":  # of a network that halves what goes into these
        doubled = ("fc7.weight", "fc8.weight")
        state = state | {entry: state[entry] * np.float32(2) for entry in doubled}
    if layout.endswith("_names"):
        return assign_torch(model, state, globals()[layout](model))
    paper, _ = reproductions.find(variant)
    importlib.import_module(f"reproductions.{paper}.weights").LAYOUTS[layout](state, model)


def without_draws():
    """Kernels begin as zeros: VGG-16's 138 million draws are replaced anyway."""
    add_weight = keras.layers.Layer.add_weight

    def add(layer, *given, **settings):
        zeros = {"initializer": "zeros"} if settings.get("name") == "kernel" else {}
        return add_weight(layer, *given, **settings | zeros)

    return mock.patch.object(keras.layers.Layer, "add_weight", add)


def imported(variant, policy="float32", **entries):
    """The network with its oracle's weights, and the oracle's images as it takes them."""
    oracle = OF_VARIANT[variant][1]
    keras.config.set_dtype_policy(policy)
    try:
        with without_draws():
            model = reproductions.build_model(reproductions.find(variant)[0], variant)
    finally:
        keras.config.set_dtype_policy("float32")
    take_weights(variant, model, golden.state(oracle) | entries)
    side = model.input_shape[1]  # AlexNet of 224: what is cut off is zeros
    images = golden.image(oracle)[:, :side, :side].astype(policy)
    return model, images[..., ::-1] if oracle == "cadene_bninception" else images


def main_logits(model, images):
    outputs = model(images)
    return (outputs[0] if isinstance(outputs, list) else outputs).numpy()


@pytest.mark.parametrize(
    ("variant", "policy", "limit"),
    [
        *((variant, "float32", limit) for variant, _, _, limit in GOLDEN),
        # 4.3e-7, but for the last layer, which is float32. No shortcut carries the signal
        # past these random weights: one float32 rounding of the image alone moves the
        # logits by 1.8e-4, from module to module by 1.7.
        ("inception_v4_released", "float64", 1e-5),
        *(
            pytest.param(*case, marks=pytest.mark.full)
            for case in [
                ("inception_v4_released", "float32", 1e-2),  # 1e-3
                ("inception_v3_torchvision", "float64", 1e-6),  # 3.4e-8
                # 537 convolutions make 0.2 % of the roundings of the image.
                ("polynet", "float64", 1e-6),
                ("polynet", "float32", 0.02),  # 0.8 %
            ]
        ),
    ],
)
def test_logits_are_the_oracles(variant, policy, limit):
    oracle = OF_VARIANT[variant][1]
    found = main_logits(*imported(variant, policy))
    assert golden.difference(found, oracle) < limit
    if policy == "float64":
        np.testing.assert_array_equal(found.argmax(-1), golden.logits(oracle).argmax(-1))


@pytest.mark.full
@pytest.mark.parametrize("variant", ["inception_v4_released", "polynet"])
def test_no_float32_network_can_have_all_their_digits(variant):
    oracle = OF_VARIANT[variant][1]
    moved = main_logits(imported(variant, "float64")[0], golden.rounded(oracle))
    assert golden.difference(moved, oracle) > 1e-4


@pytest.mark.full
@pytest.mark.parametrize(
    ("variant", "other", "least"),
    [
        ("inception_v3_torchvision", "inception_v3", 0.1),  # zeros in average pooling
        ("resnet50_caffe", "resnet50", 0.05),  # padding of the max pooling
        ("resnet50_v1_5", "resnet50", 0.05),  # stride of a bottleneck
    ],
)
def test_what_no_shape_shows_shows_in_the_logits(variant, other, least):
    """Without the refusals of test_refused_weights.py they would just be wrong."""
    model, images = imported(variant)
    wrong = reproductions.build_model(reproductions.find(other)[0], other)
    wrong.set_weights(model.get_weights())
    assert golden.difference(main_logits(wrong, images), OF_VARIANT[variant][1]) > least


@pytest.mark.full
def test_the_other_epsilon_of_bn_inception_shows_in_the_logits():  # 6e-2
    model, images = imported("bn_inception_caffe")
    for layer in model.layers:
        if layer.name.endswith("_bn"):
            layer.epsilon = 1e-3
    assert golden.difference(main_logits(model, images), "cadene_bninception") > 1e-2


# The auxiliary heads, beside a NumPy reading of the maps that they stand on.


def pooled(x, windows):
    """(batch, windows, windows, maps): means of 5x5, three apart."""
    places = [slice(3 * i, 3 * i + 5) for i in range(windows)]
    return np.stack([np.stack([x[:, r, c].mean((1, 2)) for c in places], 1) for r in places], 1)


def auxiliary_state():
    """Entries that Caffe's deploy network of GoogLeNet, and so the oracle, leaves out."""
    rng, state = np.random.default_rng(1), {}
    for name, maps in {"loss1": 512, "loss2": 528}.items():  # of 4a and of 4d
        shapes = {"conv": (128, maps, 1, 1), "fc": (1024, 2048), "classifier": (1000, 1024)}
        for part, shape in shapes.items():
            values = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
            state[f"{name}/{part}.weight"] = values.astype("float32")
            state[f"{name}/{part}.bias"] = rng.normal(0, 0.1, shape[0]).astype("float32")
    return state


def caffes_head(x, state, name):
    """Caffe's loss1 or loss2 branch: maps first, as its blobs have them."""

    def layer(x, part):
        kernel = state[f"{name}/{part}.weight"].astype("float64")
        return x @ kernel.reshape(len(kernel), -1).T + state[f"{name}/{part}.bias"]

    x = pooled(x, 4)
    x = np.maximum(layer(x, "conv"), 0).transpose(0, 3, 1, 2)
    x = np.maximum(layer(x.reshape(len(x), -1), "fc"), 0)
    return layer(x, "classifier")


def torchvisions_head(x, state, name="AuxLogits"):
    """torchvision's InceptionAux, in eval mode, of a 17x17 map."""

    def normalized(x, part):
        scale, offset, mean, variance = (
            state[f"{name}.{part}.bn.{entry}"].astype("float64")
            for entry in ("weight", "bias", "running_mean", "running_var")
        )
        return np.maximum((x - mean) / np.sqrt(variance + 1e-3) * scale + offset, 0)

    x = pooled(x, 5) @ state[f"{name}.conv0.conv.weight"][:, :, 0, 0].T
    x = np.einsum("bhwi,oihw->bo", normalized(x, "conv0"), state[f"{name}.conv1.conv.weight"])
    return normalized(x, "conv1") @ state[f"{name}.fc.weight"].T + state[f"{name}.fc.bias"]


def test_googlenets_auxiliary_classifiers_are_caffes_and_may_be_left_out():
    state = auxiliary_state()
    model, images = imported("bvlc_googlenet", **state)
    for output, (name, module) in enumerate({"loss1": "4a", "loss2": "4d"}.items(), 1):
        trunk = model.get_layer(f"inception_{module}_output").output
        both = keras.Model(model.input, [trunk, model.outputs[output]])
        maps, found = (values.numpy() for values in both(images))
        wanted = caffes_head(maps, state, name)
        assert abs(found - wanted).max() < 1e-5 * abs(wanted).max()
    check_heads_stay(model, "bvlc_googlenet", golden.state("caffe_googlenet_caffe"), 12)


def test_inception_v3s_auxiliary_head_is_torchvisions_and_may_be_left_out():
    model, _ = imported("inception_v3_torchvision")
    state = golden.state("torchvision_inception_v3")
    maps = np.random.default_rng(0).normal(size=(2, 17, 17, 768)).astype("float32")
    head = keras.Model(model.get_layer("mixed_6e_output").output, model.outputs[1])
    wanted = torchvisions_head(maps.astype("float64"), state)
    assert abs(head(maps).numpy() - wanted).max() < 1e-5 * abs(wanted).max()
    rest = {k: v for k, v in state.items() if not k.startswith("AuxLogits")}
    check_heads_stay(model, "inception_v3_torchvision", rest, 12)


def heads(model):
    layers = [layer for layer in model.layers if layer.name.startswith("aux")]
    return [weight.numpy() for layer in layers for weight in layer.weights]


def check_heads_stay(model, variant, state, number):
    """A state without auxiliary heads sets the rest, and leaves ours as they are."""
    last = model.get_layer("classifier" if variant == "bvlc_googlenet" else "logits")
    before, bias = heads(model), last.bias.numpy()
    last.bias.assign(np.zeros(bias.shape))
    take_weights(variant, model, state)
    assert len(before) == number
    for old, new in zip(before, heads(model), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(last.bias, bias)


# keras.applications.


@pytest.mark.parametrize(
    ("variant", "size", "classes", "scale"),
    [
        ("inception_v3", 107, 50, 1),
        ("resnet50", 64, 10, 50),  # 1.1e-6
        *(
            pytest.param(*case, marks=pytest.mark.full)
            for case in [
                ("inception_resnet_v2_released", 107, 50, 1),
                ("inception_resnet_v2_released", 299, 1000, 1),
                ("inception_v3", 299, 1000, 1),  # 3e-7
                ("resnet101", 64, 10, 50),  # 7e-7
                ("resnet152", 64, 10, 50),  # 9e-7
                ("vgg16", 64, 10, 60),
                ("vgg16", 224, 1000, 60),
                ("vgg19", 64, 10, 60),
                ("vgg19", 224, 1000, 60),
            ]
        ),
    ],
)
def test_logits_are_those_of_keras_applications(variant, size, classes, scale):
    paper, _ = reproductions.find(variant)
    weights = importlib.import_module(f"reproductions.{paper}.weights")
    keras.layers.Conv2D(1, 1)  # so that theirs begin with conv2d_1 or later
    application = keras_application(weights.KERAS_APPLICATIONS[variant], size, classes)
    assert "conv2d" not in {layer.name for layer in application.layers}
    model = reproductions.build_model(paper, variant, image_size=size, num_classes=classes)
    for layer in model.layers:  # theirs of Inception have no scale: ours becomes 1
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(2 * np.ones(layer.gamma.shape))
    before = heads(model)
    weights.from_keras(of_keras_model(application), model)
    assert difference(application, model, size, scale=scale) < 1e-5
    for old, new in zip(before, heads(model), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    "variant",
    [
        *("inception_v3", "inception_resnet_v2_released"),
        *("resnet101", "resnet152", "vgg16", "vgg19"),
    ],
)
def test_every_layer_of_theirs_has_its_place(variant, monkeypatch):
    paper, _ = reproductions.find(variant)
    weights = importlib.import_module(f"reproductions.{paper}.weights")
    with without_weights():
        theirs = getattr(keras.applications, weights.KERAS_APPLICATIONS[variant])(weights=None)
        model = main_head(reproductions.build_model(paper, variant))
    entries = {f"{x.name}/{v.name}": v.shape for x in theirs.layers for v in x.variables}
    state = dict(reversed(constant(entries).items()))  # their order does not matter
    prefixes = take(monkeypatch, weights, "keras", state, model)["prefixes"]

    def kernels(network, names):
        unknown = ("bias", "gamma") if "inception" in variant else ("bias",)
        shapes = {
            x.name: [v.shape for v in x.weights if v.name not in unknown] for x in network.layers
        }
        return {names.get(name, name): of for name, of in shapes.items() if of}

    found, wanted = kernels(model, prefixes), kernels(theirs, {})
    assert found == wanted
    if paper == "vgg":
        assert list(found) == list(wanted)


@pytest.mark.parametrize("first", [0, 7])
def test_automatic_names_follow_the_order_of_their_numbers(first):
    numbers = (first + 10, first, first + 2)
    kinds = ("conv2d", "batch_normalization")
    state = {f"{kind}_{n}/kernel".replace("_0/", "/"): None for kind in kinds for n in numbers}
    names = numbered_layers(state, None, ["a", "b", "c"])
    assert names == {
        "a": f"conv2d_{first}".removesuffix("_0"),
        "b": f"conv2d_{first + 2}",
        "c": f"conv2d_{first + 10}",
        "a_bn": f"batch_normalization_{first}".removesuffix("_0"),
        "b_bn": f"batch_normalization_{first + 2}",
        "c_bn": f"batch_normalization_{first + 10}",
    }
