"""Weights as others publish them: their names and shapes, and what becomes of them here."""

import keras
import numpy as np

from tests.reproductions.graphs import draws


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


def take(monkeypatch, weights, layout, state, model):
    """What a layout of a paper's weights.py would assign: {"prefixes", "state"}."""
    taken = {}

    def keep(model, state, prefixes):
        taken.update(prefixes=prefixes, state=state)

    for name in {"assign_torch", "assign_keras"} & set(vars(weights)):
        monkeypatch.setattr(weights, name, keep)
    weights.LAYOUTS[layout](state, model)
    return taken


def check_torch_entries(model, prefixes, entries, **some):
    """Each layer has its entries in torch's layout, of its shapes; `some`: ours -> theirs."""
    modules = {entry.rpartition(".")[0] for entry in entries}
    layers = [layer for layer in model.layers if layer.weights]
    assert {prefixes[layer.name] for layer in layers} == modules
    assert len(layers) == len(modules)
    for layer in layers:
        shape = entries[f"{prefixes[layer.name]}.weight"]
        if hasattr(layer, "kernel"):
            *area, inputs, outputs = layer.kernel.shape
            assert (outputs, inputs, *area) == shape, layer.name
        else:
            assert tuple(layer.gamma.shape) == shape, layer.name
    assert {ours: prefixes[ours] for ours in some} == some
