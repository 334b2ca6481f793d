"""Prediction files: a network's scores for every image of a split.

One .npz, readable with NumPy alone: ids, labels, classes, scores, and the record as JSON.
Images stand in the order of their file names, so two files of the same split line up row by
row.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import zipfile
import zlib

import numpy as np

from common.errors import NotFinite, RunError, UsageError
from common.files import write_atomically, write_json, writing

_ARRAYS = ("ids", "labels", "classes", "scores")
_ROWS = ("ids", "labels", "scores")  # those with a row for each image
_DAMAGE = (  # what NumPy raises for a file that is none of its own, or not whole
    *(OSError, ValueError, KeyError, EOFError, AttributeError, TypeError),
    *(zipfile.BadZipFile, zlib.error),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictions:
    """What one network said about N images of C classes under one view.

    Attributes:
        ids: (N,) str, the images' file names, ascending.
        labels: (N,) int64, index into `classes`; -1 where it is not known.
        classes: (C,) str, in the order of the scores: WNIDs for ImageNet, the data set's names
            else.
        scores: (N, C) float32; softmax(scores) are the class probabilities: the logits of one
            input, the logarithm of the mean probability of several.
        record: JSON: paper, variant, view, data, split, image_size, recipe, weights, command,
            versions; `sha256` of the arrays once written.
    """

    ids: np.ndarray
    labels: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    record: dict


def write(path: str | os.PathLike, predictions: Predictions) -> None:
    """Writes one .npz, whole or not at all; the record gains `sha256`.

    Raises:
        RunError: if the predictions are not as `Predictions` says, or the file cannot be
            written.
    """
    path = pathlib.Path(path)
    _require_sound(path, predictions)
    arrays = {name: getattr(predictions, name) for name in _ARRAYS}
    record = {**predictions.record, "sha256": sha256(predictions)}
    arrays["record"] = np.array(json.dumps(record, sort_keys=True))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: np.savez(file, **arrays))
    except OSError as error:
        raise RunError(
            f"The predictions could not be written to {path}: {error.strerror or error}."
        ) from error


def read(path: str | os.PathLike) -> Predictions:
    """The predictions in a file that `write` wrote.

    Raises:
        RunError: if it is not there, is not such a file, was changed after it was written, or
            holds NaN.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in _ARRAYS}
            record = json.loads(file["record"].item())
    except FileNotFoundError as error:
        raise RunError(f"There is no file {path}.") from error
    except _DAMAGE as error:
        raise RunError(
            f"{path} is not a prediction file, or is damaged ({error}). "
            "`evaluate NAME --weights FILE --predictions FILE` writes one."
        ) from error
    predictions = Predictions(**arrays, record=record)
    _require_sound(path, predictions)
    if sha256(predictions) != record.get("sha256"):
        raise RunError(
            f"{path} has been changed since it was written: its arrays do not have the sha256 of "
            "its record. Evaluate the network again."
        )
    return predictions


def sha256(predictions: Predictions) -> str:
    """Of the ids, classes, labels and scores, in this order."""
    digest = hashlib.sha256()
    for names in (predictions.ids, predictions.classes):
        digest.update("\n".join(names.tolist()).encode() + b"\0")
    digest.update(predictions.labels.astype("<i8").tobytes())
    digest.update(predictions.scores.astype("<f4").tobytes())
    return digest.hexdigest()


def require_same_images(named: list[tuple[str, Predictions]]) -> None:
    """That all speak of the same images and classes, in the same order.

    Raises:
        UsageError: naming the first difference.
    """
    (first_name, first), *others = named
    for name, other in others:
        for kind in ("ids", "classes", "labels"):
            if not np.array_equal(getattr(first, kind), getattr(other, kind)):
                difference = _describe_difference(kind, first, other)
                raise UsageError(f"{first_name} and {name} cannot be fused: {difference}.")


def _describe_difference(kind: str, first: Predictions, other: Predictions) -> str:
    a, b = getattr(first, kind), getattr(other, kind)
    if kind == "labels":
        i = int(np.argmax(a != b))
        return f"the image {first.ids[i]} has the label {a[i]} in the one and {b[i]} in the other"
    things = {"ids": "images", "classes": "classes"}[kind]
    if alone := sorted(set(a.tolist()) ^ set(b.tolist())):
        where = "first" if alone[0] in a else "second"
        return (
            f"they have {len(a):,} and {len(b):,} {things}, and {alone[0]!r} is in the {where} only"
        )
    i = int(np.argmax(a != b))
    return (
        f"their {things} are in different orders: number {i + 1} is {str(a[i])!r} in the one, "
        f"{str(b[i])!r} in the other"
    )


def _require_sound(path: str | os.PathLike, predictions: Predictions) -> None:
    if fault := _find_fault(predictions):
        raise RunError(f"{path} is not a usable prediction file: {fault}.")


def _find_fault(predictions: Predictions) -> str | None:
    """What makes it unusable; None if nothing does."""
    ids, labels, classes, scores = (getattr(predictions, name) for name in _ARRAYS)
    kinds = "".join(array.dtype.kind for array in (ids, labels, classes, scores))
    if kinds != "UiUf" or scores.dtype != np.float32:
        return "ids and classes must be text, labels integers, scores float32"
    if scores.shape != (*ids.shape, *classes.shape) or labels.shape != ids.shape:
        return (
            f"{ids.shape} ids, {labels.shape} labels and {classes.shape} classes do not go with "
            f"{scores.shape} scores"
        )
    if len(np.unique(classes)) != len(classes):
        return "a class is named twice"
    for i in np.flatnonzero(ids[1:] <= ids[:-1]):
        return (
            f"the image {ids[i + 1]} follows {ids[i]}; each must be there once, in ascending order"
        )
    for i in np.flatnonzero((labels < -1) | (labels >= len(classes))):
        return f"{ids[i]} has the label {labels[i]} of {len(classes)} classes"
    for i, j in np.argwhere(~np.isfinite(scores)):
        return f"the score of {ids[i]} for {classes[j]} is {scores[i, j]}"
    return None


class PredictionWriter:
    """Writes a prediction file batch by batch, in the data set's order.

    The batches are files of the folder PATH.part, each there as a whole or not at all: what
    was appended stays, whenever the program is killed, and another writer goes on from there.

    Attributes:
        done: Images already there.
        batches: What was appended: `ids`, `labels` and `scores`, in order.
    """

    def __init__(self, path: str | os.PathLike, record: dict, num_images: int, classes: np.ndarray):
        """Opens PATH.part, or begins it.

        Raises:
            UsageError: if it was begun for another record, number of images or list of classes.
            RunError: if it cannot be written.
        """
        self.path = pathlib.Path(path)
        self.folder = self.path.with_name(self.path.name + ".part")
        self.done, self.batches = 0, []
        self._record, self._num_images = record, num_images
        self._classes = np.asarray(classes, np.str_)
        header = {**record, "images": num_images, "classes": self._classes.tolist()}
        file = self.folder / "record.json"
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            text = file.read_text() if file.exists() else ""
        try:
            begun = json.loads(text)
        except ValueError:  # there is none, or a disk has damaged it
            self._begin(file, header)
        else:
            self._require_same(begun, json.loads(json.dumps(header)))
            self._read_batches()

    def _begin(self, file: pathlib.Path, header: dict) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            with writing(self.folder):
                self.folder.mkdir(parents=True)
                write_json(file, header)
        except RunError:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _require_same(self, begun: dict, header: dict) -> None:
        for name in {**begun, **header}:
            # The command may be spelt otherwise when it is given again.
            if name != "command" and begun.get(name) != header.get(name):
                old, new = (
                    text if len(text) <= 80 else text[:77] + "..."
                    for text in (json.dumps(each.get(name)) for each in (begun, header))
                )
                raise UsageError(
                    f"{self.folder} was begun with {name} = {old}; now it is {new}. Give another "
                    "file name, or remove that folder."
                )

    def _read_batches(self) -> None:
        """Those before the first that a disk has damaged; the others are removed."""
        files = sorted(self.folder.glob("*.npz"))
        for place, file in enumerate(files):
            try:
                with np.load(file, allow_pickle=False) as arrays:
                    batch = {name: arrays[name] for name in _ROWS}
                if int(file.stem) != self.done:
                    raise ValueError("a batch before it is missing")
            except _DAMAGE:
                for lost in files[place:]:
                    lost.unlink()
                return
            self._add(batch)

    def _add(self, batch: dict[str, np.ndarray]) -> None:
        self.batches.append(batch)
        self.done += len(batch["ids"])

    def append(self, ids: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> None:
        """Adds a batch; it is on the disk when this returns.

        Raises:
            RunError: if a score is not finite, more images come than the split has, or the disk
                is full.
        """
        scores = np.asarray(scores, np.float32)
        kept = f"{self.done:,} images are kept in {self.folder}."
        finite = np.isfinite(scores).all(axis=1)
        if not finite.all():
            raise NotFinite(
                f"The scores of {ids[int(np.argmin(finite))]} are not finite: the weights or the "
                f"image are damaged. {kept}"
            )
        if self.done + len(scores) > self._num_images:
            raise RunError(
                f"The split has {self._num_images:,} images, but more came: the data set is not "
                "what it says."
            )
        arrays = (np.asarray(ids, np.str_), np.asarray(labels, np.int64), scores)
        batch = dict(zip(_ROWS, arrays, strict=True))
        try:
            file = self.folder / f"{self.done:09}.npz"
            write_atomically(file, lambda stream: np.savez(stream, **batch))
        except OSError as error:
            if not self.done:
                shutil.rmtree(self.folder, ignore_errors=True)
                kept = "Nothing of it is left."
            raise RunError(
                f"{self.folder} could not be written: {error.strerror or error}. {kept} Make "
                "room, then run the same command again: it continues."
            ) from error
        self._add(batch)

    def finish(self) -> Predictions:
        """Writes PATH, its images sorted by id, and removes PATH.part.

        Raises:
            RunError: if images are missing or came twice; PATH.part stays.
        """
        if self.done != self._num_images:
            raise RunError(
                f"{self.folder} has {self.done:,} of {self._num_images:,} images. Run the same "
                "command again: it continues."
            )
        rows = {name: np.concatenate([batch[name] for batch in self.batches]) for name in _ROWS}
        order = np.argsort(rows["ids"], kind="stable")
        rows = {name: array[order] for name, array in rows.items()}
        write(self.path, Predictions(**rows, classes=self._classes, record=self._record))
        shutil.rmtree(self.folder)
        return read(self.path)
