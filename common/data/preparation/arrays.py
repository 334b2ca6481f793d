"""MNIST's, CIFAR's and SVHN's own files.

CIFAR's Python form is pickled: nothing in it but arrays, bytes, lists and dicts
is ever made.
"""

import dataclasses
import functools
import gzip
import io
import pathlib
import pickle
import struct
import tarfile
from typing import Any

import numpy as np

from common.data.images.jpeg import read_header
from common.data.preparation import folders
from common.data.preparation.raw_images import Original, Originals
from common.errors import RunError
from common.lazy import tf

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
_CIFAR = {  # archive -> the folder inside of it, and how its files end
    10: {
        "cifar-10-binary.tar.gz": ("cifar-10-batches-bin", ".bin"),
        "cifar-10-python.tar.gz": ("cifar-10-batches-py", ""),
    },
    100: {
        "cifar-100-binary.tar.gz": ("cifar-100-binary", ".bin"),
        "cifar-100-python.tar.gz": ("cifar-100-python", ""),
    },
}
_BATCHES = {
    10: {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)},
    100: {"train": ("train",), "test": ("test",)},
}
_INSIDE = "::"  # between an archive and its member


def mnist(folder: pathlib.Path) -> Originals:
    """From {train,t10k}-{images-idx3,labels-idx1}-ubyte, or the same .gz.

    Raises:
        RunError: if a file is missing or damaged.
    """
    splits = {}
    for split, prefix in _MNIST.items():
        path = _find_idx(folder, f"{prefix}-images-idx3-ubyte")
        splits[split] = _images(str(path), path, split)
    return Originals(
        layout=f"the idx files in {folder}", classes=DIGITS, splits=splits, image_shape=(28, 28, 1)
    )


def svhn(folder: pathlib.Path) -> Originals:
    """From {train,test}_32x32.mat, and extra_32x32.mat if that is there.

    Raises:
        RunError: if a file is missing or damaged.
    """
    splits = {}
    for split in ("train", "test", "extra"):
        path = folder / f"{split}_32x32.mat"
        if path.is_file():
            splits[split] = _images(str(path), path, split)
        elif split != "extra":
            raise RunError(
                f"{folder} has no {path.name}. SVHN's files of cropped digits "
                "are at http://ufldl.stanford.edu/housenumbers/ (250 MB; 1.3 "
                "GB more with extra_32x32.mat)."
            )
    return Originals(
        layout=f"the .mat files in {folder}", classes=DIGITS, splits=splits, image_shape=(32, 32, 3)
    )


def cifar10(folder: pathlib.Path) -> Originals:
    """From cifar-10-{binary,python}.tar.gz, or the folders inside.

    Raises:
        RunError: if a file is missing or damaged.
    """
    if found := _in_batches(folder, CIFAR10):
        return found
    raise RunError(
        f"{folder} has neither cifar-10-binary.tar.gz nor cifar-10-python.tar.gz, nor what is "
        "inside of them. Both are at https://www.cs.toronto.edu/~kriz/cifar.html (163 MB)."
    )


def cifar100(folder: pathlib.Path) -> Originals:
    """From cifar-100-{binary,python}.tar.gz, the folders inside, or PNG files.

    PNG files lie as {train,test}/CLASS/*.png. The labels are the fine ones.

    Raises:
        RunError: if a file is missing or damaged, or the classes are others.
    """
    if found := _in_batches(folder, CIFAR100):
        return found
    if not all((folder / split).is_dir() for split in _BATCHES[100]):
        raise RunError(
            f"{folder} has neither cifar-100-binary.tar.gz nor cifar-100-python.tar.gz, nor what "
            "is inside of them, nor class folders of PNG files in train and test. Both archives "
            "are at https://www.cs.toronto.edu/~kriz/cifar.html (161 MB)."
        )
    found = folders.find(folder)
    if found.classes != CIFAR100:
        odd = sorted(set(found.classes) ^ set(CIFAR100))
        raise RunError(
            f"{folder} has {len(found.classes)} class folders that are not the 100 of this set; "
            f"those that one of them lacks: {', '.join(odd[:5])}{' ...' if len(odd) > 5 else ''}. "
            "Name them as the official archive does."
        )
    for split, images in found.splits.items():
        for image in images:
            _require_png(image.path)
        found.splits[split] = [image._replace(kind="png") for image in images]
    return dataclasses.replace(
        found,
        images_per_shard=Originals.images_per_shard,
        lossless=False,
        image_shape=(32, 32, 3),
    )


def _in_batches(folder: pathlib.Path, classes: tuple[str, ...]) -> Originals | None:
    """CIFAR's images in the first form that is there."""
    batches = _BATCHES[len(classes)]
    for name, (inside, ends) in _CIFAR[len(classes)].items():
        forms = [  # (path of a batch with {} for its name, what it lies in)
            (f"{place}/{{}}{ends}", place)
            for place in (folder / inside, folder)
            if (place / f"{batches['test'][0]}{ends}").is_file()
        ]
        if (archive := folder / name).is_file():
            forms.append((f"{archive}{_INSIDE}{inside}/{{}}{ends}", archive))
        if forms:
            path, where = forms[0]
            splits = {
                split: [i for name in names for i in _images(path.format(name), where, name)]
                for split, names in batches.items()
            }
            return Originals(
                layout=str(where), classes=classes, splits=splits, image_shape=(32, 32, 3)
            )
    return None


def _images(path: str, lies_in: pathlib.Path, name: str) -> list[Original]:
    images, labels = read(path)
    facts = (images[0].nbytes if len(images) else 0, lies_in.stat().st_mtime_ns)
    return [
        Original(f"{name}/{i:05d}", int(label), path, "array", i, *facts)
        for i, label in enumerate(labels)
    ]


def _require_png(path: str) -> None:
    try:
        header = read_header(pathlib.Path(path).read_bytes())
        found = (header.height, header.width, header.components)
        if header.kind == "PNG" and header.complete and found == (32, 32, 3):
            return
        why = f"it is {header.kind}, {found[0]}x{found[1]} of {found[2]}"
    except ValueError as error:
        why = str(error)
    raise RunError(
        f"{path} is no whole PNG file of 32x32 colour pixels: {why}. Images of this set are never "
        "re-encoded: get the file again."
    )


def read_png(path: str) -> np.ndarray:
    """(H, W, 3) uint8: the pixels of a PNG file.

    Raises:
        OSError: if it cannot be read or decoded.
    """
    try:
        return tf.io.decode_png(tf.io.read_file(path), 3).numpy()
    except tf.errors.OpError as error:
        raise OSError(f"{path} cannot be decoded") from error


@functools.lru_cache(maxsize=6)
def read(path: str) -> tuple[np.ndarray, np.ndarray]:
    """((N, H, W, C), (N,)) uint8: images and labels of a file of any of these sets.

    Raises:
        RunError: if it is damaged; of MNIST, if the file of the labels is missing.
    """
    try:
        if "ubyte" in path:
            file = pathlib.Path(path)
            split = file.name.partition("-")[0]
            images = _read_idx(file)[..., None]
            labels = _read_idx(_find_idx(file.parent, f"{split}-labels-idx1-ubyte"))
        elif path.endswith(".mat"):
            images, labels = _read_mat(path)
        else:
            images, labels = _read_batch(path)
        if len(images) != len(labels):
            raise ValueError(f"it has {len(images)} images, and there are {len(labels)} labels")
    except RunError:
        raise
    except Exception as error:  # gzip, pickle, SciPy, struct and tarfile have many kinds
        raise RunError(f"{path} is damaged: {error}. Get it again.") from error
    return images, labels


def _find_idx(folder: pathlib.Path, name: str) -> pathlib.Path:
    for form in (name, f"{name}.gz", name.replace("-idx", ".idx")):
        if (folder / form).is_file():
            return folder / form
    raise RunError(
        f"{folder} has no {name}.gz. MNIST's four files are at "
        "https://storage.googleapis.com/cvdf-datasets/mnist/ (11 MB)."
    )


def _read_idx(path: pathlib.Path) -> np.ndarray:
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    axes = data[3]
    shape = struct.unpack_from(f">{axes}I", data, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _read_batch(path: str) -> tuple[np.ndarray, np.ndarray]:
    """One of CIFAR's; of CIFAR-100 the fine labels."""
    archive, inside, member = path.partition(_INSIDE)
    if inside:
        with tarfile.open(archive) as tar:  # read within, never unpacked
            data = tar.extractfile(member).read()
    else:
        data = pathlib.Path(path).read_bytes()
    fine = pathlib.PurePath(path).stem in ("train", "test")
    if path.endswith(".bin"):  # CIFAR-100: coarse label, fine label, pixels
        table = np.frombuffer(data, np.uint8).reshape(-1, 3073 + fine)
        labels, planes = table[:, int(fine)], table[:, 1 + fine :]
    else:
        batch = _Plain(io.BytesIO(data), encoding="bytes").load()
        labels = np.uint8(batch[b"fine_labels" if fine else b"labels"])
        planes = batch[b"data"]
    return planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels


def _read_mat(path: str) -> tuple[np.ndarray, np.ndarray]:
    """One of SVHN's, which have 10 for 0."""
    import scipy.io

    found = scipy.io.loadmat(path, variable_names=("X", "y"))
    images, labels = found["X"].transpose(3, 0, 1, 2), found["y"].reshape(-1)
    if images.shape[1:] != (32, 32, 3) or images.dtype != np.uint8:
        raise ValueError(f"X is {images.dtype} of {found['X'].shape}")
    if not set(labels.tolist()) <= set(range(1, 11)):
        raise ValueError("y is not of 1 to 10")
    return images, np.uint8(labels % 10)


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
