"""What is inside a tar file, and where, without unpacking it.

Images are later read from within the archive, at their offsets: nothing is
ever extracted, so that a hostile name has nowhere to lead.
"""

import io
import os
import pathlib
import tarfile

from common.errors import RunError

Member = tuple[str, int, int]  # (name, offset in the outermost file, bytes)

_BLOCK = tarfile.BLOCKSIZE


class _Part(io.RawIOBase):
    """Some bytes of a file, as a file."""

    def __init__(self, file: io.BufferedReader, start: int, size: int):
        self._file, self._start, self._size, self._at = file, start, size, 0

    def read(self, count: int = -1) -> bytes:
        left = max(self._size - self._at, 0)
        count = left if count < 0 else min(count, left)
        self._file.seek(self._start + self._at)
        data = self._file.read(count)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = (0, self._at, self._size)[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at


def members(path: pathlib.Path, start: int = 0, size: int | None = None) -> list[Member]:
    """The files inside a tar file, in its order.

    Args:
        path: The file; not compressed.
        start, size: Where in it the tar begins, and its bytes; all of it.

    Raises:
        RunError: if it is cut off or damaged, or has a member that is no
            plain file or folder, or one whose name leads out of it.
    """
    if size is None:
        size = path.stat().st_size - start
    where = f"{path}" + (f", the tar at byte {start:,}" if start else "")
    with open(path, "rb") as file:
        part = _Part(file, start, size)
        try:
            with tarfile.open(fileobj=part, mode="r:") as tar:
                found = [_member(where, info, start) for info in tar]
                end = tar.offset
        except tarfile.TarError as error:
            raise RunError(f"{where} cannot be read as a tar file: {error}. {_AGAIN}") from error
        part.seek(end)
        rest = part.read(_BLOCK)
    if len(rest) < _BLOCK or rest.strip(b"\0"):  # a tar ends with zeros
        raise RunError(
            f"{where} is cut off or damaged at byte {start + min(end, size):,} "
            f"of {start + size:,}, after {len(found):,} members. {_AGAIN}"
        )
    return [member for member in found if member]


_AGAIN = "Download it again, and compare its size and md5."


def _member(where: str, info: tarfile.TarInfo, start: int) -> Member | None:
    """None for a folder."""
    name = pathlib.PurePosixPath(info.name)
    if name.is_absolute() or ".." in name.parts or "\0" in info.name:
        raise RunError(
            f"{where} has a member that leads out of it, {info.name!r}: this "
            "is not the official file. Nothing of it was used."
        )
    if info.isdir():
        return None
    if not info.isreg() or info.issparse():
        raise RunError(
            f"{where} has a member that is no plain file, {info.name!r} (a link or a device, type "
            f"{info.type!r}): this is not the official file. Nothing of it was used."
        )
    return str(name), start + info.offset_data, info.size
