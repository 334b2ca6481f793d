"""Inception-v4, as tables: Figures 3 to 9, and TensorFlow's release.

The release has the long kernels of the 17x17 modules and of the stem, and those
before the last pair of the 8x8 modules, in the other order, and an auxiliary
head. The maps of a module are joined in the release's order: it does not change
what a network can compute.
"""

from reproductions.inception_v4 import stems
from reproductions.inception_v4.modules import (
    AVERAGE,
    HE,
    MAX,
    Form,
    Module,
    conv,
    repeated,
    valid,
)

Kernel = tuple[int, int]


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
        "7x7": (
            conv(256, 1, 1),
            conv(256, 1, 7),
            conv(320, 7, 1),
            valid(320, 3, 2),
        ),
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
            "3x3dbl": (
                conv(384, 1, 1),
                conv(448, *first),
                conv(512, *second),
                pair,
            ),
            "projection": (AVERAGE, conv(256, 1, 1)),
        }
    )


def _network(stem: dict, b: Module, c: Module) -> dict[str, Module]:
    """Figure 9."""
    return {
        **stem,
        **repeated("inception_a", INCEPTION_A, 4),
        "reduction_a": reduction_a(192, 224, 256, 384),  # 17x17x1024
        **repeated("inception_b", b, 7),
        "reduction_b": REDUCTION_B,  # 8x8x1536
        **repeated("inception_c", c, 3),
    }


FIGURE_9 = Form(
    modules=_network(
        stems.FIGURE_3,
        inception_b((1, 7), (7, 1)),
        inception_c((1, 3), (3, 1)),
    ),
    initial=HE,
)
RELEASED = Form(
    modules=_network(
        stems.RELEASED_V4,
        inception_b((7, 1), (1, 7)),
        inception_c((3, 1), (1, 3)),
    ),
    initial=HE,
    aux_after="inception_b_7",
)
