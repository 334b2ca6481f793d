"""What an image file needs before it goes into the records.

Pixels are touched only where the file is no RGB or grey JPEG, by the same
calls as TFDS's own imagenet2012 builder, at quality 100. EXIF's orientation is
never applied: neither TFDS nor Caffe, Torch or the papers' own loaders did,
and their networks saw the raw pixels.
"""

import dataclasses
from typing import Any

from common.data.preparation.jpeg import Header, read_header

REPAIR_QUALITY = 100  # as TFDS's builder
RESIZE_QUALITY = 95


class Unreadable(Exception):
    """An image file that cannot be used; the message says why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mended:
    """An image as it is written.

    Attributes:
        data: The encoded image.
        repairs: What was done to it beside resizing; mostly nothing.
        turned: Whether EXIF says that it should be shown turned.
    """

    data: bytes
    repairs: tuple[str, ...]
    turned: bool


def mend(data: bytes, shorter_side: int | None) -> Mended:
    """The image as RGB or grey JPEG, whole.

    Args:
        data: The file's content.
        shorter_side: Pixels that a larger image is shrunk to, bilinear with
            antialiasing; None leaves all sizes.

    Raises:
        Unreadable: if it is no image, or is cut off.
    """
    try:
        header = read_header(data)
    except ValueError as error:
        raise Unreadable(str(error)) from None
    repairs = []
    if not header.complete:
        _decode(data, header)  # it may lack its end mark only
        repairs.append("kept: no end mark, and every pixel is there")
    if header.broken_exif:
        begin, end = header.broken_exif
        data = data[:begin] + data[end:]
        repairs.append("EXIF data that cannot be read was cut out")
    if header.kind != "JPEG":
        repairs.append(f"{header.kind}, re-encoded as JPEG")
        data = _encode(_decode(data, header), REPAIR_QUALITY)
    elif header.components == 4:
        repairs.append("CMYK, re-encoded as RGB JPEG")
        data = _encode(_decode(data, header), REPAIR_QUALITY)
    if shorter_side:
        data = _shrunk(data, read_header(data), shorter_side)
    return Mended(
        data=data, repairs=tuple(repairs), turned=header.orientation != 1
    )


def require_decodable(data: bytes) -> None:
    """Decodes every pixel.

    Raises:
        Unreadable: if that fails.
    """
    try:
        _decode(data, read_header(data))
    except ValueError as error:
        raise Unreadable(str(error)) from None


def encode_png(pixels: Any) -> bytes:
    """(H, W, C) uint8 as TFDS stores arrays."""
    import tensorflow as tf

    return tf.io.encode_png(pixels).numpy()


def _decode(data: bytes, header: Header) -> Any:
    """(H, W, 3) uint8, or (H, W, 1) for grey JPEG."""
    import tensorflow as tf

    try:
        if header.kind == "JPEG":
            channels = 1 if header.components == 1 else 3
            # CMYK as TFDS's builder does; there are 22 of them.
            dct = "" if header.components == 4 else "INTEGER_ACCURATE"
            return tf.io.decode_jpeg(data, channels, dct_method=dct)
        return tf.io.decode_image(data, channels=3, expand_animations=False)
    except tf.errors.InvalidArgumentError as error:
        size = f"{len(data)} bytes, {header.width}x{header.height}"
        reason = " ".join(error.message.split()).partition(" [Op:")[0]
        state = "cannot be decoded" if header.complete else "is cut off"
        reason = reason.rpartition("}} ")[2]
        raise Unreadable(f"it {state} ({size}: {reason})") from None


def _encode(image: Any, quality: int) -> bytes:
    import tensorflow as tf

    return tf.io.encode_jpeg(image, quality=quality).numpy()


def _shrunk(data: bytes, header: Header, shorter_side: int) -> bytes:
    import tensorflow as tf

    sides = (header.height, header.width)
    if min(sides) <= shorter_side:
        return data
    size = [round(side * shorter_side / min(sides)) for side in sides]
    image = tf.image.resize(_decode(data, header), size, antialias=True)
    image = tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
    return _encode(image, RESIZE_QUALITY)
