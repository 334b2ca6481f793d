"""The two criteria of Sec. II-C, and that of the networks of Sec. III-C.

`outputs` are -y, the negated distances; in `UnitsMse` they are output units.
"""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class MapLoss:
    """Eq. 9: y_D + log(exp(-j) + sum_i exp(-y_i)), times `scale`.

    The softmax cross-entropy over the ten classes and an eleventh, "rubbish",
    whose distance is always j.

    Attributes:
        j: Positive; the paper does not say how large.
        scale: 1 in Eq. 9. With it the gradient and the curvature shrink alike,
            and mu of Appendix C weighs more beside the curvature.
    """

    j: float
    scale: float

    def __call__(self, outputs, labels):
        """(batch, 10) and (batch,) -> (batch,)."""
        import tensorflow as tf

        rubbish = tf.fill((tf.shape(outputs)[0], 1), -self.j)
        return self.scale * tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels, tf.concat([outputs, rubbish], axis=-1)
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class MseLoss:
    """Eq. 8: y_D, the squared distance to the right code, times `scale`."""

    scale: float

    def __call__(self, outputs, labels):
        """(batch, 10) and (batch,) -> (batch,)."""
        import tensorflow as tf

        return -self.scale * tf.gather(outputs, labels, batch_dims=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnitsMse:
    """The squared distance of ten units to their targets, times `scale`.

    The target of the right class's unit is +1, that of the others -1: the
    points where the squashing function bends most (Appendix A).
    """

    scale: float

    def __call__(self, outputs, labels):
        """(batch, 10) and (batch,) -> (batch,)."""
        import tensorflow as tf

        targets = tf.one_hot(labels, outputs.shape[-1], 1.0, -1.0)
        return self.scale * tf.reduce_sum((outputs - targets) ** 2, axis=-1)
