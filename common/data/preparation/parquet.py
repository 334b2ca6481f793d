"""Images in Hugging Face's parquet files: image {bytes, path}, label."""

import bisect
import pathlib
from collections.abc import Iterator

from common.errors import RunError

Row = tuple[str, int]  # (path, label)


def rows(path: pathlib.Path) -> list[Row]:
    """The path ("" if it has none) and label of each row; no images read.

    Raises:
        RunError: if the file is damaged or has other columns.
    """
    import pyarrow

    try:
        file = _open(str(path))
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
    images = table.column("image").to_pylist()
    labels = table.column("label").to_pylist()
    paths = [(image or {}).get("path") or "" for image in images]
    return list(zip(paths, labels, strict=True))


def images(path: str, wanted: list[int]) -> Iterator[bytes]:
    """The bytes of the images in `wanted` rows, which ascend."""
    file = _open(path)
    groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    starts = [sum(groups[:i]) for i in range(len(groups))]
    loaded, column = -1, None
    for row in wanted:
        group = bisect.bisect_right(starts, row) - 1
        if group != loaded:
            table = file.read_row_group(group, columns=["image.bytes"])
            loaded, column = group, table.column("image")
        yield column[row - starts[group]].as_py()["bytes"] or b""


def _open(path: str):
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(path)
