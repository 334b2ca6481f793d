"""The stems and the modules of Inception-v3, as tables.

A convolution of a module is (filters, height, width); a branch is a chain of
them, and a pair at its end stands side by side (Fig. 7).
"""

import dataclasses
from collections.abc import Iterator

Convolution = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class StemLayer:
    """A 3x3 or 1x1 convolution, or max pooling, before the modules.

    Attributes:
        filters: 0 is max pooling.
        side: Of its window.
        padded: With zeros, to keep the grid size.
    """

    name: str
    filters: int
    side: int
    strides: int = 1
    padded: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Module:
    """Branches side by side, their maps joined in this order.

    Attributes:
        branches: Name -> chain.
        projection: Filters of the 1x1 convolution after the average pooling,
            the last branch. 0 makes it a grid reduction (Fig. 10): no padding
            and stride 2 in the last convolution of each branch and in a max
            pooling, whose maps are joined as they are.
    """

    branches: dict[str, tuple]
    projection: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """What tells the networks apart.

    Attributes:
        stem: Before the modules.
        modules: By name, in order.
        aux_after: The module that the auxiliary head stands on.
        aux_batch_norm: Whether its 5x5 convolution, "the fully connected
            layer of the auxiliary classifier", is batch-normalised too (Sec.
            10, "BN-auxiliary").
        zeros_count: Whether average pooling within modules divides by 9 at
            the border too, as torchvision's.
    """

    stem: tuple[StemLayer, ...]
    modules: dict[str, Module]
    aux_after: str
    aux_batch_norm: bool = True
    zeros_count: bool = False


def layer_names(name: str, chain: tuple) -> list[str]:
    """NAME of a lone convolution, else NAME_1, NAME_2; of a pair, NAME_2a, b.

    These are torchvision's names.
    """
    names = []
    for number, part in enumerate(chain, 1):
        pair = isinstance(part[0], tuple)
        number = f"_{number}" if len(chain) > 1 else ""
        names += [f"{name}{number}{letter}" for letter in ("ab" if pair else [""])]
    return names


def convolutions(form: Form) -> Iterator[str]:
    """The names of all convolutions up to the logits, in the tables' order."""
    for layer in form.stem:
        if layer.filters:
            yield layer.name
    for name, module in form.modules.items():
        for branch, chain in module.branches.items():
            yield from layer_names(f"{name}_{branch}", chain)
        if module.projection:
            yield f"{name}_branch_pool"


def grid35(projection: int, *, side: int) -> Module:
    """Figure 5; with side 5 the release's, which keeps the 5x5 of Figure 4."""
    return Module(
        branches={
            "branch1x1": ((64, 1, 1),),
            f"branch{side}x{side}": ((48, 1, 1), (64, side, side)),
            "branch3x3dbl": ((64, 1, 1), (96, 3, 3), (96, 3, 3)),
        },
        projection=projection,
    )


def grid17(n: int) -> Module:
    """Figure 6: 7x7 as 1x7 and 7x1; n maps before the last of a branch."""
    return Module(
        branches={
            "branch1x1": ((192, 1, 1),),
            "branch7x7": ((n, 1, 1), (n, 1, 7), (192, 7, 1)),
            "branch7x7dbl": ((n, 1, 1), (n, 7, 1), (n, 1, 7), (n, 7, 1), (192, 1, 7)),
        },
        projection=192,
    )


PAIR = ((384, 1, 3), (384, 3, 1))
GRID8 = Module(  # Figure 7
    branches={
        "branch1x1": ((320, 1, 1),),
        "branch3x3": ((384, 1, 1), PAIR),
        "branch3x3dbl": ((448, 1, 1), (384, 3, 3), PAIR),
    },
    projection=192,
)
TO_GRID17 = Module(  # Figure 10
    branches={"branch3x3": ((384, 3, 3),), "branch3x3dbl": ((64, 1, 1), (96, 3, 3), (96, 3, 3))},
    projection=0,
)
TO_GRID8 = Module(
    branches={
        "branch3x3": ((192, 1, 1), (320, 3, 3)),
        "branch7x7x3": ((192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3)),
    },
    projection=0,
)

STEM = (  # TensorFlow's release
    StemLayer("conv_1a_3x3", 32, 3, strides=2),  # 149x149x32
    StemLayer("conv_2a_3x3", 32, 3),  # 147x147x32
    StemLayer("conv_2b_3x3", 64, 3, padded=True),  # 147x147x64
    StemLayer("pool_3a_3x3", 0, 3, strides=2),  # 73x73x64
    StemLayer("conv_3b_1x1", 80, 1),  # 73x73x80
    StemLayer("conv_4a_3x3", 192, 3),  # 71x71x192
    StemLayer("pool_5a_3x3", 0, 3, strides=2),  # 35x35x192
)
MODULES = {  # TensorFlow's release
    "mixed_5b": grid35(32, side=5),  # 35x35x256
    "mixed_5c": grid35(64, side=5),  # 35x35x288
    "mixed_5d": grid35(64, side=5),  # 35x35x288
    "mixed_6a": TO_GRID17,  # 17x17x768
    "mixed_6b": grid17(128),
    "mixed_6c": grid17(160),
    "mixed_6d": grid17(160),
    "mixed_6e": grid17(192),
    "mixed_7a": TO_GRID8,  # 8x8x1280
    "mixed_7b": GRID8,  # 8x8x2048
    "mixed_7c": GRID8,
}
RELEASED = Form(stem=STEM, modules=MODULES, aux_after="mixed_6e")

TABLE_1 = Form(
    stem=(
        *STEM[:4],
        StemLayer("conv_3b_3x3", 80, 3),  # 71x71x80
        StemLayer("conv_4a_3x3", 192, 3, strides=2),  # 35x35x192
        # "All other layers do not use padding", but 35x35 come out of it.
        StemLayer("conv_4b_3x3", 288, 3, padded=True),  # 35x35x288
    ),
    modules={
        "mixed_5b": grid35(64, side=3),  # 35x35x288
        "mixed_5c": grid35(64, side=3),
        "mixed_5d": grid35(64, side=3),
        "mixed_6a": TO_GRID17,  # 17x17x768
        "mixed_6b": grid17(128),
        "mixed_6c": grid17(160),
        "mixed_6d": grid17(160),
        "mixed_6e": grid17(192),
        "mixed_6f": grid17(192),
        "mixed_7a": TO_GRID8,  # 8x8x1280
        "mixed_7b": GRID8,  # 8x8x2048
        "mixed_7c": GRID8,
    },
    aux_after="mixed_6f",
    aux_batch_norm=False,
)

# Table 3's rows before the last, with the release's modules. "Factorized 7x7" made
# three 3x3 of the 7x7 that the rows above it begin with; its maps and stride are
# not said. 64 with stride 2, as GoogLeNet's, end on the grid of the three.
INCEPTION_V2 = Form(
    stem=(StemLayer("conv_1a_7x7", 64, 7, strides=2), *STEM[3:]),  # 147x147x64
    modules=MODULES,
    aux_after="mixed_6e",
    aux_batch_norm=False,
)

_STRIDE_1 = (dataclasses.replace(STEM[0], strides=1), *STEM[1:])
FORMS = {
    "inception_v3": RELEASED,
    "inception_v3_torchvision": dataclasses.replace(RELEASED, zeros_count=True),
    "inception_v3_151": dataclasses.replace(RELEASED, stem=_STRIDE_1),
    "inception_v3_79": dataclasses.replace(  # without pool_3a
        RELEASED, stem=(*_STRIDE_1[:3], *_STRIDE_1[4:])
    ),
    "inception_v2_table1": TABLE_1,
    "inception_v2": INCEPTION_V2,
    "inception_v2_rmsprop": INCEPTION_V2,
    "inception_v2_label_smoothing": INCEPTION_V2,
    "inception_v2_factorized_7x7": dataclasses.replace(RELEASED, aux_batch_norm=False),
}
