"""The small network of Section 4.1, on MNIST.

A 28x28 binary image, three fully connected layers of 100 sigmoids, ten
outputs; with batch normalisation between each hidden layer's sum and its
sigmoid (Sec. 3.2), which then has no bias, or without.

Not in the paper: the spread of the "small random Gaussian values" that the
weights start with, and what is 1 in a binary image.
"""

HIDDEN_UNITS = (100, 100, 100)
SPREAD = 0.1  # ours
NORMALIZED = {"bn_mnist": True, "bn_mnist_baseline": False}


def build_network(variant: str, size: int, classes: int):
    """(batch, size, size, 1) zeros and ones -> (batch, classes) logits."""
    import keras

    from common.models.layers import BatchNormalization

    gaussian = keras.initializers.RandomNormal(0.0, SPREAD)
    normalized = NORMALIZED[variant]
    image = keras.Input((size, size, 1), name="image")
    x = keras.layers.Flatten(name="pixels")(image)  # 784
    for i, units in enumerate(HIDDEN_UNITS, 1):
        x = keras.layers.Dense(
            units,
            use_bias=not normalized,
            kernel_initializer=gaussian,
            name=f"hidden{i}",
        )(x)
        if normalized:
            x = BatchNormalization(momentum=0.9997, epsilon=1e-3, name=f"hidden{i}_bn")(x)
        x = keras.layers.Activation("sigmoid", name=f"hidden{i}_sigmoid")(x)
    logits = keras.layers.Dense(
        classes, kernel_initializer=gaussian, dtype="float32", name="classifier"
    )(x)
    return keras.Model(image, logits, name=variant)
