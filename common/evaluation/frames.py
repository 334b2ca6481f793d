"""A file that only grows, frame by frame, and survives a kill at any moment."""

import os
import pathlib
import zlib
from collections.abc import Iterator

_HEAD = 12  # bytes before a frame: its length (8) and its CRC-32 (4)


class FrameLog:
    """Frames of bytes in the order in which they were added.

    Opening it cuts off a last frame that is not whole: a kill, or a full
    disk, leaves at most one.
    """

    def __init__(self, path: pathlib.Path):
        self._path = path
        path.touch()
        self._end = 0
        for _, end in self._whole():
            self._end = end
        os.truncate(path, self._end)

    def __iter__(self) -> Iterator[bytes]:
        return (payload for payload, _ in self._whole())

    def append(self, payload: bytes) -> None:
        """Adds a frame; it is on the disk when this returns.

        Raises:
            OSError: if it cannot be written; the frames before it stay.
        """
        crc = zlib.crc32(payload).to_bytes(4, "big")
        with open(self._path, "r+b") as file:
            file.seek(self._end)
            file.write(len(payload).to_bytes(8, "big") + crc + payload)
            file.flush()
            os.fsync(file.fileno())
        self._end += _HEAD + len(payload)

    def _whole(self) -> Iterator[tuple[bytes, int]]:
        """(payload, where it ends in the file) of every whole frame."""
        left = self._path.stat().st_size
        with open(self._path, "rb") as file:
            while left > _HEAD:
                head = file.read(_HEAD)
                length = int.from_bytes(head[:8], "big")
                left -= _HEAD + length
                if length == 0 or left < 0:
                    return
                payload = file.read(length)
                if zlib.crc32(payload).to_bytes(4, "big") != head[8:]:
                    return
                yield payload, file.tell()
