"""A person's own image files, as a source for the pipeline's test images.

Whatever they are, they become what the training images are, by the same
decoders (common.data.images.decoder). One thing is added: a photograph that its EXIF
data ask to turn is turned, for people look at it upright. Training and exported
models leave it as it is stored, as the papers' loaders did. Importing this
module imports no TensorFlow.
"""

import io
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from common.data.dataset import DataSet, Source
from common.data.images import decoder
from common.data.images.repair import decode
from common.data.sources import folder
from common.errors import UsageError
from common.lazy import tf

SPLIT = "photographs"
LINKS = "links to folders, which may lead in a circle: name them yourself"
_THUMBNAIL = 480  # pixels, the longer side
_DIGIT = 20 / 28  # of the field's side
_FAINT = 0.2  # of the strongest ink: the paper's own shades
_UPRIGHT = {  # from EXIF's orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def find(words: Sequence[str]) -> tuple[tuple[pathlib.Path, ...], list[str]]:
    """The files that are meant; of a folder, its images and those of the folders inside.

    Returns:
        The files, and sentences on what was left out of folders.

    Raises:
        UsageError: if there is no such file, or no image in a folder.
        RunError: if a folder cannot be read.
    """
    paths, notes = [], []
    for word in words:
        path = pathlib.Path(word).expanduser()
        if path.is_symlink() and not path.exists():
            raise UsageError(f"{path} is a link that leads nowhere.")
        if not path.exists():
            raise UsageError(f"There is no photograph {path}.")
        inside, left_out = _images_in(path) if path.is_dir() else ([path], [])
        paths += inside
        notes += left_out
    return tuple(paths), notes


def _images_in(path: pathlib.Path) -> tuple[list[pathlib.Path], list[str]]:
    """The images of a folder and of all folders inside of it, by name; and notes."""
    layout = folder.Layout(root=path)

    def inside(place: str) -> Iterator[pathlib.Path]:
        folders, images = layout.sort_out(place)
        yield from (path / place / name for name in images)
        for here in (os.path.join(place, name) for name in folders):
            if os.path.islink(path / here):
                layout.leave_out(LINKS, [here])
            else:
                yield from inside(here)

    images = list(inside(""))
    notes = [f"{path}: {note}" for note in layout.omissions()]
    if not images:
        none = (
            f"The folder {path} has no photographs: no file, in it or in folders inside of it, "
            f"that ends in {', '.join(folder.SUFFIXES)}."
        )
        raise UsageError(" ".join([none, *notes]))
    return images, notes


def thumbnail(data: bytes) -> Image.Image:
    """A small copy of an encoded image, RGB, as it is stored.

    Raises:
        ValueError: if it is no image, or is damaged.
    """
    return _small(_pixels(decoder.readable(data)))


def _small(image: Image.Image) -> Image.Image:
    small = image.copy()
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    return small


def _pixels(found: decoder.Encoded) -> Image.Image:
    """As the pipeline decodes it."""
    return Image.fromarray(decode(found.data, found.header, 3).numpy())


class Photographs(Source):
    """Files in the order given.

    Attributes:
        dataset: A row as of the catalogue, with the one split SPLIT.
        unreadable: File -> why, of those that were left out so far.
        turned: Files that EXIF data made upright so far.
        thumbnails: Small copies of those that were read, by their place.
    """

    def __init__(self, paths: Sequence[pathlib.Path], *, side: int | None, digits: bool):
        """Which files, and what the network's training images were like.

        Args:
            side: Their height and width, if all had the same and the recipe
                resizes nothing: the largest square of a photograph's centre
                is then resized to it.
            digits: Whether they were MNIST's: see `as_digit`.
        """
        self.paths = tuple(paths)
        self.unreadable: dict[pathlib.Path, str] = {}
        self.turned: list[pathlib.Path] = []
        self.thumbnails: dict[int, Image.Image] = {}
        self.image_shape = (side, side) if side else None
        self._digits = digits
        self.dataset = DataSet(
            name=SPLIT,
            title=SPLIT,
            num_classes=0,
            channels=3,
            splits={SPLIT: len(self.paths)},
            test_split=SPLIT,
        )

    def records(self, split: str) -> Any:
        """A tf.data.Dataset of the files that can be read; `id` is the place.

        `image` is the file itself where nothing is done to it, else PNG;
        `label` is 0.
        """
        kinds = {"image": tf.string, "label": tf.int64, "id": tf.string}
        return tf.data.Dataset.from_generator(
            self._records,
            output_signature={name: tf.TensorSpec((), kind) for name, kind in kinds.items()},
        )

    def _records(self) -> Iterator[dict[str, Any]]:
        for place, path in enumerate(self.paths):
            try:
                found = decoder.readable(path.read_bytes())
                stored = _pixels(found)
            except (OSError, ValueError) as error:
                self.unreadable[path] = getattr(error, "strerror", None) or str(error)
                continue
            image = stored
            if found.orientation in _UPRIGHT:
                image = stored.transpose(_UPRIGHT[found.orientation])
                self.turned.append(path)
            self.thumbnails[place] = _small(image)
            if self.image_shape is not None and image.size != self.image_shape:
                if self._digits:
                    image = as_digit(image, self.image_shape[0])
                else:
                    image = ImageOps.fit(image, self.image_shape, Image.Resampling.LANCZOS)
            data = found.data
            if image is not stored:
                made = io.BytesIO()
                image.save(made, "png", compress_level=0)
                data = made.getvalue()
            yield {"image": data, "label": 0, "id": str(place)}


def as_digit(image: Image.Image, side: int) -> Image.Image:
    """A photograph of a digit as MNIST's were prepared.

    LeCun et al. 1998, Sec. III-A: grey, bright on a dark ground, size
    normalised to fit a 20 x 20 box, its centre of mass in the centre of a
    28 x 28 field. What is paper and what is ink is our guess: the median grey
    is the paper, and a row or column is the digit's if it has ink at least
    half as strong as the strongest.
    """
    grey = np.asarray(image.convert("L")).astype(np.float64)
    ink = np.abs(grey - np.median(grey))
    ink = (ink / max(ink.max(), 1) - _FAINT).clip(0) / (1 - _FAINT)
    rows, columns = (np.flatnonzero(ink.max(axis=k) >= 0.5) for k in (1, 0))
    if not len(rows):
        return Image.new("RGB", (side, side))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = side * _DIGIT / max(cut.shape)
    size = [max(1, round(n * scale)) for n in cut.shape[::-1]]
    digit = Image.fromarray(np.rint(255 * cut).astype(np.uint8))
    digit = digit.resize(size, Image.Resampling.BOX)
    mass = np.asarray(digit).astype(np.float64) + 1e-9
    centre = [
        np.average(np.arange(n), weights=mass.sum(axis=axis)) + 0.5 for axis, n in enumerate(size)
    ]
    field = Image.new("L", (side, side))
    field.paste(digit, [round(side / 2 - place) for place in centre])
    return field.convert("RGB")
