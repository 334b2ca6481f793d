"""Image files laid out as SOURCE/{train,val}/CLASS/*."""

import os
import pathlib

from common.data.images.jpeg import read_header
from common.data.preparation.raw_images import Original, Originals, mix_by_name
from common.data.sources.folder import SPLITS, of_tools, scan
from common.errors import RunError

IMAGES_PER_SHARD = 1252  # ImageNet's training set then makes 1,024 files


def find(source: pathlib.Path) -> Originals:
    """The images of any set of class folders; labels by the names' order.

    Raises:
        RunError: if there is no such layout; see also common.data.sources.folder.scan.
    """
    places: dict[str, str] = {}
    for name, split in SPLITS.items():
        if (source / name).is_dir():
            if split in places:
                raise RunError(
                    f"{source} has both {places[split]} and {name}. Take one of them away."
                )
            places[split] = name
    if "train" not in places or len(places) < 2:
        names = sorted(n for n in os.listdir(source) if not of_tools(n))
        listed = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "") or "nothing"
        raise RunError(
            f"{source} is not laid out as SOURCE/{{train,val}}/CLASS/*.jpg: it "
            f"has {listed}. Unpack the data set and name the folder "
            "that has train in it."
        )
    layout = scan(source, places)
    classes = layout.classes()
    label_of = {name: label for label, name in enumerate(classes)}
    splits = {}
    for split, found in layout.images.items():
        images = []
        for path, label in (
            (source / places[split] / name / file, label_of[name])
            for name, files in found.items()
            for file in files
        ):
            own, state = f"{path.parent.name}/{path.name}", path.stat()
            place = (str(path), "bytes", 0, state.st_size, state.st_mtime_ns)
            images.append(Original(own, label, *place))
        splits[split] = mix_by_name(images) if split == "train" else images
    tests = [split for split in splits if split != "train"]
    if any(splits[split] for split in tests):  # such as Kaggle's flat test
        empty = [split for split in tests if not splits[split]]
        splits = {s: i for s, i in splits.items() if s not in empty}
    left_out = [path for paths in layout.left_out.values() for path in paths]
    return Originals(
        layout=f"class folders in {source}",
        classes=classes,
        splits=splits,
        images_per_shard=IMAGES_PER_SHARD,
        lossless=True,
        ignored=[str(source / path) for path in left_out],
        notes=layout.notes(),
    )


def imagenette_config(originals: Originals) -> str:
    """TFDS's name for the size that the pictures have."""
    side = 0
    for image in originals.splits["train"]:
        try:
            header = read_header(pathlib.Path(image.path).read_bytes())
        except (OSError, ValueError):  # it is told when it is written
            continue
        side = min(header.height, header.width)
        break
    sizes = {160: "160px-v2", 320: "320px-v2"}
    return sizes.get(side, "full-size-v2")
