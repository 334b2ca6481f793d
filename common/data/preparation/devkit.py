"""The devkit of ILSVRC2012, as far as it is needed: to be agreed with."""

import io
import pathlib
import tarfile
from typing import Any

from common.data.imagenet import WNIDS, devkit_ids
from common.errors import RunError

DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
META = "meta.mat"


def require_known_labels(source: pathlib.Path, known: list[int]) -> None:
    """Compares the devkit's validation labels with those that are known.

    Where there is no devkit there is nothing to compare.

    Raises:
        RunError: if they differ; names the first that does.
    """
    read = _read(source, GROUND_TRUTH)
    if read is None:
        return
    where, data = read
    label_of = dict(zip(devkit_ids(), range(len(WNIDS)), strict=True))
    try:
        labels = [label_of.get(int(line), -1) for line in data.split()]
    except ValueError as error:
        raise RunError(f"{where} is no list of labels: {error}.") from error
    differ = [
        number
        for number, pair in enumerate(zip(labels, known, strict=False), 1)
        if pair[0] != pair[1]
    ]
    if differ or len(labels) != len(known):
        first = f", first of image {differ[0]}" if differ else ""
        raise RunError(
            f"{where} has {len(labels):,} labels; {len(differ):,} are not the "
            f"validation set's{first}. The file may number the classes "
            "otherwise than the devkit (1 .. 1000 in the devkit's own order). "
            "Take it away: the labels are known without it."
        )


def training_counts(source: pathlib.Path) -> dict[str, int] | None:
    """Training images of each WNID by the devkit's meta.mat, if it is there.

    Raises:
        RunError: if the file is not the devkit's.
    """
    read = _read(source, META)
    if read is None:
        return None
    import scipy.io

    where, data = read
    try:
        synsets = scipy.io.loadmat(io.BytesIO(data), squeeze_me=True)["synsets"]
        counts = {str(row["WNID"]): int(row["num_train_images"]) for row in synsets}
        return {wnid: counts[wnid] for wnid in WNIDS if counts.get(wnid)}
    except Exception as error:  # SciPy raises whatever a damaged file leads to
        raise RunError(
            f"{where} is not the devkit's table of classes: {error!r}. "
            "Download the devkit again, or take it away."
        ) from error


def _read(source: pathlib.Path, name: str) -> tuple[str, Any] | None:
    """(where, content) of the devkit's file of that name."""
    for place in (source, source / "ILSVRC2012_devkit_t12" / "data"):
        if (place / name).is_file():
            return str(place / name), (place / name).read_bytes()
    archive = source / DEVKIT
    if not archive.is_file():
        return None
    try:
        with tarfile.open(archive) as tar:  # read within, never unpacked
            for member in tar:
                if member.isreg() and member.name.endswith(f"/{name}"):
                    where = f"{archive} ({member.name})"
                    return where, tar.extractfile(member).read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise RunError(
            f"{archive} is damaged: {error}. Download it again, or take it away."
        ) from error
    return None
