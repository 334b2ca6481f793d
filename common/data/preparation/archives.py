"""Images inside tar and parquet files, read in their places.

Nothing is ever extracted, so that a hostile name has nowhere to lead.
"""

import pathlib
import tarfile
from collections.abc import Iterator

from common.errors import RunError

Member = tuple[str, int, int]  # (name, offset in the outermost file, bytes)
_AGAIN = "Download it again, and compare its size and md5."


def members(path: pathlib.Path, start: int = 0, size: int | None = None) -> list[Member]:
    """The files inside a tar file, in its order.

    Args:
        path: The file; not compressed.
        start, size: Where in it the tar begins, and its bytes; all of it.

    Raises:
        RunError: if it is cut off or damaged, or has a member that is no
            plain file or folder, or one whose name leads out of it.
    """
    stop = path.stat().st_size if size is None else start + size
    where = f"{path}" + (f", the tar at byte {start:,}" if start else "")
    found = []
    with open(path, "rb") as file:
        file.seek(start)
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                for info in tar:
                    _require_harmless(where, info)
                    if not info.isdir():
                        name = str(pathlib.PurePosixPath(info.name))
                        found.append((name, info.offset_data, info.size))
                end = tar.offset
        except tarfile.TarError as error:
            raise RunError(f"{where} cannot be read as a tar file: {error}. {_AGAIN}") from error
        file.seek(end)
        rest = file.read(tarfile.BLOCKSIZE)
    if end + tarfile.BLOCKSIZE > stop or rest.strip(b"\0"):  # a tar ends with zeros
        raise RunError(
            f"{where} is cut off or damaged at byte {min(end, stop):,} of {stop:,}, after "
            f"{len(found):,} files. {_AGAIN}"
        )
    return found


def _require_harmless(where: str, info: tarfile.TarInfo) -> None:
    name = pathlib.PurePosixPath(info.name)
    problem = None
    if name.is_absolute() or ".." in name.parts or "\0" in info.name:
        problem = "leads out of it"
    elif not info.isdir() and (not info.isreg() or info.issparse()):
        problem = f"is no plain file (a link or a device, type {info.type!r})"
    if problem:
        raise RunError(
            f"{where} has a member, {info.name!r}, that {problem}: this is not the official file. "
            "Nothing of it was used."
        )


def parquet_rows(path: pathlib.Path) -> list[tuple[str, int]]:
    """The path ("" if it has none) and label of each row; no images read.

    As Hugging Face has them: image {bytes, path}, label.

    Raises:
        RunError: if the file is damaged or has other columns.
    """
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        table = file.read(columns=["image.path", "label"])
    except (pyarrow.ArrowException, OSError) as error:
        raise RunError(
            f"{path} cannot be read as a parquet file: {error}. Download it again."
        ) from error
    if not {"image", "label"} <= set(file.schema_arrow.names):
        raise RunError(
            f"{path} has the columns {', '.join(file.schema_arrow.names)}; "
            "image (with bytes and path) and label are needed."
        )
    images, labels = (table.column(name).to_pylist() for name in ("image", "label"))
    return [
        ((image or {}).get("path") or "", label)
        for image, label in zip(images, labels, strict=True)
    ]


def parquet_images(path: str, wanted: list[int]) -> Iterator[bytes]:
    """The bytes of the images in `wanted` rows, which ascend."""
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(path)
    start = 0
    for group in range(file.num_row_groups):
        end = start + file.metadata.row_group(group).num_rows
        if inside := [row - start for row in wanted if start <= row < end]:
            column = file.read_row_group(group, columns=["image.bytes"]).column("image")
            yield from (column[row].as_py()["bytes"] or b"" for row in inside)
        start = end
