"""The two criteria of Sec. II-C, and that of the networks of Sec. III-C.

`outputs` are -y, the negated distances; in `UnitsMse` they are output units, in
`PairsMse` scores and the units of pairs.
"""

import dataclasses

from common.lazy import np
from common.recipes.losses import of_labels


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
        logs = tf.nn.log_softmax(tf.concat([outputs, rubbish], axis=-1))
        return -self.scale * of_labels(logs, labels)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MseLoss:
    """Eq. 8: y_D, the squared distance to the right code, times `scale`."""

    scale: float

    def __call__(self, outputs, labels):
        """(batch, 10) and (batch,) -> (batch,)."""
        return -self.scale * of_labels(outputs, labels)


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


def pairs(classes: int) -> "np.ndarray":
    """(classes, pairs) float32: +1 for the first class of a pair i/j, -1 for the second, else 0."""
    first, second = np.triu_indices(classes, 1)
    return np.eye(classes, dtype="float32")[:, first] - np.eye(classes, dtype="float32")[:, second]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairsMse:
    """The squared distance of each pair's unit to its target (Sec. III-C, item 1).

    "Unit i/j is trained to produce +1 on patterns of class i, -1 on patterns of class j, and is
    not trained on other patterns." Of scores alone, as in testing, it is the squared distance of
    the right class's to their sum, 9 if all its units are at their targets, over 9.
    """

    def __call__(self, outputs, labels):
        """[(batch, classes) scores, (batch, pairs) units] and (batch,) -> (batch,)."""
        import tensorflow as tf

        if not isinstance(outputs, list | tuple):
            others = outputs.shape[-1] - 1
            return (of_labels(outputs, labels) - others) ** 2 / others
        scores, units = outputs
        targets = tf.gather(pairs(scores.shape[-1]), labels)
        return tf.reduce_sum(tf.abs(targets) * (units - targets) ** 2, axis=-1)
