"""MNIST's, CIFAR's and SVHN's own files.

CIFAR's Python form is pickled: nothing in it but arrays, bytes, lists and dicts
is ever made.
"""

import functools
import gzip
import io
import pathlib
import pickle
import struct
import tarfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from common.data.images.jpeg import read_header
from common.data.preparation import folders
from common.data.preparation.raw_images import Original, Originals, stamp
from common.errors import RunError

DIGITS = tuple(str(digit) for digit in range(10))
CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
# In the order of the labels, which is the alphabet's.
CIFAR100 = tuple(
    """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy
bridge bus butterfly camel can castle caterpillar cattle chair chimpanzee
clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
leopard lion lizard lobster man maple_tree motorcycle mountain mouse
mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree
plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea
seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train
trout tulip turtle wardrobe whale willow_tree wolf woman worm
""".split()
)
_MNIST = {"train": "train", "test": "t10k"}
_BATCHES = {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}
_FILES = {"train": ("train",), "test": ("test",)}  # of CIFAR-100
_SVHN = ("train", "test", "extra")
_INSIDE = "::"  # between an archive and its member


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
        image_shape=(28, 28, 1),
    )


def cifar10(folder: pathlib.Path) -> Originals:
    """From cifar-10-{binary,python}.tar.gz, or the folders inside.

    Raises:
        RunError: if a file is missing or damaged.
    """
    names = {
        "cifar-10-binary.tar.gz": ("cifar-10-batches-bin", ".bin"),
        "cifar-10-python.tar.gz": ("cifar-10-batches-py", ""),
    }
    for template, where in _templates(folder, names, "test_batch"):
        return _of_batches(template, where, CIFAR10, _BATCHES)
    raise RunError(
        f"{folder} has neither cifar-10-binary.tar.gz nor cifar-10-python.tar.gz, nor what is "
        "inside of them. Both are at https://www.cs.toronto.edu/~kriz/cifar.html (170 MB)."
    )


def cifar100(folder: pathlib.Path) -> Originals:
    """From cifar-100-{binary,python}.tar.gz, the folders inside, or PNG files.

    PNG files lie as {train,test}/CLASS/*.png. The labels are the fine ones.

    Raises:
        RunError: if a file is missing or damaged, or the classes are others.
    """
    names = {
        "cifar-100-binary.tar.gz": ("cifar-100-binary", ".bin"),
        "cifar-100-python.tar.gz": ("cifar-100-python", ""),
    }
    for template, where in _templates(folder, names, "test"):
        return _of_batches(template, where, CIFAR100, _FILES)
    if not all((folder / split).is_dir() for split in _FILES):
        raise RunError(
            f"{folder} has neither cifar-100-binary.tar.gz nor cifar-100-python.tar.gz, nor what "
            "is inside of them, nor class folders of PNG files in train and test. Both archives "
            "are at https://www.cs.toronto.edu/~kriz/cifar.html (161 MB)."
        )
    return _of_pngs(folder, CIFAR100, (32, 32, 3))


def svhn(folder: pathlib.Path) -> Originals:
    """From {train,test}_32x32.mat, and extra_32x32.mat if that is there.

    Raises:
        RunError: if a file is missing or damaged.
    """
    splits = {}
    for split in _SVHN:
        path = folder / f"{split}_32x32.mat"
        if path.is_file():
            labels = _mat(str(path))[1]
            splits[split] = _split(str(path), stamp(path), labels, split)
        elif split != "extra":
            raise RunError(
                f"{folder} has no {path.name}. SVHN's files of cropped digits "
                "are at http://ufldl.stanford.edu/housenumbers/ (250 MB; 1.3 "
                "GB more with extra_32x32.mat)."
            )
    return Originals(
        layout=f"the .mat files in {folder}",
        classes=DIGITS,
        splits=splits,
        image_shape=(32, 32, 3),
    )


def _templates(
    folder: pathlib.Path, names: dict[str, tuple[str, str]], last: str
) -> Iterator[tuple[str, pathlib.Path]]:
    """(path of a batch with {} for its name, what it lies in) of each form.

    Args:
        folder: Where the downloads are.
        names: Of each archive: the folder inside of it, and the suffix.
        last: The name of the batch that is looked for.
    """
    for name, (inside, suffix) in names.items():
        for found in (folder / inside, folder):
            if (found / f"{last}{suffix}").is_file():
                yield f"{found}/{{}}{suffix}", found
        if (archive := folder / name).is_file():
            yield f"{archive}{_INSIDE}{inside}/{{}}{suffix}", archive


def _of_pngs(
    folder: pathlib.Path, classes: tuple[str, ...], shape: tuple[int, int, int]
) -> Originals:
    found = folders.find(folder)
    if found.classes != classes:
        odd = sorted(set(found.classes) ^ set(classes))
        raise RunError(
            f"{folder} has {len(found.classes)} class folders that are not the "
            f"{len(classes)} of this set; those that one of them lacks: "
            f"{', '.join(odd[:5])}{' ...' if len(odd) > 5 else ''}. Name them "
            "as the official archive does."
        )
    for image in (one for images in found.splits.values() for one in images):
        _require_png(image.path, shape)
    return Originals(
        layout=found.layout,
        classes=classes,
        splits={
            split: [image._replace(kind="png") for image in images]
            for split, images in found.splits.items()
        },
        image_shape=shape,
        ignored=found.ignored,
        notes=found.notes,
    )


def _require_png(path: str, shape: tuple[int, int, int]) -> None:
    try:
        header = read_header(pathlib.Path(path).read_bytes())
        found = (header.height, header.width, header.components)
        if header.kind == "PNG" and header.complete and found == shape:
            return
        why = f"it is {header.kind}, {found[0]}x{found[1]} of {found[2]}"
    except ValueError as error:
        why = str(error)
    raise RunError(
        f"{path} is no whole PNG file of {shape[0]}x{shape[1]} colour pixels: "
        f"{why}. Images of this set are never re-encoded: get the file again."
    )


def png(path: str) -> np.ndarray:
    """(H, W, 3) uint8: the pixels of a PNG file.

    Raises:
        OSError: if it cannot be read or decoded.
    """
    import tensorflow as tf

    try:
        return tf.io.decode_png(tf.io.read_file(path), 3).numpy()
    except tf.errors.OpError as error:
        raise OSError(f"{path} cannot be decoded") from error


def _of_batches(
    template: str,
    where: pathlib.Path,
    classes: tuple[str, ...],
    batches: dict[str, tuple[str, ...]],
) -> Originals:
    def batch(name: str) -> list[Original]:
        path = template.format(name)
        return _split(path, stamp(where), _cifar(path)[1], name)

    splits = {
        split: [image for name in names for image in batch(name)]
        for split, names in batches.items()
    }
    return Originals(
        layout=str(where),
        classes=classes,
        splits=splits,
        image_shape=(32, 32, 3),
    )


def pixels(path: str) -> np.ndarray:
    """(N, H, W, C) uint8: the images of a file of any of these sets."""
    if "ubyte" in path:
        return _idx(pathlib.Path(path))[..., None]
    if path.endswith(".mat"):
        return _mat(path)[0]
    return _cifar(path)[0]


def _split(path: str, changed: int, labels: np.ndarray, name: str) -> list[Original]:
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
    """((N, 32, 32, 3), (N,)) uint8 of one batch; CIFAR-100's fine labels."""
    fine = pathlib.PurePath(path).stem in ("train", "test")
    try:
        data = _batch_bytes(path)
        if path.endswith(".bin"):  # CIFAR-100: coarse label, fine label, pixels
            table = np.frombuffer(data, np.uint8).reshape(-1, 3073 + fine)
            labels, planes = table[:, int(fine)], table[:, 1 + fine :]
        else:
            batch = _Plain(io.BytesIO(data), encoding="bytes").load()
            labels = np.uint8(batch[b"fine_labels" if fine else b"labels"])
            planes = batch[b"data"]
        images = planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    except (
        *(OSError, EOFError, KeyError, ValueError, zlib.error),
        *(tarfile.TarError, pickle.UnpicklingError),
    ) as error:
        raise RunError(f"{path} is damaged: {error}. Get it again.") from error
    return images, labels


@functools.lru_cache(maxsize=2)
def _mat(path: str) -> tuple[np.ndarray, np.ndarray]:
    """((N, 32, 32, 3), (N,)) uint8 of a file of SVHN, which has 10 for 0."""
    import scipy.io

    try:
        found = scipy.io.loadmat(path, variable_names=("X", "y"))
        images = found["X"].transpose(3, 0, 1, 2)
        labels = found["y"].reshape(-1)
        if images.shape[1:] != (32, 32, 3) or images.dtype != np.uint8:
            raise ValueError(f"X is {images.dtype} of {found['X'].shape}")
        if not set(labels.tolist()) <= set(range(1, 11)):
            raise ValueError("y is not of 1 to 10")
    except Exception as error:  # whatever scipy raises for a damaged file
        raise RunError(f"{path} is damaged: {error}. Get it again.") from error
    return images, np.uint8(labels % 10)


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
