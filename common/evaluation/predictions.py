"""Prediction files: a network's scores for every image of a split.

One .npz, readable with NumPy alone: ids, labels, classes, scores, and the
record as JSON. Images stand in the order of their file names, so two files of
the same split line up row by row.
"""

import dataclasses
import hashlib
import io
import itertools
import json
import os
import pathlib
import shutil
import zipfile
import zlib

import numpy as np

from common.errors import NotFinite, RunError, UsageError
from common.evaluation.frames import FrameLog
from common.evaluation.prediction_faults import ARRAYS, difference, fault
from common.files import write_atomically, writing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictions:
    """What one network said about N images of C classes under one view.

    Attributes:
        ids: (N,) str, the images' file names, ascending.
        labels: (N,) int64, index into `classes`; -1 where it is not known.
        classes: (C,) str, in the order of the scores: WNIDs for ImageNet,
            the data set's names else.
        scores: (N, C) float32; softmax(scores) are the class probabilities:
            the logits of one view, the logarithm of the mean probability of
            several.
        record: JSON: paper, variant, view, data, split, image_size, recipe,
            weights, command, versions; `sha256` of the arrays once written.
    """

    ids: np.ndarray
    labels: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    record: dict


def write(path: str | os.PathLike, predictions: Predictions) -> None:
    """Writes one .npz, whole or not at all; the record gains `sha256`.

    Raises:
        RunError: if the predictions are not as `Predictions` says, or the
            file cannot be written.
    """
    path = pathlib.Path(path)
    _require_sound(path, predictions)
    arrays = {name: getattr(predictions, name) for name in ARRAYS}
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
        RunError: if it is not there, is not such a file, was changed after it
            was written, or holds NaN.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ARRAYS}
            record = json.loads(file["record"].item())
    except FileNotFoundError as error:
        raise RunError(f"There is no file {path}.") from error
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        AttributeError,
        TypeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise RunError(
            f"{path} is not a prediction file, or is damaged ({error}). "
            "`evaluate NAME --weights FILE --predictions FILE` writes one."
        ) from error
    predictions = Predictions(**arrays, record=record)
    _require_sound(path, predictions)
    if sha256(predictions) != record.get("sha256"):
        raise RunError(
            f"{path} has been changed since it was written: its arrays do not "
            "have the sha256 of its record. Evaluate the network again."
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
        found = difference(first, other)
        if found:
            raise UsageError(f"{first_name} and {name} cannot be fused: {found}.")


def _require_sound(path: str | os.PathLike, predictions: Predictions) -> None:
    found = fault(predictions)
    if found:
        raise RunError(f"{path} is not a usable prediction file: {found}.")


class Unfinished:
    """A prediction file in the making, in the folder PATH.part.

    It is a log whose first frame says what is being predicted and whose
    further frames are the batches, in the order of the data set. What was
    appended stays, whenever the program is killed.

    Attributes:
        done: Images already there.
    """

    def __init__(self, path: str | os.PathLike, record: dict, num_images: int, classes: np.ndarray):
        """Opens PATH.part, or begins it.

        Raises:
            UsageError: if it was begun for another record, number of images
                or list of classes.
        """
        self.path = pathlib.Path(path)
        self.folder = self.path.with_name(self.path.name + ".part")
        self._record, self._num_images = record, num_images
        self._classes = np.asarray(classes, np.str_)
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._log = FrameLog(self.folder / "batches")
        frames = iter(self._log)
        header = next(frames, None)
        if header is None:
            self._begin()
        else:
            self._require_mine(json.loads(header))
        self.done = sum(len(_batch(frame)["ids"]) for frame in frames)

    def _begin(self) -> None:
        try:
            with writing(self.folder):
                self._log.append(json.dumps(self._header()).encode())
        except RunError:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def append(self, ids: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> None:
        """Adds a batch; it is on the disk when this returns.

        Raises:
            RunError: if a score is not finite, more images come than the
                split has, or the disk is full.
        """
        scores = np.asarray(scores, np.float32)
        finite = np.isfinite(scores).all(axis=1)
        if not finite.all():
            raise NotFinite(
                f"The scores of {ids[int(np.argmin(finite))]} are not finite: "
                f"the weights or the image are damaged. {self._kept()}"
            )
        if self.done + len(scores) > self._num_images:
            raise RunError(
                f"The split has {self._num_images:,} images, but more came: "
                "the data set is not what it says."
            )
        batch = {
            "ids": np.asarray(ids, np.str_),
            "labels": np.asarray(labels, np.int64),
            "scores": scores,
        }
        memory = io.BytesIO()
        np.savez(memory, **batch)
        try:
            self._log.append(memory.getvalue())
        except OSError as error:
            kept = self._kept()
            if not self.done:
                shutil.rmtree(self.folder, ignore_errors=True)
                kept = "Nothing of it is left."
            raise RunError(
                f"{self.folder} could not be written: "
                f"{error.strerror or error}. {kept} Make room, then run the "
                "same command again: it continues."
            ) from error
        self.done += len(scores)

    def finish(self) -> Predictions:
        """Writes PATH, its images sorted by id, and removes PATH.part.

        Raises:
            RunError: if images are missing or came twice; PATH.part stays.
        """
        if self.done != self._num_images:
            raise RunError(
                f"{self.folder} has {self.done:,} of {self._num_images:,} "
                "images. Run the same command again: it continues."
            )
        frames = itertools.islice(self._log, 1, None)  # without the header
        batches = [_batch(frame) for frame in frames]
        rows = {
            name: np.concatenate([batch[name] for batch in batches])
            for name in ("ids", "labels", "scores")
        }
        order = np.argsort(rows["ids"], kind="stable")
        write(
            self.path,
            Predictions(
                **{name: array[order] for name, array in rows.items()},
                classes=self._classes,
                record=self._record,
            ),
        )
        shutil.rmtree(self.folder)
        return read(self.path)

    def _kept(self) -> str:
        return f"{self.done:,} images are kept in {self.folder}."

    def _header(self) -> dict:
        """The record as JSON has it, the number of images and the classes."""
        mine = {"images": self._num_images, "classes": self._classes.tolist()}
        return json.loads(json.dumps({**self._record, **mine}))

    def _require_mine(self, begun: dict) -> None:
        mine = self._header()
        for name in {**begun, **mine}:
            # The command may be spelt otherwise when it is given again.
            if name != "command" and begun.get(name) != mine.get(name):
                raise UsageError(
                    f"{self.folder} was begun with {name} = "
                    f"{_short(begun.get(name))}; now it is "
                    f"{_short(mine.get(name))}. Give another file name, or "
                    "remove that folder."
                )


def _batch(frame: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(frame)) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
