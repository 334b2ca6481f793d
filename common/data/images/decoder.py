"""The pixels of an image file, the same for all that look at it.

TensorFlow decodes JPEG and PNG, in training, `predict` and an exported model
alike; what is transparent is laid on white. Files of other kinds become PNG
first, which loses nothing. EXIF's orientation is another matter: see
common.data.sources.photographs. Importing this module imports neither TensorFlow nor
Pillow.
"""

import dataclasses
import io
import warnings
from typing import TYPE_CHECKING, Any

from common.data.images.jpeg import Header, read_header

if TYPE_CHECKING:
    from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"
_MOST_BYTES = 2**29  # TensorFlow's limit for a JPEG file, decoded
_FORMATS = ("AVIF", "BMP", "GIF", "JPEG2000", "PPM", "TIFF", "WEBP")
_ORIENTATION = 0x0112


@dataclasses.dataclass(frozen=True, kw_only=True)
class Encoded:
    """An image file as TensorFlow decodes it.

    Attributes:
        data: JPEG or PNG.
        kind: Of the file, such as "JPEG" or "WEBP"; by content, not by name.
        header: As `read_header` has it, of `data`.
        orientation: EXIF's, 1 .. 8, which is not applied to `data`.
    """

    data: bytes
    kind: str
    header: Header
    orientation: int

    @property
    def form(self) -> str:
        """Its kind; of a JPEG with four components, "CMYK JPEG"."""
        cmyk = self.kind == "JPEG" and self.header.components == 4
        return "CMYK JPEG" if cmyk else self.kind


def readable(data: bytes) -> Encoded:
    """The file as JPEG or PNG; as it is if it is one.

    Of several frames or pages the first one. Pixels are not decoded if the
    file is JPEG or PNG.

    Raises:
        ValueError: if it is no image, or none that can be decoded; says why.
    """
    header = read_header(data)
    if header.kind in ("JPEG", "PNG"):
        layers = header.components if header.kind == "JPEG" else 3
        _require_size(header.width, header.height, layers)
        kind, turned = header.kind, header.orientation
    else:
        kind = header.kind
        try:
            data, turned = _as_png(data)
        except ValueError:
            raise
        except Exception as error:  # Pillow raises many kinds
            raise ValueError(f"it is {kind}, and damaged: {error}") from error
        header = read_header(data)
    return Encoded(data=data, kind=kind, header=header, orientation=turned)


def _as_png(data: bytes) -> tuple[bytes, int]:
    """By Pillow; and EXIF's orientation, which is not applied."""
    from PIL import Image

    # The limit is TensorFlow's; a warning below it would go to the screen.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as image:
            _require_size(*image.size, 3)
            image.load()
            turned = image.getexif().get(_ORIENTATION, 1)
            image = _eight_bits(image)
    except Image.DecompressionBombError as error:
        digits = "".join(filter(str.isdigit, str(error).partition(")")[0]))
        raise ValueError(_too_large(int(digits), 3)) from None
    file = io.BytesIO()
    image.save(file, "png", compress_level=1)
    return file.getvalue(), turned if turned in range(1, 9) else 1


def _formats() -> list[str]:
    """Those of _FORMATS that this Pillow was built with."""
    from PIL import features

    parts = {"AVIF": "avif", "WEBP": "webp", "JPEG2000": "jpg_2000"}
    return [f for f in _FORMATS if f not in parts or features.check(parts[f])]


def _eight_bits(image: "Image.Image") -> "Image.Image":
    """RGB or RGBA; of 16 bits the upper 8, as TensorFlow takes of a PNG."""
    import numpy as np
    from PIL import Image

    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        upper = np.asarray(image).astype(np.int64) >> 8
        image = Image.fromarray(upper.clip(0, 255).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(
            "its pixels are no 8 or 16 bits, and what is white is not known: save it as 8 bits"
        )
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("RGB")


def _require_size(width: int, height: int, layers: int) -> None:
    """Refuses what TensorFlow would call damaged, for its size alone."""
    if width * height * layers > _MOST_BYTES:
        raise ValueError(_too_large(width * height, layers))


def _too_large(pixels: int, layers: int) -> str:
    return (
        f"it has {pixels / 1e6:,.0f} megapixels, and at most "
        f"{_MOST_BYTES / layers / 1e6:,.0f} can be decoded: save it smaller"
    )


def decode(encoded: Any, channels: int, *, jpeg: bool) -> Any:
    """(H, W, channels) uint8 of a JPEG or PNG file, a scalar string tensor.

    What is transparent is laid on white. A grey image is repeated; colour
    becomes luminance.
    """
    import tensorflow as tf

    if jpeg:
        return tf.io.decode_jpeg(encoded, channels, dct_method="INTEGER_ACCURATE")

    def on_white() -> Any:
        seen = tf.io.decode_png(encoded, channels=4)
        part = tf.cast(seen[..., 3:], tf.int32)
        mixed = tf.cast(seen[..., :3], tf.int32) * part + 255 * (255 - part)
        mixed = tf.cast((mixed + 127) // 255, tf.uint8)
        if channels == 3:
            return mixed
        return tf.io.decode_png(tf.io.encode_png(mixed), channels)

    return tf.cond(has_alpha(encoded), on_white, lambda: tf.io.decode_png(encoded, channels))


def has_alpha(encoded: Any) -> Any:
    """Whether a PNG file may be transparent anywhere; a scalar, bool.

    By its header: asked for four channels, TensorFlow makes opaque files of
    1, 2 and 4 bits transparent.
    """
    import tensorflow as tf

    colour_type = tf.strings.substr(encoded, 25, 1)
    own = (colour_type == b"\4") | (colour_type == b"\6")
    header = tf.strings.split(encoded, "IDAT", maxsplit=1)[0]
    return own | tf.strings.regex_full_match(header, r"\C*tRNS\C*")


def as_readable(encoded: Any) -> Any:
    """`readable` within a graph: a scalar string tensor for another one.

    JPEG and PNG files pass without a call of Python.
    """
    import tensorflow as tf

    def converted(data: bytes) -> bytes:
        return readable(data).data

    known = tf.io.is_jpeg(encoded) | is_png(encoded)
    return tf.cond(
        known,
        lambda: encoded,
        lambda: tf.ensure_shape(
            # As stateful it would be kept from running beside others.
            tf.numpy_function(converted, [encoded], tf.string, stateful=False),
            (),
        ),
    )


def is_png(encoded: Any) -> Any:
    """Whether a scalar string tensor is a PNG file."""
    import tensorflow as tf

    return tf.strings.substr(encoded, 0, len(PNG)) == tf.constant(PNG)
