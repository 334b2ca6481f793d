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
from common.data.preparation.expected import IMAGENET, VALIDATION, Expected, differences
from common.data.preparation.raw_images import Originals, remembered
from common.data.processes import Each, workers
from common.errors import RunError, UsageError
from common.files import write_json

Progress = Callable[[str, int, int], None]
_SETS = {  # TFDS's name and version, and who finds the images
    "mnist": ("mnist", "3.0.1", arrays.mnist),
    "cifar10": ("cifar10", "3.0.2", arrays.cifar10),
    "cifar100": ("cifar100", "3.0.2", arrays.cifar100),
    "svhn": ("svhn_cropped", "3.1.0", arrays.svhn),
    "imagenet2012": ("imagenet2012", "5.1.0", imagenet.find),
}
_MARGIN = 2**28  # bytes of disk that are left free
_LOCK = "lock"
_SOURCE = "source.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be prepared, from what, and how."""

    name: str  # one of _SETS, "imagenette", or any other for class folders
    source: pathlib.Path  # the folder with the downloads
    data_dir: pathlib.Path  # where TFDS's data sets lie; nothing else is written
    expected: Expected | None  # what must be in it; None asks for nothing
    shorter_side: int | None  # pixels to shrink larger images to
    jobs: int  # processes
    leave_out_bad: bool = False  # on record; else a file that is no whole image is an error


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
    name, version, _ = _SETS.get(request.name, (request.name, "1.0.0", None))
    identity, parent = {"name": name, "version": version}, request.data_dir / name
    if request.name == "imagenette":
        identity["configName"] = folders.imagenette_config(folders.find(request.source))
        parent /= identity["configName"]
    final = parent / version
    if final.exists():
        _require_the_same(final, request, progress)
    else:
        part = parent.with_name(f"{parent.name}.part") / version
        with _at_work(part, request.data_dir):
            _make(part, identity, request, progress)
            parent.mkdir(parents=True, exist_ok=True)
            os.replace(part, final)
            part.parent.rmdir()
    shutil.rmtree(final / shards.NOTES, ignore_errors=True)
    with contextlib.suppress(OSError):  # it may lie on a read-only disk
        (final / _LOCK).unlink(missing_ok=True)
    return final


def _require_the_same(final: pathlib.Path, request: Request, progress: Progress) -> None:
    """Refuses a set that is there and is not what would be made."""
    made, other = read_manifest(final), None
    if made is None:
        other = "prepared by another program"
    elif made["shorter_side"] != request.shorter_side:
        side = made["shorter_side"]
        other = f"prepared {f'with --shorter_side {side}' if side else 'without --shorter_side'}"
    elif made["left_out"] and not request.leave_out_bad:
        other = f"prepared with --leave_out_bad: {len(made['left_out']):,} files left out"
    else:
        try:
            before = json.loads((final / _SOURCE).read_text())
        except (OSError, ValueError):
            other = "and does not say from which files it was made"
        else:
            with tempfile.TemporaryDirectory() as notes, workers(request.jobs) as each:
                now = _source(request, _find(request, each, pathlib.Path(notes), progress))
            if now["sha256"] != before["sha256"]:
                other = _changes(before, now)
    if other:
        raise UsageError(
            f"{final} is there already, {other}. It stays as it is: give another "
            "--data_dir, or remove it."
        )


def _source(request: Request, originals: Originals) -> dict[str, Any]:
    """What a set was made from; no part of what it is."""
    digest = hashlib.sha256()
    for split, images in originals.splits.items():
        for image in images:
            digest.update(repr(tuple(image._replace(path=split))).encode())
    return {
        "folder": str(request.source.absolute()),
        "images": _count(originals),
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
    what = "; ".join(told) or "as many images, but other files, or some that were changed since"
    return f"prepared from {before['folder']} as it was; {now['folder']} now has {what}"


@contextlib.contextmanager
def _at_work(part: pathlib.Path, data_dir: pathlib.Path) -> Iterator[None]:
    """Alone in the folder; after an error removes what was begun, if nothing is finished."""
    is_new = not data_dir.exists()
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
        for stale in part.rglob(".*"):
            if not stale.is_dir():  # a file server's own, such as .AppleDouble
                stale.unlink(missing_ok=True)
        try:
            yield
        except Exception:
            if not any(path.is_file() and path.name != _LOCK for path in part.rglob("*")):
                with contextlib.suppress(OSError):
                    shutil.rmtree(part)
                    part.parent.rmdir()
                    if is_new:
                        data_dir.rmdir()
            raise


def _make(
    part: pathlib.Path, identity: dict[str, str], request: Request, progress: Progress
) -> None:
    """Finds, checks and writes everything."""
    _check_sums(request, part / shards.NOTES, progress)
    with workers(request.jobs) as each:
        originals = _find(request, each, part / shards.NOTES, progress)
        todo = shards.plan_shards(identity["name"], originals, part, request.shorter_side)
        notes = _write_all(todo, each, progress)
    bad = [pair for note in notes for pair in note["unreadable"].items()]
    if bad and not request.leave_out_bad:
        listing = part / shards.NOTES / "unreadable.txt"
        listing.write_text("".join(f"{name}: {why} ({path})\n" for name, (why, path) in bad))
        name, (why, path) = bad[0]
        raise RunError(
            f"{len(bad):,} of the files are no whole images; {name}: {why} ({path}). {listing} "
            "names them all. Replace them and run the same command again: only their shards are "
            "written anew. Or leave them out, on record: --leave_out_bad."
        )
    write_json(part / _SOURCE, _source(request, originals))
    metadata.write(part, identity, originals, notes, request.shorter_side)


def _check_sums(request: Request, notes: pathlib.Path, progress: Progress) -> None:
    sums = request.expected.md5 if request.expected else {}
    for name, official in sums.items():
        path = request.source / name
        if not path.is_file():
            continue
        found = remembered(notes, "md5", path, functools.partial(_md5, path, progress))
        if found != official:
            raise RunError(
                f"{path} has the md5 sum {found}; the official file has {official}. It was "
                "cut off or damaged on the way: download it again. If you packed it yourself, "
                "unpack it, and give the folders train and val as --source."
            )


def _md5(path: pathlib.Path, progress: Progress) -> str:
    digest, done, total = hashlib.md5(), 0, path.stat().st_size
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(2**24):
            digest.update(piece)
            done += len(piece)
            progress(f"md5 of {path.name}", done // 10**6, total // 10**6)  # MB
    return digest.hexdigest()


def _find(request: Request, each: Each, notes: pathlib.Path, progress: Progress) -> Originals:
    """The images, as many of each class as there must be."""
    if request.name == "imagenet2012":
        originals = imagenet.find(request.source, each, notes, progress)
    else:
        find = _SETS[request.name][2] if request.name in _SETS else folders.find
        originals = find(request.source)
    expected = request.expected
    if expected is IMAGENET and (counts := imagenet.training_counts(request.source)):
        expected = dataclasses.replace(expected, classes={"train": counts})
    if not expected:
        empty = [name for name, images in originals.splits.items() if not images]
        if empty or not originals.splits:
            raise RunError(f"{request.source} has no images for {', '.join(empty) or 'it'}.")
    elif wrong := differences(expected, _count(originals)):
        missing = ""
        if request.expected is IMAGENET:
            there = {image.name for image in originals.splits.get("validation", [])}
            names = [n for n in map(VALIDATION.format, range(1, 50_001)) if n not in there]
            if names:
                more = " ..." if len(names) > 3 else ""
                missing = f" Missing: {', '.join(names[:3])}{more}."
        raise RunError(
            f"{originals.layout} is not the whole of {request.name}. "
            f"{'. '.join(wrong)}.{missing} Nothing was written. Complete it; or, "
            "if a part is what you mean, say which with --counts FILE."
        )
    return originals


def _count(originals: Originals) -> dict[str, dict[str, int]]:
    """Split -> class -> images."""
    return {
        split: collections.Counter(originals.classes[image.label] for image in images)
        for split, images in originals.splits.items()
    }


def _write_all(todo: list[shards.Shard], each: Each, progress: Progress) -> list[dict]:
    """The notes of all shards, in their order; those that are not done are written."""
    notes = [shard.done() for shard in todo]
    left = [place for place, note in enumerate(notes) if note is None]
    total = sum(len(shard.images) for shard in todo)
    done = total - sum(len(todo[place].images) for place in left)
    if left and not todo[0].shorter_side:  # else the size is not known before
        needed = _MARGIN + sum(image.size for place in left for image in todo[place].images)
        free = shutil.disk_usage(todo[0].folder).free
        if needed > free:
            raise RunError(
                f"{todo[0].folder} needs {needed / 1e9:.1f} GB more, and {free / 1e9:.1f} "
                "GB are free there. Make room, or give another --data_dir; the same command "
                "continues. --shorter_side 256 needs about 40 % of it."
            )
    progress("writing images", done, total)
    for i, note in each(shards.write, [(todo[place],) for place in left]):
        notes[left[i]] = note
        done += len(todo[left[i]].images)
        progress("writing images", done, total)
    return notes
