"""From the official downloads to records: what goes in comes out, named."""

import fcntl
import hashlib
import io
import json
import multiprocessing
import os
import pathlib
import random
import shutil
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
from common.data.preparation import imagenet
from common.data.preparation.archives import members
from common.data.preparation.expected import IMAGENET, VALIDATION, differences, validation_labels
from common.errors import RunError
from tests.common import synthetic_imagenet as synthetic
from tests.common.prepare_runs import find, hashes, records, run

PER_SHARD = 18  # TFDS mixes files in blocks of 16 unless it is told not to


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return synthetic.make(tmp_path_factory.mktemp("source"), 10, 4)


@pytest.fixture(scope="module")
def prepared(made, tmp_path_factory):
    return run(made.folder, tmp_path_factory.mktemp("data"), per_shard=PER_SHARD)


def source_of(folder):
    return catalog.open_source(catalog.find("imagenet2012"), str(folder.parents[1]))


def changed_at(folder):
    return {f.name: f.stat().st_mtime_ns for f in folder.glob("*-of-*")}


# Whole preparations


def test_every_image_comes_out_with_its_own_label(made, prepared):
    train, validation = records(prepared, "train"), records(prepared, "validation")
    mended = {made.odd[kind] for kind in ("png", "cmyk", "broken_exif")}
    left_out = {made.odd[kind] for kind in ("truncated", "empty")}
    assert train.keys() == {name for _, name in made.train} - left_out
    for (wnid, name), content in made.train.items():
        if name not in left_out:
            assert train[name][1] == WNIDS.index(wnid)
            assert name in mended or train[name][0] == content
    assert {name: image for name, (image, _) in validation.items()} == made.validation
    labels = validation_labels()
    for name, (_, label) in validation.items():
        assert label == labels[int(name[15:23]) - 1]
    assert list(validation) == sorted(validation)
    labels = [label for _, label in train.values()]  # mixed over the files
    assert sum(a == b for a, b in zip(labels, labels[1:], strict=False)) < len(labels) / 4


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
    assert {r["id"].numpy().decode() for r in source._stream("train")} == set(train)


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
        assert hashlib.sha256((prepared / file).read_bytes()).hexdigest() == known["sha256"]
    assert sum(n["images"] for n in manifest["files"].values()) == 70 + 18


def test_unreadable_files_stop_it_until_they_are_mended(made, tmp_path):
    source = unpack(made, tmp_path / "source")
    with pytest.raises(RunError, match="2 of the files are no whole.*--leave_out_bad"):
        run(source, tmp_path, per_shard=PER_SHARD, leave_out_bad=False)
    part = tmp_path / "imagenet2012.part" / "5.1.0"
    listed = (part / "notes" / "unreadable.txt").read_text()
    assert made.odd["truncated"] in listed and made.odd["empty"] in listed
    before = changed_at(part)
    for kind in ("truncated", "empty"):
        [file] = source.glob(f"train/*/{made.odd[kind]}")
        file.write_bytes(made.train[WNIDS[0], made.odd["grey"]])
    folder = run(source, tmp_path, per_shard=PER_SHARD, leave_out_bad=False)
    after = changed_at(folder)
    changed = {name for name in before if before[name] != after[name]}
    assert 1 <= len(changed) <= 2  # only the shards of those two
    assert len(records(folder, "train")) == 72


def test_a_prepared_set_stays_as_it_is(made, prepared):
    before = hashes(prepared)
    assert run(made.folder, prepared.parents[1]) == prepared
    assert hashes(prepared) == before


def test_a_shorter_side_that_no_image_was_larger_than_changes_no_name(made, prepared, tmp_path):
    """Runs on such a set are runs on the set as it is."""
    source = source_of(run(made.folder, tmp_path, shorter_side=4000))
    assert "shorter_side" not in source.fingerprint()
    assert source.dataset.title == source_of(prepared).dataset.title
    assert source.shorter_side == 4000  # which the pipeline goes by


def test_shorter_side_is_in_the_fingerprint_and_the_title(made, prepared, tmp_path):
    assert "shorter_side" not in source_of(prepared).fingerprint()
    folder = run(made.folder, tmp_path, shorter_side=32)
    source = source_of(folder)
    assert source.fingerprint()["shorter_side"] == 32
    assert "shrunk to a shorter side of 32" in source.dataset.title
    images = {**made.validation, **{n: i for (_, n), i in made.train.items()}}
    for split in ("train", "validation"):
        for name, (image, _) in records(folder, split).items():
            header = read_header(image)
            assert min(header.height, header.width) <= 32
            if name not in (made.odd["png"], made.odd["cmyk"]):
                was = read_header(images[name])
                ratio = min(1, 32 / min(was.height, was.width))
                assert header.height == round(was.height * ratio)
                assert header.width == round(was.width * ratio)


def test_fingerprint_follows_the_content_of_the_files(prepared, tmp_path):
    one = source_of(prepared).fingerprint()
    folder = tmp_path / "imagenet2012" / "5.1.0"
    shutil.copytree(prepared, folder)
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
    first = changed_at(tmp_path / "imagenet2012.part" / "5.1.0")
    assert len(first) == 2  # whole ones; the half one is gone
    (tmp_path / "imagenet2012.part" / "5.1.0" / ".AppleDouble").mkdir()
    folder = run(made.folder, tmp_path, per_shard=PER_SHARD)
    assert first.items() <= changed_at(folder).items()


# Other layouts


def unpack(made, folder, layout=""):
    """The same images as files, or training images in tars; the folder."""
    root = folder / "ILSVRC/Data/CLS-LOC" if layout == "kaggle" else folder
    labels = validation_labels()
    files = {f"train/{w}/{name}": c for (w, name), c in made.train.items()}
    if layout == "class_tars":  # what unpacking the official tar once leaves
        data = (tar := made.folder / "ILSVRC2012_img_train.tar").read_bytes()
        files = {f"train/{name}": data[at : at + size] for name, at, size in members(tar)}
    for name, content in made.validation.items():
        wnid = WNIDS[labels[int(name[15:23]) - 1]]
        files[f"{'val' if layout in ('kaggle', 'flat') else f'val/{wnid}'}/{name}"] = content
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    shutil.copy(made.counts, folder / "counts.json")
    return folder


@pytest.mark.parametrize("layout", ["", "kaggle", "flat", "class_tars"])
def test_folders_give_the_shards_that_tars_give(made, prepared, tmp_path, layout):
    folder = run(unpack(made, tmp_path / "source", layout), tmp_path, per_shard=PER_SHARD)
    assert hashes(folder) == hashes(prepared)


def write_parquet(folder, split, rows):
    """As Hugging Face's ILSVRC/imagenet-1k: rows of (image name, WNID, content, label)."""
    images = [
        {"bytes": content, "path": name.replace(".JPEG", f"_{wnid}.JPEG")}
        for name, wnid, content, _ in rows
    ]
    table = pyarrow.table({"image": images, "label": [label for *_, label in rows]})
    file = folder / "data" / f"{split}-00000-of-00001.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, file, row_group_size=7)


def test_class_tars_are_looked_into_once(made, tmp_path, monkeypatch):
    found = find(unpack(made, tmp_path, "class_tars"))
    monkeypatch.setattr(imagenet, "members", lambda _: pytest.fail("looked again"))
    assert find(tmp_path) == found


def test_parquet_gives_the_same_images(made, prepared, tmp_path):
    labels, source = validation_labels(), tmp_path / "source"
    train = [(name, w, image, WNIDS.index(w)) for (w, name), image in made.train.items()]
    validation = []
    for name, image in made.validation.items():
        label = labels[int(name[15:23]) - 1]
        validation.append((name, WNIDS[label], image, label))
    write_parquet(source, "validation", validation)
    write_parquet(source, "train", train)
    with pytest.raises(RunError, match="sorted by class"):
        find(source)
    random.Random(0).shuffle(train)
    write_parquet(source, "train", train)
    shutil.copy(made.counts, source / "counts.json")
    folder = run(source, tmp_path, per_shard=PER_SHARD)
    for split in ("train", "validation"):
        assert records(folder, split) == records(prepared, split)


def test_parquet_with_labels_in_another_order_is_refused(tmp_path):
    write_parquet(tmp_path, "train", [(f"{WNIDS[3]}_1.JPEG", WNIDS[3], b"", devkit_ids()[3])])
    with pytest.raises(RunError, match="by its name it belongs to"):
        find(tmp_path)


# Labels, counts and sums


def test_a_missing_validation_file_shifts_no_label(made, tmp_path):
    source = unpack(made, tmp_path / "source", "flat")
    (source / "val" / VALIDATION.format(3)).unlink()
    with pytest.raises(RunError, match="17 images, and it must have 18"):
        run(source, tmp_path)
    counts = json.loads(made.counts.read_text())
    counts["validation"].pop(WNIDS[230])
    (source / "counts.json").write_text(json.dumps(counts))
    folder = run(source, tmp_path)
    labels = [label for _, label in records(folder, "validation").values()]
    assert labels[:7] == [65, 970, 809, 516, 57, 334, 415]


def write_training_counts(folder, counts):
    """The devkit's table of classes."""
    kinds = [("WNID", "O"), ("num_train_images", "O")]
    synsets = np.array(list(counts.items()), kinds).reshape(-1, 1)
    scipy.io.savemat(folder / "meta.mat", {"synsets": synsets})


def test_training_counts_come_from_the_devkits_table(tmp_path):
    counts = {WNIDS[0]: 1300, WNIDS[1]: 1299}
    write_training_counts(tmp_path, counts | {"n00001740": 0})
    assert imagenet.training_counts(tmp_path) == counts
    (tmp_path / "meta.mat").write_bytes(b"<html>404</html>")
    with pytest.raises(RunError, match="not the devkit's table of classes"):
        imagenet.training_counts(tmp_path)


def test_the_whole_of_imagenet_is_asked_for(made, tmp_path):
    source = unpack(made, tmp_path / "source")
    with pytest.raises(RunError) as caught:
        run(source, tmp_path, expected=IMAGENET)
    message = str(caught.value)
    assert "train: 72 images, and it must have 1,281,167" in message
    assert f"Missing: {VALIDATION.format(9)}" in message
    assert f"{WNIDS[0]} has 4, not 732 to 1,300" in message
    write_training_counts(source, dict.fromkeys(WNIDS, 1_299))
    with pytest.raises(RunError, match=f"{WNIDS[0]} has 4 of 1,299.* Missing: ILSVRC2012_val"):
        run(source, tmp_path, expected=IMAGENET)
    with pytest.raises(RunError, match="md5 sum .* download it again"):
        run(made.folder, tmp_path, expected=IMAGENET)


def test_counts_of_the_real_set_are_its_own():
    classes = dict(zip(WNIDS, [732] * 33 + [1_211] + [1_300] * 966, strict=True))
    found = {"train": classes, "validation": dict.fromkeys(WNIDS, 50)}
    assert not differences(IMAGENET, found)
    found["train"] = classes | {WNIDS[0]: 731, WNIDS[999]: 1_301}
    [wrong] = differences(IMAGENET, found)
    assert f"{WNIDS[0]} has 731, not 732 to 1,300" in wrong
    found["train"] = classes | {WNIDS[999]: 1_299}
    assert differences(IMAGENET, found) == ["train: 1,281,166 images, and it must have 1,281,167"]


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


def tar_with(name, content=b"", kind=tarfile.REGTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, "/etc/passwd", len(content)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


HOSTILE = {
    "a/../../b": tarfile.REGTYPE,
    "../evil.JPEG": tarfile.REGTYPE,
    "/etc/evil.JPEG": tarfile.REGTYPE,
    "n01440764_1.JPEG": tarfile.SYMTYPE,
    "n01440764_2.JPEG": tarfile.LNKTYPE,
    "n01440764_3.JPEG": tarfile.CHRTYPE,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_tar_that_leads_out_or_has_links_or_devices_is_refused(tmp_path, name):
    inner, said = tar_with(name, kind=HOSTILE[name]), "no plain file"
    if HOSTILE[name] == tarfile.REGTYPE:
        said = "leads out of it"
    for split, content in (("val", inner), ("train", tar_with("n01440764.tar", inner))):
        file = tmp_path / split / f"ILSVRC2012_img_{split}.tar"
        file.parent.mkdir()
        file.write_bytes(content)
        with pytest.raises(RunError, match=said):
            find(file.parent)
        assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("share", [0.3, 0.4, 0.6])
def test_a_tar_that_is_cut_off_or_damaged_is_told(made, tmp_path, share):
    whole = (made.folder / "ILSVRC2012_img_val.tar").read_bytes()
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(RunError, match="Download it again"):
        members(cut)
    at = members(made.folder / "ILSVRC2012_img_val.tar")[9][1] - 512
    damaged = whole[:at] + b"\xff" * 512 + whole[at + 512 :]
    inner = whole[: int(len(whole) * share)] + b"next" * 512
    for content, place in ((damaged, ()), (b"before" * 512 + inner, (3072, len(inner) - 2048))):
        cut.write_bytes(content)
        with pytest.raises(RunError, match="Download it again"):
            members(cut, *place)
    cut.write_bytes(b"before" * 512 + whole + b"next" * 512)
    inside = members(cut, 3072, len(whole))
    assert inside[9][1] == at + 512 + 3072 and len(inside) == len(made.validation)


# Single images


def assert_header_is_pillows(content):
    header, picture = read_header(content), Image.open(io.BytesIO(content))
    assert (header.width, header.height) == picture.size
    assert header.components == {"L": 1, "RGB": 3, "CMYK": 4, "RGBA": 4}[picture.mode]
    turned = picture.getexif().get(0x0112, 1)
    assert header.orientation == (turned if 1 <= turned <= 8 else 1)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_headers_say_what_pillow_says(made):
    for content in [*made.train.values(), *made.validation.values()]:
        if content:
            assert_header_is_pillows(content)


def test_real_photographs_pass_untouched(shared_data):
    files = sorted(shared_data.glob("photos/*/*"))[:40]
    assert files
    for content in (file.read_bytes() for file in files):
        mended = mend(content, None)
        assert mended.data == content and not mended.repairs
        assert_header_is_pillows(content)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_repairs_are_those_of_tfds_and_broken_exif_costs_no_pixel(made):
    for kind, by_tfds in (("png", image_utils.png_to_jpeg), ("cmyk", image_utils.jpeg_cmyk_to_rgb)):
        content = made.train[WNIDS[0], made.odd[kind]]
        assert mend(content, None).data == by_tfds(content)
    content = made.train[WNIDS[1], made.odd["broken_exif"]]
    mended = mend(content, None)
    assert b"Exif" in content and b"Exif" not in mended.data
    before, after = (Image.open(io.BytesIO(d)) for d in (content, mended.data))
    np.testing.assert_array_equal(before, after)


# Kills


def start(made, data_dir, **given):
    """Prepares it in another process."""
    new = multiprocessing.get_context("spawn")
    process = new.Process(target=run, args=(made.folder, data_dir), kwargs=given)
    process.start()
    return process


def shards_done(data_dir):
    notes = data_dir / "imagenet2012.part" / "5.1.0" / "notes"
    return len(list(notes.glob("*-of-*.json")))


@pytest.mark.full
def test_killed_at_random_moments_it_gives_the_same_shards(tmp_path):
    made = synthetic.make(tmp_path / "source", 100, 10)
    whole = run(made.folder, tmp_path / "whole", per_shard=1)
    for jobs in (1, 2, 3):
        data_dir = tmp_path / f"broken{jobs}"
        folder = data_dir / "imagenet2012" / "5.1.0"
        for kill in range(5):  # after another shard and a random while
            process, before = start(made, data_dir, jobs=jobs, per_shard=1), shards_done(data_dir)
            while process.is_alive() and shards_done(data_dir) <= before:
                time.sleep(0.005)
            time.sleep(random.Random(kill).uniform(0, 0.2))
            process.kill()
            process.join()
            if folder.exists():
                break
            assert shards_done(data_dir) > 0
        process = start(made, data_dir, jobs=jobs, per_shard=1)
        process.join(300)
        assert process.exitcode == 0
        assert hashes(folder) == hashes(whole)
        assert kill > 0
        assert [f.name for f in data_dir.iterdir()] == ["imagenet2012"]


@pytest.mark.full
def test_its_processes_die_with_it(tmp_path):
    made = synthetic.make(tmp_path / "source", 100, 10)
    process = start(made, tmp_path / "data", jobs=2, per_shard=2)
    while not shards_done(tmp_path / "data"):
        assert process.is_alive()
        time.sleep(0.01)
    listing = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    children = listing.read_text().split()
    process.kill()
    process.join()
    assert len(children) >= 2
    time.sleep(3)
    for child in children:
        stat = pathlib.Path(f"/proc/{child}/stat")
        assert not stat.exists() or " Z " in stat.read_text()
