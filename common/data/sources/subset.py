"""A part of a training set is trained on; another split is measured."""

import dataclasses
from typing import Any

from common.data.dataset import DataSet, Shuffled, TrainingSource
from common.errors import UsageError
from common.recipes.recipe import Recipe

HELD_OUT = "held_out"


def take_subset(source: TrainingSource, recipe: Recipe) -> TrainingSource:
    """`source`, or the part of it that the recipe trains on.

    Raises:
        UsageError: if that cannot be cut from it.
    """
    if not recipe.held_out and recipe.train_images is None:
        return source
    return TrainingSubset(source, recipe.train_images, recipe.held_out)


def own_name(dataset: DataSet, split: str | None) -> str | None:
    """What the set calls a split: "test" is its own for tests, unless another is called so."""
    return dataset.test_split if split == "test" and split not in dataset.splits else split


def measure_on(dataset: DataSet, split: str | None) -> DataSet:
    """The data set with errors measured on `split`; None changes nothing.

    Raises:
        UsageError: if it has no such split.
    """
    if split is None:
        return dataset
    if split not in dataset.splits:
        known = ", ".join(dict.fromkeys((*dataset.splits, "test")))
        hidden = (
            " The test split is not there where --set holds out images that the training did "
            "not: --set held_out=0 leaves it in its place."
        )
        raise UsageError(
            f"{dataset.name} has no split called {split!r}. "
            f"Known: {known}." + hidden * (HELD_OUT in dataset.splits)
        )
    return dataclasses.replace(dataset, test_split=split)


class TrainingSubset(TrainingSource):
    """A data set with fewer training images.

    TFDS shuffles examples when it prepares a set, and a folder's listing is mixed, so the
    first and the last ones are random choices.

    Args:
        source: The whole data set.
        train_images: The first so many are trained on; None is all that are
            not held out.
        held_out: The last so many are a split of that name, which is measured
            in the place of the test split; 0 leaves that as it is.
    """

    def __init__(self, source: TrainingSource, train_images: int | None, held_out: int):
        self.dataset = _cut(source.dataset, train_images, held_out)
        self.num_train = self.dataset.splits["train"]
        self.where, self.jpeg = source.where, source.jpeg
        self.shorter_side, self.image_shape = source.shorter_side, source.image_shape
        self.class_names, self._source = source.class_names, source
        self._first_held_out = source.dataset.splits["train"] - held_out

    def records(self, split: str) -> Any:
        """A tf.data.Dataset of the records in the order of the files."""
        if split == "train":
            return self._source.records(split).take(self.num_train)
        if split == HELD_OUT:
            return self._source.records("train").skip(self._first_held_out)
        return self._source.records(split)

    def shuffled(self, split: str, *, seed: int, epoch: int, skip: int) -> Shuffled:
        """The records of one epoch of "train", from position `skip` on."""
        return self._source.shuffled(split, seed=seed, epoch=epoch, skip=skip, first=self.num_train)

    def damage(self, split: str) -> str | None:
        """Of the files that the split is a part of."""
        return self._source.damage("train" if split == HELD_OUT else split)

    def fingerprint(self) -> dict[str, Any]:
        """That of the whole set, with the splits made here."""
        return self._source.fingerprint() | {"splits": dict(self.dataset.splits)}


def plan_subset(dataset: DataSet, recipe: Recipe) -> DataSet:
    """The row of the data set's part that the recipe trains on.

    Raises:
        UsageError: if that cannot be cut from it.
    """
    if not recipe.held_out and recipe.train_images is None:
        return dataset
    return _cut(dataset, recipe.train_images, recipe.held_out)


def _cut(dataset: DataSet, train_images: int | None, held_out: int) -> DataSet:
    whole, title = dataset.splits.get("train", 0), dataset.title
    num_train = whole - held_out if train_images is None else train_images
    if held_out < 0 or not 0 < num_train <= whole - held_out:
        raise UsageError(
            f"{dataset.name} has {whole} training images: train_images={train_images} and "
            f"held_out={held_out} cannot be cut from it."
        )
    splits = dataset.splits | {"train": num_train}
    if dataset.folders:  # of others the labels are not known without reading all
        classes = [name for _, name in dataset.folders.listing["train"]]
        if lost := sorted(set(classes) - set(classes[:num_train])):
            told = f"No image that is trained on is of {', '.join(lost)}: theirs count as errors."
            dataset = dataclasses.replace(dataset, notes=(*dataset.notes, told))
    if num_train + held_out < whole:
        title = f"{title}, {num_train:,} training images"
    if not held_out:
        return dataclasses.replace(dataset, title=title, splits=splits)
    return dataclasses.replace(
        dataset,
        title=f"{title}, {held_out:,} training images held out",
        splits={"train": num_train, HELD_OUT: held_out},
        test_split=HELD_OUT,
    )
