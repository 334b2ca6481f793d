"""Dense evaluation is the average of explicit sliding windows."""

import itertools

import keras
import numpy as np
import pytest

import reproductions
from common.errors import UsageError
from common.models.fully_convolutional import fully_convolutional
from common.models.layer_table import layer_table, totals


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(1)


def unpadded():
    """A network like VGG, without padding, for 14x14; its stride is 4."""
    image = keras.Input((14, 14, 2))
    x = keras.layers.Conv2D(3, 3, activation="relu")(image)  # 12x12
    x = keras.layers.MaxPooling2D(2)(x)  # 6x6
    x = keras.layers.Conv2D(4, 3, activation="relu")(x)  # 4x4
    x = keras.layers.MaxPooling2D(2)(x)  # 2x2
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(8, activation="relu", name="fc6")(x)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.Dense(7, activation="relu", name="fc7")(x)
    x = keras.layers.Rescaling(0.5)(x)
    return keras.Model(image, keras.layers.Dense(5, name="fc8")(x))


def noise(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def slid(network, images, size, stride):
    """The mean of `network` over all windows of `size`, `stride` apart."""
    rows, columns = (
        range(0, side - of + 1, stride) for side, of in zip(images.shape[1:3], size, strict=True)
    )
    return np.mean(
        [
            network(images[:, y : y + size[0], x : x + size[1]]).numpy()
            for y, x in itertools.product(rows, columns)
        ],
        axis=0,
    )


@pytest.mark.parametrize("size", [(14, 14), (26, 14), (25, 33)])
def test_dense_is_the_mean_over_windows_of_the_image(size):
    model, images = unpadded(), noise(2, *size, 2)
    dense = fully_convolutional(model)
    expected = slid(model, images, (14, 14), 4)
    assert abs(expected).max() > 0.01  # not a dead network
    np.testing.assert_allclose(dense(images), expected, atol=1e-6)


def build(name, size):
    return reproductions.build_model(*reproductions.find(name), image_size=size, num_classes=5)


def alive(model):
    """With weights at which differences between images reach the scores."""
    for weight in model.weights:
        if weight.name == "kernel":
            deviation = np.sqrt(2 / np.prod(weight.shape[:-1]))
            weight.assign(weight * (deviation / np.std(weight)))
    return model


@pytest.mark.parametrize(
    ("name", "size", "larger", "map_size"),
    [
        ("alexnet", 99, (131, 180), (2, 2)),
        pytest.param("vgg11", 64, (101, 130), (2, 2), marks=pytest.mark.full),
        pytest.param("vgg11", 224, (256, 341), (7, 7), marks=pytest.mark.full),
        pytest.param("alexnet", 224, (256, 341), (6, 6), marks=pytest.mark.full),
    ],
)
def test_of_a_padded_network_it_is_the_mean_over_windows_of_the_map(name, size, larger, map_size):
    """Padding is of the image, not of each window: what slides is the classifier,
    over the map that the convolutions make of the whole image.
    """
    model = alive(build(name, size))
    dense, images = fully_convolutional(model), noise(1, *larger, 3)
    whole = keras.Model(dense.input, dense.get_layer("flatten").output)
    head = keras.Model(model.get_layer("pool5").output, model.outputs[0])
    maps = whole(images).numpy()
    assert maps.shape[1:3] > map_size
    expected = slid(head, maps, map_size, 1)
    assert abs(dense(images).numpy() - expected).max() < 1e-4 * abs(expected).max()


PAPERS = {  # small enough to be quick, large enough to be built
    "googlenet": 96,
    "resnet18_a": 64,
    "preact_resnet200_fair": 64,
    "wrn_50_2": 64,
    "resnext50_32x4d": 64,
    "bn_inception": 128,
    "inception_v3": 128,
    "inception_v4": 139,
    "ir_3_6_3_poly2_a": 139,
}
FEW = ("googlenet", "resnet18_a")


@pytest.mark.parametrize(
    "name", [name if name in FEW else pytest.param(name, marks=pytest.mark.full) for name in PAPERS]
)
def test_at_the_networks_own_size_nothing_changes(name):
    model = build(name, PAPERS[name])
    images = noise(1, *model.input_shape[1:])
    outputs = model(images, training=False)
    main = outputs[0] if isinstance(outputs, list) else outputs
    dense = fully_convolutional(model)
    np.testing.assert_allclose(dense(images, training=False), main, rtol=1e-4, atol=1e-5)
    larger = noise(1, PAPERS[name] + 37, PAPERS[name] + 64, 3)
    assert np.isfinite(dense(larger, training=False)).all()


def test_global_pooling_stays_global():  # ResNet, Sec. 3.3
    image = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(4, 3)(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(3)(x))
    images = noise(2, 11, 17, 2)
    maps = keras.ops.mean(model.layers[1](images), axis=(1, 2))
    expected = model.layers[-1](maps)
    np.testing.assert_allclose(fully_convolutional(model)(images), expected, atol=1e-6)


def test_the_weights_are_the_same_ones():
    model = unpadded()
    dense = fully_convolutional(model)
    assert {id(v) for v in dense.weights} == {id(v) for v in model.weights}
    images = noise(1, 22, 22, 2)
    before = dense(images).numpy()
    model.get_layer("fc8").kernel.assign(model.get_layer("fc8").kernel * 2)
    assert abs(dense(images).numpy() - before).max() > 1e-3


def test_multiply_accumulates_follow_the_size():
    model = unpadded()
    own = totals(layer_table(model)).macs
    assert totals(layer_table(fully_convolutional(model, (14, 14)))).macs == own
    larger = totals(layer_table(fully_convolutional(model, (14, 22)))).macs
    conv = 9 * 3 * (2 * 12 * 20 + 4 * 4 * 8)
    dense = 3 * (2 * 2 * 4 * 8 + 8 * 7 + 7 * 5)
    assert larger == conv + dense
    assert totals(layer_table(model)).macs == own  # as before


def test_what_cannot_be_a_convolution_is_named():
    model = reproductions.build_model("lenet5", "lenet5")
    with pytest.raises(UsageError, match="OUT .Rbf. has no form for maps"):
        fully_convolutional(model)
