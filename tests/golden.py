"""Golden logits of independent implementations (tests/oracles).

NAME.json has the entries of a state dict, NAME.npz the logits that the network
gave in float64 under the weights and the input that the rules below make from
the entries' names; so no framework and no download is needed.
"""

import functools
import json
import pathlib
import zlib

import numpy as np

ORACLES = pathlib.Path(__file__).parent / "oracles"


def state(name: str) -> dict[str, np.ndarray]:
    """The weights, torch layout: (out, in / groups, height, width)."""
    entries = json.loads((ORACLES / f"{name}.json").read_text())
    stored = np.load(ORACLES / f"{name}.npz")
    return {
        entry: stored[entry] if entry in stored.files else _weights(entry, tuple(shape))
        for entry, shape in entries.items()
    }


@functools.lru_cache(maxsize=16)  # three AlexNets have the same entries
def _weights(entry: str, shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(entry.encode()))
    if entry.endswith(".bias"):
        values = rng.normal(0, 0.1, shape)
    elif not entry.endswith(".weight"):
        raise ValueError(f"no rule makes {entry}")
    elif len(shape) == 1:  # gamma of a batch norm
        values = rng.uniform(0.5, 1.5, shape)
    else:
        values = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
    return values.astype("float32")


def image(name: str) -> np.ndarray:
    """The input, (2, S, S, 3) float32."""
    size = int(np.load(ORACLES / f"{name}.npz")["image_size"])
    values = np.random.default_rng(0).normal(size=(2, 3, size, size))
    values = values.astype("float32").transpose(0, 2, 3, 1)
    if name.startswith(("caffe_alexnet", "caffe_caffenet")):
        values[:, 224:] = 0
        values[:, :, 224:] = 0
    if name.startswith(("caffe_alexnet", "caffe_caffenet", "caffe_googlenet")):
        values *= 50
    return values


def rounded(name: str) -> np.ndarray:
    """The input with each value off by one float32 rounding, float64."""
    values = image(name).astype("float64")
    signs = np.random.default_rng(1).choice([-1.0, 1.0], values.shape)
    return values * (1 + 2.0**-24 * signs)


def logits(name: str) -> np.ndarray:
    """(2, 1000) float64."""
    return np.load(ORACLES / f"{name}.npz")["logits"]


def difference(found: np.ndarray, name: str) -> float:
    """The largest difference, as a part of the largest logit."""
    wanted = logits(name)
    return float(abs(found - wanted).max() / abs(wanted).max())
