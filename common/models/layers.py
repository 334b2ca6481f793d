"""Layers that several papers share and Keras lacks."""

import keras
import numpy as np
import tensorflow as tf

from common.distribution import batch_slice


def _on_gpu() -> bool:
    return bool(tf.config.get_visible_devices("GPU"))


def he_normal(mode: str = "fan_in") -> keras.initializers.Initializer:
    """N(0, 2 / fan): He et al. 2015, "Delving Deep into Rectifiers", Eq. 10 (Eq. 14: "fan_out")."""
    return keras.initializers.VarianceScaling(2.0, mode, "untruncated_normal")


def symmetric_conv2d(
    x, filters, kernel_size, strides=1, *, name, layer=keras.layers.Conv2D, **options
):
    """A convolution padded by kernel_size // 2 on every side, as Caffe and torch pad.

    Keras's "same" pads less at the top and left where the convolution has a stride.
    (batch, H, W, C) -> (batch, ceil(H / strides), ceil(W / strides), filters)
    """
    if kernel_size > 1 and strides > 1:
        x = keras.layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x)
    padding = "valid" if strides > 1 else "same"
    return layer(filters, kernel_size, strides, padding, name=name, **options)(x)


@keras.saving.register_keras_serializable(package="common")
class LocalResponseNormalization(keras.layers.Layer):
    """b_i = a_i / (k + alpha * sum of a_j^2 over n adjacent maps)^beta.

    AlexNet, Sec. 3.3, with the paper's letters. `alpha` is not divided by n: for Caffe's and
    cuda-convnet's constants pass alpha / n. The sum runs over the maps j = i - n // 2 .. i + n // 2
    that exist, at the same place.

    (batch, H, W, C) -> the same shape. Computed in float32, whatever the dtype policy: in bfloat16
    the sum of squares would keep 8 bits.

    Args:
        n: Adjacent maps, odd.
        k: Added to the scaled sum, positive.
        alpha: Scale of the sum of squares.
        beta: Exponent.
        groups: The maps fall into so many blocks (AlexNet's towers) and the sum does not cross from
            one to the next.

    Raises:
        ValueError: if n is even, or the maps do not divide into the groups.
    """

    def __init__(self, *, n, k, alpha, beta, groups=1, **kwargs):
        super().__init__(**kwargs)
        if n % 2 == 0:
            raise ValueError(f"n counts a map and its neighbours, so it must be odd, not {n}")
        self.n, self.k, self.alpha, self.beta, self.groups = n, k, alpha, beta, groups

    def build(self, input_shape):
        """Checks that the maps divide into the groups."""
        if input_shape[-1] % self.groups:
            raise ValueError(f"{input_shape[-1]} maps do not divide into {self.groups} groups")

    def call(self, inputs):
        """Normalises; by cuDNN on a GPU, by a banded product on a CPU."""
        normalize = self._native if _on_gpu() else self._banded
        outputs = normalize(tf.cast(inputs, tf.float32))
        return tf.cast(outputs, self.compute_dtype)

    def _native(self, x):
        # The sums stay within a place: how places are laid out is no matter.
        rows = (tf.shape(x)[0], -1, self.groups, x.shape[-1] // self.groups)
        normalized = tf.nn.local_response_normalization(
            tf.reshape(x, rows), self.n // 2, self.k, self.alpha, self.beta
        )
        return tf.reshape(normalized, tf.shape(x))

    def _banded(self, x):
        # CPU seconds for (128, 55, 55, 96), forward / with gradient: 0.09 / 0.20; tf.nn's operation
        # 0.16 / 0.57.
        maps = x.shape[-1] // self.groups
        place = np.arange(maps)
        band = (abs(place[:, None] - place) <= self.n // 2).astype("float32")

        def window_sum(t):
            sums = tf.matmul(tf.reshape(t, (-1, maps)), band)
            return tf.reshape(sums, tf.shape(t))

        @tf.custom_gradient
        def normalize(a):
            scale = self.k + self.alpha * window_sum(tf.square(a))
            if self.beta == 0.75:  # x^-3/4 = x^-1/2 x^-1/4: half the time of pow
                root = tf.math.rsqrt(scale)
                power = root * tf.sqrt(root)
            else:
                power = tf.pow(scale, -self.beta)
            b = a * power

            def gradient(g):
                through_sum = window_sum(g * b / scale)
                return g * power - (2 * self.alpha * self.beta * a * through_sum)

            return b, gradient

        return normalize(x)

    def compute_output_shape(self, input_shape):
        """The input's."""
        return input_shape

    def get_config(self):
        """The constants, by the paper's letters."""
        names = ("n", "k", "alpha", "beta", "groups")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable(package="common")
class GroupedConv2D(keras.layers.Conv2D):
    """Conv2D with `groups`, fast wherever it runs; the same weights.

    On a CPU each group is a convolution of its own. XLA on a CPU needs that: forward and gradient
    of AlexNet's conv2 on 32 images took 1.76 CPU seconds native and 0.24 split; 32 groups of 8
    maps, 10.7 and 0.06. Without XLA splitting gains nothing: 0.69 and 0.70 (conv2 on 128 images),
    0.05 and 0.07 (32 groups), 0.08 and 0.07 (64 groups). On a GPU, which was not measured, the
    native operation is left alone.
    """

    def convolution_op(self, inputs, kernel):
        """The convolution without bias and activation."""
        if self.groups == 1 or _on_gpu():
            return super().convolution_op(inputs, kernel)
        parts = (tf.split(whole, self.groups, axis=-1) for whole in (inputs, kernel))
        convolve = super().convolution_op
        return tf.concat([convolve(x, w) for x, w in zip(*parts, strict=True)], axis=-1)


@keras.saving.register_keras_serializable(package="common")
class Dropout(keras.layers.Dropout):
    """Keras's (inverted) dropout, whose masks do not depend on the devices.

    In a training step the mask of an example is a function of the run's seed, the step, the layer's
    name and the example's position in the global batch (common.distribution.batch_slice); so
    replicas differ from each other, and any number of them gives the same run. Elsewhere it is
    keras.layers.Dropout.
    """

    def call(self, inputs, training=False):
        """(batch, ...) -> the same shape."""
        where = batch_slice.current()
        if not training or not self.rate or where is None:
            return super().call(inputs, training=training)
        if self.noise_shape is not None:
            raise ValueError(f"{self.name}: every value is drawn of its own, without noise_shape.")
        draws = where.uniform(self.name, (where.size, *inputs.shape[1:]))
        # A slice of a known size: XLA compiles no other.
        begin = [tf.cast(where.start, tf.int32)] + [0] * (len(inputs.shape) - 1)
        draws = tf.slice(draws, tf.stack(begin), tf.shape(inputs))
        kept = inputs / tf.cast(1 - self.rate, inputs.dtype)
        return tf.where(draws >= self.rate, kept, tf.zeros_like(kept))


@keras.saving.register_keras_serializable(package="common")
class ParameterFreeShortcut(keras.layers.Layer):
    """Every `strides`-th row and column, then maps of zeros up to `filters`.

    He et al. 2015, Sec. 3.3, option A.

    Args:
        zeros_before: How many of the zero maps come first; the paper's 0.
    """

    def __init__(self, filters, strides, *, zeros_before=0, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.strides, self.zeros_before = filters, strides, zeros_before

    def call(self, inputs):
        """(batch, H, W, C) -> (batch, ceil(H/s), ceil(W/s), filters)."""
        x = inputs[:, :: self.strides, :: self.strides]
        after = self.filters - inputs.shape[-1] - self.zeros_before
        return tf.pad(x, [(0, 0)] * 3 + [(self.zeros_before, after)])

    def get_config(self):
        """The arguments."""
        names = ("filters", "strides", "zeros_before")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable(package="common")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's, but its moving averages soon forget what they began with.

    In a training step after t updates they keep the smaller of `momentum` and (1 + t) / (10 + t),
    as TensorFlow's ExponentialMovingAverage(decay, num_updates) keeps. With 0.9997 throughout,
    1,000 updates would leave 74 % of the initial mean of 0 and variance of 1, and the network would
    be tested at chance.
    """

    def call(self, inputs, training=None, mask=None):
        """(batch, ..., C) -> the same shape."""
        where = batch_slice.current()
        if not training or where is None:
            return super().call(inputs, training=training, mask=mask)
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        t, momentum = tf.cast(where.step, dtype), self.momentum
        self.momentum = tf.minimum(tf.cast(momentum, dtype), (1 + t) / (10 + t))
        try:
            return super().call(inputs, training=training, mask=mask)
        finally:
            self.momentum = momentum
