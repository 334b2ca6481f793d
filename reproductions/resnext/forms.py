"""What tells the networks of ResNeXt's tables apart; see model.py; imports no TensorFlow."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """C x d of Table 1.

    Attributes:
        blocks: Of each stage, conv2 and on.
        cardinality: C, the groups of the 3x3 convolutions; 1 is a ResNet.
        width: d, maps of one group in conv2.
        small_images: CIFAR's stem, 3x3, instead of 7x7 and pooling.
        shortcuts: Without them a block is its transformation alone, Sec. 5.1.
    """

    blocks: tuple[int, ...]
    cardinality: int
    width: int
    small_images: bool = False
    shortcuts: bool = True


BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}  # Table 1; ResNet's
FORMS = {
    "resnext50_32x4d": Form(blocks=BLOCKS[50], cardinality=32, width=4),
    "resnext50_8x14d": Form(blocks=BLOCKS[50], cardinality=8, width=14),
    "resnext50_4x24d": Form(blocks=BLOCKS[50], cardinality=4, width=24),
    "resnext50_2x40d": Form(blocks=BLOCKS[50], cardinality=2, width=40),
    "resnet50_1x64d": Form(blocks=BLOCKS[50], cardinality=1, width=64),
    "resnext50_32x4d_no_shortcuts": Form(
        blocks=BLOCKS[50], cardinality=32, width=4, shortcuts=False
    ),
    "resnet50_1x64d_no_shortcuts": Form(
        blocks=BLOCKS[50], cardinality=1, width=64, shortcuts=False
    ),
    "resnext101_32x4d": Form(blocks=BLOCKS[101], cardinality=32, width=4),
    "resnext101_8x14d": Form(blocks=BLOCKS[101], cardinality=8, width=14),
    "resnext101_4x24d": Form(blocks=BLOCKS[101], cardinality=4, width=24),
    "resnext101_2x40d": Form(blocks=BLOCKS[101], cardinality=2, width=40),
    "resnet101_1x64d": Form(blocks=BLOCKS[101], cardinality=1, width=64),
    "resnext101_64x4d": Form(blocks=BLOCKS[101], cardinality=64, width=4),
    "resnext101_2x64d": Form(blocks=BLOCKS[101], cardinality=2, width=64),
    "resnet101_1x100d": Form(blocks=BLOCKS[101], cardinality=1, width=100),
    "cifar_resnext29_8x64d": Form(blocks=(3, 3, 3), cardinality=8, width=64, small_images=True),
    "cifar_resnext29_16x64d": Form(blocks=(3, 3, 3), cardinality=16, width=64, small_images=True),
}
