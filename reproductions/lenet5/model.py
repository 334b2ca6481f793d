"""LeNet-5, and the networks that Sec. III-C compares it with.

LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to
Document Recognition", Proceedings of the IEEE 86(11), 1998.
http://dx.doi.org/10.1109/5.726791

Built from Sec. II-B, Fig. 2, Table I and Appendix A. The convolutions are
written as products of matrices, which XLA runs four times faster than its own
convolution on a CPU with one image at a time.

Not in the paper:
    * Whether the bias counts in a unit's fan-in: it does not.
    * How subsampling starts: see `Subsampling`.
    * The 7x12 codes of the digits: see glyphs.py.
    * Which maps LeNet-1 and LeNet-4 link: see `C3_OF_LENET1`, `C3_OF_LENET4`.
    * What the outputs of the other trained networks are: sums, squashed but in the linear
      classifiers, whose targets are +1 and -1; of the pairwise classifier see
      `PairScores`.
    * The classifiers that are fitted: see classical.py.
Differences from the paper:
    * How weights start: see `STARTS`.
"""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from common.errors import UsageError
from reproductions.lenet5.classical import (
    GaussianUnits,
    LeastSquares,
    Neighbours,
    PairProducts,
    PrincipalComponents,
)
from reproductions.lenet5.deslanting import Deslant
from reproductions.lenet5.glyphs import HEIGHT, WIDTH, codes
from reproductions.lenet5.losses import pairs

IMAGE_SIZES = {"lenet5": 32, "lenet4": 32, "lenet4_knn": 32}  # Sec. II-B; the others have 28
NUM_CLASSES = 10
PAIRS = NUM_CLASSES * (NUM_CLASSES - 1) // 2
TRAINING_DIGITS = 60_000  # Sec. III-A
KERNEL = 5


class Start(NamedTuple):
    """Weights start uniformly in +-spread / F ** power, with F a unit's fan-in."""

    spread: float
    power: float


# Appendix A says +-2.4 / F, for inputs that are "highly correlated". By that rule the network
# does not train (README.md): the headline takes the root of F, which keeps the spread of the
# weighted sums alike in all units if their inputs are independent.
BY_THE_LETTER = Start(2.4, 1.0)
BY_THE_ROOT = Start(2.4, 0.5)
STARTS = {
    "lenet5_as_written": BY_THE_LETTER,
    # The authors' lab, later: forget_param_linear(1, 0.5) in EBLearn's LeNet-5.
    "lenet5_unit_start": Start(1.0, 0.5),
    # These train by the rule as it is printed.
    "lenet1": BY_THE_LETTER,
    "mnist_linear": BY_THE_LETTER,
    "mnist_linear_squashed": BY_THE_LETTER,
    "mnist_linear_deslanted": BY_THE_LETTER,
    "mnist_pairwise": BY_THE_LETTER,
}

# Table I: the S2 maps that each of the 16 C3 maps takes its input from.
C3_INPUTS = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5)),
    *((0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)

# LeNet-1 is that of LeCun et al., "Handwritten digit recognition with a
# back-propagation network", NIPS 1989. From memory; its 98,442 connections and
# 2,578 parameters take these 20 links, four maps with one and eight with two.
C3_OF_LENET1 = (
    *((0,), (0, 1), (0, 1), (1,), (0, 1), (0, 1)),
    *((2,), (2, 3), (2, 3), (3,), (2, 3), (2, 3)),
)
# Ours: the paper has no table. Three of eight maps for each make 262,306
# connections, "about 260,000".
C3_OF_LENET4 = (
    *((i, (i + 1) % 8, (i + 2) % 8) for i in range(8)),
    *((i, (i + 2) % 8, (i + 4) % 8) for i in range(8)),
)

# Maps of C1, maps of S2 for each of them, and the links of C3.
CONVOLUTIONS = {
    "lenet5": (6, 1, C3_INPUTS),
    # Sec. III-C, item 8: "4 first-level feature maps, followed by 8 subsampling maps
    # connected in pairs to each first-layer feature maps, then 16 feature maps, followed by
    # 16 subsampling maps, followed by a fully connected layer with 120 units".
    "lenet4": (4, 2, C3_OF_LENET4),
    "lenet4_knn": (4, 2, C3_OF_LENET4),
    "lenet1": (4, 1, C3_OF_LENET1),  # Sec. III-C, item 7: the network of 1989
}

# Sec. III-C, items 1, 5 and 6: hidden units of the fully connected networks.
HIDDEN_UNITS = {
    "mnist_linear": (),
    "mnist_linear_squashed": (),
    "mnist_300": (300,),
    "mnist_1000": (1000,),
    "mnist_300_100": (300, 100),
    "mnist_500_150": (500, 150),
}


def build_model(variant: str, image_size: int, num_classes: int) -> keras.Model:
    """See reproductions.build_model: (batch, S, S, 1) pixels, normalised -> (batch, 10) logits.

    S is 32 for LeNet-5 and LeNet-4, 28 for the others. LeNet-5's logits are
    minus the distances y_i of Eq. 7, so that their largest is the paper's
    answer, the smallest distance; the others' are their ten output units, or votes. The
    pairwise classifier has its 45 units, (batch, 45), as a second output.

    Raises:
        UsageError: for any other image size or number of classes.
    """
    network = variant.removesuffix("_distorted").removesuffix("_deslanted")
    if network.startswith("lenet5"):
        network = "lenet5"
    size = IMAGE_SIZES.get(network, 28)
    if image_size != size:
        raise UsageError(
            f"{network} reads {size}x{size} pixels, for which its weights are "
            f"counted, and not {image_size}x{image_size}."
        )
    if num_classes != NUM_CLASSES:
        raise UsageError(
            f"{network} has outputs for the ten digits, not for {num_classes} classes."
        )
    image = keras.Input((size, size, 1), name="image")
    start = STARTS.get(variant, BY_THE_ROOT)
    if network in CONVOLUTIONS:
        logits = _convolutional(image, network, start)
    else:
        upright = "deslanted" in variant
        pixels = Deslant(dtype="float32", name="deslant")(image) if upright else image
        classify = _fully_connected if network in HIDDEN_UNITS else _classical
        logits = classify(pixels, network, start)
    model = keras.Model(image, logits, name=network)
    if network == "lenet4_knn":
        model.trainable = False  # all but the neighbours is a trained lenet4's
    return model


def _convolutional(image, network, start):
    """C1 to S4 of LeNet-5 (Sec. II-B, Fig. 2), and what each network has behind them."""
    maps, copies, links = CONVOLUTIONS[network]
    x = _conv(image, maps, start, name="C1")  # 28x28x6
    x = _squashed(Subsampling(copies=copies, name="S2"), x)  # 14x14x6
    x = _squashed(SparseConv2D(links, KERNEL, start=start, name="C3"), x)  # 10x10x16
    x = _squashed(Subsampling(name="S4"), x)  # 5x5x16
    if network == "lenet5":
        x = _conv(x, 120, start, name="C5")  # 1x1x120
        x = keras.layers.Flatten(name="C5_flat")(x)  # 120
        f6 = keras.layers.Dense(WIDTH * HEIGHT, **_uniform(120, start), name="F6")
        return Rbf(NUM_CLASSES, dtype="float32", name="OUT")(_squashed(f6, x))  # 84 -> 10
    x = keras.layers.Flatten(name="S4_flat")(x)  # LeNet-4: 400; LeNet-1: 192
    if network.startswith("lenet4"):
        f5 = keras.layers.Dense(120, **_uniform(400, start), name="F5")
        x = _squashed(f5, x)
    if network == "lenet4_knn":
        # Sec. III-C, item 8: "we replaced the last layer of LeNet-4 with a Euclidean Nearest
        # Neighbor classifier".
        return Neighbours(1, TRAINING_DIGITS, NUM_CLASSES, dtype="float32", name="OUT")(x)
    return _outputs(x, start)


def _fully_connected(image, network, start):
    x = keras.layers.Flatten(name="pixels")(image)  # 784; 400 deslanted
    for i, units in enumerate(HIDDEN_UNITS[network], 1):
        fan_in = _uniform(x.shape[-1], start)
        hidden = keras.layers.Dense(units, **fan_in, name=f"F{i}")
        x = _squashed(hidden, x)
    return _outputs(x, start, squashed=network != "mnist_linear")


def _classical(image, network, start):
    """Sec. III-C, items 1 (the pairwise classifier) to 4."""
    if network == "mnist_knn" and image.shape[1] == 28:
        image = keras.layers.Cropping2D(4, name="centre")(image)  # item 2: 20x20 pixels
    x = keras.layers.Flatten(name="pixels")(image)
    given = {"dtype": "float32", "name": "OUT"}
    if network == "mnist_knn":
        # Item 2: "k = 3", of the deslanted digits.
        return Neighbours(3, TRAINING_DIGITS, NUM_CLASSES, **given)(x)
    if network == "mnist_rbf":  # item 4
        x = GaussianUnits(1000, NUM_CLASSES, dtype="float32", name="units")(x)
        return LeastSquares(NUM_CLASSES, ridge=1e-8, **given)(x)
    if network == "mnist_quadratic":  # item 3
        x = PrincipalComponents(40, dtype="float32", name="components")(x)
        x = PairProducts(dtype="float32", name="products")(x)
        return LeastSquares(NUM_CLASSES, ridge=0.0, **given)(x)
    units = keras.layers.Dense(PAIRS, **_uniform(x.shape[-1], start), name="F1")(x)
    return PairScores(dtype="float32", name="OUT")(units)


def _outputs(x, start, *, squashed=True):
    """Ten units, and what they are compared with in the loss; float32 under any policy."""
    uniform = _uniform(x.shape[-1], start)
    x = keras.layers.Dense(NUM_CLASSES, **uniform, dtype="float32", name="OUT")(x)
    if squashed:
        x = keras.layers.Activation(squash, dtype="float32", name="OUT_squash")(x)
    # The last layer is the loss's: see diagonal_curvature.
    return keras.layers.Identity(dtype="float32", name="units")(x)


def _conv(x, filters, start, *, name):
    """A 5x5 convolution with every input map, and the squashing function."""
    fan_in = KERNEL * KERNEL * x.shape[-1]
    conv = PatchConv2D(filters, KERNEL, **_uniform(fan_in, start), name=name)
    return _squashed(conv, x)


def _squashed(layer, x):
    return keras.layers.Activation(squash, name=f"{layer.name}_squash")(layer(x))


def _uniform(fan_in: int, start: Start) -> dict:
    """The initializers of a unit's weights and bias."""
    bound = start.spread / fan_in**start.power
    return {
        "kernel_initializer": keras.initializers.RandomUniform(-bound, bound),
        "bias_initializer": keras.initializers.RandomUniform(-bound, bound),
    }


@keras.saving.register_keras_serializable("lenet5")
def squash(a):
    """f(a) = 1.7159 tanh(2 a / 3), so that f(+-1) = +-1 (Eq. 6, App. A)."""
    return 1.7159 * ops.tanh(a * (2 / 3))


def convolve(x, kernel):
    """The valid convolution with stride 1, as one product of matrices.

    (batch, H, W, C) and (k, k, C, F) -> (batch, H - k + 1, W - k + 1, F)
    """
    size, _, channels, filters = kernel.shape
    height, width = (n - size + 1 for n in x.shape[1:3])
    patches = [x[:, i : i + height, j : j + width] for i in range(size) for j in range(size)]
    rows = ops.reshape(ops.concatenate(patches, axis=-1), (-1, size * size * channels))
    kernel = ops.reshape(kernel, (-1, filters))
    return ops.reshape(rows @ kernel, (-1, height, width, filters))


@keras.saving.register_keras_serializable("lenet5")
class PatchConv2D(keras.layers.Conv2D):
    """`Conv2D` (valid, stride 1), computed by `convolve`."""

    def call(self, inputs):
        """(batch, H, W, C) -> (batch, H - k + 1, W - k + 1, filters)."""
        return convolve(inputs, self.kernel) + self.bias


@keras.saving.register_keras_serializable("lenet5")
class SparseConv2D(keras.layers.Layer):
    """A convolution whose maps see only some of the input maps (Table I).

    The kernel is (k, k, links), one 5x5 filter for each pair of an input and
    an output map, in the order of the output maps. Weights and bias of a map
    start by its own fan-in (Appendix A): 75, 100 or 150 in C3.

    Attributes:
        inputs_of: For each output map, the input maps it is linked with.
        start: How its weights and biases start.
    """

    def __init__(self, inputs_of, kernel_size, *, start, **kwargs):
        super().__init__(**kwargs)
        self.inputs_of = tuple(tuple(group) for group in inputs_of)
        self.kernel_size = kernel_size
        self.start = Start(*start)

    def build(self, input_shape):
        """Adds the weights, and the table from links to pairs of maps."""
        maps, filters = input_shape[-1], len(self.inputs_of)
        links = [(i, f) for f, g in enumerate(self.inputs_of) for i in g]
        self.place = np.zeros((len(links), maps * filters), np.float32)
        for link, (i, f) in enumerate(links):
            self.place[link, i * filters + f] = 1
        area = self.kernel_size**2
        fan_ins = np.array([area * len(group) for group in self.inputs_of])
        bounds = self.start.spread / fan_ins**self.start.power
        kernel = (self.kernel_size, self.kernel_size, len(links))
        self.kernel = self.add_weight(
            shape=kernel, initializer=_uniform_within(bounds[[f for _, f in links]]), name="kernel"
        )
        self.bias = self.add_weight(
            shape=(filters,), initializer=_uniform_within(bounds), name="bias"
        )

    def call(self, inputs):
        """(batch, H, W, C) -> (batch, H - k + 1, W - k + 1, F)."""
        shape = (*self.kernel.shape[:2], -1, len(self.inputs_of))
        place = ops.cast(self.place, self.compute_dtype)
        full = ops.reshape(ops.matmul(self.kernel, place), shape)
        return convolve(inputs, full) + self.bias

    def macs(self, inputs: tuple, outputs: tuple) -> int:
        """Multiply-accumulates for one image."""
        return math.prod(self.kernel.shape) * math.prod(outputs[1:3])

    def get_config(self):
        """The arguments."""
        return super().get_config() | {
            "inputs_of": self.inputs_of,
            "kernel_size": self.kernel_size,
            "start": self.start,
        }


def _uniform_within(bounds: np.ndarray):
    """An initializer: uniform in +-bounds, which spans the last axis."""
    unit = keras.initializers.RandomUniform(-1.0, 1.0)
    return lambda shape, dtype: unit(shape, dtype) * ops.cast(bounds, dtype)


@keras.saving.register_keras_serializable("lenet5")
class Subsampling(keras.layers.Layer):
    """Sums of 2x2 pixels, times a coefficient, plus a bias (Sec. II-B).

    One coefficient and one bias per map, both trained. The coefficient starts
    as 1/4, so that the layer is at first an average (Sec. II-A); the bias in
    +-0.6, the rule of Appendix A with the four inputs of a unit as its fan-in.

    Args:
        copies: Output maps for each input map (LeNet-4: 2, beside each other).
    """

    def __init__(self, *, copies=1, **kwargs):
        super().__init__(**kwargs)
        self.copies = copies

    def build(self, input_shape):
        """Adds a coefficient and a bias per map."""
        maps = (input_shape[-1] * self.copies,)
        self.coefficient = self.add_weight(
            shape=maps, initializer=keras.initializers.Constant(0.25), name="coefficient"
        )
        self.bias = self.add_weight(
            shape=maps, initializer=keras.initializers.RandomUniform(-0.6, 0.6), name="bias"
        )

    def call(self, inputs):
        """(batch, H, W, C) -> (batch, H / 2, W / 2, copies * C)."""
        sums = 4 * ops.average_pool(inputs, 2, 2)
        if self.copies > 1:
            sums = ops.repeat(sums, self.copies, axis=-1)
        return sums * self.coefficient + self.bias

    def macs(self, inputs: tuple, outputs: tuple) -> int:
        """One product for each unit; the additions are not counted."""
        return math.prod(outputs[1:])

    def get_config(self):
        """The argument."""
        return super().get_config() | {"copies": self.copies}


@keras.saving.register_keras_serializable("lenet5")
class Rbf(keras.layers.Layer):
    """Minus the squared distances to the codes of the classes (Eq. 7).

    The codes are weights that are not trained: +-1, the digits' 7x12 bitmaps.
    """

    def __init__(self, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def build(self, input_shape):
        """Adds the codes, (classes, 84)."""
        self.codes = self.add_weight(
            shape=(self.num_classes, input_shape[-1]),
            initializer=lambda shape, dtype: ops.convert_to_tensor(codes()[: shape[0]], dtype),
            trainable=False,
            name="codes",
        )

    def call(self, inputs):
        """(batch, 84) -> (batch, classes)."""
        gaps = ops.expand_dims(inputs, 1) - self.codes
        return -ops.sum(ops.square(gaps), axis=-1)

    def macs(self, inputs: tuple, outputs: tuple) -> int:
        """One squared difference for each value of a code."""
        return math.prod(self.codes.shape)

    def get_config(self):
        """The argument."""
        return {**super().get_config(), "num_classes": self.num_classes}


@keras.saving.register_keras_serializable("lenet5")
class PairScores(keras.layers.Layer):
    """The classes' scores from a unit for each pair of classes (Sec. III-C, item 1).

    "The final score for class i is the sum of the outputs all the units labeled i/x
    minus the sum of the output of all the units labeled y/i, for all x and y." An
    output is +1 or -1 here; of equal scores the units' own sums decide.
    """

    def call(self, inputs):
        """(batch, 45) -> [(batch, 10) scores, the inputs]."""
        outputs = ops.sign(inputs) + inputs / 100
        return [outputs @ ops.convert_to_tensor(pairs(NUM_CLASSES).T), inputs]
