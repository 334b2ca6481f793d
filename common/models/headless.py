"""A network without its classifier, for its features."""

import keras


def headless(model: keras.Model) -> keras.Model:
    """(batch, H, W, C) images -> (batch, features), what the classifier sees.

    The classifier is the main head's last layer with weights; what follows it and the
    auxiliary heads are left out. The weights are shared with `model`.
    """
    layer = model.outputs[0]._keras_history.operation
    while not layer.weights:
        layer = layer.input._keras_history.operation
    return keras.Model(model.inputs, layer.input, name=model.name)
