"""ImageNet in the form of the official downloads, made of noise.

Train tar of class tars, validation tar, devkit; with the faults that the real
one has, and those that downloads get.
"""

import dataclasses
import io
import json
import pathlib
import tarfile

import numpy as np
from PIL import Image

from common.data.imagenet import WNIDS, devkit_ids
from common.data.preparation.expected import VALIDATION, validation_labels

EXIF_TURNED = Image.Exif()
EXIF_TURNED[0x0112] = 6


@dataclasses.dataclass
class Synthetic:
    """What was made.

    Attributes:
        folder: Where the tar files lie.
        train: (WNID, name) -> bytes of every training image.
        validation: name -> bytes.
        odd: kind of fault -> name.
        counts: The file for --counts.
    """

    folder: pathlib.Path
    train: dict[tuple[str, str], bytes]
    validation: dict[str, bytes]
    odd: dict[str, str]
    counts: pathlib.Path


def jpeg(pixels, **options):
    file = io.BytesIO()
    mode = {1: "L", 4: "CMYK"}.get(pixels.shape[-1], "RGB")
    picture = Image.fromarray(np.squeeze(pixels), mode)
    picture.save(file, "JPEG", **options)
    return file.getvalue()


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(file, "PNG")
    return file.getvalue()


def noise(rng, channels=3):
    """Smooth noise, 24 .. 47 pixels a side."""
    height, width = rng.integers(24, 48, 2)
    small = rng.integers(0, 256, (4, 4, channels), np.uint8)
    rows, columns = (np.arange(height) * 4 // height, np.arange(width) * 4 // width)
    return small[rows][:, columns]


def faults(rng):
    """kind -> the file's content."""
    whole = jpeg(noise(rng))
    return {
        "png": png(noise(rng, 4)),
        "cmyk": jpeg(noise(rng, 4)),
        "grey": jpeg(noise(rng, 1)),
        "turned": jpeg(noise(rng), exif=EXIF_TURNED),
        "broken_exif": jpeg(noise(rng), exif=b"Exif\0\0II*\0\xff\xff\0\0junk"),
        "truncated": whole[: len(whole) * 2 // 3],
        "empty": b"",
    }


def make(folder, classes, per_class, seed=0):
    """A set of the first `classes` of WNIDS and those of the first files."""
    rng = np.random.default_rng(seed)
    labels = validation_labels()
    wnids = sorted({*WNIDS[:classes], *(WNIDS[k] for k in labels[:8])})
    train = {
        (wnid, f"{wnid}_{10 * i + 3}.JPEG"): jpeg(noise(rng))
        for wnid in wnids
        for i in range(per_class)
    }
    odd = {}
    for (wnid, name), (kind, content) in zip(list(train), faults(rng).items(), strict=False):
        train[wnid, name], odd[kind] = content, name
    first = {wnid: labels.index(WNIDS.index(wnid)) + 1 for wnid in wnids}
    numbers = sorted({*first.values(), *range(1, 9)})
    validation = {VALIDATION.format(n): jpeg(noise(rng)) for n in numbers}
    odd["duplicate"] = VALIDATION.format(numbers[-1])
    validation[odd["duplicate"]] = list(train.values())[-1]
    made = Synthetic(folder, train, validation, odd, folder / "counts.json")
    write(made, labels)
    return made


def write(made, labels):
    folder = made.folder
    folder.mkdir(parents=True, exist_ok=True)
    by_class = {}
    for (wnid, name), content in made.train.items():
        by_class.setdefault(wnid, {})[name] = content
    outer = {f"{wnid}.tar": tar_of(files) for wnid, files in by_class.items()}
    (folder / "ILSVRC2012_img_train.tar").write_bytes(tar_of(outer))
    (folder / "ILSVRC2012_img_val.tar").write_bytes(tar_of(made.validation))
    ids = devkit_ids()
    truth = "".join(f"{ids[label]}\n" for label in labels).encode()
    place = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"
    devkit = folder / "ILSVRC2012_devkit_t12.tar.gz"
    devkit.write_bytes(tar_of({place: truth}, "w:gz"))
    shown = {}
    for name in made.validation:
        wnid = WNIDS[labels[int(name[15:23]) - 1]]
        shown[wnid] = shown.get(wnid, 0) + 1
    counts = {wnid: len(files) for wnid, files in by_class.items()}
    made.counts.write_text(json.dumps({"train": counts, "validation": shown}))


def tar_of(files, mode="w"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
