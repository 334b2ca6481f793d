"""What the processes of one training say to each other.

They make each update together, so that whatever decides on the next one has to be known to all: a
signal to one stops all at the same step. The first is the chief, which alone reads and writes the
run's folder. Alone, a process says everything to itself and TensorFlow is not asked.
"""

import contextlib
import io
import zlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from common.data.sharding import WorkerShard
from common.errors import LostWorker, UsageError

CHUNK = 2**20  # int32 in one message

# What TensorFlow raises when a peer is gone, by how and when it went.
LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
    tf.errors.UnknownError,
)


class Workers:
    """The workers of a strategy.

    Attributes:
        count: How many there are.
        index: Which of them this process is.
        chief: Whether it is the first.
        shard: Of every global batch, what it computes.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self.count, self.index, devices = 1, 0, 1
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            resolver = strategy.cluster_resolver
            self.count = resolver.cluster_spec().num_tasks("worker")
            self.index = resolver.task_id
            devices = strategy.num_replicas_in_sync // self.count
        self.chief = self.index == 0
        self.shard = WorkerShard(self.index, self.count, devices)
        self._total = tf.function(
            lambda values: strategy.reduce(tf.distribute.ReduceOp.SUM, values, None)
        )

    def all_gather(self, *numbers: int) -> np.ndarray:
        """(workers, numbers) int32: what each says here; all must ask."""
        table = np.zeros((self.count, len(numbers)), np.int32)
        table[self.index] = numbers
        return table if self.count == 1 else self._sum(table)

    def require_same(self, what: str, text: str) -> None:
        """Checks that all have the same `text`.

        Raises:
            UsageError: on each of them if one has another.
        """
        sums = self.all_gather(zlib.crc32(text.encode()) >> 1)[:, 0]
        odd = np.flatnonzero(sums != sums[0])
        if odd.size:
            raise UsageError(
                f"Worker {odd[0]} has another {what} than worker 0, the chief. Start the same "
                "command on every host, with the same data set and versions there."
            )

    def broadcast(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The chief's arrays, on every worker, bit for bit."""
        if self.count == 1:
            return arrays
        stream = io.BytesIO()
        if self.chief:
            np.savez(stream, **arrays)
        said = stream.getvalue()
        size = int(self.all_gather(-(-len(said) // 4))[0, 0])
        words = np.zeros(-(-size // CHUNK) * CHUNK, np.int32)
        words.view(np.uint8)[: len(said)] = np.frombuffer(said, np.uint8)
        for start in range(0, len(words), CHUNK):  # nobody else adds to it
            words[start : start + CHUNK] = self._sum(words[start : start + CHUNK])
        with np.load(io.BytesIO(words.tobytes()[: 4 * size])) as loaded:
            return {name: loaded[name] for name in loaded.files}

    def _sum(self, values: np.ndarray) -> np.ndarray:
        return self._total(tf.constant(values)).numpy()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Turns the loss of another worker inside into LostWorker."""
        try:
            yield
        except LOST as error:
            if self.count == 1:
                raise
            # The lines of TensorFlow's message that name the peer or the reason.
            lines = [line.strip() for line in str(error).splitlines()]
            told = [n for n in lines if "/task:" in n or "aborted by" in n] or lines
            raise LostWorker(
                f"Worker {self.index} of {self.count} has lost another one: "
                f"{' '.join(told)[:400].rstrip('.')}. Its own last lines say why. Nothing up to "
                "the last checkpoint is lost: start the same command on all hosts, and it "
                "continues."
            ) from error
