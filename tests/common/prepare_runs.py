"""Data sets prepared and read back."""

import hashlib

import pytest
import tensorflow as tf

from common.data import catalog
from common.data.preparation import imagenet
from common.data.preparation.expected import from_file
from common.data.preparation.prepare import Request, prepare
from common.data.processes import workers


def run(source, data_dir, *, per_shard=None, **changed):
    """Prepares a synthetic ImageNet; its folder."""
    asked = {
        "name": "imagenet2012",
        "source": source,
        "data_dir": data_dir,
        "expected": from_file(source / "counts.json"),
        "shorter_side": None,
        "jobs": 1,
        "leave_out_bad": True,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagenet, "IMAGES_PER_SHARD", per_shard or imagenet.IMAGES_PER_SHARD)
        return prepare(Request(**(asked | changed)), lambda *_: None)


def small(name, source, data_dir, **changed):
    """Prepares another set; (its folder, its source)."""
    asked = {"expected": None, "shorter_side": None, "jobs": 1}
    request = Request(name=name, source=source, data_dir=data_dir, **(asked | changed))
    folder = prepare(request, lambda *_: None)
    known = name if name in catalog.names() else f"tfds:{name}"
    found = catalog.find(known, channels=1 if name == "mnist" else 3, data_dir=str(data_dir))
    return folder, catalog.open_source(found, str(data_dir))


def find(source):
    """ImageNet's images in a folder."""
    source.mkdir(exist_ok=True)
    with workers(1) as each:
        return imagenet.find(source, each, source, lambda *_: None)


def records(folder, split):
    """file_name -> (bytes, label), from the record files themselves."""
    found = {}
    for file in sorted(folder.glob(f"*-{split}.tfrecord-*")):
        for raw in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            features = tf.train.Example.FromString(raw).features.feature
            name = features["file_name"].bytes_list.value[0].decode()
            image = features["image"].bytes_list.value[0]
            found[name] = image, features["label"].int64_list.value[0]
    return found


def hashes(folder):
    """Of all files but that which says where they are from."""
    return {
        f.name: hashlib.sha256(f.read_bytes()).hexdigest()
        for f in folder.iterdir()
        if f.name != "source.json"
    }
