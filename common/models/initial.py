"""What a network's weights begin as, and the constants of its response normalisations."""

from collections.abc import Iterable

import keras

_ENDS = "_initializer"
_USUAL = {"bias": "Zeros", "beta": "Zeros", "gamma": "Ones"}
_UNSEEN = ("moving_mean", "moving_variance")


def list_initial_weights(layers: Iterable[keras.layers.Layer]) -> list[str]:
    """Lines such as "conv1, fc8: kernel RandomNormal(mean=0.0, stddev=0.01), bias Zeros".

    Layers that begin alike share a line, in the network's order. Zeros of biases and betas
    and ones of gammas are said once, at the end.
    """
    found: dict[str, list[str]] = {}
    usual, own = set(), []
    for layer in layers:
        if not layer.weights:
            continue
        starts = {
            name.removesuffix(_ENDS): getattr(layer, name)
            for name in vars(layer)
            if name.endswith(_ENDS) and name.removesuffix(_ENDS) not in _UNSEEN
        }
        starts = {name: _spell(value) for name, value in starts.items() if value is not None}
        if not starts:
            own.append(layer.name)
        words = {name: text for name, text in starts.items() if text != _USUAL.get(name)}
        made = {weight.name for weight in layer.weights}
        usual |= (set(starts) - set(words)) & made
        if words:
            text = ", ".join(f"{name} {word}" for name, word in words.items() if name in made)
            found.setdefault(text, []).append(layer.name)
    lines = [f"{_shorten(names)}: {text}" for text, names in found.items() if text]
    lines += [f"{_shorten(own)}: as model.py says"] if own else []
    others = [f"{name} {_USUAL[name].lower()}" for name in _USUAL if name in usual]
    return [*lines, f"all other {', '.join(others)}"] if others else lines


def list_response_norms(model: keras.Model) -> list[str]:
    """Lines such as "norm1, norm2: n=5, k=2.0, alpha=0.0001, beta=0.75, groups=1"."""
    found: dict[str, list[str]] = {}
    usual = keras.layers.Layer().get_config()
    for layer in model.layers:
        if type(layer).__name__.endswith("ResponseNormalization"):
            own = {k: v for k, v in layer.get_config().items() if k not in usual}
            text = ", ".join(f"{name}={value}" for name, value in own.items())
            found.setdefault(text, []).append(layer.name)
    return [f"{_shorten(names)}: {text}" for text, names in found.items()]


def _spell(initializer) -> str:
    """Such as "RandomNormal(mean=0.0, stddev=0.01)"; numbers to four digits."""
    config = initializer.get_config() if hasattr(initializer, "get_config") else {}
    config = {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in config.items()}
    inside = ", ".join(f"{k}={v}" for k, v in config.items() if k != "seed" and v is not None)
    name = getattr(initializer, "__name__", type(initializer).__name__)
    return f"{name}({inside})" if inside else name


def _shorten(names: list[str]) -> str:
    """All of a few names; of many the first, the last and how many."""
    if len(names) <= 6:
        return ", ".join(names)
    return f"{names[0]} .. {names[-1]} ({len(names)} layers)"
