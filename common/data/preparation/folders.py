"""Image files laid out as SOURCE/{train,val}/CLASS/*."""

import os
import pathlib

from common.data.images.jpeg import read_header
from common.data.preparation.raw_images import IMAGES_PER_SHARD, Original, Originals, mix_by_name
from common.data.sources.folder import SPLITS, of_tools, scan
from common.errors import RunError


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
            f"has {listed}. Unpack the data set and name the folder that has train in it. "
            "A folder of classes alone, which would have to be divided, trains as it is: --data "
            f"folder:{source}."
        )
    layout = scan(source, places)
    classes, splits = layout.classes(), {}
    label_of = {name: label for label, name in enumerate(classes)}
    for split, found in layout.images.items():
        images = splits[split] = []
        for name, paths in found.items():
            for path in map(source.joinpath, paths):
                facts = (str(path), "bytes", 0, path.stat().st_size, path.stat().st_mtime_ns)
                images.append(Original(f"{name}/{path.name}", label_of[name], *facts))
    splits["train"] = mix_by_name(splits["train"])
    if any(splits[split] for split in splits if split != "train"):
        # Those without class folders are left out, such as Kaggle's test.
        splits = {s: images for s, images in splits.items() if images or s == "train"}
    return Originals(
        layout=f"class folders in {source}",
        classes=classes,
        splits=splits,
        images_per_shard=IMAGES_PER_SHARD,
        lossless=True,
        ignored=[str(source / path) for paths in layout.left_out.values() for path in paths],
        notes=layout.notes(),
    )


def imagenette_config(originals: Originals) -> str:
    """TFDS's name for the size that the pictures have."""
    for image in originals.splits["train"]:
        try:
            header = read_header(pathlib.Path(image.path).read_bytes())
        except (OSError, ValueError):  # it is told when it is written
            continue
        sizes = {160: "160px-v2", 320: "320px-v2"}
        return sizes.get(min(header.height, header.width), "full-size-v2")
    return "full-size-v2"
