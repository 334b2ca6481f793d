"""The stem, the Inception operators of stages A, B and C, the reductions.

A convolution is (filters, height, width); a path is a chain of them.
"""

import dataclasses
import math

import keras

Path = tuple[tuple[int, int, int], ...]


@dataclasses.dataclass(frozen=True)
class Block:
    """Paths side by side, joined, then a linear 1x1 to `filters` maps."""

    paths: tuple[Path, ...]
    filters: int


BLOCKS = {  # Inception-ResNet-v2, Figures 16, 17 and 19
    "a": Block(
        (((32, 1, 1), (48, 3, 3), (64, 3, 3)), ((32, 1, 1), (32, 3, 3))) + (((32, 1, 1),),),
        384,
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


@keras.saving.register_keras_serializable(package="polynet")
class ReusedConv2D(keras.layers.Conv2D):
    """A convolution that a network may apply more than once."""

    def macs(self, input_shape, output_shape):
        """Of one image, all uses together; see common.models.layer_table."""
        _, height, width, _ = output_shape
        uses = len(self._inbound_nodes)
        return uses * height * width * math.prod(self.kernel.shape)


def kernels(filters, kernel_size, name, **options):
    """A convolution of stride 1 that keeps the grid, without bias."""
    return ReusedConv2D(
        filters,
        kernel_size,
        **{"padding": "same"} | options,
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal"),
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
        for left, layer in enumerate(names, 1 - len(names)):
            filters, *size = path[left - 1]
            end = {} if left else {"strides": 2, "padding": "valid"}
            y = convolution(y, filters, size, layer, **end)
        ends.append(y)
    pool = keras.layers.MaxPooling2D(3, 2, name=f"{name}_pool")(x)
    return joined(*ends, pool, name=f"{name}_concat")


def joined(*parts, name):
    """Their maps, one after the other."""
    return keras.layers.Concatenate(name=name)(list(parts))
