"""From the official downloads to records: what goes in comes out, named."""

import fcntl
import gzip
import hashlib
import io
import json
import os
import pathlib
import pickle
import random
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import time

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import scipy.io
import tensorflow as tf
from PIL import Image
from tensorflow_datasets.core.utils import image_utils

from common.data import catalog
from common.data.dataset import read_manifest
from common.data.imagenet import WNIDS, devkit_ids
from common.data.images.jpeg import read_header
from common.data.images.repair import mend
from common.data.preparation import archives, arrays, imagenet
from common.data.preparation.expected import IMAGENET, VALIDATION, differences, validation_labels
from common.data.preparation.prepare import Request, prepare
from common.data.processes import workers
from common.errors import RunError, UsageError
from tests.common import synthetic_imagenet as synthetic
from tests.common.prepare_runs import run

ROOT = pathlib.Path(__file__).parents[2]
PER_SHARD = 18  # TFDS mixes files in blocks of 16 unless it is told not to


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return synthetic.make(tmp_path_factory.mktemp("source"), 10, 4)


@pytest.fixture(scope="module")
def prepared(made, tmp_path_factory):
    return run(made.folder, tmp_path_factory.mktemp("data"), per_shard=PER_SHARD)


def source_of(folder):
    found = catalog.find("imagenet2012")
    return catalog.open_source(found, str(folder.parents[1]))


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


def find(source):
    source.mkdir(exist_ok=True)
    with workers(1) as each:
        return imagenet.find(source, each, source, lambda *_: None)


# Whole preparations


def test_every_image_comes_out_with_its_own_label(made, prepared):
    train = records(prepared, "train")
    mended = ("png", "cmyk", "broken_exif", "truncated", "empty")
    touched = {made.odd[kind] for kind in mended}
    left_out = {made.odd["truncated"], made.odd["empty"]}
    assert train.keys() == {name for _, name in made.train} - left_out
    for (wnid, name), content in made.train.items():
        if name not in left_out:
            assert train[name][1] == WNIDS.index(wnid)
        if name not in touched:
            assert train[name][0] == content
    validation = records(prepared, "validation")
    labels = validation_labels()
    assert {name: image for name, (image, _) in validation.items()} == (made.validation)
    for name, (_, label) in validation.items():
        assert label == labels[int(name[15:23]) - 1]
    assert list(validation) == sorted(validation)


def test_the_suites_own_source_reads_it(made, prepared):
    source = source_of(prepared)
    assert source.dataset.splits == {"train": 70, "validation": 18}
    assert "another set of 70 + 18 images" in source.dataset.title
    assert source.class_names() == WNIDS
    assert source.jpeg is True
    first = [int(r["label"]) for r in source.records("validation").take(8)]
    assert first == [65, 970, 230, 809, 516, 57, 334, 415]
    train = records(prepared, "train")
    for record, (name, (image, label)) in zip(source.records("train"), train.items(), strict=True):
        assert (record["image"].numpy(), record["label"]) == (image, label)
        tf.io.decode_jpeg(record["image"], channels=3)
        assert record["id"].numpy().decode() == name  # not the record's number
    ids = {r["id"].numpy().decode() for r in source._stream("train")}
    assert ids == set(train)


def test_manifest_names_what_was_done(made, prepared):
    manifest = read_manifest(prepared)
    assert manifest["repaired"] == {
        made.odd["png"]: "PNG, re-encoded as JPEG",
        made.odd["cmyk"]: "CMYK, re-encoded as RGB JPEG",
        made.odd["broken_exif"]: "EXIF data that cannot be read was cut out",
    }
    assert manifest["left_out"].keys() == {made.odd["truncated"], made.odd["empty"]}
    assert "cut off" in manifest["left_out"][made.odd["truncated"]]
    assert manifest["left_out"][made.odd["empty"]] == "it has zero bytes"
    assert manifest["turned_by_exif"] == 1
    for file, known in manifest["files"].items():
        content = (prepared / file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == known["sha256"]
    assert sum(n["images"] for n in manifest["files"].values()) == 70 + 18


def test_classes_are_mixed_over_the_training_files(prepared):
    labels = [label for _, label in records(prepared, "train").values()]
    same = sum(a == b for a, b in zip(labels, labels[1:], strict=False))
    assert same < len(labels) / 4


def test_unreadable_files_stop_it_until_they_are_mended(made, tmp_path):
    source = tmp_path / "source"
    unpack(made, source)
    with pytest.raises(RunError, match="2 of the files are no whole") as caught:
        run(source, tmp_path, per_shard=PER_SHARD, leave_out_bad=False)
    assert "--leave_out_bad" in str(caught.value)
    part = tmp_path / "imagenet2012.part" / "5.1.0"
    listed = (part / "notes" / "unreadable.txt").read_text()
    assert made.odd["truncated"] in listed and made.odd["empty"] in listed
    before = {f.name: f.stat().st_mtime_ns for f in part.glob("*-of-*")}
    for kind in ("truncated", "empty"):
        [file] = source.glob(f"train/*/{made.odd[kind]}")
        file.write_bytes(made.train[WNIDS[0], made.odd["grey"]])
    folder = run(source, tmp_path, per_shard=PER_SHARD, leave_out_bad=False)
    after = {f.name: f.stat().st_mtime_ns for f in folder.glob("*-of-*")}
    changed = {name for name in before if before[name] != after[name]}
    assert 1 <= len(changed) <= 2  # only the shards of those two
    assert len(records(folder, "train")) == 72


def test_a_prepared_set_stays_as_it_is(made, prepared):
    before = hashes(prepared)
    assert run(made.folder, prepared.parents[1]) == prepared
    assert hashes(prepared) == before
    with pytest.raises(UsageError, match="prepared without --shorter_side"):
        run(made.folder, prepared.parents[1], shorter_side=32)


def test_shorter_side_is_in_the_fingerprint_and_the_title(made, tmp_path):
    folder = run(made.folder, tmp_path, shorter_side=32)
    source = source_of(folder)
    assert source.fingerprint()["shorter_side"] == 32
    assert "shrunk to a shorter side of 32" in source.dataset.title
    images = {**made.validation, **{n: i for (_, n), i in made.train.items()}}
    for split in ("train", "validation"):
        for name, (image, _) in records(folder, split).items():
            header = read_header(image)
            assert min(header.height, header.width) <= 32
            if name != made.odd["png"] and name not in (made.odd["cmyk"]):
                was = read_header(images[name])
                ratio = min(1, 32 / min(was.height, was.width))
                assert header.height == round(was.height * ratio)
                assert header.width == round(was.width * ratio)


def test_fingerprint_follows_the_content_of_the_files(prepared, tmp_path):
    one = source_of(prepared).fingerprint()
    assert "shorter_side" not in one
    folder = tmp_path / "imagenet2012" / "5.1.0"
    folder.mkdir(parents=True)
    for file in prepared.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    assert source_of(folder).fingerprint() == one
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace("0", "1"))
    assert source_of(folder).fingerprint()["sha256"] != one["sha256"]


def test_another_prepare_at_work_is_told(made, tmp_path):
    part = tmp_path / "imagenet2012.part" / "5.1.0"
    part.mkdir(parents=True)
    with open(part / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="Another prepare is at work"):
            run(made.folder, tmp_path)


def test_a_full_disk_is_told_before_and_while_it_writes(made, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(RunError, match="GB more"):
        run(made.folder, tmp_path)
    monkeypatch.undo()
    fsync, written = os.fsync, []

    def fill_up(descriptor):
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        if ".tfrecord-" in name and "notes" not in name:
            if len(written) == 2:
                raise OSError(28, "No space left on device")
            written.append(name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fill_up)
    with pytest.raises(RunError, match="No space left.* it continues"):
        run(made.folder, tmp_path, per_shard=PER_SHARD)
    monkeypatch.undo()
    part = tmp_path / "imagenet2012.part" / "5.1.0"
    first = {f.name: f.stat().st_mtime_ns for f in part.glob("*-of-*")}
    assert len(first) == 2  # whole ones; the half one is gone
    folder = run(made.folder, tmp_path, per_shard=PER_SHARD)
    for name, changed in first.items():
        assert (folder / name).stat().st_mtime_ns == changed


# Other layouts


def unpack(made, folder, *, kaggle=False, flat=False):
    """The same images as files."""
    root = folder / "ILSVRC/Data/CLS-LOC" if kaggle else folder
    labels = validation_labels()
    files = {f"train/{w}/{name}": c for (w, name), c in made.train.items()}
    for name, content in made.validation.items():
        wnid = WNIDS[labels[int(name[15:23]) - 1]]
        place = "val" if kaggle or flat else f"val/{wnid}"
        files[f"{place}/{name}"] = content
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (folder / "counts.json").write_bytes(made.counts.read_bytes())


def write_parquet(made, folder):
    """As Hugging Face's ILSVRC/imagenet-1k, rows mixed."""
    labels = validation_labels()
    rows = {"train": [], "validation": []}
    for (wnid, name), content in made.train.items():
        path = name.replace(".JPEG", f"_{wnid}.JPEG")
        rows["train"].append((path, content, WNIDS.index(wnid)))
    random.Random(0).shuffle(rows["train"])
    for name, content in made.validation.items():
        label = labels[int(name[15:23]) - 1]
        path = name.replace(".JPEG", f"_{WNIDS[label]}.JPEG")
        rows["validation"].append((path, content, label))
    (folder / "data").mkdir(parents=True)
    for split, found in rows.items():
        table = pyarrow.table(
            {
                "image": [{"bytes": c, "path": p} for p, c, _ in found],
                "label": [label for _, _, label in found],
            }
        )
        file = folder / "data" / f"{split}-00000-of-00001.parquet"
        pyarrow.parquet.write_table(table, file, row_group_size=7)
    (folder / "counts.json").write_bytes(made.counts.read_bytes())


@pytest.mark.parametrize("layout", ["folders", "kaggle", "flat"])
def test_folders_give_the_shards_that_tars_give(made, prepared, tmp_path, layout):
    unpack(made, tmp_path / "source", kaggle=layout == "kaggle", flat=layout == "flat")
    folder = run(tmp_path / "source", tmp_path, per_shard=PER_SHARD)
    assert hashes(folder) == hashes(prepared)


def test_parquet_gives_the_same_images(made, prepared, tmp_path):
    write_parquet(made, tmp_path / "source")
    folder = run(tmp_path / "source", tmp_path, per_shard=PER_SHARD)
    for split in ("train", "validation"):
        assert records(folder, split) == records(prepared, split)


def test_parquet_with_labels_in_another_order_is_refused(made, tmp_path):
    table = pyarrow.table(
        {
            "image": [{"bytes": b"", "path": f"{WNIDS[3]}_1_{WNIDS[3]}.JPEG"}],
            "label": [devkit_ids()[3]],
        }
    )
    file = tmp_path / "train-00000-of-00001.parquet"
    pyarrow.parquet.write_table(table, file)
    with pytest.raises(RunError, match="by its name it belongs to"):
        find(tmp_path)


# Labels, counts and sums


def test_a_missing_validation_file_shifts_no_label(made, tmp_path):
    source = tmp_path / "source"
    unpack(made, source, flat=True)
    (source / "val" / VALIDATION.format(3)).unlink()
    with pytest.raises(RunError, match="17 images, and it must have 18"):
        run(source, tmp_path)
    counts = json.loads(made.counts.read_text())
    counts["validation"].pop(WNIDS[230])
    (source / "counts.json").write_text(json.dumps(counts))
    folder = run(source, tmp_path)
    labels = [label for _, label in records(folder, "validation").values()]
    assert labels[:7] == [65, 970, 809, 516, 57, 334, 415]


def test_the_whole_of_imagenet_is_asked_for(made, tmp_path):
    unpack(made, tmp_path / "source")
    with pytest.raises(RunError) as caught:
        run(tmp_path / "source", tmp_path, expected=IMAGENET)
    message = str(caught.value)
    assert "train: 72 images, and it must have 1,281,167" in message
    assert f"Missing: {VALIDATION.format(9)}" in message
    with pytest.raises(RunError, match="md5 sum .* download it again"):
        run(made.folder, tmp_path, expected=IMAGENET)


def test_counts_of_the_real_set_are_its_own():
    classes = {wnid: 1_300 for wnid in WNIDS}
    fewer = 1_300_000 - 1_281_167
    for wnid in WNIDS:
        take = min(fewer, 568)
        classes[wnid] -= take
        fewer -= take
    found = {"train": classes, "validation": dict.fromkeys(WNIDS, 50)}
    assert not differences(IMAGENET, found)
    found["train"] = classes | {WNIDS[0]: 731, WNIDS[999]: 1_301}
    [wrong] = differences(IMAGENET, found)
    assert f"{WNIDS[0]} has 731, not 732 to 1,300" in wrong
    found["train"] = classes | {WNIDS[999]: 1_299}
    assert differences(IMAGENET, found) == ["train: 1,281,166 images, and it must have 1,281,167"]


def test_validation_labels_are_those_published_elsewhere():
    # md5 of a list of class indices that others use, one a line.
    text = "".join(f"{label}\n" for label in validation_labels())
    digest = hashlib.md5(text.encode()).hexdigest()
    assert digest == "f31656d784908741c59ccb6823cf0bea"


def test_a_devkit_that_disagrees_is_told(tmp_path):
    file = tmp_path / "ILSVRC2012_validation_ground_truth.txt"
    indices = "".join(f"{label}\n" for label in validation_labels())
    file.write_text(indices)  # counted from 0, and in the order of WNIDS
    with pytest.raises(RunError, match="not the validation set's, first"):
        find(tmp_path)


def test_files_in_the_wrong_class_are_told(made, tmp_path):
    unpack(made, tmp_path)
    [file] = tmp_path.glob(f"train/*/{made.odd['grey']}")
    file.rename(tmp_path / "train" / WNIDS[5] / file.name)
    with pytest.raises(RunError, match=f"by its name it belongs to {WNIDS[0]}"):
        find(tmp_path)


# Hostile and damaged tar files


def tar_with(info, content=b""):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


@pytest.mark.parametrize("name", ["../evil.JPEG", "/etc/evil.JPEG", "a/../../b"])
def test_a_tar_whose_names_lead_out_is_refused(tmp_path, name):
    file = tmp_path / "ILSVRC2012_img_val.tar"
    file.write_bytes(tar_with(tarfile.TarInfo(name), b"x"))
    with pytest.raises(RunError, match="leads out of it"):
        find(tmp_path)
    assert sorted(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_a_tar_with_a_link_or_device_is_refused(tmp_path, kind):
    info = tarfile.TarInfo("n01440764_1.JPEG")
    info.type, info.linkname = kind, "/etc/passwd"
    inner = tar_with(info)
    outer = tar_with(tarfile.TarInfo("n01440764.tar"), inner)
    file = tmp_path / "ILSVRC2012_img_train.tar"
    file.write_bytes(outer)
    with pytest.raises(RunError, match="no plain file"):
        find(tmp_path)


@pytest.mark.parametrize("share", [0.3, 0.4, 0.6])
def test_a_tar_that_is_cut_off_or_damaged_is_told(made, tmp_path, share):
    whole = (made.folder / "ILSVRC2012_img_val.tar").read_bytes()
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(RunError, match="Download it again"):
        archives.members(cut)
    at = archives.members(made.folder / "ILSVRC2012_img_val.tar")[9][1] - 512
    cut.write_bytes(whole[:at] + b"\xff" * 512 + whole[at + 512 :])
    with pytest.raises(RunError, match="Download it again"):
        archives.members(cut)


# Single images


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_headers_say_what_pillow_says(made):
    kinds = {"L": 1, "RGB": 3, "CMYK": 4, "RGBA": 4}
    seen = 0
    for content in [*made.train.values(), *made.validation.values()]:
        try:
            picture = Image.open(io.BytesIO(content))
        except OSError:
            continue
        header = read_header(content)
        assert (header.width, header.height) == picture.size
        assert header.components == kinds[picture.mode]
        seen += 1
    assert seen > 80


def test_real_photographs_pass_untouched(shared_data):
    files = sorted(shared_data.glob("photos/*/*"))[:40]
    assert files
    for file in files:
        content = file.read_bytes()
        mended = mend(content, None)
        assert mended.data == content and not mended.repairs
        header, picture = read_header(content), Image.open(file)
        assert (header.width, header.height) == picture.size
        turned = picture.getexif().get(0x0112, 1)
        assert header.orientation == (turned if 1 <= turned <= 8 else 1)


def test_repairs_are_those_of_tfds(made):
    for kind, by_tfds in (("png", image_utils.png_to_jpeg), ("cmyk", image_utils.jpeg_cmyk_to_rgb)):
        content = made.train[WNIDS[0], made.odd[kind]]
        assert mend(content, None).data == by_tfds(content)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_goes_and_every_pixel_stays(made):
    content = made.train[WNIDS[1], made.odd["broken_exif"]]
    mended = mend(content, None)
    assert b"Exif" in content and b"Exif" not in mended.data
    before, after = (Image.open(io.BytesIO(d)) for d in (content, mended.data))
    np.testing.assert_array_equal(before, after)


# Small sets


def write_idx(folder, arrays):
    """split -> (images, labels), as MNIST's four files."""
    for split, (images, labels) in arrays.items():
        prefix = {"train": "train", "test": "t10k"}[split]
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            axes = array.ndim
            head = struct.pack(f">4B{axes}I", 0, 0, 8, axes, *array.shape)
            data = gzip.compress(head + array.tobytes(), 1)
            (folder / f"{prefix}-{name}-ubyte.gz").write_bytes(data)


def small(name, source, data_dir, **changed):
    asked = {"expected": None, "shorter_side": None, "jobs": 1}
    request = Request(name=name, source=source, data_dir=data_dir, **(asked | changed))
    folder = prepare(request, lambda *_: None)
    found = catalog.find(
        name if name in catalog.names() else f"tfds:{name}",
        channels=1 if name == "mnist" else 3,
        data_dir=str(data_dir),
    )
    return folder, catalog.open_source(found, str(data_dir))


def test_mnist_comes_from_its_idx_files(tmp_path):
    rng = np.random.default_rng(0)
    made = {
        split: (
            rng.integers(0, 256, (count, 28, 28), np.uint8),
            rng.integers(0, 10, count, np.uint8),
        )
        for split, count in (("train", 30), ("test", 12))
    }
    write_idx(tmp_path, made)
    _, source = small("mnist", tmp_path, tmp_path / "data")
    assert source.image_shape == (28, 28)
    for split, (images, labels) in made.items():
        found = list(source.records(split))
        assert [int(r["label"]) for r in found] == labels.tolist()
        for record, image in zip(found, images, strict=True):
            pixels = tf.io.decode_png(record["image"])[..., 0]
            np.testing.assert_array_equal(pixels, image)


def test_both_forms_of_cifar10_give_the_same(tmp_path):
    rng = np.random.default_rng(0)
    files = {"binary": {}, "python": {}}
    batches = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for batch in batches:
        planes = rng.integers(0, 256, (7, 3072), np.uint8)
        labels = rng.integers(0, 10, 7).tolist()
        table = np.concatenate([np.uint8(labels)[:, None], planes], 1)
        plain = {b"data": planes, b"labels": labels}
        files["binary"][f"cifar-10-batches-bin/{batch}.bin"] = table.tobytes()
        files["python"][f"cifar-10-batches-py/{batch}"] = pickle.dumps(plain)
    found = {}
    for form, inside in files.items():
        source = tmp_path / form
        source.mkdir()
        archive = source / f"cifar-10-{form}.tar.gz"
        archive.write_bytes(synthetic.tar_of(inside, "w:gz"))
        folder, opened = small("cifar10", source, source)
        assert opened.class_names() == arrays.CIFAR10
        found[form] = records(folder, "train"), records(folder, "test")
    assert found["binary"] == found["python"]
    assert len(found["binary"][0]) == 35
    pixels = tf.io.decode_png(found["binary"][1]["test_batch/00006"][0])
    np.testing.assert_array_equal(pixels, planes[6].reshape(3, 32, 32).transpose(1, 2, 0))


@pytest.fixture
def cifar100_forms(tmp_path):
    """Three folders with the same images, two of each class in train; the third as PNG."""
    rng = np.random.default_rng(0)
    files = {"binary": {}, "python": {}, "folders": {}}
    for split, count in (("train", 200), ("test", 100)):
        planes = rng.integers(0, 256, (count, 3072), np.uint8)
        fine = [i % 100 for i in range(count)]
        coarse = [i % 20 for i in range(count)]
        table = np.c_[np.uint8(coarse), np.uint8(fine), planes]
        files["binary"][f"cifar-100-binary/{split}.bin"] = table.tobytes()
        plain = {b"data": planes, b"fine_labels": fine}
        plain[b"coarse_labels"] = coarse
        files["python"][f"cifar-100-python/{split}"] = pickle.dumps(plain)
        images = planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        for i, image in enumerate(images):
            name = f"{split}/{arrays.CIFAR100[fine[i]]}/{i:05d}.png"
            files["folders"][name] = tf.io.encode_png(image).numpy()
    for form, inside in files.items():
        folder = tmp_path / form
        for name, content in inside.items() if form == "folders" else ():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        folder.mkdir(exist_ok=True)
        if form != "folders":
            archive = folder / f"cifar-100-{form}.tar.gz"
            archive.write_bytes(synthetic.tar_of(inside, "w:gz"))
    return tmp_path


def test_all_three_forms_of_cifar100_give_the_same(cifar100_forms):
    found = {}
    for form in ("binary", "python", "folders"):
        source = cifar100_forms / form
        folder, opened = small("cifar100", source, source)
        assert folder == source / "cifar100" / "3.0.2"
        assert opened.class_names() == arrays.CIFAR100
        assert (opened.image_shape, opened.jpeg) == ((32, 32), False)
        assert opened.dataset.splits == {"train": 200, "test": 100}
        splits = [records(folder, split) for split in ("train", "test")]
        found[form] = [sorted(split.values()) for split in splits]
    assert found["binary"] == found["python"] == found["folders"]
    names = records(folder, "test")
    assert names["apple/00000.png"] in found["binary"][1]
    assert names["worm/00099.png"][1] == 99


def test_cifar100s_folders_have_its_classes_and_png_files(cifar100_forms):
    source = cifar100_forms / "folders"
    picture = source / "train" / "apple" / "00000.png"
    image = tf.io.decode_png(picture.read_bytes())
    picture.write_bytes(tf.io.encode_jpeg(image).numpy())
    with pytest.raises(RunError, match="00000.png is no whole PNG.*JPEG"):
        arrays.cifar100(source)
    picture.write_bytes(tf.io.encode_png(image[:16]).numpy())
    with pytest.raises(RunError, match="it is PNG, 16x32 of 3"):
        arrays.cifar100(source)
    picture.write_bytes(tf.io.encode_png(image).numpy())
    assert len(arrays.cifar100(source).splits["train"]) == 200
    (source / "test" / "worm").rename(source / "test" / "wurm")
    with pytest.raises(RunError, match="no image in train, but in test: wurm"):
        arrays.cifar100(source)
    with pytest.raises(RunError, match="neither cifar-100-binary.tar.gz nor"):
        arrays.cifar100(source / "train")


def test_svhn_comes_from_its_mat_files(tmp_path):
    rng = np.random.default_rng(0)
    made = {}
    for split, count in (("train", 12), ("test", 5), ("extra", 7)):
        pixels = rng.integers(0, 256, (32, 32, 3, count), np.uint8)
        labels = np.uint8([1 + i % 10 for i in range(count)])[:, None]
        made[split] = pixels, [(1 + i) % 10 for i in range(count)]
        scipy.io.savemat(
            tmp_path / f"{split}_32x32.mat", {"X": pixels, "y": labels}, do_compression=True
        )
    folder, source = small("svhn", tmp_path, tmp_path / "data")
    assert folder == tmp_path / "data" / "svhn_cropped" / "3.1.0"
    for split, (pixels, labels) in made.items():
        found = list(source.records(split))
        assert [int(r["label"]) for r in found] == labels  # 0 is stored as 10
        for i, record in enumerate(found):
            image = tf.io.decode_png(record["image"])
            np.testing.assert_array_equal(image, pixels[..., i])
    (tmp_path / "extra_32x32.mat").unlink()
    _, source = small("svhn", tmp_path, tmp_path / "without")
    assert source.dataset.splits == {"train": 12, "test": 5}
    broken = tmp_path / "broken"
    broken.mkdir()
    with pytest.raises(RunError, match="has no train_32x32.mat"):
        arrays.svhn(broken)
    (broken / "train_32x32.mat").write_bytes(b"no such thing" * 20)
    with pytest.raises(RunError, match="train_32x32.mat is damaged"):
        arrays.svhn(broken)


def test_a_pickle_that_would_run_something_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, ("true",)

    (tmp_path / "test_batch").write_bytes(pickle.dumps(Evil()))
    for i in range(1, 6):
        (tmp_path / f"data_batch_{i}").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(RunError, match="would import posix.system"):
        arrays.cifar10(tmp_path)


def test_class_folders_become_a_set_of_their_own(tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (("train", 5), ("val", 3)):
        for name in ("swan", "crow"):
            folder = tmp_path / "birds" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                image = synthetic.jpeg(synthetic.noise(rng))
                (folder / f"{i}.jpg").write_bytes(image)
            (folder / "about.txt").write_text("no image")
    folder, source = small("birds", tmp_path / "birds", tmp_path / "data")
    assert source.class_names() == ("crow", "swan")
    assert source.dataset.splits == {"train": 10, "validation": 6}
    for name, (_, label) in records(folder, "train").items():
        assert label == ("crow", "swan").index(name.split("/")[0])
    assert len(read_manifest(folder)["ignored"]) == 4
    with pytest.raises(RunError, match="not laid out as"):
        small("fish", tmp_path, tmp_path / "data")


def test_imagenettes_size_is_part_of_its_name(tmp_path):
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for wnid in ("n01440764", "n02102040"):
            folder = tmp_path / split / wnid
            folder.mkdir(parents=True)
            image = rng.integers(0, 256, (160, 213, 3), np.uint8)
            file = folder / f"{wnid}_{split}.JPEG"
            file.write_bytes(synthetic.jpeg(image))
    folder, source = small("imagenette", tmp_path, tmp_path / "data")
    assert folder == tmp_path / "data" / "imagenette" / "160px-v2" / "1.0.0"
    assert source.class_names() == ("n01440764", "n02102040")
    assert source.fingerprint()["name"] == "imagenette/160px-v2/1.0.0"


# Kills


def start(made, data_dir, jobs, per_shard):
    command = [sys.executable, "-m", "tests.common.prepare_runs"]
    values = [str(made.folder), str(data_dir), str(jobs), str(per_shard)]
    return subprocess.Popen(
        command + values, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def shards_done(data_dir):
    notes = data_dir / "imagenet2012.part" / "5.1.0" / "notes"
    return len(list(notes.glob("*-of-*.json")))


def kill_in_the_middle(process, data_dir, seed):
    """SIGKILL after another shard and a random while; how many are done."""
    before = shards_done(data_dir)
    while process.poll() is None and shards_done(data_dir) <= before:
        time.sleep(0.005)
    time.sleep(random.Random(seed).uniform(0, 0.2))
    process.kill()
    process.communicate()
    return shards_done(data_dir)


@pytest.mark.full
def test_killed_at_random_moments_it_gives_the_same_shards(tmp_path):
    made = synthetic.make(tmp_path / "source", 100, 10)
    whole = run(made.folder, tmp_path / "whole", per_shard=1)
    for jobs in (1, 2, 3):
        data_dir = tmp_path / f"broken{jobs}"
        for kill in range(5):
            process = start(made, data_dir, jobs, 1)
            done = kill_in_the_middle(process, data_dir, kill)
            if (data_dir / "imagenet2012" / "5.1.0").exists():
                break
            assert done > 0
        process = start(made, data_dir, jobs, 1)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        folder = data_dir / "imagenet2012" / "5.1.0"
        assert hashes(folder) == hashes(whole)
        assert kill > 0
        assert [f.name for f in data_dir.iterdir()] == ["imagenet2012"]


@pytest.mark.full
def test_its_processes_die_with_it(tmp_path):
    made = synthetic.make(tmp_path / "source", 100, 10)
    process = start(made, tmp_path / "data", 2, 2)
    while not shards_done(tmp_path / "data"):
        assert process.poll() is None
        time.sleep(0.01)
    listing = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    children = listing.read_text().split()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(children) >= 2
    time.sleep(3)
    for child in children:
        stat = pathlib.Path(f"/proc/{child}/stat")
        assert not stat.exists() or " Z " in stat.read_text()
