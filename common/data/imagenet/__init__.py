"""ImageNet's 1,000 classes and its blacklist, the same from 2012 to 2017.

Two orders of the classes are in use. WNIDs ascending is that of Keras, Caffe,
torchvision and TFDS, and here that of the labels; the devkit's, which the test
server takes, agrees with it nowhere. Importing this module imports no NumPy.

Both lists lie beside this file. Classes: devkit's `map_clsloc.txt`, the
`imagenet.labels.list` of Darknet, and the names of Caffe's `synset_words.txt`,
which agree; a class's name is the first of its synset, made unique where it is
not. Blacklist: devkit's `ILSVRC2014_clsloc_validation_blacklist.txt`, 1,762
validation images with unsatisfactory boxes, by their number from 1 to 50,000.
"""

import functools
import pathlib

_CLASSES = tuple(
    line.split("\t")
    for line in pathlib.Path(__file__)
    .with_name("classes.tsv")
    .read_text(encoding="utf-8")
    .splitlines()
)
WNIDS = tuple(wnid for wnid, _, _ in _CLASSES)  # ascending
# Mean of the training images' red, green and blue, published with VGG's
# released networks; stands in where the training set is not at hand.
CHANNEL_MEAN = (123.68, 116.779, 103.939)


def names() -> tuple[str, ...]:
    """The 1,000 English names, no two alike, in the order of WNIDS."""
    return tuple(name for _, _, name in _CLASSES)


def devkit_ids() -> tuple[int, ...]:
    """The devkit's ILSVRC2012_ID, 1 .. 1000, of each of WNIDS."""
    return tuple(int(number) for _, number, _ in _CLASSES)


@functools.cache
def blacklist() -> frozenset[int]:
    """The 1,762 validation images that the devkit leaves out, 1 .. 50000."""
    file = pathlib.Path(__file__).with_name("blacklist.txt")
    return frozenset(int(line) for line in file.read_text().splitlines())
