"""The embedded data sets: made here from a seed, without any download.

Two sets under TFDS names, in ordinary TFDS record files: `sample_shapes`,
synthetic JPEG files of ImageNet-like sizes, and `sample_digits`, the UCI
handwritten digits that scikit-learn brings, made to look like MNIST.
"""

import contextlib
import functools
import io
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from common.data.sources import drawing
from common.files import cache_dir, reason
from common.lazy import tf

_VERSION = "1.0.0"
_SEED = 20_120_930
SHAPES = {"train": 1_000, "test": 200}  # images; equally many of each class
_DIGITS_TEST = 360  # of 1,797
_JPEG_QUALITY = 90


def prepare(name: str, shapes: dict[str, int] | None = None) -> pathlib.Path:
    """The folder of the prepared set; made in seconds, in the cache, if it is not there.

    Several processes may do this at once: each writes a folder of its own, and one is kept.
    Where the cache cannot be written, the set is made in a folder of this process.

    Args:
        name: "sample_shapes" or "sample_digits".
        shapes: Images in each split of sample_shapes; `SHAPES` if None. Ask
            for other numbers only in a cache of its own.
    """
    try:
        return _make(name, cache_dir() / "data" / name, shapes or SHAPES)
    except Exception as error:
        if reason(error) is None:
            raise
        return _make(name, pathlib.Path(_own_cache().name, name), shapes or SHAPES)


@functools.cache
def _own_cache() -> tempfile.TemporaryDirectory:
    """A folder that goes when this process ends."""
    return tempfile.TemporaryDirectory(prefix="classic-convnets-", ignore_cleanup_errors=True)


def _make(name: str, parent: pathlib.Path, shapes: dict[str, int]) -> pathlib.Path:
    """The set's folder in `parent`, whole."""
    final = parent / _VERSION
    if (final / "dataset_info.json").exists():
        return final
    parent.mkdir(parents=True, exist_ok=True)
    partial = tempfile.TemporaryDirectory(dir=parent, prefix="partial-", ignore_cleanup_errors=True)
    with partial as temporary:
        if name == "sample_shapes":
            written = _write_shapes(temporary, shapes)
        else:
            written = _write_digits(temporary)
        try:
            os.replace(written, final)
        except OSError:  # another process was faster
            if not (final / "dataset_info.json").exists():
                raise
    return final


def _write_shapes(folder: str, sizes: dict[str, int]) -> str:
    import tensorflow_datasets as tfds

    def examples(split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for i in range(sizes[split]):
            rng = np.random.default_rng((_SEED, list(SHAPES).index(split), i))
            label = i % len(drawing.CLASSES)
            encoded = tf.io.encode_jpeg(drawing.draw(label, rng), quality=_JPEG_QUALITY)
            yield (f"{split}{i}", {"image": io.BytesIO(encoded.numpy()), "label": label})

    image = tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg")
    return _write(folder, "sample_shapes", image, drawing.CLASSES, examples, "Synthetic.")


def _write_digits(folder: str) -> str:
    import tensorflow_datasets as tfds
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(_SEED).permutation(len(digits.images))
    split_of = {"test": order[:_DIGITS_TEST], "train": order[_DIGITS_TEST:]}

    def examples(split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for i in split_of[split]:
            image = like_mnist(digits.images[i])
            yield f"{i}", {"image": image, "label": int(digits.target[i])}

    image = tfds.features.Image(shape=(28, 28, 1), encoding_format="png")
    classes = tuple(str(name) for name in digits.target_names)
    about = "UCI optical recognition of handwritten digits, from scikit-learn."
    return _write(folder, "sample_digits", image, classes, examples, about)


def like_mnist(digit: np.ndarray) -> np.ndarray:
    """An (8, 8) scan, 0 .. 16, as (28, 28, 1) uint8, 0 .. 255.

    Enlarged to 20 x 20, bilinear, in the middle of a black field.
    """
    large = tf.image.resize(digit[..., None] * (255 / 16), (20, 20))
    return np.pad(np.rint(large).astype(np.uint8), ((4, 4), (4, 4), (0, 0)))


def _write(
    folder: str, name: str, image: Any, classes: tuple[str, ...], examples: Any, description: str
) -> str:
    """Both splits as TFDS record files; returns their folder."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    with contextlib.redirect_stdout(io.StringIO()):  # TFDS prints
        builder = tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version=_VERSION,
            description=description,
            features=tfds.features.FeaturesDict(
                {"image": image, "label": tfds.features.ClassLabel(names=list(classes))}
            ),
            split_datasets={split: examples(split) for split in SHAPES},
            data_dir=folder,
        )
    return str(builder.data_dir)
