"""The counting rules, and what a branched graph adds up to."""

import sys

import keras
import pytest

from common.errors import RunError
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


def conv(x, name, size=1, **more):
    return layers.Conv2D(4, size, padding="same", name=name, **more)(x)


def test_depth_follows_the_longest_branch():
    image = keras.Input((8, 8, 3))
    x = conv(image, "conv1", 7)
    branches = [
        conv(x, "mix_1x1"),
        conv(conv(x, "mix_3x3_reduce"), "mix_3x3", 3),
        conv(layers.MaxPooling2D(3, 1, "same", name="mix_pool")(x), "mix_proj"),
    ]
    x = layers.Concatenate(name="mix_concat")(branches)
    logits = layers.Dense(2, name="fc")(layers.GlobalAveragePooling2D()(x))
    rows = layer_table(keras.Model(image, logits))
    depths = {row.name: row.depth for row in rows}
    assert (depths["mix_1x1"], depths["mix_proj"]) == (2, 2)
    assert depths["mix_3x3"] == depths["mix_concat"] == 3
    assert find_row(rows, "total").depth == 4
    mix = find_row(rows, "mix")
    assert (mix.depth, mix.layers) == (3, 2)  # GoogLeNet, Table 1, "depth"


@pytest.mark.parametrize("shortcut", ["identity", "projection", "operation"])
def test_a_shortcut_adds_no_depth(shortcut):
    x = image = keras.Input((8, 8, 4))
    for block in range(3):
        inside = conv(conv(x, f"conv{block}_1", 3), f"conv{block}_2", 3)
        if shortcut == "projection":
            x = conv(x, f"conv{block}_0")
        # keras.ops make nodes of the graph that are no layers.
        x = inside + x if shortcut == "operation" else layers.add([inside, x])
    rows = layer_table(keras.Model(image, x))
    assert totals(rows).depth == 6
    assert find_row(rows, "conv2_1").depth == 5


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


@pytest.fixture(scope="module")
def three_heads():
    """conv1 - conv2 - main, aux1 and aux2 on conv1; aux1 is the deepest."""
    image = keras.Input((4, 4, 3))
    x = conv(image, "conv1")
    aux = layers.Flatten(name="aux1_flatten")(x)
    for index in range(3):
        aux = layers.Dense(5, name=f"aux1_fc{index}")(aux)
    aux2 = layers.Dense(2, name="aux2_fc")(layers.Flatten()(x))
    main = layers.Dense(2, name="fc")(layers.Flatten()(conv(x, "conv2")))
    return keras.Model(image, [main, aux, aux2])


def test_total_is_what_the_main_head_depends_on(three_heads):
    rows = layer_table(three_heads)
    assert {r.name for r in rows if r.main and r.params} == {"conv1", "conv2", "fc"}
    total = totals(rows)
    assert total.params == (3 * 4 + 4) + (4 * 4 + 4) + (64 * 2 + 2)
    assert total.macs == 16 * 12 + 16 * 16 + 128
    assert (total.output, total.depth, total.main) == ((2,), 3, True)
    everything = sum(row.params for row in rows)
    assert everything == three_heads.count_params() > total.params


def test_an_auxiliary_head_is_a_row_by_its_prefix(three_heads):
    aux = find_row(layer_table(three_heads), "aux1")
    assert aux.params == (64 * 5 + 5) + 2 * (5 * 5 + 5)
    assert (aux.macs, aux.output, aux.main) == (320 + 50, (5,), False)
    assert (aux.depth, aux.layers) == (4, 3)


def test_kernels_that_no_rule_counts_are_refused():
    image = keras.Input((4, 4, 3))
    x = layers.SeparableConv2D(4, 3, name="sep")(image)
    with pytest.raises(RunError, match=r"sep \(SeparableConv2D\).*macs\("):
        layer_table(keras.Model(image, x))
