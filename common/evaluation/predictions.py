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
from common.files import whole, write_atomically, write_json, writing

_ROWS = ("ids", "labels", "scores")  # those with a row for each image
_ARRAYS = (*_ROWS, "classes")
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
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: np.savez(file, **arrays))


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
            a, b = getattr(first, kind), getattr(other, kind)
            if not np.array_equal(a, b):
                difference = _tell_difference(kind, first.ids, a, b)
                raise UsageError(f"{first_name} and {name} cannot be fused: {difference}.")


def _tell_difference(kind: str, ids: np.ndarray, a: np.ndarray, b: np.ndarray) -> str:
    things = "images" if kind == "ids" else kind
    if kind != "labels" and (alone := np.setxor1d(a, b).tolist()):
        where = "first" if alone[0] in a else "second"
        numbers = f"{len(a):,} and {len(b):,} {things}"
        return f"they have {numbers}, and {alone[0]!r} is in the {where} only"
    i = int(np.argmax(a != b))
    one, other = a[i].item(), b[i].item()
    if kind == "labels":
        return f"the image {ids[i]} has the label {one} in the one and {other} in the other"
    order = f"number {i + 1} is {one!r} in the one, {other!r} in the other"
    return f"their {things} are in different orders: {order}"


def _require_sound(path: str | os.PathLike, predictions: Predictions) -> None:
    ids, labels, classes = predictions.ids, predictions.labels, predictions.classes
    scores, fault = predictions.scores, None
    kinds = "".join(array.dtype.kind for array in (ids, labels, classes))
    if kinds != "UiU" or scores.dtype != np.float32:
        fault = "ids and classes must be text, labels integers, scores float32"
    elif scores.shape != (*ids.shape, *classes.shape) or labels.shape != ids.shape:
        fault = (
            f"{ids.shape} ids, {labels.shape} labels and {classes.shape} classes do not go with "
            f"{scores.shape} scores"
        )
    elif len(np.unique(classes)) != len(classes):
        fault = "a class is named twice"
    elif len(found := np.flatnonzero(ids[1:] <= ids[:-1])):
        one, next_one = ids[found[0]], ids[found[0] + 1]
        fault = f"the image {next_one} follows {one}; each must be there once, in ascending order"
    elif len(found := np.flatnonzero((labels < -1) | (labels >= len(classes)))):
        fault = f"{ids[found[0]]} has the label {labels[found[0]]} of {len(classes)} classes"
    elif len(found := np.argwhere(~np.isfinite(scores))):
        i, j = found[0]
        fault = f"the score of {ids[i]} for {classes[j]} is {scores[i, j]}"
    if fault:
        raise RunError(f"{path} is not a usable prediction file: {fault}.")


class PredictionWriter:
    """Writes a prediction file batch by batch, in the data set's order.

    The batches are files of the folder PATH.part, each there as a whole or not at all: what
    was appended stays, whenever the program is killed, and another writer goes on from there.

    Attributes:
        done: Images already there.
        batches: What was appended: (ids, labels, scores), in order.
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
        try:
            with writing(self.folder):
                begun = json.loads(file.read_text() if file.exists() else "")
        except ValueError:  # there is none, or a disk has damaged it
            shutil.rmtree(self.folder, ignore_errors=True)
            with whole(self.folder) as made:
                made.mkdir(parents=True)
                write_json(made / file.name, header)
        else:
            self._require_same(begun, json.loads(json.dumps(header)))
            self._read_batches()

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
                    batch = tuple(arrays[name] for name in _ROWS)
                if int(file.stem) != self.done:
                    raise ValueError("a batch before it is missing")
            except _DAMAGE:
                for lost in files[place:]:
                    lost.unlink()
                return
            self._add(batch)

    def _add(self, batch: tuple[np.ndarray, ...]) -> None:
        self.batches.append(batch)
        self.done += len(batch[0])

    def append(self, ids: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> None:
        """Adds a batch; it is on the disk when this returns.

        Raises:
            RunError: if a score is not finite, more images come than the split has, or the disk
                is full.
        """
        batch = np.asarray(ids, np.str_), np.asarray(labels, np.int64), np.float32(scores)
        kept = f"{self.done:,} images are kept in {self.folder}."
        finite = np.isfinite(batch[2]).all(axis=1)
        if not finite.all():
            raise NotFinite(
                f"The scores of {ids[int(np.argmin(finite))]} are not finite: the weights or the "
                f"image are damaged. {kept}"
            )
        if self.done + len(ids) > self._num_images:
            raise RunError(
                f"The split has {self._num_images:,} images, but more came: the data set is not "
                "what it says."
            )
        try:
            file = self.folder / f"{self.done:09}.npz"
            arrays = dict(zip(_ROWS, batch, strict=True))
            write_atomically(file, lambda stream: np.savez(stream, **arrays))
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
        ids, labels, scores = map(np.concatenate, zip(*self.batches, strict=True))
        order = np.argsort(ids, kind="stable")
        rows = {"ids": ids[order], "labels": labels[order], "scores": scores[order]}
        write(self.path, Predictions(**rows, classes=self._classes, record=self._record))
        shutil.rmtree(self.folder)
        return read(self.path)
