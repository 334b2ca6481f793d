"""The columns of VGG's Table 1; see model.py; imports no TensorFlow."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Configuration:
    """A column of Table 1.

    Attributes:
        convs: Convolutions in each of the five blocks.
        third_kernel: Side of the kernels of a block's third convolution.
        lrn: Whether a response normalisation follows the first convolution.
        kernel: Side of the other kernels.
        dropout: The share of fc6's and fc7's outputs that training drops.
    """

    convs: tuple[int, ...]
    third_kernel: int
    lrn: bool
    kernel: int = 3
    dropout: float = 0.5  # Sec. 3.1


_A = Configuration(convs=(1, 1, 2, 2, 2), third_kernel=3, lrn=False)
CONFIGURATIONS = {
    "A": _A,
    "A-LRN": dataclasses.replace(_A, lrn=True),
    "B": dataclasses.replace(_A, convs=(2, 2, 2, 2, 2)),
    "C": dataclasses.replace(_A, convs=(2, 2, 3, 3, 3), third_kernel=1),
    "D": dataclasses.replace(_A, convs=(2, 2, 3, 3, 3)),
    "E": dataclasses.replace(_A, convs=(2, 2, 4, 4, 4)),
    # Sec. 4.1: "replacing each pair of 3x3 conv. layers with a single 5x5".
    "B, 5x5": dataclasses.replace(_A, convs=(1, 1, 1, 1, 1), kernel=5),
}
# Variants of one configuration differ in how they are trained.
COLUMNS = {
    "vgg16": "D",
    "vgg11": "A",
    "vgg11_lrn": "A-LRN",
    "vgg13": "B",
    "vgg16_c": "C",
    "vgg19": "E",
    "vgg16_c_384": "C",
    "vgg16_384": "D",
    "vgg19_384": "E",
    "vgg16_c_jitter": "C",
    "vgg16_jitter": "D",
    "vgg19_jitter": "E",
    "vgg11_glorot": "A",
    "vgg16_glorot": "D",
    "vgg13_5x5": "B, 5x5",
}
FORMS = {variant: CONFIGURATIONS[column] for variant, column in COLUMNS.items()}
