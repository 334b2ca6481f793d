"""What is wrong where: errors of each class, the confusion matrix, the worst images."""

import pathlib

import numpy as np
import tensorflow as tf

from common.data.dataset import Source
from common.data.sources.photographs import thumbnail
from common.evaluation.outcomes import Outcomes, confusion, worst
from common.files import csv_text, write_text
from launch.terminal import tables

ALL_CLASSES = 20  # classes of which each has a line; of more, the worst
WORST_CLASSES = 10
WORST_IMAGES = 20
_LETTERS = 34  # of a file's name on the sheet


def show_classes(names: tuple[str, ...], counts: np.ndarray) -> None:
    """Prints how many images of each class are right, the class with most errors first.

    Args:
        counts: See common.evaluation.outcomes.confusion.
    """
    totals, right = counts.sum(axis=1), np.diag(counts)
    wrong = (totals - right) / np.maximum(totals, 1)
    few = len(names) <= ALL_CLASSES  # of more, those without an image would be in the way
    there = np.arange(len(names)) if few else np.flatnonzero(totals)
    order = there[np.lexsort((there, -totals[there], -wrong[there]))]
    shown = order if len(order) <= ALL_CLASSES else order[:WORST_CLASSES]
    rows = []
    for place in shown:
        others = counts[place] * (np.arange(len(names)) != place)
        often = int(np.argmax(others))
        taken = f"{names[often]} ({others[often]:,})" if others[often] else ""
        said = f"{right[place]:,} of {totals[place]:,}"
        error = f"{100 * wrong[place]:.1f} %" if totals[place] else ""
        rows.append([names[place], said, error, taken])
    title = "" if len(shown) == len(order) else f"The worst {len(shown)} of {len(order):,} classes:"
    tables.show(title, ["class", ">right", ">error", "most often taken for"], rows)


def write(
    folder: pathlib.Path,
    view: str,
    title: str,
    names: tuple[str, ...],
    source: Source,
    outcomes: Outcomes,
) -> None:
    """Writes VIEW_confusion.csv, VIEW_confusion.svg and VIEW_worst.png, and says so.

    Args:
        folder: Made if it is not there; what is there of these names is replaced.
        title: Of the pictures.
        source: What the outcomes were measured on, for the worst images' pixels.
    """
    from launch.drawing import confusion_matrix, contact_sheet  # with matplotlib: a second

    counts = confusion(outcomes, len(names))
    folder.mkdir(parents=True, exist_ok=True)
    rows = [[name, *row] for name, row in zip(names, counts.tolist(), strict=True)]
    write_text(folder / f"{view}_confusion.csv", csv_text([["true \\ guessed", *names], *rows]))
    picture = confusion_matrix.draw(title, names, counts)
    write_text(folder / f"{view}_confusion.svg", picture)
    places = worst(outcomes, WORST_IMAGES)
    pixels, entries = read_images(source, source.dataset.test_split, places), []
    for place in places:
        label, guess = outcomes.labels[place], outcomes.guesses[place]
        guesses = zip((guess, label), outcomes.certain[place], strict=True)
        shown = [(f"{names[k]}, true" if k == label else names[k], float(p)) for k, p in guesses]
        name = "/".join(pathlib.PurePath(outcomes.ids[place]).parts[-2:])  # in a class folder
        # Its end tells it from others.
        name = name if len(name) <= _LETTERS else f"…{name[1 - _LETTERS :]}"
        entries.append((name, pixels[place], shown[: 1 + (guess != label)]))
    wrong = np.flatnonzero(outcomes.guesses[places] != outcomes.labels[places]).tolist()
    heading = f"{title}\nthe {len(places)} images with the highest loss; red: wrong"
    contact_sheet.write(folder / f"{view}_worst.png", heading, entries, wrong)
    print(f"{folder}: {view}_confusion.csv, {view}_confusion.svg, {view}_worst.png.")


def read_images(source: Source, split: str, places: np.ndarray) -> dict:
    """Small pictures of some images of a split, by their places in its order."""
    wanted = tf.constant(places, tf.int64)
    records = source.records(split).enumerate()
    chosen = records.filter(lambda place, _: tf.reduce_any(place == wanted)).take(len(places))
    return {int(place): thumbnail(record["image"].numpy()) for place, record in chosen}
