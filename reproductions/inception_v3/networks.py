"""The networks as tables: TensorFlow's release ("release"), and Table 1's.

Modules have torchvision's names. Comments say the size of the maps, of 299 pixels.
"""

import dataclasses

from common.models.inception import Module, Pooling, alone, conv, valid

MAX = Pooling("max", 3, 2, padded=False, label="pool")
AVERAGE = Pooling("avg", 3, 1, padded=True, label="pool")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """A network up to its last average pooling.

    Attributes:
        stem: Before the modules: layers by name, in order.
        modules: By name, in order.
        aux_after: The module that the auxiliary head stands on.
        aux_batch_norm: Whether its 5x5 convolution, "the fully connected
            layer of the auxiliary classifier", is batch-normalised too (Sec.
            10, "BN-auxiliary").
    """

    stem: dict[str, Module]
    modules: dict[str, Module]
    aux_after: str
    aux_batch_norm: bool = True


def grid35(projection: int, *, side: int, average: Pooling = AVERAGE) -> Module:
    """Figure 5; with side 5 the release's, which keeps the 5x5 of Figure 4."""
    return Module(
        branches={
            "branch1x1": (conv(64, 1, 1),),
            f"branch{side}x{side}": (conv(48, 1, 1), conv(64, side, side)),
            "branch3x3dbl": (conv(64, 1, 1), conv(96, 3, 3), conv(96, 3, 3)),
            "branch_pool": (average, conv(projection, 1, 1)),
        }
    )


def grid17(n: int, average: Pooling = AVERAGE) -> Module:
    """Figure 6: 7x7 as 1x7 and 7x1; n maps before the last of a branch."""
    pair = (conv(n, 7, 1), conv(n, 1, 7))
    return Module(
        branches={
            "branch1x1": (conv(192, 1, 1),),
            "branch7x7": (conv(n, 1, 1), conv(n, 1, 7), conv(192, 7, 1)),
            "branch7x7dbl": (conv(n, 1, 1), *pair, conv(n, 7, 1), conv(192, 1, 7)),
            "branch_pool": (average, conv(192, 1, 1)),
        }
    )


def grid8(average: Pooling = AVERAGE) -> Module:
    """Figure 7."""
    pair = (conv(384, 1, 3), conv(384, 3, 1))
    return Module(
        branches={
            "branch1x1": (conv(320, 1, 1),),
            "branch3x3": (conv(384, 1, 1), pair),
            "branch3x3dbl": (conv(448, 1, 1), conv(384, 3, 3), pair),
            "branch_pool": (average, conv(192, 1, 1)),
        }
    )


TO_GRID17 = Module(  # Figure 10
    branches={
        "branch3x3": (valid(384, 3, 2),),
        "branch3x3dbl": (conv(64, 1, 1), conv(96, 3, 3), valid(96, 3, 2)),
        "pool": (MAX,),
    }
)
TO_GRID8 = Module(
    branches={
        "branch3x3": (conv(192, 1, 1), valid(320, 3, 2)),
        "branch7x7x3": (conv(192, 1, 1), conv(192, 1, 7), conv(192, 7, 1), valid(192, 3, 2)),
        "pool": (MAX,),
    }
)


def released_modules(average: Pooling = AVERAGE) -> dict[str, Module]:
    """The release's, with this average pooling."""
    return {
        "mixed_5b": grid35(32, side=5, average=average),  # 35x35x256
        "mixed_5c": grid35(64, side=5, average=average),  # 35x35x288
        "mixed_5d": grid35(64, side=5, average=average),  # 35x35x288
        "mixed_6a": TO_GRID17,  # 17x17x768
        "mixed_6b": grid17(128, average),
        "mixed_6c": grid17(160, average),
        "mixed_6d": grid17(160, average),
        "mixed_6e": grid17(192, average),
        "mixed_7a": TO_GRID8,  # 8x8x1280
        "mixed_7b": grid8(average),  # 8x8x2048
        "mixed_7c": grid8(average),
    }


FIRST = {
    "conv_1a_3x3": alone(valid(32, 3, 2)),  # 149x149x32
    "conv_2a_3x3": alone(valid(32, 3)),  # 147x147x32
    "conv_2b_3x3": alone(conv(64, 3, 3)),  # 147x147x64
}
POOL_3A = {"pool_3a_3x3": alone(MAX)}  # 73x73x64
LAST = {
    "conv_3b_1x1": alone(valid(80, 1)),  # 73x73x80
    "conv_4a_3x3": alone(valid(192, 3)),  # 71x71x192
    "pool_5a_3x3": alone(MAX),  # 35x35x192
}
RELEASED = Form(stem=FIRST | POOL_3A | LAST, modules=released_modules(), aux_after="mixed_6e")
AT_STRIDE_1 = FIRST | {"conv_1a_3x3": alone(valid(32, 3))}

TABLE_1 = Form(
    stem=FIRST
    | POOL_3A
    | {
        "conv_3b_3x3": alone(valid(80, 3)),  # 71x71x80
        "conv_4a_3x3": alone(valid(192, 3, 2)),  # 35x35x192
        # "All other layers do not use padding", but 35x35 come out of it.
        "conv_4b_3x3": alone(conv(288, 3, 3)),  # 35x35x288
    },
    modules={
        **dict.fromkeys(("mixed_5b", "mixed_5c", "mixed_5d"), grid35(64, side=3)),  # 35x35x288
        "mixed_6a": TO_GRID17,  # 17x17x768
        "mixed_6b": grid17(128),
        "mixed_6c": grid17(160),
        "mixed_6d": grid17(160),
        "mixed_6e": grid17(192),
        "mixed_6f": grid17(192),
        "mixed_7a": TO_GRID8,  # 8x8x1280
        "mixed_7b": grid8(),  # 8x8x2048
        "mixed_7c": grid8(),
    },
    aux_after="mixed_6f",
    aux_batch_norm=False,
)

# Table 3's rows before the last, with the release's modules. "Factorized 7x7" made
# three 3x3 of the 7x7 that the rows above it begin with; its maps and stride are
# not said. 64 with stride 2, as GoogLeNet's, end on the grid of the three.
V3_NO_BN_AUXILIARY = dataclasses.replace(RELEASED, aux_batch_norm=False)
INCEPTION_V2 = dataclasses.replace(
    V3_NO_BN_AUXILIARY,
    stem={"conv_1a_7x7": alone(valid(64, 7, 2)), **POOL_3A, **LAST},  # 147x147x64
)

FORMS = {
    "inception_v3": RELEASED,
    "inception_v3_torchvision": dataclasses.replace(
        RELEASED, modules=released_modules(dataclasses.replace(AVERAGE, zeros_count=True))
    ),
    "inception_v3_151": dataclasses.replace(RELEASED, stem=AT_STRIDE_1 | POOL_3A | LAST),
    "inception_v3_79": dataclasses.replace(RELEASED, stem=AT_STRIDE_1 | LAST),
    "inception_v2_table1": TABLE_1,
    "inception_v2": INCEPTION_V2,
    "inception_v2_rmsprop": INCEPTION_V2,
    "inception_v2_label_smoothing": INCEPTION_V2,
    "inception_v2_factorized_7x7": V3_NO_BN_AUXILIARY,
}
