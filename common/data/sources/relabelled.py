"""A data set's labels by the names of another one's classes.

Importing this module imports no TensorFlow.
"""

from typing import Any

from common.data.dataset import Source, TrainingSource
from common.errors import UsageError, did_you_mean
from common.lazy import tf


def relabel(source: TrainingSource, names: tuple[str, ...], whose: str) -> Source:
    """The source with labels that are places in `names`.

    Args:
        source: See common.data.catalog.open_source.
        names: Of a network's classes, in the order of its outputs.
        whose: Names the network, for messages.

    Raises:
        UsageError: if a class of the source is none of them.
    """
    own = tuple(source.class_names())
    if own == names:
        return source
    unknown = [name for name in own if name not in names]
    if unknown:
        hint = did_you_mean(unknown[0], names)
        raise UsageError(
            f"{source.dataset.name} has {_some(unknown)}, which {whose} was not trained on.{hint} "
            f"It knows {_some(list(names))}. Labels go by the names of the classes, never by "
            "their order: give the folders the network's names, or leave out what it does not "
            "know."
        )
    return Relabelled(source, names)


def _some(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"the class{'es' if len(names) > 1 else ''} {shown}{more}"


class Relabelled(Source):
    """What tests need of a source, with other labels; see `relabel`."""

    def __init__(self, source: TrainingSource, names: tuple[str, ...]):
        self.dataset, self.where = source.dataset, source.where
        self.jpeg, self.image_shape = source.jpeg, source.image_shape
        self.shorter_side = source.shorter_side
        self.damage, self.fingerprint = source.damage, source.fingerprint
        self._source, self._names = source, names
        self._places = [names.index(name) for name in source.class_names()]

    def class_names(self) -> tuple[str, ...]:
        """The network's, in the order of its outputs."""
        return self._names

    def records(self, split: str) -> Any:
        """The source's records, in its order."""
        with tf.device("CPU:0"):
            places = tf.constant(self._places, tf.int64)
        return self._source.records(split).map(
            lambda r: r | {"label": tf.gather(places, r["label"])}
        )
