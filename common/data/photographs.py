"""A person's own image files, as a source for the pipeline's test images.

Whatever they are (CMYK, rotated by EXIF, 16 bits deep, transparent), they
become what the training images were: upright, RGB, 8 bits. Importing this
module imports no TensorFlow.
"""

import io
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from common.data.catalog import DataSet
from common.errors import UsageError

SUFFIXES = (
    ".bmp",
    ".gif",
    ".jpeg",
    ".jpg",
    ".png",
    ".tif",
    ".tiff",
    ".webp",
)
SPLIT = "photographs"
_THUMBNAIL = 480  # pixels, the longer side
_DIGIT = 20 / 28  # of the field's side
_FAINT = 0.2  # of the strongest ink: the paper's own shades


def find(words: Sequence[str]) -> tuple[pathlib.Path, ...]:
    """The files that are meant; of a folder, its images by name.

    Raises:
        UsageError: if there is no such file, or no image in a folder.
    """
    paths = []
    for word in words:
        path = pathlib.Path(word).expanduser()
        if not path.exists():
            raise UsageError(f"There is no photograph {path}.")
        inside = path.is_dir() and sorted(
            file for file in path.iterdir() if file.suffix.lower() in SUFFIXES
        )
        if inside == []:
            raise UsageError(
                f"The folder {path} has no photographs: no file that ends in "
                f"{', '.join(SUFFIXES)}."
            )
        paths += inside or [path]
    return tuple(paths)


def read(path: pathlib.Path) -> Image.Image:
    """The image upright, RGB, 8 bits; what is transparent becomes white.

    Raises:
        Exception: of many kinds, if the file is no image or is damaged.
    """
    with Image.open(path) as image:
        image.load()
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits; PIL would clip them to 8
        grey = np.asarray(image).astype(np.float64) * (255 / 65535)
        image = Image.fromarray(np.rint(grey).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


class Photographs:
    """Files in the order given; as common.data.sources' sources.

    Attributes:
        dataset: A row as of the catalogue, with the one split SPLIT.
        unreadable: File -> why, of those that were left out so far.
        thumbnails: Small copies of those that were read, by their place.
    """

    jpeg = False

    def __init__(
        self,
        paths: Sequence[pathlib.Path],
        *,
        side: int | None,
        digits: bool,
    ):
        """Which files, and what the network's training images were like.

        Args:
            side: Their height and width, if all had the same and the recipe
                resizes nothing: the largest square of a photograph's centre
                is then resized to it.
            digits: Whether they were MNIST's: see `as_digit`.
        """
        self.paths = tuple(paths)
        self.unreadable: dict[pathlib.Path, str] = {}
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
            tfds_names=(),
            how_to_get="",
        )

    def records(self, split: str) -> Any:
        """A tf.data.Dataset of the files that can be read; `id` is the place.

        `image` is PNG, which loses nothing; `label` is 0.
        """
        import tensorflow as tf

        kinds = {"image": tf.string, "label": tf.int64, "id": tf.string}
        return tf.data.Dataset.from_generator(
            self._records,
            output_signature={
                name: tf.TensorSpec((), kind) for name, kind in kinds.items()
            },
        )

    def _records(self) -> Iterator[dict[str, Any]]:
        for place, path in enumerate(self.paths):
            try:
                image = read(path)
            except Exception as error:  # a damaged file raises many kinds
                self.unreadable[path] = str(error) or type(error).__name__
                continue
            small = image.copy()
            small.thumbnail((_THUMBNAIL, _THUMBNAIL))
            self.thumbnails[place] = small
            encoded = io.BytesIO()
            self._fitted(image).save(encoded, "png", compress_level=0)
            yield {"image": encoded.getvalue(), "label": 0, "id": str(place)}

    def _fitted(self, image: Image.Image) -> Image.Image:
        if self.image_shape is None or image.size == self.image_shape:
            return image
        if self._digits:
            return as_digit(image, self.image_shape[0])
        return ImageOps.fit(image, self.image_shape, Image.Resampling.LANCZOS)


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
        np.average(np.arange(n), weights=mass.sum(axis=axis)) + 0.5
        for axis, n in enumerate(size)
    ]
    field = Image.new("L", (side, side))
    field.paste(digit, [round(side / 2 - place) for place in centre])
    return field.convert("RGB")
