"""The two criteria of Sec. II-C; `outputs` are -y, the negated distances."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class MapLoss:
    """Eq. 9: y_D + log(exp(-j) + sum_i exp(-y_i)).

    The softmax cross-entropy over the ten classes and an eleventh, "rubbish",
    whose distance is always j.

    Attributes:
        j: Positive; the paper does not say how large.
    """

    j: float

    def __call__(self, outputs, labels):
        """(batch, 10) and (batch,) -> (batch,)."""
        import tensorflow as tf

        rubbish = tf.fill((tf.shape(outputs)[0], 1), -self.j)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels, tf.concat([outputs, rubbish], axis=-1)
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class MseLoss:
    """Eq. 8: y_D, the squared distance to the code of the right class."""

    def __call__(self, outputs, labels):
        """(batch, 10) and (batch,) -> (batch,)."""
        import tensorflow as tf

        return -tf.gather(outputs, labels, batch_dims=1)
