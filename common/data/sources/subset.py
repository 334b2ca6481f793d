"""A part of a training set is trained on; another split is measured."""

import dataclasses
from typing import Any

from common.data.catalog import DataSet
from common.data.sources.tfds import RecordSource, Shuffled
from common.errors import UsageError
from common.recipes.recipe import Recipe

HELD_OUT = "held_out"


def cut(source: Any, recipe: Recipe) -> Any:
    """`source`, or the part of it that the recipe trains on.

    Raises:
        UsageError: if that cannot be cut from it.
    """
    if not recipe.held_out and recipe.train_images is None:
        return source
    return Cut(source, recipe.train_images, recipe.held_out)


def measured_on(dataset: DataSet, split: str | None) -> DataSet:
    """The data set with errors measured on `split`; None changes nothing.

    Raises:
        UsageError: if it has no such split.
    """
    if split is None:
        return dataset
    if split not in dataset.splits:
        hidden = " --set held_out=0 leaves the test split in its place."
        raise UsageError(
            f"{dataset.name} has no split called {split!r}. "
            f"Known: {', '.join(dataset.splits)}." + hidden * (HELD_OUT in dataset.splits)
        )
    return dataclasses.replace(dataset, test_split=split)


class Cut:
    """A prepared data set with fewer training images.

    TFDS shuffles examples when it prepares a set, so its first and its last
    ones are random choices. Attributes as RecordSource's.

    Args:
        source: The whole data set.
        train_images: The first so many are trained on; None is all that are
            not held out.
        held_out: The last so many are a split of that name, which is measured
            in the place of the test split; 0 leaves that as it is.
    """

    def __init__(self, source: RecordSource, train_images: int | None, held_out: int):
        whole = source.dataset.splits.get("train", 0)
        if not isinstance(source, RecordSource):
            raise UsageError(
                "held_out and train_images work with prepared data sets, whose "
                f"order is random; {source.dataset.name} is a folder: move "
                "images out of it instead."
            )
        self.kept = _kept(source.dataset, train_images, held_out)
        self.dataset = _cut_in_two(source.dataset, self.kept, held_out)
        self.where, self.jpeg = source.where, source.jpeg
        self.shorter_side = source.shorter_side
        self.image_shape, self.class_names = (source.image_shape, source.class_names)
        self._source, self._first_held_out = source, whole - held_out

    def records(self, split: str) -> Any:
        """A tf.data.Dataset of the records in the order of the files."""
        if split == "train":
            return self._source.records(split).take(self.kept)
        if split == HELD_OUT:
            return self._source.records("train").skip(self._first_held_out)
        return self._source.records(split)

    def shuffled(self, split: str, *, seed: int, epoch: int, skip: int) -> Shuffled:
        """The records of one epoch, from position `skip` on."""
        return self._source.shuffled(split, seed=seed, epoch=epoch, skip=skip, first=self.kept)

    def damage(self, split: str) -> str | None:
        """Of the files that the split is a part of."""
        return self._source.damage("train" if split == HELD_OUT else split)

    def fingerprint(self) -> dict[str, Any]:
        """That of the whole set, with the splits made here."""
        splits = dict(self.dataset.splits)
        return self._source.fingerprint() | {"splits": splits}


def planned(dataset: DataSet, recipe: Recipe) -> DataSet:
    """The row of the data set's part that the recipe trains on.

    Raises:
        UsageError: if that cannot be cut from it.
    """
    if not recipe.held_out and recipe.train_images is None:
        return dataset
    kept = _kept(dataset, recipe.train_images, recipe.held_out)
    return _cut_in_two(dataset, kept, recipe.held_out)


def _kept(dataset: DataSet, train_images: int | None, held_out: int) -> int:
    """Images that are trained on."""
    whole = dataset.splits.get("train", 0)
    kept = whole - held_out if train_images is None else train_images
    if held_out < 0 or not 0 < kept <= whole - held_out:
        raise UsageError(
            f"{dataset.name} has {whole} training images: "
            f"train_images={train_images} and held_out={held_out} cannot "
            "be cut from it."
        )
    return kept


def _cut_in_two(dataset: Any, kept: int, held_out: int) -> Any:
    splits, title = dataset.splits | {"train": kept}, dataset.title
    if kept + held_out < dataset.splits["train"]:
        title = f"{title}, {kept:,} training images"
    if not held_out:
        return dataclasses.replace(dataset, title=title, splits=splits)
    return dataclasses.replace(
        dataset,
        title=f"{title}, {held_out:,} training images held out",
        splits={"train": kept, HELD_OUT: held_out},
        test_split=HELD_OUT,
    )
