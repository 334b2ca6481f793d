"""Upright digits: the deslanted images of Sec. III-A."""

import keras
from keras import ops

BACKGROUND, FOREGROUND = -0.1, 1.175  # Sec. II-B; recipe.LENET5.normalize


@keras.saving.register_keras_serializable("lenet5")
class Deslant(keras.layers.Layer):
    """Shears digits until their principal axis is vertical; keeps the central 20x20.

    Sec. III-A: "The deslanting computes the second moments of inertia of the
    pixels (counting a foreground pixel as 1 and a background pixel as 0), and
    shears the image by horizontally shifting the lines so that the principal
    axis is vertical." With the covariance s_xy of the foreground pixels and
    their variance s_yy over the lines, line y is shifted by (y - mean y) *
    s_xy / s_yy, after which s_xy is 0.

    Not in the paper: a foreground pixel is nearer to the foreground's value
    than to the background's; shifts are not rounded, and what falls between
    two pixels is interpolated linearly.
    """

    side = 20

    def call(self, inputs):
        """(batch, H, W, 1), normalised -> (batch, 20, 20, 1)."""
        height, width = inputs.shape[1:3]
        y = ops.arange(height, dtype=self.compute_dtype)
        x = ops.arange(width, dtype=self.compute_dtype)
        ink = inputs[..., 0] - BACKGROUND
        foreground = ops.cast(ink > (FOREGROUND - BACKGROUND) / 2, self.compute_dtype)
        count = ops.maximum(ops.sum(foreground, (1, 2), keepdims=True), 1)
        from_y = y[:, None] - ops.sum(foreground * y[:, None], (1, 2), keepdims=True) / count
        from_x = x - ops.sum(foreground * x, (1, 2), keepdims=True) / count
        s_xy = ops.sum(foreground * from_x * from_y, (1, 2), keepdims=True)
        s_yy = ops.sum(foreground * from_y**2, (1, 2), keepdims=True)
        shift = from_y * s_xy / ops.maximum(s_yy, 1)  # of one line alone: 0
        top, left = (height - self.side) // 2, (width - self.side) // 2
        rows, columns = slice(top, top + self.side), x[left : left + self.side]
        seen = columns + shift[:, rows]  # (batch, 20, 20): where a pixel comes from
        share = ops.relu(1 - ops.abs(seen[..., None] - x))  # of each pixel of the line
        moved = ops.sum(share * ink[:, rows, None], axis=-1)
        return moved[..., None] + BACKGROUND
