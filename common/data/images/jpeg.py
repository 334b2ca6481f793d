"""What the first bytes of an image file say, without decoding it.

Python only: 20 microseconds an image, where decoding takes milliseconds.
"""

import contextlib
import dataclasses
import re
import struct

_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 .. SOF15
_ALONE = frozenset(range(0xD0, 0xD9)) | {0x01}  # markers without a length
_SCAN, _END, _APP1 = 0xDA, b"\xff\xd9", 0xE1
_EXIF = b"Exif\0\0"
ORIENTATION = 0x0112  # EXIF's tag
_VALUE_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8)  # of each TIFF type
_OTHERS = {  # how they begin
    rb"\x89PNG\r\n\x1a\n": "PNG",
    rb"GIF8": "GIF",
    rb"BM": "BMP",
    rb"II\*\0|MM\0\*": "TIFF",
    rb"\0\0\0\x0cjP  ": "JPEG 2000",
    rb"P[1-6]": "PNM",
    rb"RIFF....WEBP": "WebP",
    rb"....ftypavi[fs]": "AVIF",
}
_KNOWN = {  # what else people have in the place of an image
    rb"version https://git-lfs": "a Git LFS pointer: `git lfs pull` fetches it",
    rb"<!doctype html|<html": "a web page, such as a failed download leaves",
}


class Unreadable(ValueError):
    """An image file that cannot be used; the message says why."""


@dataclasses.dataclass(kw_only=True)
class Header:
    """What is known of an image file before it is decoded."""

    kind: str  # "JPEG", "PNG", "GIF", ...; by content, not by name
    height: int = 0  # of a JPEG or PNG, else 0
    width: int = 0
    components: int = 0  # likewise; a PNG's palette or grey is 1, its RGBA 4
    complete: bool = True  # whether the file ends as a whole one does
    orientation: int = 1  # EXIF's, 1 .. 8; 1 where there is none
    broken_exif: tuple[int, int] | None = None  # where such that cannot be read begins and ends


def read_header(data: bytes) -> Header:
    """The header of an encoded image.

    Raises:
        Unreadable: if it is none, or ends before its pixels begin.
    """
    if not data:
        raise Unreadable("it has zero bytes")
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if kind := _find_kind(_OTHERS, data):
        return _png(data) if kind == "PNG" else Header(kind=kind)
    if not data.strip(b"\0"):
        raise Unreadable(f"its {len(data)} bytes are all zero")
    if data[4:8] == b"ftyp" and data[8:11] in (b"hei", b"hev", b"mif"):
        raise Unreadable("it is HEIC, which is not read here: save it as JPEG")
    if kind := _find_kind(_KNOWN, data[:64].lstrip().lower()):
        raise Unreadable(f"it is no image but {kind}")
    raise Unreadable(f"it is no image: it begins with {data[:8]!r}")


def _find_kind(kinds: dict[bytes, str], data: bytes) -> str | None:
    return next((kind for begin, kind in kinds.items() if re.match(begin, data, re.DOTALL)), None)


def _png(data: bytes) -> Header:
    if len(data) < 33:
        raise Unreadable(f"it is cut off after {len(data)} bytes")
    orientation, at = 1, 33
    while data[at + 4 : at + 8] not in (b"IDAT", b""):
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == b"eXIf":
            with contextlib.suppress(ValueError, IndexError, struct.error):
                orientation = _orientation(data[at + 8 : at + 8 + length])
        at += 12 + length
    width, height, _, colours = struct.unpack(">IIBB", data[16:26])
    return Header(
        kind="PNG",
        height=height,
        width=width,
        components={2: 3, 4: 2, 6: 4}.get(colours, 1),
        complete=b"IEND\xaeB`\x82" in data[-64:],
        orientation=orientation,
    )


def _jpeg(data: bytes) -> Header:
    header = Header(kind="JPEG")
    try:
        at = 2
        while True:
            while data[at] != 0xFF:  # some writers leave bytes between
                at += 1
            while data[at] == 0xFF:
                at += 1
            marker, at = data[at], at + 1
            if marker in _ALONE:
                continue
            (length,) = struct.unpack_from(">H", data, at)
            if marker == _SCAN:
                break
            if marker in _SIZES:
                _, header.height, header.width, header.components = struct.unpack_from(
                    ">BHHB", data, at + 2
                )
            elif marker == _APP1 and data.startswith(_EXIF, at + 2):
                try:
                    header.orientation = _orientation(data[at + 8 : at + length])
                except (ValueError, IndexError, struct.error):
                    header.broken_exif = (at - 2, at + length)
            at += length
    except (IndexError, struct.error):
        raise Unreadable(f"it is cut off after {len(data)} bytes") from None
    if not header.components:
        raise Unreadable("it is a JPEG file without a size")
    header.complete = data.rfind(_END, at) >= 0
    return header


def _orientation(tiff: bytes) -> int:
    """EXIF's orientation, 1 if none; fails if its first table is broken."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        raise ValueError("no TIFF header")
    (table,) = struct.unpack_from(order + "I", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, table)
    found = 1
    for entry in range(entries):
        place = table + 2 + 12 * entry
        tag, kind, count, at = struct.unpack_from(order + "HHII", tiff, place)
        size = _VALUE_BYTES[kind] * count
        if size > 4 and at + size > len(tiff):
            raise ValueError("a value lies outside of the data")
        if tag == ORIENTATION and kind == 3:
            (found,) = struct.unpack_from(order + "H", tiff, place + 8)
    return found if 1 <= found <= 8 else 1
