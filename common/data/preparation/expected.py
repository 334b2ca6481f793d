"""What a whole data set has in it: counts, sums and labels, as data.

ImageNet's (ILSVRC2012, classification): Russakovsky et al. 2015, Table 2 and
Sec. 3.1: 1,281,167 training images, 732 to 1,300 of each class, and 50 of each
in validation. The md5 sums are those of image-net.org's download page, which
torchvision's `datasets/imagenet.py` has as well. The labels of the validation
images come with TFDS, by number; they agree with the devkit's.

CIFAR-10's and -100's: Krizhevsky 2009; the means and deviations as computed of
the files. SVHN's: Netzer et al. 2011, Sec. 3, and from memory the images of
each class, which add up to its totals.
"""

import dataclasses
import json
import pathlib

from common.data.imagenet import WNIDS
from common.data.preparation.arrays import CIFAR10, CIFAR100, DIGITS
from common.errors import RunError, UsageError

VALIDATION = "ILSVRC2012_val_{:08d}.JPEG"
FIRST_EIGHT = (65, 970, 230, 809, 516, 57, 334, 415)  # labels, files 1 .. 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Expected:
    """What there must be, by split."""

    totals: dict[str, int]  # images
    # The fewest and most images of one class; those of each class, where they are known.
    of_class: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    classes: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    md5: dict[str, str] = dataclasses.field(default_factory=dict)  # of files, by name
    # Of the training set's pixels: red, green and blue, of 0 .. 1, to the digits given.
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


IMAGENET = Expected(
    totals={"train": 1_281_167, "validation": 50_000},
    of_class={"train": (732, 1_300), "validation": (50, 50)},
    md5={
        "ILSVRC2012_img_train.tar": "1d675b47d978889d74fa0da5fadfb00e",
        "ILSVRC2012_img_val.tar": "29b22e2961454d5413ddabcf34fc5622",
    },
)
_SVHN = {  # of the digits 0 .. 9
    "train": (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659),
    "test": (1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595),
    "extra": (*(45550, 90560, 74740, 60765, 50633), *(53490, 41582, 43997, 35358, 34456)),
}
# What the catalogue's sets have in them, as far as more than totals is known.
OFFICIAL = {
    "imagenet2012": IMAGENET,
    "cifar10": Expected(
        totals={"train": 50_000, "test": 10_000},
        classes={"train": dict.fromkeys(CIFAR10, 5_000), "test": dict.fromkeys(CIFAR10, 1_000)},
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
    ),
    "cifar100": Expected(
        totals={"train": 50_000, "test": 10_000},
        classes={"train": dict.fromkeys(CIFAR100, 500), "test": dict.fromkeys(CIFAR100, 100)},
        mean=(0.5071, 0.4865, 0.4409),
        std=(0.2673, 0.2564, 0.2762),
    ),
    "svhn": Expected(
        totals={split: sum(counts) for split, counts in _SVHN.items()},
        classes={split: dict(zip(DIGITS, counts, strict=True)) for split, counts in _SVHN.items()},
    ),
}
# Names in the order of the labels.
ORDER = {"imagenet2012": WNIDS, "cifar10": CIFAR10, "cifar100": CIFAR100}


def from_file(path: pathlib.Path) -> Expected:
    """Of a subset: {"train": {CLASS: images}, "validation": {...}}.

    Raises:
        UsageError: if the file is not of that form.
    """
    form = '{"train": {"n01440764": 1300}, "validation": {"n01440764": 50}}'
    try:
        classes = {
            split: {str(name): int(count) for name, count in counts.items()}
            for split, counts in json.loads(path.read_text()).items()
        }
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(
            f"{path} (given with --counts) is not of the form {form}: {error}."
        ) from error
    totals = {split: sum(counts.values()) for split, counts in classes.items()}
    return Expected(totals=totals, classes=classes)


def differences(expected: Expected, found: dict[str, dict[str, int]]) -> list[str]:
    """What is not as it must be, as sentences.

    Args:
        expected: What there must be.
        found: Images of each class by name, by split.
    """
    sentences = []
    for split in {**expected.totals, **found}:
        counts = found.get(split, {})
        total, wanted = sum(counts.values()), expected.totals.get(split, 0)
        if total != wanted:
            sentences.append(f"{split}: {total:,} images, and it must have {wanted:,}")
        odd = []
        if (exact := expected.classes.get(split)) is not None:
            pairs = ((n, counts.get(n, 0), exact.get(n, 0)) for n in sorted({*exact, *counts}))
            odd = [f"{n} has {has:,} of {wanted:,}" for n, has, wanted in pairs if has != wanted]
        elif split in expected.of_class:
            low, high = expected.of_class[split]
            wanted = f"{low:,} to {high:,}" if low < high else f"{low:,}"
            pairs = ((name, counts.get(name, 0)) for name in WNIDS)
            odd = [f"{n} has {has:,}, not {wanted}" for n, has in pairs if not low <= has <= high]
        if odd:
            more = f", and {len(odd) - 3} more" if len(odd) > 3 else ""
            sentences.append(f"{split}: {', '.join(odd[:3])}{more}")
    return sentences


def validation_labels() -> list[int]:
    """The label of each validation image of ImageNet; of file 1 first.

    Raises:
        RunError: if this TensorFlow Datasets does not bring them.
    """
    import importlib.util

    package = importlib.util.find_spec("tensorflow_datasets").origin
    file = pathlib.Path(package).parent / "datasets/imagenet2012/validation_labels.txt"
    place = {wnid: label for label, wnid in enumerate(WNIDS)}
    try:
        labels = [place[wnid] for wnid in file.read_text().split()]
        if len(labels) != 50_000 or tuple(labels[:8]) != FIRST_EIGHT:
            raise ValueError(f"{len(labels):,} labels, first {labels[:8]}")
    except (OSError, KeyError, ValueError) as error:
        raise RunError(
            "The validation labels that tensorflow-datasets brings are not as they must be "
            f"({file}: {error}). Install the version of constraints.txt."
        ) from error
    return labels
