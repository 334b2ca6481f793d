"""From what was downloaded to a data set that TFDS reads.

The work goes on in a folder beside the data set's own, NAME.part/VERSION, which
is renamed when all is done: killed at any moment, the same command continues,
and whatever the kills and the number of processes, the same files come out.
"""

import collections
import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from common.data.dataset import read_manifest
from common.data.preparation import arrays, folders, imagenet, metadata, shards
from common.data.preparation.expected import IMAGENET, Expected, differences
from common.data.preparation.file_cache import FileCache, md5
from common.data.preparation.raw_images import Originals
from common.data.processes import Each, workers
from common.errors import RunError, UsageError
from common.files import write_json

Progress = Callable[[str, int, int], None]
_VERSIONS = {
    "mnist": "3.0.1",
    "cifar10": "3.0.2",
    "cifar100": "3.0.2",
    "svhn_cropped": "3.1.0",
    "imagenet2012": "5.1.0",
}
_TFDS_NAMES = {"svhn": "svhn_cropped"}  # where TFDS's is not ours
_MARGIN = 2**28  # bytes of disk that are left free
_LOCK = "lock"
_SOURCE = "source.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be prepared, from what, and how.

    Attributes:
        name: "imagenet2012", "mnist", "cifar10", "cifar100", "svhn",
            "imagenette", or any other for class folders.
        source: The folder with the downloads.
        data_dir: Where TFDS's data sets lie; nothing else is written.
        expected: What must be in it; None asks for nothing.
        shorter_side: Pixels to shrink larger images to; or None.
        jobs: Processes.
        leave_out_bad: Whether a file that is no whole image is left
            out, on record, rather than an error.
        images_per_shard: Where not the usual number.
    """

    name: str
    source: pathlib.Path
    data_dir: pathlib.Path
    expected: Expected | None
    shorter_side: int | None
    jobs: int
    leave_out_bad: bool = False
    images_per_shard: int | None = None


def prepare(request: Request, progress: Progress) -> pathlib.Path:
    """The folder of the data set, which is made if it is not there.

    Args:
        request: What to do.
        progress: Called with what is being done, how much of it is done, and
            of how much.

    Raises:
        UsageError: if a data set that was prepared otherwise is there.
        RunError: if the source is not whole, or writing fails.
    """
    if not request.source.is_dir():
        raise UsageError(f"There is no folder {request.source} (given with --source).")
    name = _TFDS_NAMES.get(request.name, request.name)
    version = _VERSIONS.get(name, "1.0.0")
    parent = request.data_dir / name
    config = ""
    if request.name == "imagenette":
        config = folders.imagenette_config(folders.find(request.source))
        parent /= config
    final = parent / version
    part = parent.with_name(f"{parent.name}.part") / version
    if final.exists():
        return _existing(final, request, progress)
    is_new = not request.data_dir.exists()
    with _lock(part, request.data_dir), _tidy_after_errors(part, request, is_new):
        originals, notes = _work(request, part, progress)
        made = metadata.manifest(originals, notes, request.shorter_side)
        identity = {"name": name, "version": version}
        if config:
            identity["configName"] = config
        write_json(part / _SOURCE, _source(request, originals))
        metadata.write(part, identity, originals, notes, made)
        parent.mkdir(parents=True, exist_ok=True)
        os.replace(part, final)
        part.parent.rmdir()
    _tidy(final)
    return final


def _tidy(final: pathlib.Path) -> None:
    shutil.rmtree(final / shards.NOTES, ignore_errors=True)
    with contextlib.suppress(OSError):  # it may lie on a read-only disk
        (final / _LOCK).unlink(missing_ok=True)


def _existing(final: pathlib.Path, request: Request, progress: Progress) -> pathlib.Path:
    """The set that is there, if it is what would be made."""
    made = read_manifest(final)
    if made is None or made["shorter_side"] != request.shorter_side:
        how = "by another program"
        if made is not None:
            side = made["shorter_side"]
            how = f"with --shorter_side {side}" if side else "without --shorter_side"
        raise _kept_as_it_is(final, f"prepared {how}")
    if made["left_out"] and not request.leave_out_bad:
        count = len(made["left_out"])
        raise _kept_as_it_is(final, f"prepared with --leave_out_bad: {count:,} files left out")
    try:
        before = json.loads((final / _SOURCE).read_text())
    except (OSError, ValueError):
        raise _kept_as_it_is(final, "and does not say from which files it was made") from None
    with tempfile.TemporaryDirectory() as folder, workers(request.jobs) as each:
        cache = FileCache(pathlib.Path(folder))
        originals = _find(request, each, cache, progress)
    _check_counts(request, originals)
    now = _source(request, originals)
    if now["sha256"] != before["sha256"]:
        raise _kept_as_it_is(final, _changes(before, now))
    _tidy(final)
    return final


def _kept_as_it_is(final: pathlib.Path, how: str) -> UsageError:
    return UsageError(
        f"{final} is there already, {how}. It stays as it is: give another "
        "--data_dir, or remove it."
    )


def _source(request: Request, originals: Originals) -> dict[str, Any]:
    """What a set was made from; no part of what it is."""
    digest = hashlib.sha256()
    for split, images in originals.splits.items():
        for image in images:
            facts = image._replace(path=split)
            digest.update(repr(tuple(facts)).encode())
    return {
        "folder": str(request.source.absolute()),
        "images": _counts(originals),
        "sha256": digest.hexdigest(),
    }


def _changes(before: dict[str, Any], now: dict[str, Any]) -> str:
    """In what two sources differ, as the rest of a sentence."""
    told = []
    for split in {**before["images"], **now["images"]}:
        had, has = (d["images"].get(split, {}) for d in (before, now))
        classes = sorted(name for name in {**had, **has} if had.get(name) != has.get(name))
        if classes:
            more = " ..." if len(classes) > 3 else ""
            told.append(
                f"{split}: {sum(has.values()):,} images, not {sum(had.values()):,}, other numbers "
                f"of {', '.join(classes[:3])}{more}"
            )
    what = "; ".join(told) or ("as many images, but other files, or some that were changed since")
    return f"prepared from {before['folder']} as it was; {now['folder']} now has {what}"


@contextlib.contextmanager
def _lock(part: pathlib.Path, data_dir: pathlib.Path) -> Iterator[None]:
    try:
        (part / shards.NOTES).mkdir(parents=True, exist_ok=True)
        lock = open(part / _LOCK, "a+")
    except OSError as error:
        raise RunError(
            f"Nothing can be written to {data_dir}: {error.strerror}. Give another --data_dir."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"Another prepare is at work in {part}. Wait for it.") from None
        for stale in [*part.glob(".*.part"), *part.glob("*/.*.part")]:
            stale.unlink(missing_ok=True)
        yield


@contextlib.contextmanager
def _tidy_after_errors(part: pathlib.Path, request: Request, is_new: bool) -> Iterator[None]:
    """After an error removes what was begun, if nothing of it is finished."""
    try:
        yield
    except Exception:
        begun = {path.name for path in part.iterdir()} - {_LOCK, shards.NOTES}
        if not begun and not any((part / shards.NOTES).iterdir()):
            with contextlib.suppress(OSError):
                shutil.rmtree(part)
                part.parent.rmdir()
                if is_new:
                    request.data_dir.rmdir()
        raise


def _work(request: Request, part: pathlib.Path, progress: Progress) -> tuple[Originals, list[dict]]:
    """Finds, checks and writes everything; the notes in the files' order."""
    cache = FileCache(part / shards.NOTES)
    _check_sums(request, cache, progress)
    with workers(request.jobs) as each:
        originals = _find(request, each, cache, progress)
        if request.images_per_shard:
            originals.images_per_shard = request.images_per_shard
        _check_counts(request, originals)
        name = _TFDS_NAMES.get(request.name, request.name)
        todo = shards.plan_shards(name, originals, part, request.shorter_side)
        notes = _write_all(todo, each, progress)
    _check_unreadable(request, part, notes)
    return originals, notes


def _find(request: Request, each: Each, cache: FileCache, progress: Progress) -> Originals:
    if request.name == "imagenet2012":
        return imagenet.find(request.source, each, cache, progress)
    finders = {
        "mnist": arrays.mnist,
        "cifar10": arrays.cifar10,
        "cifar100": arrays.cifar100,
        "svhn": arrays.svhn,
    }
    return finders.get(request.name, folders.find)(request.source)


def _check_sums(request: Request, cache: FileCache, progress: Progress) -> None:
    sums = request.expected.md5 if request.expected else {}
    for path in (request.source / name for name in sums):
        if not path.is_file():
            continue
        found = cache.get("md5", path)
        if found is None:
            found = md5(path, functools.partial(progress, f"md5 of {path.name}"))
            cache.put("md5", path, found)
        if found != sums[path.name]:
            raise RunError(
                f"{path} has the md5 sum {found}; the official file has {sums[path.name]}. It was "
                "cut off or damaged on the way: download it again. If you packed it yourself, "
                "unpack it, and give the folders train and val as --source."
            )


def _check_counts(request: Request, originals: Originals) -> None:
    found, expected = _counts(originals), request.expected
    if not expected:
        empty = [name for name, images in originals.splits.items() if not images]
        if empty or not originals.splits:
            raise RunError(f"{request.source} has no images for {', '.join(empty) or 'it'}.")
        return
    if expected is IMAGENET:
        counts = imagenet.training_counts(request.source)
        if counts:
            classes = {"train": counts}
            expected = dataclasses.replace(expected, classes=classes)
    wrong = differences(expected, found)
    if not wrong:
        return
    missing = ""
    if expected.md5 == IMAGENET.md5:
        names = imagenet.missing_validation(originals.splits.get("validation", []))
        if names:
            more = " ..." if len(names) > 3 else ""
            missing = f" Missing: {', '.join(names[:3])}{more}."
    raise RunError(
        f"{originals.layout} is not the whole of {request.name}. "
        f"{'. '.join(wrong)}.{missing} Nothing was written. Complete it; or, "
        "if a part is what you mean, say which with --counts FILE."
    )


def _counts(originals: Originals) -> dict[str, dict[str, int]]:
    """Split -> class -> images."""
    return {
        split: collections.Counter(originals.classes[image.label] for image in images)
        for split, images in originals.splits.items()
    }


def _write_all(todo: list[shards.Shard], each: Each, progress: Progress) -> list[dict]:
    notes = [shard.done() for shard in todo]
    left = [place for place, note in enumerate(notes) if note is None]
    total = sum(len(shard.images) for shard in todo)
    done = total - sum(len(todo[place].images) for place in left)
    _require_room([todo[place] for place in left])
    progress("writing images", done, total)
    for i, note in each(shards.write, [(todo[place],) for place in left]):
        notes[left[i]] = note
        done += len(todo[left[i]].images)
        progress("writing images", done, total)
    return notes


def _require_room(left: list[shards.Shard]) -> None:
    """Of images that stay as they are the size is known before."""
    if not left or left[0].shorter_side:
        return
    needed = sum(image.size for shard in left for image in shard.images)
    free = shutil.disk_usage(left[0].folder).free
    if needed + _MARGIN > free:
        raise RunError(
            f"{left[0].folder} needs {(needed + _MARGIN) / 1e9:.1f} GB more, and {free / 1e9:.1f} "
            "GB are free there. Make room, or give another --data_dir; the same command "
            "continues. --shorter_side 256 needs about 40 % of it."
        )


def _check_unreadable(request: Request, part: pathlib.Path, notes: list[dict]) -> None:
    bad = [pair for note in notes for pair in note["unreadable"].items()]
    if not bad or request.leave_out_bad:
        return
    listing = part / shards.NOTES / "unreadable.txt"
    listing.write_text("".join(f"{name}: {why} ({path})\n" for name, (why, path) in bad))
    name, (why, path) = bad[0]
    raise RunError(
        f"{len(bad):,} of the files are no whole images; {name}: {why} ({path}). {listing} names "
        "them all. Replace them and run the same command again: only their shards are written "
        "anew. Or leave them out, on record: --leave_out_bad."
    )
