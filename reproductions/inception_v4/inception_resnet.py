"""Inception-ResNet, as tables: v1, v2, and v2 as TensorFlow released it.

Figure 15 is drawn for v1 and v2; 5, 10 and 5 residual modules are its. The
release has 10, 20 and 10 of v2's kind on narrower maps, behind Inception-v3's
stem, and a 1x1 convolution to 1536 maps at the end; only its cost is
that of Inception-v4.
"""

import dataclasses

from reproductions.inception_v4 import stems
from reproductions.inception_v4.inception_v4 import reduction_a
from reproductions.inception_v4.modules import (
    MAX,
    XAVIER,
    Form,
    Module,
    Residual,
    alone,
    conv,
    repeated,
    valid,
)

# The release's, by grid. Sec. 3.3: between 0.1 and 0.3.
SCALE_A, SCALE_B, SCALE_C = Residual(0.17), Residual(0.10), Residual(0.20)


def block_a(second: int, third: int) -> Module:
    """Figures 10 and 16, 35x35; filters of the longest branch."""
    return Module(
        branches={
            "1x1": (conv(32, 1, 1),),
            "3x3": (conv(32, 1, 1), conv(32, 3, 3)),
            "3x3dbl": (
                conv(32, 1, 1),
                conv(second, 3, 3),
                conv(third, 3, 3),
            ),
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
            "3x3dbl": (
                conv(256, 1, 1),
                conv(third, 3, 3),
                valid(fourth, 3, 2),
            ),
            "pool": (MAX,),
        }
    )


def _stages(blocks: tuple[Module, ...], times: tuple, *reductions) -> dict:
    a, b, c = (
        repeated(f"inception_resnet_{letter}", block, count)
        for letter, block, count in zip("abc", blocks, times, strict=True)
    )
    first, second = reductions
    return {**a, "reduction_a": first, **b, "reduction_b": second, **c}


V2_BLOCKS = (block_a(48, 64), block_b(192, 160, 192), block_c(224, 256))
V2_REDUCTIONS = (reduction_a(256, 256, 384, 384), reduction_b(288, 288, 320))

V1 = Form(
    modules={
        **stems.FIGURE_14,  # 35x35x256
        **_stages(  # 17x17x896, 8x8x1792
            (block_a(32, 32), block_b(128, 128, 128), block_c(192, 192)),
            (5, 10, 5),
            reduction_a(192, 192, 256, 384),
            reduction_b(256, 256, 256),
        ),
    },
    initial=XAVIER,
)
V2 = Form(
    modules={
        **stems.FIGURE_3,  # 35x35x384
        **_stages(V2_BLOCKS, (5, 10, 5), *V2_REDUCTIONS),  # 1152, 2144 maps
    },
    initial=XAVIER,
)
RELEASED_V2 = Form(
    modules={
        **stems.RELEASED_RESNET_V2,  # 35x35x320
        **_stages(V2_BLOCKS, (10, 20, 10), *V2_REDUCTIONS),  # 1088, 2080 maps
        "inception_resnet_c_10": dataclasses.replace(
            V2_BLOCKS[2], residual=Residual(1.0, relu=False)
        ),
        "conv_7b": alone(conv(1536, 1, 1)),
    },
    initial=XAVIER,
    aux_after="inception_resnet_b_20",
)
