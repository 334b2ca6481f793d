"""The official lists against what is known of them elsewhere.

The first eight validation labels are written here in both orders, as public
lists of the validation set have them.
"""

import hashlib
import importlib.util
import pathlib

from common.data import imagenet
from common.data.preparation.expected import validation_labels

TFDS = pathlib.Path(importlib.util.find_spec("tensorflow_datasets").origin)
BUILDER = TFDS.parent / "datasets" / "imagenet2012"
FIRST_SORTED = [65, 970, 230, 809, 516, 57, 334, 415]
FIRST_DEVKIT = [490, 361, 171, 822, 297, 482, 13, 704]


def validation_wnids():
    """TFDS's list of the validation labels, in the order of the files."""
    return (BUILDER / "validation_labels.txt").read_text().split()


def test_there_are_1000_classes_in_tfdss_order_and_the_devkits_agrees_nowhere():
    assert len(set(imagenet.WNIDS)) == 1000
    labels = (BUILDER / "labels.txt").read_text().split()
    assert list(imagenet.WNIDS) == sorted(imagenet.WNIDS) == labels
    ids = imagenet.devkit_ids()
    assert sorted(ids) == list(range(1, 1001))
    assert not [i for i, number in enumerate(ids) if number == i + 1]
    first = [imagenet.WNIDS.index(w) for w in validation_wnids()[:8]]
    assert first == FIRST_SORTED
    assert [ids[i] for i in first] == FIRST_DEVKIT


def test_validation_labels_are_those_published_elsewhere():
    # md5 of a list of class indices that others use, one a line.
    text = "".join(f"{label}\n" for label in validation_labels())
    assert hashlib.md5(text.encode()).hexdigest() == "f31656d784908741c59ccb6823cf0bea"


def test_known_classes_and_no_two_names_alike():
    names = [name.casefold() for name in imagenet.names()]
    assert len(set(names)) == 1000
    known = dict(zip(imagenet.WNIDS, imagenet.names(), strict=True))
    assert imagenet.WNIDS[0] == "n01440764" and known["n01440764"] == "tench"
    assert known["n02119789"] == "kit fox"
    assert known["n15075141"] == "toilet tissue" == imagenet.names()[999]
    assert known["n02012849"] == "crane (bird)"
    assert known["n03126707"] == "crane (machine)"
    assert known["n03710637"] == "maillot (tights)"
    assert known["n03710721"] == "maillot (tank suit)"


def test_the_blacklisted_images_are_those_of_the_public_list():
    """The first five and the last three, with the classes it gives them."""
    wnids, listed = validation_wnids(), sorted(imagenet.blacklist())
    assert len(listed) == 1762 and listed[0] >= 1 and listed[-1] <= 50_000
    found = [(number, wnids[number - 1]) for number in listed]
    assert found[:5] == [
        (36, "n04532106"),
        (50, "n02640242"),
        (56, "n02930766"),
        (103, "n04485082"),
        (127, "n02422699"),
    ]
    assert found[-3:] == [(49_875, "n07717556"), (49_877, "n07716358"), (49_981, "n01981276")]
