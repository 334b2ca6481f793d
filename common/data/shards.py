"""Which of a split's record files is damaged, and where."""

import pathlib
import re
from typing import Any

# Lines of TensorFlow's messages that say where, not what.
MACHINERY = r"Graph execution error|Detected at node|File |[\d]+ root error|<"


def damage(folder: str, split_info: Any) -> str | None:
    """The first damaged file of a split and what is wrong with it.

    Reads them all: TFRecord has a checksum for each record, and TFDS keeps
    how many each file should hold.

    Args:
        folder: Of the data set.
        split_info: A tfds SplitInfo; only TFRecord files are looked at.
    """
    import tensorflow as tf

    files = zip(split_info.filenames, split_info.shard_lengths, strict=True)
    for name, length in files:
        path = pathlib.Path(folder, name)
        if "tfrecord" not in name:
            continue
        records = tf.data.TFRecordDataset(str(path))
        try:
            count = int(records.reduce(0, lambda number, _: number + 1))
        except tf.errors.OpError as error:
            return f"{path}: {line_of(error)}"
        if count != length:
            return f"{path} has {count} whole records, not {length}."
    return None


def line_of(error: Exception) -> str:
    """TensorFlow's message without its machinery."""
    text = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", str(error))
    lines = [line.strip() for line in text.splitlines()]
    told = [n for n in lines if n and not re.match(MACHINERY, n)]
    return " ".join(told[:1]).rstrip(".") + "."
