"""A trained network run over whole images of any size, as a convolution.

Simonyan and Zisserman 2014, Sec. 3.2: "the fully-connected layers are first converted to
convolutional layers (the first FC layer to a 7 x 7 conv. layer, the last two FC layers to 1 x 1
conv. layers). The resulting fully-convolutional net is then applied to the whole (uncropped) image.
The result is a class score map [...] the class score map is spatially averaged (sum-pooled)". What
is averaged here are logits: the softmax comes after (our reading).

A global average pooling before a linear classifier (He et al. 2015, Sec. 3.3 and 3.4) stays global:
to classify each place of the last map and to average the scores is the same sum in another order. A
pooling of a fixed window (Szegedy et al. 2014, Table 1: 7x7) stays what it is, and slides.
"""

import keras

from common.errors import UsageError

_POOLING = (keras.layers.Flatten, keras.layers.GlobalAveragePooling2D)
# Between dense layers: value by value, so the same on a map.
_ELEMENTWISE = (
    keras.layers.Activation,
    keras.layers.Dropout,
    keras.layers.ReLU,
    keras.layers.Rescaling,
)


def fully_convolutional(
    model: keras.Model, size: tuple[int | None, int | None] = (None, None)
) -> keras.Model:
    """The main head's mean scores over an image; the same weights, shared.

    Args:
        model: Built; (batch, H, W, C) -> logits (batch, classes), or a list of them with the main
            head first.
        size: (height, width) of the images; None is any.

    Returns:
        A model of (batch, height, width, C) -> (batch, classes). At the size of `model` it gives
        what `model` gives.

    Raises:
        UsageError: if the network ends in anything but flattening or global average pooling, dense
            layers and what lies between them, or needs maps of a known size before that.
    """
    main = keras.Model(model.inputs, model.outputs[0], name=model.name)
    for layer in main.layers:
        if len(layer.output.shape) != 2 and not isinstance(layer, _POOLING):
            continue  # a layer on maps serves as it is
        of_maps = not isinstance(layer, _POOLING) or len(layer.input.shape) == 4
        if not (of_maps and isinstance(layer, (*_POOLING, *_ELEMENTWISE, keras.layers.Dense))):
            raise UsageError(
                f"{main.name} cannot run over whole images: {layer.name} ({type(layer).__name__}) "
                "has no form for maps. Choose a view of crops of the network's own size."
            )
    image = keras.Input((*size, model.input_shape[-1]), name="image")
    try:
        scores = keras.models.clone_model(
            main, input_tensors=[image], clone_function=_on_a_map
        ).output
    except (TypeError, ValueError) as error:
        sides = "x".join("any" if side is None else str(side) for side in size)
        raise UsageError(f"{model.name} cannot run over images of {sides}: {error}.") from error
    mean = keras.layers.GlobalAveragePooling2D(dtype="float32", name="mean")
    return keras.Model(image, mean(scores), name=f"{model.name}_dense")


class DenseOnMap(keras.layers.Layer):
    """A dense layer's weights as a convolution of kernel_size, no padding.

    (batch, H, W, C) -> (batch, H - height + 1, W - width + 1, units), where the dense layer takes
    flattened maps of (height, width, C).
    """

    def __init__(self, dense, kernel_size, **kwargs):
        super().__init__(dtype=dense.dtype_policy, **kwargs)
        self.dense, self.kernel_size = dense, kernel_size

    def call(self, inputs):
        """See the class."""
        dense = self.dense
        shape = (*self.kernel_size, inputs.shape[-1], dense.units)
        kernel = keras.ops.reshape(dense.kernel, shape)
        outputs = keras.ops.conv(inputs, kernel, padding="valid", data_format="channels_last")
        if dense.use_bias:
            outputs = outputs + dense.bias
        return dense.activation(outputs)

    def macs(self, input_shape: tuple, output_shape: tuple) -> int:
        """Multiply-accumulates for one image."""
        units, values = self.dense.units, self.dense.kernel.shape[0]
        return values * units * output_shape[1] * output_shape[2]


def _on_a_map(layer):
    """What stands for `layer` in the network over whole images."""
    if isinstance(layer, _POOLING):
        return keras.layers.Identity(name=layer.name)
    if not isinstance(layer, keras.layers.Dense):
        return layer
    return DenseOnMap(layer, (flattened_map(layer) or (1, 1))[:2], name=layer.name)


def flattened_map(dense: keras.layers.Dense) -> tuple[int, int, int] | None:
    """(height, width, maps) that a dense layer is given flattened; None where it was no map."""
    before = dense.input._keras_history.operation
    while isinstance(before, _ELEMENTWISE):
        before = before.input._keras_history.operation
    return tuple(before.input.shape[1:]) if isinstance(before, keras.layers.Flatten) else None
