"""What the tests of several papers share."""

import functools

import keras
import numpy as np

import reproductions
from common.models.layer_table import layer_table, without_weights


def draws(*shape, scale=1.0, seed=0):
    """Normal, float32, the same each time."""
    return np.random.default_rng(seed).normal(0, scale, shape).astype("float32")


@functools.cache
def graph_of(paper, variant, **sizes):
    """The network, for its layers: it has no weights."""
    with without_weights():
        return reproductions.build_model(paper, variant, **sizes)


@functools.cache
def rows_of(paper, variant):
    """The layers of the network at its paper's size."""
    return layer_table(graph_of(paper, variant))


def strided(model):
    """Names of the convolutions with stride 2."""
    return [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.strides == (2, 2)
    ]


def convolve(x, kernel, strides=1):
    """(H, W, maps), padded by half the kernel's size."""
    size = kernel.shape[0]
    x = np.pad(x, [(size // 2, size // 2)] * 2 + [(0, 0)])
    places = range(0, x.shape[0] - size + 1, strides)
    return np.array(
        [[np.tensordot(x[i : i + size, j : j + size], kernel, 3) for j in places] for i in places]
    )


def residual_counts(
    blocks,
    inner,
    out,
    *,
    bottleneck=True,
    groups=1,
    project=lambda maps, out: maps != out,
    stride_on_3x3=False,
    preactivated=False,
    cifar_stem=None,
):
    """(parameters, multiply-accumulates) of a residual network, by arithmetic.

    Args:
        inner: Maps of the first stage's 3x3 convolutions; they double.
        out: Maps that its blocks give; a block of two 3x3 has no others.
        project: Whether a block from `maps` to `out` has a projection.
        preactivated: A convolution's input is normalised, not its output; at last, the sum.
        cifar_stem: Maps of the first 3x3, for images of 32x32; or None: ImageNet's 7x7.
    """
    size, maps, side, classes = (3, cifar_stem, 32, 10) if cifar_stem else (7, 64, 112, 1000)
    convs = [(size * size * 3 * maps, maps, side)]  # weights, maps out, side of the output
    norms = [] if preactivated else [maps]
    for stage, number in enumerate(blocks):
        wide, to = int(inner * 2**stage), int(out * 2**stage)
        after = (32 if cifar_stem else 56) // 2**stage
        for index in range(number):
            before = 2 * after if stage and not index and stride_on_3x3 else after
            if bottleneck:
                branch = [(maps * wide, wide, before), (9 * wide * wide // groups, wide, after)]
                branch.append((wide * to, to, after))
            else:
                branch = [(9 * maps * to, to, after), (9 * to * to, to, after)]
            inputs = [maps, *(o for _, o, _ in branch[:-1])]
            if project(maps, to):
                branch.append((maps * to, to, after))
            convs += branch
            norms += inputs if preactivated else [o for _, o, _ in branch]
            maps = to
    norms += [maps] if preactivated else []
    weights, macs = sum(w for w, _, _ in convs), sum(w * s * s for w, _, s in convs)
    return weights + 2 * sum(norms) + classes * (maps + 1), macs + classes * maps


def torch_entries(blocks, *, bottleneck=True, groups=1, width=64):
    """The state dict of torchvision's ResNet class by its own loops: name -> shape."""
    shapes = {}

    def add(conv, norm, *shape):
        shapes[f"{conv}.weight"] = shape
        for entry in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm}.{entry}"] = shape[:1]
        shapes[f"{norm}.num_batches_tracked"] = ()

    add("conv1", "bn1", 64, 3, 7, 7)
    maps = 64
    for layer, (planes, number) in enumerate(zip((64, 128, 256, 512), blocks, strict=True), 1):
        inner = int(planes * (width / 64.0)) * groups
        out = planes * 4 if bottleneck else planes
        for index in range(number):
            at = f"layer{layer}.{index}"
            if bottleneck:
                add(f"{at}.conv1", f"{at}.bn1", inner, maps, 1, 1)
                add(f"{at}.conv2", f"{at}.bn2", inner, inner // groups, 3, 3)
                add(f"{at}.conv3", f"{at}.bn3", out, inner, 1, 1)
            else:
                add(f"{at}.conv1", f"{at}.bn1", planes, maps, 3, 3)
                add(f"{at}.conv2", f"{at}.bn2", planes, planes, 3, 3)
            if index == 0 and maps != out:
                add(f"{at}.downsample.0", f"{at}.downsample.1", out, maps, 1, 1)
            maps = out
    return shapes | {"fc.weight": (1000, maps), "fc.bias": (1000,)}


def constant(entries):
    """A state whose n-th entry is n throughout; takes no memory."""
    return {
        entry: np.broadcast_to(np.float32(number), shape)
        for number, (entry, shape) in enumerate(entries.items())
    }


def keras_application(name, size, classes):
    """A network of keras.applications with random weights and statistics."""
    application = getattr(keras.applications, name)(
        weights=None, input_shape=(size, size, 3), classes=classes, classifier_activation=None
    )
    rng = np.random.default_rng(0)
    for weight in application.weights:
        if weight.name == "kernel":
            values = rng.normal(0, np.sqrt(2 / np.prod(weight.shape[:-1])), weight.shape)
        elif weight.name in ("gamma", "moving_variance"):
            values = rng.uniform(0.5, 1.5, weight.shape)
        else:
            values = rng.normal(0, 0.1, weight.shape)
        weight.assign(values)
    return application


def difference(application, model, size, scale=1.0):
    """Of our main head's logits from theirs, by their largest."""
    image = draws(2, size, size, 3, scale=scale, seed=1)
    wanted, found = application(image).numpy(), model(image)
    found = (found[0] if isinstance(found, list) else found).numpy()
    return abs(found - wanted).max() / abs(wanted).max()


def renumber(state, first):
    """The names that Keras gives if `first` layers of a kind came before."""

    def kind_and_number(entry):  # ("conv2d", 7) of conv2d_7/kernel
        layer = entry.split("/")[0]
        kind = layer.rstrip("0123456789").rstrip("_")
        return kind, int(layer[len(kind) + 1 :] or 0)

    lowest = {
        kind: min(number for k, number in map(kind_and_number, state) if k == kind)
        for kind in first
    }
    renamed = {}
    for entry, values in state.items():
        kind, number = kind_and_number(entry)
        if kind in first:
            number += first[kind] - lowest[kind]
            entry = f"{kind}_{number}/{entry.split('/')[1]}"
            entry = entry.replace("_0/", "/")
        renamed[entry] = values
    return renamed


def check_torch_entries(model, state, **more):
    """Layers of bottleneck networks got torchvision's constant entries; `more`: ours -> theirs."""
    for ours, theirs in {
        "conv2_1_shortcut": "layer1.0.downsample.0",
        "conv5_3_c": "layer4.2.conv3",
        **more,
    }.items():
        kernel = model.get_layer(ours).kernel.numpy()
        assert (kernel == state[f"{theirs}.weight"].max()).all()
    variance = model.get_layer("conv3_4_a_bn").moving_variance.numpy()
    assert (variance == state["layer2.3.bn1.running_var"]).all()
