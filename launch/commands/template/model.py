"""the_paper: TODO what is new in it.

TODO authors, title, where and when it was published. Built from TODO which table or figure.

Differences from the paper:
    * The network here ends in logits. TODO each other one.
"""

import keras

# TODO the side that leaves every window something
SMALLEST_IMAGE = {"the_paper": 3}


def build_model(variant: str, image_size: int, num_classes: int) -> keras.Model:
    """See reproductions.build_model; the comments' sizes are for 32 pixels."""
    image = keras.Input((image_size, image_size, 3), name="image")
    # TODO the paper's layers, under its names; this network holds their place.
    x = keras.layers.Conv2D(8, 3, activation="relu", kernel_initializer=gaussian(), name="conv1")(
        image
    )  # 30x30x8
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    logits = keras.layers.Dense(
        num_classes, kernel_initializer=gaussian(), name="fc", dtype="float32"
    )(x)
    return keras.Model(image, logits, name=variant)


def gaussian() -> keras.initializers.Initializer:
    """N(0, 0.01^2) (TODO section)."""
    return keras.initializers.RandomNormal(0.0, 0.01)
