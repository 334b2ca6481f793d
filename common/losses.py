"""Losses: `(outputs, labels) -> (batch,)`, one value per example.

Imports no TensorFlow until a loss is computed, so recipes can name them.
"""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class SoftmaxCrossEntropy:
    """-log softmax(outputs)[label], in nats."""

    def __call__(self, outputs, labels):
        """(batch, classes) logits and (batch,) labels -> (batch,) float32."""
        import tensorflow as tf

        return tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=labels, logits=tf.cast(outputs, tf.float32)
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithAuxiliary:
    """The main head's loss, plus `weight` times that of each auxiliary head.

    Szegedy et al. 2014, Sec. 5: 0.3. Of a single output, as in testing, it is
    the main loss.
    """

    main: Callable
    weight: float

    def __call__(self, outputs, labels):
        """[main, auxiliary, ...] outputs and (batch,) labels -> (batch,)."""
        if not isinstance(outputs, list | tuple):
            return self.main(outputs, labels)
        first, *others = (self.main(output, labels) for output in outputs)
        return first + self.weight * sum(others)
