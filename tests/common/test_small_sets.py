"""MNIST, CIFAR, SVHN and class folders: prepared from their own files, and again."""

import gzip
import os
import pickle
import shutil
import struct

import numpy as np
import pytest
import scipy.io
import tensorflow as tf

from common.data.dataset import read_manifest
from common.data.preparation import arrays
from common.errors import RunError, UsageError
from tests.common import synthetic_imagenet as synthetic
from tests.common.data_fixtures import write_image, write_images
from tests.common.prepare_runs import records, small


def assert_read_back(source, split, images, labels):
    """Images are (N, H, W) or (N, H, W, C)."""
    found = list(source.records(split))
    assert [int(r["label"]) for r in found] == list(labels)
    for record, image in zip(found, images, strict=True):
        pixels = tf.io.decode_png(record["image"]).numpy()
        np.testing.assert_array_equal(pixels.reshape(image.shape), image)


def write_idx(folder, arrays):
    """split -> (images, labels), as MNIST's four files."""
    for split, (images, labels) in arrays.items():
        prefix = {"train": "train", "test": "t10k"}[split]
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            axes = array.ndim
            head = struct.pack(f">4B{axes}I", 0, 0, 8, axes, *array.shape)
            data = gzip.compress(head + array.tobytes(), 1)
            (folder / f"{prefix}-{name}-ubyte.gz").write_bytes(data)


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
        assert_read_back(source, split, images, labels.tolist())
    arrays.read.cache_clear()
    write_idx(tmp_path, {"test": (made["test"][0], made["test"][1][:-1])})
    with pytest.raises(RunError, match="12 images, and there are 11 labels"):
        arrays.mnist(tmp_path)
    arrays.read.cache_clear()
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(RunError, match="has no train-labels-idx1-ubyte.gz"):
        arrays.mnist(tmp_path)


BATCHES = {  # of CIFAR-10 and -100: file -> images
    10: {**{f"data_batch_{i}": 7 for i in range(1, 6)}, "test_batch": 7},
    100: {"train": 200, "test": 100},
}


def write_cifar(root, classes):
    """root/{binary,python}, two archives of the same images; (file -> planes, labels)."""
    rng = np.random.default_rng(0)
    made, files = {}, {"binary": {}, "python": {}}
    for name, count in BATCHES[classes].items():
        planes = rng.integers(0, 256, (count, 3072), np.uint8)
        labels = [i % classes for i in range(count)]
        coarse = np.array([i % 20 for i in range(count)], np.uint8)
        columns = [coarse] * (classes == 100) + [np.uint8(labels), planes]
        inside = "cifar-100-binary" if classes == 100 else "cifar-10-batches-bin"
        files["binary"][f"{inside}/{name}.bin"] = np.column_stack(columns).tobytes()
        plain = {b"data": planes, b"fine_labels" if classes == 100 else b"labels": labels}
        if classes == 100:
            plain[b"coarse_labels"] = coarse.tolist()
        inside = "cifar-100-python" if classes == 100 else "cifar-10-batches-py"
        files["python"][f"{inside}/{name}"] = pickle.dumps(plain)
        made[name] = planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels
    for form, inside in files.items():
        archive = root / form / f"cifar-{classes}-{form}.tar.gz"
        archive.parent.mkdir()
        archive.write_bytes(synthetic.tar_of(inside, "w:gz"))
    return made


def test_both_forms_of_cifar10_give_the_same(tmp_path):
    made = write_cifar(tmp_path, 10)
    found = []
    for form in ("binary", "python"):
        folder, source = small("cifar10", tmp_path / form, tmp_path / form)
        assert source.class_names() == arrays.CIFAR10
        found.append((records(folder, "train"), records(folder, "test")))
    assert found[0] == found[1]
    train = [made[f"data_batch_{i}"] for i in range(1, 6)]
    labels = [label for _, batch in train for label in batch]
    assert_read_back(source, "train", np.concatenate([images for images, _ in train]), labels)
    assert_read_back(source, "test", *made["test_batch"])
    assert "test_batch/00006" in found[0][1]


@pytest.fixture
def cifar100_forms(tmp_path):
    """Three folders with the same images, two of each class in train; the third as PNG."""
    for split, (images, labels) in write_cifar(tmp_path, 100).items():
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            name = f"{split}/{arrays.CIFAR100[label]}/{i:05d}.png"
            write_image(tmp_path / "folders" / name, image)
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
    for data, said in (
        (tf.io.encode_jpeg(image), "00000.png is no whole PNG.*JPEG"),
        (tf.io.encode_png(image[:16]), "it is PNG, 16x32 of 3"),
    ):
        picture.write_bytes(data.numpy())
        with pytest.raises(RunError, match=said):
            arrays.cifar100(source)
    picture.write_bytes(tf.io.encode_png(image).numpy())
    found = arrays.cifar100(source)
    assert len(found.splits["train"]) == 200
    assert (found.images_per_shard, found.lossless) == (10_000, False)  # as of arrays
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
        made[split] = pixels.transpose(3, 0, 1, 2), [(1 + i) % 10 for i in range(count)]
        file = tmp_path / f"{split}_32x32.mat"
        scipy.io.savemat(file, {"X": pixels, "y": labels}, do_compression=True)
    folder, source = small("svhn", tmp_path, tmp_path / "data")
    assert folder == tmp_path / "data" / "svhn_cropped" / "3.1.0"
    for split, (images, labels) in made.items():  # 0 is stored as 10
        assert_read_back(source, split, images, labels)
    (tmp_path / "extra_32x32.mat").unlink()
    _, source = small("svhn", tmp_path, tmp_path / "without")
    assert source.dataset.splits == {"train": 12, "test": 5}
    (tmp_path / "train_32x32.mat").write_bytes(b"no such thing" * 20)
    arrays.read.cache_clear()
    with pytest.raises(RunError, match="train_32x32.mat is damaged"):
        arrays.svhn(tmp_path)
    (tmp_path / "train_32x32.mat").unlink()
    with pytest.raises(RunError, match="has no train_32x32.mat"):
        arrays.svhn(tmp_path)


def test_a_pickle_that_would_run_something_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, ("true",)

    for name in BATCHES[10]:
        (tmp_path / name).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(RunError, match="would import posix.system"):
        arrays.cifar10(tmp_path)


def test_class_folders_become_a_set_of_their_own(tmp_path):
    counts = {"train/swan": 5, "train/crow": 5, "val/swan": 3, "val/crow": 3}
    birds = write_images(tmp_path / "birds", counts)
    for place in counts:
        (birds / place / "about.txt").write_text("no image")
    folder, source = small("birds", birds, tmp_path / "data")
    assert source.class_names() == ("crow", "swan")
    assert source.dataset.splits == {"train": 10, "validation": 6}
    for name, (_, label) in records(folder, "train").items():
        assert label == ("crow", "swan").index(name.split("/")[0])
    assert len(read_manifest(folder)["ignored"]) == 4
    with pytest.raises(RunError, match="not laid out as"):
        small("fish", tmp_path, tmp_path / "data")


def test_imagenettes_size_is_part_of_its_name(tmp_path):
    places = [f"{s}/{wnid}" for s in ("train", "val") for wnid in ("n01440764", "n02102040")]
    write_images(tmp_path, dict.fromkeys(places, 1), (160, 213))
    folder, source = small("imagenette", tmp_path, tmp_path / "data")
    assert folder == tmp_path / "data" / "imagenette" / "160px-v2" / "1.0.0"
    assert source.class_names() == ("n01440764", "n02102040")
    assert source.fingerprint()["name"] == "imagenette/160px-v2/1.0.0"


# A prepared set knows what it was made from


@pytest.fixture
def pets(tmp_path):
    """A source, prepared; (source, data_dir, the set's folder)."""
    source, data = tmp_path / "pets", tmp_path / "data"
    write_images(source, {"train/cat": 3, "train/dog": 3, "val/cat": 2, "val/dog": 2})
    folder, _ = small("pets", source, data)
    return source, data, folder


def everything(folder):
    return {f.name: f.stat().st_mtime_ns for f in folder.iterdir()}


def test_the_same_source_is_ready(pets, tmp_path):
    source, data, folder = pets
    before = everything(folder)
    shutil.copytree(source, tmp_path / "copy")  # with its times
    for again, given in (
        (source, {}),
        (tmp_path / "copy", {}),
        (source, {"leave_out_bad": True}),
    ):
        assert small("pets", again, data, **given)[0] == folder
    assert everything(folder) == before


def add_class(source):
    write_images(source, {"train/owl": 1, "val/owl": 1})


def change(source):
    path = source / "train" / "cat" / "0.jpg"
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))


def rename(source):
    folder = source / "train" / "cat"
    (folder / "0.jpg").rename(folder / "z.jpg")


def take_class(source):
    for split in ("train", "val"):
        shutil.rmtree(source / split / "dog")


CHANGES = {
    add_class: "train: 7 images, not 6, other numbers of owl",
    change: "as many images, but other files, or some that were changed",
    rename: "as many images, but other files",
    take_class: "other numbers of dog",
}


@pytest.mark.parametrize("changed", CHANGES)
def test_a_source_that_changed_is_refused_with_what_differs(changed, pets):
    source, data, folder = pets
    before = everything(folder)
    changed(source)
    with pytest.raises(UsageError, match=f"{CHANGES[changed]}.*stays as it is"):
        small("pets", source, data)
    assert everything(folder) == before


def test_what_was_prepared_otherwise_is_refused(pets, tmp_path):
    source, data, folder = pets
    with pytest.raises(UsageError, match="prepared without --shorter_side"):
        small("pets", source, data, shorter_side=32)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="not laid out as"):
        small("pets", tmp_path / "empty", data)
    (source / "train" / "cat" / "bad.jpg").write_bytes(b"")
    for _ in range(2):
        small("bad", source, data, leave_out_bad=True)
    with pytest.raises(UsageError, match="--leave_out_bad: 1 files left out"):
        small("bad", source, data)
    (folder / "source.json").unlink()
    with pytest.raises(UsageError, match="does not say from which files"):
        small("pets", source, data)
    (folder / "manifest.json").unlink()
    with pytest.raises(UsageError, match="prepared by another program"):
        small("pets", source, data)
