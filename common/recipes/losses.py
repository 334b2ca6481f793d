"""Losses: `(outputs, labels) -> (batch,)`, one value per example.

Imports no TensorFlow until a loss is computed, so recipes can name them.
"""

import dataclasses
import math
from collections.abc import Callable

from common.errors import UsageError
from common.lazy import tf


def of_labels(values, labels):
    """The label's value in each row: (batch, classes) and (batch,) -> (batch,); NaN of no class.

    The bits of tf.gather, in its gradient, too. TensorFlow makes that of a scatter, and so it does
    in tf.nn.sparse_softmax_cross_entropy_with_logits; where runs are to repeat, XLA on a GPU makes
    of a scatter a loop over the images, one after the other, or sorts them.
    """
    labels, classes = tf.convert_to_tensor(labels), values.shape[-1]
    own = labels[:, None] == tf.range(classes, dtype=labels.dtype)
    found = tf.reduce_sum(tf.where(own, values, tf.zeros_like(values)), axis=-1)
    return tf.where((labels >= 0) & (labels < classes), found, math.nan)


@dataclasses.dataclass(frozen=True)
class SoftmaxCrossEntropy:
    """-log softmax(outputs)[label], in nats."""

    def __call__(self, outputs, labels):
        """(batch, classes) logits and (batch,) labels -> (batch,) float32."""
        return -of_labels(tf.nn.log_softmax(tf.cast(outputs, tf.float32)), labels)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SmoothedCrossEntropy:
    """Cross-entropy with labels of (1 - s) one-hot + s / classes, in nats.

    Szegedy et al. 2015 (arXiv:1512.00567), Sec. 7: (1 - s) H(label) + s H(uniform), with s = 0.1.
    Never below the entropy of such a label: 1.015 for 1000 classes.

    Attributes:
        smoothing: s, 0 to 1; at 0 it is SoftmaxCrossEntropy.
    """

    smoothing: float

    def __call__(self, outputs, labels):
        """(batch, classes) logits and (batch,) labels -> (batch,) float32."""
        one_hot = self.plain(outputs, labels)
        logs = tf.nn.log_softmax(tf.cast(outputs, tf.float32))
        uniform = -tf.reduce_mean(logs, axis=-1)
        return (1 - self.smoothing) * one_hot + self.smoothing * uniform

    def plain(self, outputs, labels):
        """The cross-entropy that is recorded beside it: (batch,) float32."""
        return SoftmaxCrossEntropy()(outputs, labels)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithAuxiliary:
    """The main head's loss, plus `weight` times that of each auxiliary head.

    Szegedy et al. 2014, Sec. 5: 0.3 and two heads. Of a single output, as in testing, it is the
    main loss.
    """

    main: Callable
    weight: float
    heads: int

    def __call__(self, outputs, labels):
        """[main, auxiliary, ...] outputs and (batch,) labels -> (batch,)."""
        if not isinstance(outputs, list | tuple):
            return self.main(outputs, labels)
        first, *others = (self.main(output, labels) for output in outputs)
        if len(others) != self.heads:
            raise UsageError(f"{self} was given {len(others)} auxiliary outputs.")
        return first + self.weight * sum(others)

    def plain(self, outputs, labels):
        """The main head's cross-entropy, as others': (batch,) float32."""
        if isinstance(outputs, list | tuple):
            outputs = outputs[0]
        return plain(self.main, outputs, labels)

    def guessing(self, num_classes: int) -> float:
        """The loss of a network that knows nothing."""
        return (1 + self.weight * self.heads) * math.log(num_classes)


def plain(loss: Callable, outputs, labels):
    """A loss without what others do not hold; itself where it has no `plain`.

    Such a loss (auxiliary heads, smoothed labels) compares with no other network's; what its
    `plain` gives, the main head's cross-entropy, does.
    """
    return getattr(loss, "plain", loss)(outputs, labels)
