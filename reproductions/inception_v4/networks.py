"""The networks as tables: Figures 3 to 19, and as TensorFlow released them.

The release of Inception-v4 has the long kernels of the 17x17 modules and of the
stem, and those before the last pair of the 8x8 modules, in the other order, and
an auxiliary head. The maps of a module are joined in the release's order: it
does not change what a network can compute.

Figure 15 is drawn for Inception-ResNet-v1 and v2; 5, 10 and 5 residual modules
are its. The release has 10, 20 and 10 of v2's kind on narrower maps, behind
Inception-v3's stem, and a 1x1 convolution to 1536 maps at the end; only its
cost is that of Inception-v4.
"""

import dataclasses

import keras

from common.models.inception import (
    Initial,
    Module,
    Pooling,
    Residual,
    alone,
    conv,
    repeated,
    valid,
)

MAX = Pooling("max", 3, 2, padded=False, label="maxpool")
AVERAGE = Pooling("avg", 3, 1, padded=True, label="avgpool")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """A network up to its last average pooling.

    Attributes:
        modules: By name, in order.
        initial: Of the kernels.
        aux_after: The module that an auxiliary head stands on, or None.
    """

    modules: dict[str, Module]
    initial: Initial
    aux_after: str | None = None


def he() -> keras.initializers.Initializer:
    """Of Inception-v4's convolutions."""
    return keras.initializers.VarianceScaling(2.0, "fan_in", "truncated_normal")


def xavier() -> keras.initializers.Initializer:
    """Of Inception-ResNet's convolutions and all logits."""
    return keras.initializers.VarianceScaling(1.0, "fan_avg", "uniform")


Kernel = tuple[int, int]

# The stems: from the image to 35x35 places.
FIRST_LAYERS = {
    "stem_1": alone(valid(32, 3, 2)),  # 149x149x32
    "stem_2": alone(valid(32, 3)),  # 147x147x32
    "stem_3": alone(conv(64, 3, 3)),  # 147x147x64
}


def branching_stem(first: Kernel, second: Kernel) -> dict:
    """Figure 3, with the two long kernels of stem_5 in this order."""
    return {
        **FIRST_LAYERS,
        "stem_4": Module(  # 73x73x160
            branches={"pool": (MAX,), "3x3": (valid(96, 3, 2),)}
        ),
        "stem_5": Module(  # 71x71x192
            branches={
                "3x3": (conv(64, 1, 1), valid(96, 3)),
                "7x7": (conv(64, 1, 1), conv(64, *first), conv(64, *second), valid(96, 3)),
            }
        ),
        "stem_6": Module(  # 35x35x384
            branches={"3x3": (valid(192, 3, 2),), "pool": (MAX,)}
        ),
    }


STEM_3 = branching_stem((7, 1), (1, 7))
STEM_V4_RELEASED = branching_stem((1, 7), (7, 1))

STEM_14 = {
    **FIRST_LAYERS,
    "stem_4": alone(MAX),  # 73x73x64
    "stem_5": alone(conv(80, 1, 1)),  # 73x73x80
    "stem_6": alone(valid(192, 3)),  # 71x71x192
    "stem_7": alone(valid(256, 3, 2)),  # 35x35x256
}

# Inception-v3's, with a module of its kind.
STEM_RESNET_V2_RELEASED = {
    **STEM_14,
    "stem_7": alone(MAX),  # 35x35x192
    "stem_8": Module(  # 35x35x320; "Mixed_5b"
        branches={
            "1x1": (conv(96, 1, 1),),
            "5x5": (conv(48, 1, 1), conv(64, 5, 5)),
            "3x3dbl": (conv(64, 1, 1), conv(96, 3, 3), conv(96, 3, 3)),
            "projection": (AVERAGE, conv(64, 1, 1)),
        }
    ),
}


def reduction_a(k: int, l: int, m: int, n: int) -> Module:  # noqa: E741
    """Figure 7, with the letters of Table 1: 35x35 to 17x17."""
    return Module(
        branches={
            "3x3": (valid(n, 3, 2),),
            "3x3dbl": (conv(k, 1, 1), conv(l, 3, 3), valid(m, 3, 2)),
            "pool": (MAX,),
        }
    )


INCEPTION_A = Module(  # Figure 4, 35x35x384
    branches={
        "1x1": (conv(96, 1, 1),),
        "3x3": (conv(64, 1, 1), conv(96, 3, 3)),
        "3x3dbl": (conv(64, 1, 1), conv(96, 3, 3), conv(96, 3, 3)),
        "projection": (AVERAGE, conv(96, 1, 1)),
    }
)
REDUCTION_B = Module(  # Figure 8, 17x17x1024 to 8x8x1536
    branches={
        "3x3": (conv(192, 1, 1), valid(192, 3, 2)),
        "7x7": (conv(256, 1, 1), conv(256, 1, 7), conv(320, 7, 1), valid(320, 3, 2)),
        "pool": (MAX,),
    }
)


def inception_b(first: Kernel, second: Kernel) -> Module:
    """Figure 5, 17x17x1024; the kernels of the longest branch, in turn."""
    return Module(
        branches={
            "1x1": (conv(384, 1, 1),),
            # Figure 5 has 1x7 twice; the release 1x7, then 7x1.
            "7x7": (conv(192, 1, 1), conv(224, 1, 7), conv(256, 7, 1)),
            "7x7dbl": (
                conv(192, 1, 1),
                conv(192, *first),
                conv(224, *second),
                conv(224, *first),
                conv(256, *second),
            ),
            "projection": (AVERAGE, conv(128, 1, 1)),
        }
    )


def inception_c(first: Kernel, second: Kernel) -> Module:
    """Figure 6, 8x8x1536; the long kernels of the longest branch, in turn."""
    pair = (conv(256, 1, 3), conv(256, 3, 1))
    return Module(
        branches={
            "1x1": (conv(256, 1, 1),),
            "3x3": (conv(384, 1, 1), pair),
            "3x3dbl": (conv(384, 1, 1), conv(448, *first), conv(512, *second), pair),
            "projection": (AVERAGE, conv(256, 1, 1)),
        }
    )


def inception_v4(stem: dict, b: Module, c: Module) -> dict[str, Module]:
    """Figure 9."""
    return {
        **stem,
        **repeated("inception_a", INCEPTION_A, 4),
        "reduction_a": reduction_a(192, 224, 256, 384),  # 17x17x1024
        **repeated("inception_b", b, 7),
        "reduction_b": REDUCTION_B,  # 8x8x1536
        **repeated("inception_c", c, 3),
    }


V4 = Form(
    modules=inception_v4(STEM_3, inception_b((1, 7), (7, 1)), inception_c((1, 3), (3, 1))),
    initial=he,
)
V4_RELEASED = Form(
    modules=inception_v4(
        STEM_V4_RELEASED, inception_b((7, 1), (1, 7)), inception_c((3, 1), (1, 3))
    ),
    initial=he,
    aux_after="inception_b_7",
)

# The release's, by grid. Sec. 3.3: between 0.1 and 0.3.
SCALE_A, SCALE_B, SCALE_C = Residual(0.17), Residual(0.10), Residual(0.20)


def block_a(second: int, third: int) -> Module:
    """Figures 10 and 16, 35x35; filters of the longest branch."""
    return Module(
        branches={
            "1x1": (conv(32, 1, 1),),
            "3x3": (conv(32, 1, 1), conv(32, 3, 3)),
            "3x3dbl": (conv(32, 1, 1), conv(second, 3, 3), conv(third, 3, 3)),
        },
        residual=SCALE_A,
    )


def block_b(ones: int, first: int, second: int) -> Module:
    """Figures 11 and 17, 17x17; filters of 1x1, 1x7 and 7x1."""
    return Module(
        branches={
            "1x1": (conv(ones, 1, 1),),
            "7x7": (conv(128, 1, 1), conv(first, 1, 7), conv(second, 7, 1)),
        },
        residual=SCALE_B,
    )


def block_c(first: int, second: int) -> Module:
    """Figures 13 and 19, 8x8; filters of 1x3 and 3x1."""
    return Module(
        branches={
            "1x1": (conv(192, 1, 1),),
            "3x3": (conv(192, 1, 1), conv(first, 1, 3), conv(second, 3, 1)),
        },
        residual=SCALE_C,
    )


def reduction_b(second: int, third: int, fourth: int) -> Module:
    """Figures 12 and 18, 17x17 to 8x8; filters of all 3x3 but the first."""
    return Module(
        branches={
            "3x3": (conv(256, 1, 1), valid(384, 3, 2)),
            "3x3b": (conv(256, 1, 1), valid(second, 3, 2)),
            "3x3dbl": (conv(256, 1, 1), conv(third, 3, 3), valid(fourth, 3, 2)),
            "pool": (MAX,),
        }
    )


def residual_stages(
    blocks: tuple[Module, ...], times: tuple[int, ...], first: Module, second: Module
) -> dict[str, Module]:
    """Figure 15 behind the stem."""
    a, b, c = (
        repeated(f"inception_resnet_{letter}", block, count)
        for letter, block, count in zip("abc", blocks, times, strict=True)
    )
    return {**a, "reduction_a": first, **b, "reduction_b": second, **c}


V2_BLOCKS = (block_a(48, 64), block_b(192, 160, 192), block_c(224, 256))
V2_REDUCTIONS = (reduction_a(256, 256, 384, 384), reduction_b(288, 288, 320))

RESNET_V1 = Form(
    modules={
        **STEM_14,  # 35x35x256
        **residual_stages(  # 17x17x896, 8x8x1792
            (block_a(32, 32), block_b(128, 128, 128), block_c(192, 192)),
            (5, 10, 5),
            reduction_a(192, 192, 256, 384),
            reduction_b(256, 256, 256),
        ),
    },
    initial=xavier,
)
RESNET_V2 = Form(
    modules={
        **STEM_3,  # 35x35x384
        **residual_stages(V2_BLOCKS, (5, 10, 5), *V2_REDUCTIONS),  # 1152, 2144 maps
    },
    initial=xavier,
)
RESNET_V2_RELEASED = Form(
    modules={
        **STEM_RESNET_V2_RELEASED,  # 35x35x320
        **residual_stages(V2_BLOCKS, (10, 20, 10), *V2_REDUCTIONS),  # 1088, 2080 maps
        "inception_resnet_c_10": dataclasses.replace(
            V2_BLOCKS[2], residual=Residual(1.0, relu=False)
        ),
        "conv_7b": alone(conv(1536, 1, 1)),
    },
    initial=xavier,
    aux_after="inception_resnet_b_20",
)

FORMS = {
    "inception_v4": V4,
    "inception_v4_released": V4_RELEASED,
    "inception_resnet_v1": RESNET_V1,
    "inception_resnet_v2": RESNET_V2,
    "inception_resnet_v2_released": RESNET_V2_RELEASED,
}
