"""Small data sets and recipes for the tests of the data path."""

import dataclasses
import functools
import os
import pathlib
import tempfile
import zlib
from unittest import mock

import numpy as np
import tensorflow as tf

from common.data import catalog
from common.data.sources import photographs, sample
from common.data.statistics import Statistics
from common.data.transforms import (
    CentreCrop,
    Pad,
    RandomCrop,
    RandomFlip,
    ResizeShorterSide,
    ScalePixels,
)
from common.recipes.recipe import Recipe

DIGITS = Recipe(
    data="sample",
    image_size=32,
    channels=1,
    num_classes=10,
    epochs=1,
    global_batch_size=32,
    optimizer=None,
    schedule=None,
    loss=None,
    synchronized_batch_norm=True,
    train_transforms=(Pad(2),),
    normalize=ScalePixels(-0.1, 1.175),
    test_transforms=(Pad(2),),
    views=("single",),
    monitor="single",
    healthy_after=1,
)
FRAME = (ResizeShorterSide(64), CentreCrop(64))
PHOTOS = dataclasses.replace(
    DIGITS,
    image_size=56,
    channels=3,
    global_batch_size=8,
    train_transforms=(*FRAME, RandomCrop(56), RandomFlip()),
    normalize=ScalePixels(0.0, 255.0),
    test_transforms=FRAME,
    views=("ten_crop",),
)


@functools.cache
def _cache() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory()


@functools.cache
def shapes():
    """30 training and 10 test images of the embedded JPEG set."""
    with mock.patch.dict(os.environ, XDG_CACHE_HOME=_cache().name):
        sample.prepare("sample_shapes", {"train": 30, "test": 10})
        return catalog.open_source(catalog.find("sample"))


@functools.cache
def digits():
    """The embedded digits."""
    with mock.patch.dict(os.environ, XDG_CACHE_HOME=_cache().name):
        return catalog.open_source(catalog.find("sample", 1))


@functools.cache
def mnist(shared_data):
    """The real one."""
    return catalog.open_source(catalog.find("mnist"), str(shared_data / "tfds"))


def noise_image(height, width, channels=3, seed=0):
    """Blurred noise: smooth as a photograph, different at each place."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (height // 8 + 2, width // 8 + 2, channels))
    return tf.image.resize(coarse, (height, width), "bicubic").numpy().clip(0, 255).astype(np.uint8)


def write_image(path: pathlib.Path, image) -> None:
    """As PNG or JPEG, by the file's name."""
    png = path.suffix == ".png"
    encode = tf.io.encode_png if png else tf.io.encode_jpeg
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(image).numpy())


def write_images(root: pathlib.Path, counts, size=(20, 20)) -> pathlib.Path:
    """Folder in `root` -> how many JPEG files, 0.jpg ..., each another image; `root`."""
    for place, count in counts.items():
        (root / place).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            image = noise_image(*size, seed=zlib.crc32(f"{place} {i}".encode()))
            write_image(root / place / f"{i}.jpg", image)
    return root


def as_predict_sees(path: pathlib.Path):
    """The PIL image, at most 480 pixels a side; a ValueError says why there is none."""
    source = photographs.Photographs([path], side=None, digits=False)
    list(source.records(photographs.SPLIT))
    if source.unreadable:
        raise ValueError(source.unreadable[path])
    return source.thumbnails[0]


def statistics_of(mean_image, covariance=((1.0, 0, 0), (0, 1, 0), (0, 0, 1))) -> Statistics:
    """Those of a training set with this mean."""
    return Statistics(
        mean_image=mean_image,
        pixel_mean=mean_image.mean((0, 1)).astype("float64"),
        pixel_std=np.ones(3),
        covariance=np.array(covariance),
    )


def image_folder(root: pathlib.Path, train=12, validation=5):
    """PATH/SPLIT/CLASS of two classes, PNG and JPEG, odd sizes; its source."""
    for split, count in (("train", train), ("validation", validation)):
        for i in range(count):
            name = f"{split}/{'ab'[i % 2]}/{i:03}.{('png', 'jpg')[i % 3 > 0]}"
            image = noise_image(71 + 2 * i, 93 - i, seed=i)
            write_image(root / name, image)
    return catalog.open_source(catalog.find(f"folder:{root}"))
