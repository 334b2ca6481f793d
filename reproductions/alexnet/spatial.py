"""The layer of net 145 that the paper does not mention."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="alexnet")
class SpatialResponseNormalization(keras.layers.Layer):
    """b = a / (k + alpha * sum of a^2 over size x size places)^beta.

    Each map by itself; windows centred on the place, cut at the border. Layer
    cnorm2 of layers-145.cfg, between rnorm2 and pool2.

    (batch, H, W, C) -> the same shape; computed in float32.
    """

    def __init__(self, *, size, k, alpha, beta, **kwargs):
        super().__init__(**kwargs)
        self.size, self.k, self.alpha, self.beta = size, k, alpha, beta

    def call(self, inputs):
        """Normalises."""
        a = tf.cast(inputs, tf.float32)
        side = [self.size // 2, self.size // 2]
        squares = tf.pad(tf.square(a), [[0, 0], side, side, [0, 0]])
        mean = tf.nn.avg_pool2d(squares, self.size, 1, "VALID")
        scale = self.k + self.alpha * self.size**2 * mean
        return tf.cast(a * tf.pow(scale, -self.beta), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """The input's."""
        return input_shape

    def get_config(self):
        """The constants."""
        return super().get_config() | {
            "size": self.size,
            "k": self.k,
            "alpha": self.alpha,
            "beta": self.beta,
        }
