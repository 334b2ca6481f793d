"""The pixels of an image file, the same for all that look at it.

TensorFlow decodes JPEG and PNG, in training, `predict` and an exported model
alike; what is transparent is laid on white. Files of other kinds become PNG
first, which loses nothing. EXIF's orientation is another matter: see
common.data.sources.photographs. Importing this module does not import Pillow.
"""

import dataclasses
import io
import re
from typing import Any

from common.data.images.jpeg import ORIENTATION, Header, Unreadable, read_header
from common.lazy import np, tf

PNG = b"\x89PNG\r\n\x1a\n"
_MOST_BYTES = 2**29  # TensorFlow's limit for a JPEG file, decoded
_FORMATS = ("AVIF", "BMP", "GIF", "JPEG2000", "PPM", "TIFF", "WEBP")
_BITS, _WHITE_IS_0 = 258, 262  # TIFF's tags: of a sample; 0 if its white is 0
_TURNED_BACK = {  # from TIFF's orientation: what undoes that Pillow turned the image
    **{2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE"},
    **{6: "ROTATE_90", 7: "TRANSVERSE", 8: "ROTATE_270"},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Encoded:
    """An image file as TensorFlow decodes it."""

    data: bytes  # JPEG or PNG
    kind: str  # of the file, such as "JPEG" or "WebP"; by content, not by name
    header: Header  # of `data`
    orientation: int  # EXIF's, 1 .. 8, which is not applied to `data`

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
        Unreadable: if it is no image, or none that can be decoded.
    """
    header = read_header(data)
    kind, turned = header.kind, header.orientation
    if kind in ("JPEG", "PNG"):
        _require_size(header.width, header.height, header.components if kind == "JPEG" else 3)
    else:
        try:
            data, turned = _as_png(data)
        except Unreadable:
            raise
        except Exception as error:  # Pillow raises many kinds
            # Pillow names a file that it was given by its address in memory.
            why = re.sub(r" <_io\.BytesIO object at 0x\w+>", "", str(error))
            raise Unreadable(f"it is {kind}, and damaged: {why}") from error
        header = read_header(data)
    return Encoded(data=data, kind=kind, header=header, orientation=turned)


def _as_png(data: bytes) -> tuple[bytes, int]:
    """By Pillow; and EXIF's orientation, which is not applied."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the limit is TensorFlow's
    Image.init()
    built = [name for name in _FORMATS if name in Image.OPEN]  # AVIF came with Pillow 11.3
    with Image.open(io.BytesIO(data), formats=built) as image:
        _require_size(*image.size, 3)
        kind, turned = image.format, image.getexif().get(ORIENTATION, 1)
        image.load()
        if image.mode.startswith("I;16") or (image.mode == "I" and kind == "PPM"):
            image = Image.fromarray(_upper_bits(image))
        if image.mode in ("I", "F"):
            raise Unreadable(
                "its pixels are no 8 or 16 bits, and what is white is not known: save it as 8 bits"
            )
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if kind == "TIFF" and turned in _TURNED_BACK:
        image = image.transpose(getattr(Image.Transpose, _TURNED_BACK[turned]))
    file = io.BytesIO()
    image.save(file, "png", compress_level=1)
    return file.getvalue(), turned if turned in range(1, 9) else 1


def _upper_bits(image: Any) -> "np.ndarray":
    """(height, width) uint8: of 16 bits the upper 8, as TensorFlow takes of a PNG.

    Of a TIFF file with fewer bits, which Pillow leaves in the lower ones, the upper 8 of those;
    and Pillow forgets which of them have 0 for white.
    """
    tags = getattr(image, "tag_v2", {})
    [bits] = tags.get(_BITS, (16,))[:1]
    upper = (np.asarray(image).astype(np.int64) >> (bits - 8)).clip(0, 255).astype(np.uint8)
    return 255 - upper if tags.get(_WHITE_IS_0) == 0 else upper


def _require_size(width: int, height: int, layers: int) -> None:
    """Refuses what TensorFlow would call damaged, for its size alone."""
    if width * height * layers > _MOST_BYTES:
        raise Unreadable(
            f"it has {width * height / 1e6:,.0f} megapixels, and at most "
            f"{_MOST_BYTES / layers / 1e6:,.0f} can be decoded: save it smaller"
        )


def decode(encoded: Any, channels: int, *, jpeg: bool) -> Any:
    """(H, W, channels) uint8 of a JPEG or PNG file, a scalar string tensor.

    What is transparent is laid on white. A grey image is repeated; colour
    becomes luminance.
    """
    if jpeg:
        return tf.io.decode_jpeg(encoded, channels, dct_method="INTEGER_ACCURATE")

    def on_white() -> Any:
        seen = tf.io.decode_png(encoded, channels=4)
        part = tf.cast(seen[..., 3:], tf.int32)
        mixed = tf.cast(seen[..., :3], tf.int32) * part + 255 * (255 - part)
        return tf.cast((mixed + 127) // 255, tf.uint8)

    pixels = tf.cond(has_alpha(encoded), on_white, lambda: tf.io.decode_png(encoded, channels=3))
    return pixels if channels == 3 else luminance(pixels)


def luminance(pixels: Any) -> Any:
    """(H, W, 3) uint8 -> (H, W, 1), by libpng's weights; what is grey stays.

    Never of the file itself: where that states its gamma (gAMA, sRGB), as screenshots do, libpng
    mixes the colours in linear light, and a pure green is 200 in the place of 149.
    """
    return tf.io.decode_png(tf.io.encode_png(pixels, compression=0), channels=1)


def has_alpha(encoded: Any) -> Any:
    """Whether PNG files may be transparent anywhere: a string tensor -> bool, of its shape.

    By their headers: asked for four channels, TensorFlow makes opaque files of
    1, 2 and 4 bits transparent.
    """
    colour_type = tf.strings.substr(encoded, 25, 1)
    own = (colour_type == b"\4") | (colour_type == b"\6")
    header = tf.strings.regex_replace(encoded, r"IDAT\C*", "")
    return own | tf.strings.regex_full_match(header, r"\C*tRNS\C*")


def as_readable(encoded: Any) -> Any:
    """`readable` within a graph: a scalar string tensor for another one.

    JPEG and PNG files pass without a call of Python.
    """

    def convert() -> Any:
        # As stateful it would be kept from running beside others.
        converted = tf.numpy_function(
            lambda data: readable(data).data, [encoded], tf.string, stateful=False
        )
        return tf.ensure_shape(converted, ())

    return tf.cond(tf.io.is_jpeg(encoded) | is_png(encoded), lambda: encoded, convert)


def is_png(encoded: Any) -> Any:
    """Whether a scalar string tensor is a PNG file."""
    return tf.strings.substr(encoded, 0, len(PNG)) == tf.constant(PNG)
