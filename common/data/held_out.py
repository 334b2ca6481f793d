"""A training set whose last images are kept for validation."""

import dataclasses
from typing import Any

from common.data.sources import RecordSource, Shuffled
from common.errors import UsageError

SPLIT = "held_out"


class HeldOut:
    """A prepared data set, its training split cut in two.

    TFDS shuffles examples when it prepares a set, so its last ones are a
    random choice. Attributes as RecordSource's; the test split is "held_out".
    """

    def __init__(self, source: RecordSource, count: int):
        whole = source.dataset.splits["train"]
        if not isinstance(source, RecordSource):
            raise UsageError(
                "held_out works with prepared data sets, whose order is "
                f"random; {source.dataset.name} is a folder: give it a "
                "validation folder instead."
            )
        if not 0 < count < whole:
            raise UsageError(
                f"held_out={count} of {whole} training images: some must be "
                "left on both sides."
            )
        self.kept = whole - count
        splits = {"train": self.kept, SPLIT: count}
        self.dataset = dataclasses.replace(
            source.dataset,
            title=f"{source.dataset.title}, {count:,} training images held out",
            splits=splits,
            test_split=SPLIT,
        )
        self.where, self.jpeg = source.where, source.jpeg
        self.image_shape, self.class_names = (
            source.image_shape,
            source.class_names,
        )
        self._source = source

    def records(self, split: str) -> Any:
        """A tf.data.Dataset of the records in the order of the files."""
        whole = self._source.records("train")
        return (
            whole.skip(self.kept) if split == SPLIT else whole.take(self.kept)
        )

    def shuffled(
        self, split: str, *, seed: int, epoch: int, skip: int
    ) -> Shuffled:
        """The records of one epoch, from position `skip` on."""
        return self._source.shuffled(
            split, seed=seed, epoch=epoch, skip=skip, first=self.kept
        )

    def damage(self, split: str) -> str | None:
        """Both splits are parts of the same files."""
        return self._source.damage("train")

    def fingerprint(self) -> dict[str, Any]:
        """That of the whole set, with the splits made here."""
        splits = dict(self.dataset.splits)
        return self._source.fingerprint() | {"splits": splits}
