"""Losses: `(outputs, labels) -> (batch,)`, one value per example.

Imports no TensorFlow until a loss is computed, so recipes can name them.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class SoftmaxCrossEntropy:
    """-log softmax(outputs)[label], in nats."""

    def __call__(self, outputs, labels):
        """(batch, classes) logits and (batch,) labels -> (batch,) float32."""
        import tensorflow as tf

        return tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=labels, logits=tf.cast(outputs, tf.float32)
        )
