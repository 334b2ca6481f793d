"""The counting rules, and what a branched graph adds up to."""

import sys

import keras
import pytest

from common.errors import RunError
from common.models.fully_convolutional import fully_convolutional
from common.models.layer_table import find_row, layer_table, totals

layers = keras.layers


class Rbf(layers.Layer):
    """A layer that knows its own MACs."""

    def build(self, input_shape):
        self.centres = self.add_weight(shape=(input_shape[-1], 10))

    def call(self, x):
        return keras.ops.matmul(x, self.centres)

    def macs(self, input_shape, output_shape):
        return input_shape[-1] * output_shape[-1]


@pytest.fixture(scope="module")
def rows():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 4)),
            layers.ZeroPadding2D(((0, 3), (0, 3))),
            layers.Conv2D(6, 3, strides=2, groups=2, name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.MaxPooling2D(3, strides=2, name="pool1"),
            layers.DepthwiseConv2D(3, padding="same", name="mix_depth"),
            layers.Conv2D(5, 3, padding="same", use_bias=False, name="mix_all"),
            layers.Flatten(),
            layers.Dense(7, name="fc"),
            Rbf(name="rbf"),
        ]
    )
    return layer_table(model)


def test_layers_are_counted(rows):
    found = {r.name: (r.params, r.weights, r.macs, r.volume) for r in rows}
    kernel = 3 * 3 * 2 * 6  # each kernel sees 2 of the 4 maps
    assert found["conv1"] == (kernel + 6, kernel, kernel * 25, 150)
    assert found["norm1"] == (12, 0, 0, 150)  # gamma, beta; no moving ones
    assert found["pool1"] == (0, 0, 0, 24)
    assert found["mix_depth"] == (54 + 6, 54, 54 * 4, 24)
    assert found["mix_all"] == (270, 270, 270 * 4, 20)
    assert found["fc"] == (20 * 7 + 7, 140, 140, 7)
    assert found["rbf"] == (70, 70, 70, 10)


def test_windows_are_read(rows):
    conv, pool = find_row(rows, "conv1"), find_row(rows, "pool1")
    assert (conv.kernel, conv.filters, conv.strides) == ((3, 3, 2), 6, 2)
    assert (conv.padding, pool.padding) == ("0+3", "0")
    assert (pool.kernel, pool.strides) == ((3, 3), 2)
    assert find_row(rows, "mix_all").padding == "1"


def test_total_and_prefix_are_sums(rows):
    assert find_row(rows, "total") == totals(rows)
    assert totals(rows).params == 114 + 12 + 60 + 270 + 147 + 70
    mix = find_row(rows, "mix")
    assert (mix.params, mix.macs, mix.output) == (330, 1296, (2, 2, 5))
    with pytest.raises(RunError, match="conv9"):
        find_row(rows, "conv9")


def test_depth_counts_layers_with_kernels_up_to_each(rows):
    found = {r.name: (r.depth, r.layers) for r in rows}
    assert found["conv1"] == (1, 1)
    assert found["norm1"] == found["pool1"] == (1, 0)
    assert found["mix_all"] == (3, 1)
    assert found["rbf"] == (5, 1)
    assert totals(rows).depth == totals(rows).layers == 5


def test_a_graph_deeper_than_the_recursion_limit_is_counted():
    x = image = keras.Input((1,))
    for _ in range(550):  # 2^550 paths, too
        x = layers.add([x, layers.ReLU()(x)])
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)  # Keras's own need
    try:
        model = keras.Model(image, layers.Dense(2)(x))
    finally:
        sys.setrecursionlimit(limit)
    assert totals(layer_table(model)).depth == 1


def test_a_layer_that_is_used_twice_is_deep_twice_and_counted_once():
    dense = layers.Dense(3, name="shared")
    image = keras.Input((3,))
    rows = layer_table(keras.Model(image, dense(dense(image))))
    assert (totals(rows).depth, totals(rows).params) == (2, 12)


def test_kernels_that_no_rule_counts_are_refused():
    image = keras.Input((4, 4, 3))
    x = layers.SeparableConv2D(4, 3, name="sep")(image)
    with pytest.raises(RunError, match=r"sep \(SeparableConv2D\).*macs\("):
        layer_table(keras.Model(image, x))


def test_uses_in_another_network_cost_nothing_here():
    conv = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv")
    image = keras.Input((8, 8, 4))
    x = layers.GlobalAveragePooling2D()(conv(conv(image)))
    model = keras.Model(image, layers.Dense(3)(x))
    larger = fully_convolutional(model, (16, 16))
    for network, side in ((model, 8), (larger, 16)):
        assert find_row(layer_table(network), "conv").macs == 2 * 144 * side**2
