"""Is a prepared data set what it should be? What there is to say of it.

Of what `prepare` wrote and of what TFDS wrote; without a manifest there are no
hashes to compare.
"""

import collections
import dataclasses
import json
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from common.data import imagenet
from common.data.dataset import MANIFEST, DataSet, read_manifest, shrunk_to
from common.data.preparation import expected
from common.data.preparation.inspection import Examined
from common.data.sources import folder
from common.data.sources.folder_source import ClassFolders
from common.data.sources.look import Look

_FEW_CLASSES = 12  # whose images are counted one by one
TOLERATED = 1e-3  # of a test split: less than 0.1 points of an error rate
_AGAIN = "Prepare the set again with python -m launch prepare"


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that was found."""

    matters: bool  # whether results would be wrong; else it is for information
    what: str
    advice: str = ""  # what to do


def findings(dataset: DataSet, where: pathlib.Path, seen: list[Examined]) -> list[Finding]:
    """All that there is to say of a data set, what matters first.

    Args:
        dataset: The catalogue's row.
        where: Its folder.
        seen: Every record file, examined.
    """
    manifest, classes = read_manifest(where), _read_classes(where)
    found = [
        *_files(where, manifest, seen),
        *_bad(seen, f"{_AGAIN}, which mends or names them."),
        *_counts(dataset, manifest, classes, seen),
        *_duplicates(seen),
        *_class_order(classes, expected.ORDER.get(dataset.name, tuple(classes))),
        *(_validation(seen) if dataset.name == "imagenet2012" else ()),
        *_pixels(dataset, seen),
        *(_done(manifest) if manifest else ()),
    ]
    return sorted(found, key=lambda finding: not finding.matters)


def of_folder(dataset: DataSet, labels: dict[str, int], found: ClassFolders) -> list[Finding]:
    """All that there is to say of class folders, what matters first.

    Args:
        dataset: As catalog.find has it.
        labels: By class, in their order.
        found: What there is, looked at.
    """
    looks, seen = found.looks, []
    for split, images in found.listing.items():
        file = Examined(split=split, file=split)
        for path, label in images:
            file.records.append((path, labels[label], bytes.fromhex(looks[path].digest)))
            file.turned += looks[path].turned
        seen.append(file)
    bad = [f"{path}: {look.why}" for path, look in looks.items() if look.why]
    left_out = Examined(split="", file="", bad=bad)
    findings = [
        *_bad([*seen, left_out], "They are left out. Mend these files, or take them away."),
        *_counts(dataset, None, list(labels), seen),
        *_sizes([look for look in looks.values() if not look.why]),
        *_duplicates(seen),
        *(Finding(False, note) for note in found.notes if folder.DAMAGED not in note),
    ]
    return sorted(findings, key=lambda finding: not finding.matters)


def _read_classes(where: pathlib.Path) -> list[str]:
    """Names in the order of the labels; numbers where TFDS keeps no names."""
    names = where / "label.labels.txt"
    if names.is_file():
        return names.read_text().splitlines()
    features = json.loads((where / "features.json").read_text())
    label = features["featuresDict"]["features"]["label"]["classLabel"]
    return [str(i) for i in range(int(label["numClasses"]))]


def _files(where: pathlib.Path, manifest: dict | None, seen: list[Examined]) -> Iterator[Finding]:
    for file in seen:
        known = manifest["files"].get(file.file) if manifest else None
        if file.damage:
            what = f": {file.damage}."
        elif known and known["sha256"] != file.sha256:
            what = " is not what was written: its hash."
        else:
            continue
        yield Finding(
            True,
            f"{where / file.file}{what}",
            "Remove it and prepare the set again from the originals: python -m launch prepare.",
        )
    if manifest is None:
        yield Finding(
            False, "No manifest: hashes were not compared.", "python -m launch prepare writes one."
        )


def _bad(seen: list[Examined], advice: str) -> Iterator[Finding]:
    if bad := [line for file in seen for line in file.bad]:
        shown = "; ".join(bad[:5]) + (" ..." if len(bad) > 5 else ".")
        yield Finding(True, f"{len(bad):,} images cannot be used: {shown}", advice)
    if turned := sum(file.turned for file in seen):
        yield Finding(
            False,
            f"{turned:,} images ask by EXIF to be turned; they are used as they are stored, as "
            "the papers did.",
        )


def _sizes(looks: list[Look]) -> Iterator[Finding]:
    """Kinds of files and the pixels of their sides."""
    if looks:
        kinds = collections.Counter(look.kind for look in looks).most_common()
        shorter = sorted(min(look.height, look.width) for look in looks)
        middle, longest = shorter[len(looks) // 2], max(max(k.height, k.width) for k in looks)
        told = ", ".join(f"{count:,} {kind}" for kind, count in kinds)
        yield Finding(
            False,
            f"{told}; shorter sides of {shorter[0]:,} to {shorter[-1]:,} pixels, half of them "
            f"{middle:,} or more; no side above {longest:,}.",
        )


def _counts(
    dataset: DataSet, manifest: dict | None, classes: list[str], seen: list[Examined]
) -> Iterator[Finding]:
    """Images of each class: beside the manifest's, the official ones, and as a note."""
    counts: dict[str, collections.Counter] = {}
    outside = 0
    for file in seen:
        labels = [label for _, label, _ in file.records]
        if set(labels) == {-1}:
            continue  # TFDS's test split of ImageNet has no labels
        known = [classes[label] for label in labels if 0 <= label < len(classes)]
        counts.setdefault(file.split, collections.Counter()).update(known)
        outside += len(labels) - len(known)
    if outside:
        yield Finding(True, f"{outside:,} labels are not 0 .. {len(classes) - 1}.", f"{_AGAIN}.")
    official = expected.OFFICIAL.get(dataset.name, expected.Expected(totals=dataset.splits))
    if dataset.splits and (wrong := expected.differences(official, counts)):
        yield Finding(
            manifest is None,  # else the part was asked for
            f"It is not the whole of {dataset.title}. {'. '.join(wrong)}.",
            "Complete the originals and prepare it again; of a part "
            "that you chose, never compare results with a paper's.",
        )
    if manifest:
        written = expected.Expected(totals=manifest["splits"], classes=manifest["classes"])
        for sentence in expected.differences(written, counts):
            yield Finding(True, f"It is not what was prepared. {sentence}.", f"{_AGAIN}.")
    # Parts of ImageNet lack classes by intent; a folder's notes say more.
    if not dataset.name.startswith(("imagenet2012", "folder:")):
        every = {split: {name: each[name] for name in classes} for split, each in counts.items()}
        if wrong := folder.find_untrained(every):
            yield Finding(True, wrong, f"Mend the names of the class folders. {_AGAIN}.")
        for note in folder.class_notes(every):
            yield Finding(False, note)
    for split, of_split in counts.items():
        each = of_split.values()
        told = f"{min(each, default=0):,} to {max(each, default=0):,} of each"
        if len(of_split) <= _FEW_CLASSES:
            told = ", ".join(f"{name} {count:,}" for name, count in sorted(of_split.items()))
        what = f"{split}: {of_split.total():,} images of {len(of_split):,} classes: {told}."
        yield Finding(False, what)


def _duplicates(seen: list[Examined]) -> Iterator[Finding]:
    splits: dict[str, dict[bytes, str]] = {}
    totals, within = collections.Counter(), collections.Counter()
    for file in seen:
        digests = splits.setdefault(file.split, {})
        for i, (name, _, digest) in enumerate(file.records):
            within[file.split] += digest in digests
            digests.setdefault(digest, name or f"{file.file}, record {i}")
        totals[file.split] += len(file.records)
    for split, count in within.items():
        if count:
            yield Finding(False, f"{split}: {count:,} images are the same as another one.")
    train = splits.pop("train", {})
    for split, digests in splits.items():
        pairs = [f"{train[d]} = {name}" for d, name in digests.items() if d in train]
        if pairs:
            more = " ..." if len(pairs) > 3 else ""
            yield Finding(
                len(pairs) > TOLERATED * totals[split],
                f"{len(pairs):,} images of {split} are in train as well: "
                f"{'; '.join(pairs[:3])}{more}.",
                "Take them out of train and prepare the set again; below 0.1 % of the split they "
                "change an error rate by less than 0.1 points.",
            )


def _pixels(dataset: DataSet, seen: list[Examined]) -> Iterator[Finding]:
    """Means and deviations of the training set beside the known ones."""
    official = expected.OFFICIAL.get(dataset.name)
    train = [file for file in seen if file.split == "train" and file.pixels]
    if not train or not official or not official.mean:
        return
    pixels = sum(file.pixels for file in train)
    first = sum(file.sums for file in train) / pixels
    second = sum(file.squares for file in train) / pixels
    deviation = np.sqrt(second - first**2)
    found = tuple(tuple((values / 255).round(4).tolist()) for values in (first, deviation))
    told = f"mean {_format(found[0])}, deviation {_format(found[1])}"
    if found == (official.mean, official.std):
        yield Finding(False, f"The pixels of train are right: {told}.")
        return
    images = sum(len(file.records) for file in train)
    yield Finding(
        images == official.totals["train"],  # else a part was chosen
        f"The pixels of train have {told} of red, green and blue, and "
        f"must have {_format(official.mean)} and {_format(official.std)}.",
        "They were changed: re-encoded, resized, or the colours' order. "
        "Prepare the set again from the official files.",
    )


def _format(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)


def _class_order(classes: list[str], known: tuple[str, ...]) -> Iterator[Finding]:
    if tuple(classes) != known:
        pairs = enumerate(zip(classes, known, strict=False))
        differ = (label for label, (one, other) in pairs if one != other)
        first = next(differ, min(len(classes), len(known)))
        yield Finding(
            True,
            f"The classes are not the {len(known):,} official ones in "
            f"their order; label {first} is the first that differs.",
            f"Published weights would answer wrong classes. {_AGAIN}.",
        )


def _validation(seen: list[Examined]) -> Iterator[Finding]:
    """Labels of ImageNet's validation images against those known by number."""
    known = expected.validation_labels()
    numbers = {expected.VALIDATION.format(i): i for i in range(1, 50_001)}
    there = {
        numbers[name]: label
        for file in seen
        if file.split == "validation"
        for name, label, _ in file.records
        if name in numbers
    }
    wrong = sorted(n for n, label in there.items() if label != known[n - 1])
    first = [there.get(number, "missing") for number in range(1, 9)]
    if wrong:
        yield Finding(
            True,
            f"{len(wrong):,} of {len(there):,} validation labels are wrong, first that of "
            f"{expected.VALIDATION.format(wrong[0])}. The first eight are {first}, and must be "
            f"{list(expected.FIRST_EIGHT)}.",
            f"TFDS's own builder shifts all labels after a file that is missing. {_AGAIN}.",
        )
    elif there:
        yield Finding(
            False,
            f"The labels of {len(there):,} validation images are right; the first eight are "
            f"{first}.",
        )
    listed = len(imagenet.blacklist() & there.keys())
    yield Finding(
        False,
        f"{listed:,} of the validation images are on the blacklist of "
        "2014 (1,762 in all); error rates of the papers count all 50,000.",
    )


def _done(manifest: dict[str, Any]) -> Iterator[Finding]:
    """What prepare did, from its manifest."""
    if side := shrunk_to(manifest):
        what = f"Images were shrunk to a shorter side of {side} pixels and encoded again."
        yield Finding(False, what)
    for split, pixels in manifest.get("pixels", {}).items():
        told = "; ".join(f"{count:,} {what}" for what, count in pixels.items())
        yield Finding(False, f"{split}: {told}.")
    for note in manifest.get("notes", ()):
        if note.startswith("Left out"):  # the others were seen in the records
            yield Finding(False, note)
    for key in ("repaired", "left_out"):
        if manifest[key]:
            name, why = next(iter(manifest[key].items()))
            what = f"images were {key.replace('_', ' ')} by prepare, such as {name}: {why}."
            yield Finding(False, f"{len(manifest[key]):,} {what}", f"{MANIFEST} names them all.")
