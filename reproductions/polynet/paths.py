"""The sum of a module's paths, and stochastic paths."""

import keras
import tensorflow as tf

from common.distribution import batch_slice


@keras.saving.register_keras_serializable(package="polynet")
class PathSum(keras.layers.Layer):
    """x + s (term + term + ...), or x and a random choice of the terms.

    With stochastic paths, a training step keeps each term with probability s,
    unscaled; so where the terms do not depend on each other's choice (none
    does here), the scaled sum that tests use is the expectation. One draw
    holds for the whole global batch, on any number of devices, and is a
    function of the run's seed, the step, the layer's name and the term's
    place: stochastic depth's "for each mini-batch" (Huang et al. 2016).

    Args:
        scale: s.
        stochastic_from: Updates made before the first random choice; None is
            never. A call outside of a training step chooses nothing.
    """

    def __init__(self, scale, *, stochastic_from=None, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.stochastic_from = stochastic_from

    def call(self, inputs, training=False):
        """[x, term, ...], all (batch, H, W, C) -> the same shape."""
        total, *terms = inputs
        factors = self._factors(len(terms), training, total.dtype)
        for factor, term in zip(factors, terms, strict=True):
            total = total + factor * term
        return total

    def _factors(self, terms: int, training: bool, dtype) -> list:
        scale = tf.constant(self.scale, dtype)
        where = batch_slice.current()
        if not training or self.stochastic_from is None or where is None:
            return [scale] * terms
        draws = where.uniform(self.name, (terms,))
        kept = tf.cast(draws < self.scale, dtype)
        started = where.step >= self.stochastic_from
        return tf.unstack(tf.where(started, kept, scale))

    def compute_output_shape(self, input_shape):
        """That of x."""
        return input_shape[0]

    def get_config(self):
        """The arguments."""
        return super().get_config() | {
            "scale": self.scale,
            "stochastic_from": self.stochastic_from,
        }
