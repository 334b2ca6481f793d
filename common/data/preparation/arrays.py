"""MNIST's and CIFAR-10's own files.

CIFAR-10's Python form is pickled: nothing in it but arrays, bytes, lists and
dicts is ever made.
"""

import functools
import gzip
import io
import pathlib
import pickle
import struct
import tarfile
import zlib
from typing import Any

import numpy as np

from common.data.preparation.originals import Original, Originals, stamp
from common.errors import RunError

DIGITS = tuple(str(digit) for digit in range(10))
CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_MNIST = {"train": "train", "test": "t10k"}
_BATCHES = {
    "train": tuple(f"data_batch_{i}" for i in range(1, 6)),
    "test": ("test_batch",),
}
_INSIDE = "::"  # between an archive and its member
_PER_SHARD = 10_000


def mnist(folder: pathlib.Path) -> Originals:
    """From {train,t10k}-{images-idx3,labels-idx1}-ubyte, or the same .gz.

    Raises:
        RunError: if a file is missing or damaged.
    """
    splits = {}
    for split, prefix in _MNIST.items():
        images = _existing(folder, f"{prefix}-images-idx3-ubyte")
        labels = _idx(_existing(folder, f"{prefix}-labels-idx1-ubyte"))
        splits[split] = _split(str(images), stamp(images), labels, split)
    return Originals(
        layout=f"the idx files in {folder}",
        classes=DIGITS,
        splits=splits,
        images_per_shard=_PER_SHARD,
        image_shape=(28, 28, 1),
    )


def cifar10(folder: pathlib.Path) -> Originals:
    """From cifar-10-{binary,python}.tar.gz, or the folders inside.

    Raises:
        RunError: if a file is missing or damaged.
    """
    for form, inside, suffix in (
        ("binary", "cifar-10-batches-bin", ".bin"),
        ("python", "cifar-10-batches-py", ""),
    ):
        archive = folder / f"cifar-10-{form}.tar.gz"
        for found in (folder / inside, folder):
            if (found / f"test_batch{suffix}").is_file():
                return _cifar10(f"{found}/{{}}{suffix}", found)
        if archive.is_file():
            return _cifar10(f"{archive}{_INSIDE}{inside}/{{}}{suffix}", archive)
    raise RunError(
        f"{folder} has neither cifar-10-binary.tar.gz nor "
        "cifar-10-python.tar.gz, nor what is inside of them. Both are at "
        "https://www.cs.toronto.edu/~kriz/cifar.html (170 MB)."
    )


def _cifar10(template: str, where: pathlib.Path) -> Originals:
    def batch(name: str) -> list[Original]:
        path = template.format(name)
        return _split(path, stamp(where), _cifar(path)[1], name)

    splits = {
        split: [image for name in names for image in batch(name)]
        for split, names in _BATCHES.items()
    }
    return Originals(
        layout=str(where),
        classes=CIFAR10,
        splits=splits,
        images_per_shard=_PER_SHARD,
        image_shape=(32, 32, 3),
    )


def pixels(path: str) -> np.ndarray:
    """(N, H, W, C) uint8: the images of a file of either set."""
    if "ubyte" in path:
        return _idx(pathlib.Path(path))[..., None]
    return _cifar(path)[0]


def _split(
    path: str, changed: int, labels: np.ndarray, name: str
) -> list[Original]:
    images = pixels(path)
    if len(images) != len(labels):
        raise RunError(
            f"{path} has {len(images)} images, and there are {len(labels)} "
            "labels for them. Download both again."
        )
    size = images[0].nbytes if len(images) else 0
    return [
        Original(f"{name}/{i:05d}", int(k), path, "array", i, size, changed)
        for i, k in enumerate(labels)
    ]


def _existing(folder: pathlib.Path, name: str) -> pathlib.Path:
    names = (name, f"{name}.gz", name.replace("-idx", ".idx"))
    for path in (folder / form for form in names):
        if path.is_file():
            return path
    raise RunError(
        f"{folder} has no {name}.gz. MNIST's four files are at "
        "https://storage.googleapis.com/cvdf-datasets/mnist/ (11 MB)."
    )


@functools.lru_cache(maxsize=4)
def _idx(path: pathlib.Path) -> np.ndarray:
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        axes = data[3]
        shape = struct.unpack_from(f">{axes}I", data, 4)
        return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (OSError, EOFError, zlib.error, ValueError, IndexError) as error:
        raise RunError(f"{path} is damaged: {error}. Get it again.") from error
    except struct.error as error:
        raise RunError(f"{path} is no idx file: {error}.") from error


@functools.lru_cache(maxsize=6)
def _cifar(path: str) -> tuple[np.ndarray, np.ndarray]:
    """((N, 32, 32, 3), (N,)) uint8 of one batch."""
    try:
        data = _batch_bytes(path)
        if path.endswith(".bin"):
            table = np.frombuffer(data, np.uint8).reshape(-1, 3073)
            labels, planes = table[:, 0], table[:, 1:]
        else:
            batch = _Plain(io.BytesIO(data), encoding="bytes").load()
            labels, planes = np.uint8(batch[b"labels"]), batch[b"data"]
        images = planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    except (
        *(OSError, EOFError, KeyError, ValueError, zlib.error),
        *(tarfile.TarError, pickle.UnpicklingError),
    ) as error:
        raise RunError(f"{path} is damaged: {error}. Get it again.") from error
    return images, labels


def _batch_bytes(path: str) -> bytes:
    archive, inside, member = path.partition(_INSIDE)
    if not inside:
        return pathlib.Path(path).read_bytes()
    with tarfile.open(archive) as tar:  # read within, never unpacked
        return tar.extractfile(member).read()


class _Plain(pickle.Unpickler):
    """Makes NumPy arrays and what needs no import."""

    _ALLOWED = {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"it would import {module}.{name}")
        return super().find_class(module.replace(".core.", "._core."), name)
