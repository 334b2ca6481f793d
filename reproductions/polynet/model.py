"""PolyNet.

Zhang, Li, Loy and Lin, "PolyNet: A Pursuit of Structural Diversity in Very
Deep Networks", CVPR 2017. https://arxiv.org/abs/1611.05725

Built from the network that the authors released for Caffe, as R. Cadene's
port has it ("release"), from the paper's Figures 3 and 5, and from what others
wrote about the paper, whose own text was not at hand.

Differences from the paper, in the release:
    * A poly-3 module shares the convolutions of its paths and nothing else:
      each order has batch normalisations and a linear 1x1 of its own. In the
      `ir_3_6_3_poly*` networks the linear 1x1 is shared too.
    * ReLU before an operator is applied to another's output; Figure 3 draws
      none.
    * The scale of the residual terms falls from 1 to 0.7 through the network;
      the paper's path weight is 0.3.
    * The linear 1x1 has batch normalisation and no bias.
Not in the paper:
    * Batch normalisation: epsilon 1e-5 (release), moving averages that keep
      0.9 (ours). All initial weights: ours.
    * Reduction B's 2048 maps and dropout of 20 % before fc (release).
    * Average pooling over the whole last map: the release's is 9x9, which is
      the same for images of 331 pixels.
"""

import dataclasses
import functools

import keras
import tensorflow as tf

from common.distribution import batch_slice
from common.models.blocks import classifier, gaussian
from common.models.layers import Dropout, he_normal
from reproductions.polynet.forms import FORMS, POLYNOMIALS, Form, evaluate_terms
from reproductions.polynet.recipe import STOCHASTIC_PATHS_FROM

SMALLEST_IMAGE = dict.fromkeys(FORMS, 75)  # of 75 the last map is 1x1
# A path is a chain of convolutions: (filters, height, width).
Path = tuple[tuple[int, int, int], ...]


@dataclasses.dataclass(frozen=True)
class Block:
    """Paths side by side, joined, then a linear 1x1 to `filters` maps."""

    paths: tuple[Path, ...]
    filters: int


BLOCKS = {  # Inception-ResNet-v2, Figures 16, 17 and 19
    "a": Block(
        (((32, 1, 1), (48, 3, 3), (64, 3, 3)), ((32, 1, 1), (32, 3, 3)), ((32, 1, 1),)), 384
    ),
    "b": Block((((128, 1, 1), (160, 1, 7), (192, 7, 1)), ((192, 1, 1),)), 1152),
    "c": Block((((192, 1, 1), (224, 1, 3), (256, 3, 1)), ((192, 1, 1),)), 2048),
}
# After the stage of that name; the last convolution of a path has stride 2.
REDUCTIONS: dict[str, tuple[Path, ...]] = {
    "a": (((256, 1, 1), (256, 3, 3), (384, 3, 3)), ((384, 3, 3),)),
    "b": (
        ((256, 1, 1), (256, 3, 3), (256, 3, 3)),
        ((256, 1, 1), (256, 3, 3)),
        ((256, 1, 1), (384, 3, 3)),
    ),
}


def build_model(
    variant: str, image_size: int, num_classes: int, form: Form | None = None
) -> keras.Model:
    """See reproductions.build_model; the comments' sizes are for 331 pixels."""
    form = form or FORMS[variant]
    stochastic_from = STOCHASTIC_PATHS_FROM.get(variant)
    image = keras.Input((image_size, image_size, 3), name="image")
    x = stem(image)  # 39x39x384
    scales = iter(form.module_scales())
    for stage, kinds in form.stages.items():
        for number, kind in enumerate(kinds, 1):
            add = functools.partial(PathSum, next(scales), stochastic_from=stochastic_from)
            x = module(x, form, stage, kind, add, f"stage_{stage}_{number}")
        if stage in REDUCTIONS:  # 19x19x1152, 9x9x2048
            x = reduction(x, REDUCTIONS[stage], f"reduction_{stage}")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = Dropout(0.2, name="dropout")(x)
    return keras.Model(image, classifier(x, num_classes, gaussian(0.01)), name=variant)


def module(x, form, stage, kind, add, name):
    """A PolyInception module: its polynomial at x, then ReLU.

    Layers are called after the product that they belong to: NAME_gf_path0_1
    is of GF. Convolutions that several uses share have the first one's name.
    (batch, H, W, C) -> the same shape.

    Args:
        stage: "a", "b" or "c".
        kind: A key of POLYNOMIALS.
        add: `add(name=...)` is the layer that adds the terms to x.
    """
    polynomial = POLYNOMIALS[kind]
    first_uses = {term[0]: term for term in reversed(polynomial)}
    operators = {
        letter: Operator(
            BLOCKS[stage],
            f"{name}_{term.lower()}",
            shared_expansion=form.shared_expansion,
            gamma=form.initial_gamma,
        )
        for letter, term in first_uses.items()
    }

    def apply(product, y):
        use = f"{name}_{product.lower()}"
        if len(product) > 1:  # release
            y = keras.layers.ReLU(name=f"{use}_input")(y)
        return operators[product[0]](y, use)

    x = add(name=f"{name}_sum")([x, *evaluate_terms(polynomial, x, apply)])
    return keras.layers.ReLU(name=f"{name}_relu")(x)


@keras.saving.register_keras_serializable(package="polynet")
class ReusedConv2D(keras.layers.Conv2D):
    """A convolution that a network may apply more than once: files of weights name its class."""


def kernels(filters, kernel_size, name, **options):
    """A convolution of stride 1 that keeps the grid, without bias."""
    return ReusedConv2D(
        filters,
        kernel_size,
        **{"padding": "same"} | options,
        use_bias=False,
        kernel_initializer=he_normal(),
        name=name,
    )


def normalized(x, name, *, relu=True, gamma=1.0):
    """Batch normalisation and, if asked for, ReLU."""
    x = keras.layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        gamma_initializer=keras.initializers.Constant(gamma),
        name=f"{name}_bn",
    )(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x


def convolution(x, filters, kernel_size, name, **options):
    """Convolution, batch normalisation, ReLU."""
    return normalized(kernels(filters, kernel_size, name, **options)(x), name)


def path_names(name: str, paths: tuple[Path, ...]) -> list[list[str]]:
    """NAME_path0_1, NAME_path0_2 ...; NAME_path1 where it is one layer."""
    return [
        [f"{name}_path{number}_{i}" for i in range(1, len(path) + 1)]
        if len(path) > 1
        else [f"{name}_path{number}"]
        for number, path in enumerate(paths)
    ]


class Operator:
    """F, G or H of a module: an Inception block that can be applied again.

    Its convolutions are the same in all its uses, its batch normalisations
    are not. (batch, H, W, filters) -> the same shape.

    Args:
        block: Its row of BLOCKS.
        name: Prefix of the names of its convolutions.
        shared_expansion, gamma: See Form.
    """

    def __init__(self, block, name, *, shared_expansion, gamma):
        self.filters, self.gamma = block.filters, gamma
        self.paths = [
            [
                kernels(filters, size, layer)
                for layer, (filters, *size) in zip(names, path, strict=True)
            ]
            for names, path in zip(path_names(name, block.paths), block.paths, strict=True)
        ]
        self.expansion = shared_expansion and self._expansion(name)

    def __call__(self, x, name):
        """A use of it; `name` is the prefix of what is this use's own."""
        ends = []
        for path in self.paths:
            y = x
            for kernel in path:
                part = kernel.name.rpartition("_path")[2]
                y = normalized(kernel(y), f"{name}_path{part}")
            ends.append(y)
        y = keras.layers.Concatenate(name=f"{name}_concat")(ends)
        expansion = self.expansion or self._expansion(name)
        return normalized(expansion(y), f"{name}_expand", relu=False, gamma=self.gamma)

    def _expansion(self, name):
        return kernels(self.filters, 1, f"{name}_expand")


def stem(x):
    """(batch, S, S, 3) -> (batch, S / 8, S / 8, 384), nearly; 39 of 331."""
    end = {"strides": 2, "padding": "valid"}
    valid = {"padding": "valid"}
    x = convolution(x, 32, 3, "stem_conv1_1", **end)  # 165x165
    x = convolution(x, 32, 3, "stem_conv1_2", **valid)  # 163x163
    x = convolution(x, 64, 3, "stem_conv1_3")
    x = joined(
        keras.layers.MaxPooling2D(3, 2, name="stem_conv1_pool")(x),
        convolution(x, 96, 3, "stem_conv1_branch", **end),
        name="stem_conv1_concat",
    )  # 81x81x160
    short = convolution(x, 64, 1, "stem_conv2_short_1")
    short = convolution(short, 96, 3, "stem_conv2_short_2", **valid)
    long = convolution(x, 64, 1, "stem_conv2_long_1")
    long = convolution(long, 64, (7, 1), "stem_conv2_long_2")
    long = convolution(long, 64, (1, 7), "stem_conv2_long_3")
    long = convolution(long, 96, 3, "stem_conv2_long_4", **valid)
    x = joined(short, long, name="stem_conv2_concat")  # 79x79x192
    return joined(
        keras.layers.MaxPooling2D(3, 2, name="stem_conv2_pool")(x),
        convolution(x, 192, 3, "stem_conv2_branch", **end),
        name="stem_conv2_output",
    )  # 39x39x384


def reduction(x, paths: tuple[Path, ...], name: str):
    """Paths that end with stride 2, and max pooling; nothing is padded.

    (batch, H, W, C) -> (batch, (H - 1) / 2, (W - 1) / 2, C + the paths').
    """
    ends = []
    for names, path in zip(path_names(name, paths), paths, strict=True):
        y = x
        for layer, (filters, *size) in zip(names, path, strict=True):
            end = {"strides": 2, "padding": "valid"} if layer == names[-1] else {}
            y = convolution(y, filters, size, layer, **end)
        ends.append(y)
    pool = keras.layers.MaxPooling2D(3, 2, name=f"{name}_pool")(x)
    return joined(*ends, pool, name=f"{name}_concat")


def joined(*parts, name):
    """Their maps, one after the other."""
    return keras.layers.Concatenate(name=name)(list(parts))


@keras.saving.register_keras_serializable(package="polynet")
class PathSum(keras.layers.Layer):
    """x + s (term + term + ...), or x and a random choice of the terms.

    With stochastic paths, a training step keeps each term with probability s,
    unscaled; so where the terms do not depend on each other's choice (none
    does here), the scaled sum that tests use is the expectation. One draw
    holds for the whole global batch, on any number of devices, and is a
    function of the run's seed, the step, the layer's name and the term's
    place: stochastic depth's "for each mini-batch" (Huang et al. 2016).

    Args:
        scale: s.
        stochastic_from: Updates made before the first random choice; None is
            never. A call outside of a training step chooses nothing.
    """

    def __init__(self, scale, *, stochastic_from=None, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.stochastic_from = stochastic_from

    def call(self, inputs, training=False):
        """[x, term, ...], all (batch, H, W, C) -> the same shape."""
        total, *terms = inputs
        factors = self._factors(len(terms), training, total.dtype)
        for factor, term in zip(factors, terms, strict=True):
            total = total + factor * term
        return total

    def _factors(self, terms: int, training: bool, dtype) -> list:
        scale = tf.constant(self.scale, dtype)
        where = batch_slice.current()
        if not training or self.stochastic_from is None or where is None:
            return [scale] * terms
        draws = where.uniform(self.name, (terms,))
        kept = tf.cast(draws < self.scale, dtype)
        started = where.step >= self.stochastic_from
        return tf.unstack(tf.where(started, kept, scale))

    def compute_output_shape(self, input_shape):
        """That of x."""
        return input_shape[0]

    def get_config(self):
        """The arguments."""
        return super().get_config() | {"scale": self.scale, "stochastic_from": self.stochastic_from}
