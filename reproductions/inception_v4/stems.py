"""The stems, as tables: from the image to 35x35 places."""

from reproductions.inception_v4.modules import (
    AVERAGE,
    MAX,
    Module,
    alone,
    conv,
    valid,
)

_FIRST = {
    "stem_1": alone(valid(32, 3, 2)),  # 149x149x32
    "stem_2": alone(valid(32, 3)),  # 147x147x32
    "stem_3": alone(conv(64, 3, 3)),  # 147x147x64
}


def _branching(first: tuple[int, int], second: tuple[int, int]) -> dict:
    """Figure 3, with the two long kernels of stem_5 in this order."""
    return {
        **_FIRST,
        "stem_4": Module(  # 73x73x160
            branches={"pool": (MAX,), "3x3": (valid(96, 3, 2),)}
        ),
        "stem_5": Module(  # 71x71x192
            branches={
                "3x3": (conv(64, 1, 1), valid(96, 3)),
                "7x7": (
                    conv(64, 1, 1),
                    conv(64, *first),
                    conv(64, *second),
                    valid(96, 3),
                ),
            }
        ),
        "stem_6": Module(  # 35x35x384
            branches={"3x3": (valid(192, 3, 2),), "pool": (MAX,)}
        ),
    }


FIGURE_3 = _branching((7, 1), (1, 7))
RELEASED_V4 = _branching((1, 7), (7, 1))

FIGURE_14 = {
    **_FIRST,
    "stem_4": alone(MAX),  # 73x73x64
    "stem_5": alone(conv(80, 1, 1)),  # 73x73x80
    "stem_6": alone(valid(192, 3)),  # 71x71x192
    "stem_7": alone(valid(256, 3, 2)),  # 35x35x256
}

# Inception-v3's, with a module of its kind.
RELEASED_RESNET_V2 = {
    **FIGURE_14,
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
