"""What an image file needs before it goes into the records.

JPEG files stay as they are. Of ImageNet, what is none becomes one by the same
calls as in TFDS's own imagenet2012 builder, at quality 100; of other sets it
becomes PNG, which loses nothing. EXIF's orientation is never applied: neither
TFDS nor Caffe, Torch or the papers' own loaders did, and their networks saw the
raw pixels.
"""

import dataclasses
from typing import Any

from common.data.images import decoder
from common.data.images.decoder import Encoded, readable
from common.data.images.jpeg import Header, Unreadable, read_header
from common.lazy import tf

REPAIR_QUALITY = 100  # as TFDS's builder
RESIZE_QUALITY = 95
SHRUNK = "; shrunk and encoded as "  # in `Mended.pixels` of an image that was too large


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mended:
    """An image as it is written."""

    data: bytes  # JPEG or PNG
    repairs: tuple[str, ...]  # what was done to it beside resizing; mostly nothing
    pixels: str  # what its pixels went through, in words
    turned: bool  # whether EXIF says that it should be shown turned


def mend(data: bytes, shorter_side: int | None, *, lossless: bool = False) -> Mended:
    """The image as whole JPEG or PNG that every reader decodes alike.

    Args:
        data: The file's content.
        shorter_side: Pixels that a larger image is shrunk to, bilinear with
            antialiasing; None leaves all sizes.
        lossless: Whether PNG stays PNG and what is no JPEG becomes it; else
            all becomes RGB or grey JPEG.

    Raises:
        Unreadable: if it is no image, or is cut off; `lossless`, also if it cannot be decoded.
    """
    found = readable(data)
    data, header, repairs = found.data, found.header, []
    if not header.complete:
        decode(data, header)  # it may lack its end mark only
        repairs.append("kept: no end mark, and every pixel is there")
    if header.broken_exif:
        begin, end = header.broken_exif
        data = data[:begin] + data[end:]
        repairs.append("EXIF data that cannot be read was cut out")
    data, change = (_lossless if lossless else _as_jpeg)(found, data)
    if change:
        repairs.append(change)
    pixels = change or f"{found.form}, as they were"
    header = read_header(data)
    sides = (header.height, header.width)
    if shorter_side and min(sides) > shorter_side:
        size = [round(n * shorter_side / min(sides)) for n in sides]
        image = tf.image.resize(decode(data, header), size, antialias=True)
        image = tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
        data = encode_png(image) if header.kind == "PNG" else _encode(image, RESIZE_QUALITY)
        pixels += f"{SHRUNK}{header.kind} again"
    turned = found.orientation != 1
    return Mended(data=data, repairs=tuple(repairs), pixels=pixels, turned=turned)


def _lossless(found: Encoded, data: bytes) -> tuple[bytes, str]:
    """(what is written, what was done to its pixels or ""); every pixel is decoded."""
    whole = decode(data, found.header)
    if found.kind == "JPEG":
        return data, ""
    if bool(decoder.has_alpha(data)):
        return encode_png(whole), f"{found.kind}, laid on white, kept as PNG"
    kept = f"{found.kind}, kept as PNG pixel by pixel"
    return data, "" if found.kind == "PNG" else kept


def _as_jpeg(found: Encoded, data: bytes) -> tuple[bytes, str]:
    """As TFDS's builder does; see `_lossless`.

    It looks at what is under transparent pixels, and decodes CMYK less exactly.
    """
    if found.kind == "JPEG" and found.header.components < 4:
        return data, ""
    decode(data, found.header)  # says what is wrong, if that fails
    if found.kind == "JPEG":
        change = "CMYK, re-encoded as RGB JPEG"
        whole = tf.io.decode_jpeg(data, 3)
    else:
        change = f"{found.kind}, re-encoded as JPEG"
        whole = tf.io.decode_png(data, 3)
    return _encode(whole, REPAIR_QUALITY), change


def encode_png(pixels: Any) -> bytes:
    """(H, W, C) uint8 as TFDS stores arrays."""
    return tf.io.encode_png(pixels).numpy()


def decode(data: bytes, header: Header, channels: int | None = None) -> Any:
    """All pixels of a JPEG or PNG file, (H, W, channels) uint8.

    Without `channels` 1 of a grey JPEG, else 3.

    Raises:
        Unreadable: if that fails.
    """
    channels = channels or (1 if (header.kind, header.components) == ("JPEG", 1) else 3)
    try:
        return decoder.decode(data, channels, jpeg=header.kind == "JPEG")
    except tf.errors.InvalidArgumentError as error:
        size = f"{len(data)} bytes, {header.width}x{header.height}"
        reason = " ".join(error.message.split()).partition(" [Op:")[0]
        state = "cannot be decoded" if header.complete else "is cut off"
        reason = reason.rpartition("}} ")[2]
        raise Unreadable(f"it {state} ({size}: {reason})") from None


def _encode(image: Any, quality: int) -> bytes:
    return tf.io.encode_jpeg(image, quality=quality).numpy()
