import json
import shutil
import subprocess
import sys

import pytest

from common.data import catalog
from common.data.dataset import Source, TrainingSource
from common.data.sources.photographs import Photographs
from common.data.sources.relabelled import relabel
from common.data.sources.subset import TrainingSubset, measure_on
from common.errors import RunError, UsageError
from common.training.run_record import is_same_data
from tests.common.data_fixtures import digits, image_folder, noise_image, write_image


def test_lists_and_recipes_need_no_tensorflow():
    program = """
import sys
from common.data import imagenet
imagenet.names()
assert not {"numpy", "tensorflow"} & set(sys.modules)
from common.data import catalog, statistics, transforms
from common.papers import expected
catalog.find("mnist")
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_gives_images_is_a_source(tmp_path):
    subset = TrainingSubset(digits(), 100, 0)
    names = tuple(reversed(digits().class_names()))
    trained = [digits(), image_folder(tmp_path), subset]
    tested = [relabel(digits(), names, "it"), Photographs([], side=None, digits=False)]
    for kind, sources in ((TrainingSource, trained), (Source, trained + tested)):
        for source in sources:
            assert isinstance(source, kind)
            for name in Source.__annotations__:
                getattr(source, name)


def test_unknown_name_offers_the_nearest():
    with pytest.raises(UsageError, match="'mnits'.*mean 'mnist'"):
        catalog.find("mnits")


def test_a_path_and_a_name_of_ones_own_are_told_how_to_say_so(tmp_path):
    (tmp_path / "pets").mkdir()
    with pytest.raises(UsageError, match=f"called folder:{tmp_path}/pets"):
        catalog.find(f"{tmp_path}/pets")
    with pytest.raises(UsageError, match="tfds:pets"):
        catalog.find("pets", data_dir=str(tmp_path))


def test_sizes_are_the_published_ones():
    assert catalog.find("mnist").splits == {"train": 60_000, "test": 10_000}
    imagenet = catalog.find("imagenet2012")
    assert imagenet.splits == {"train": 1_281_167, "validation": 50_000}
    assert imagenet.test_split == "validation"
    extra = {"test": 100_000}  # of TFDS, whose images have no labels: it is the same set
    assert not catalog.is_another(imagenet, imagenet.splits | extra)
    assert catalog.is_another(imagenet, imagenet.splits | {"validation": 49_999})
    svhn = catalog.find("svhn")  # of which prepare takes as much as there is
    assert not catalog.is_another(svhn, {"train": 73_257, "test": 26_032})
    assert catalog.find("sample", channels=1).tfds_names == ("sample_digits",)
    assert catalog.find("sample", channels=3).tfds_names == ("sample_shapes",)


@pytest.mark.parametrize("name", ["mnist", "imagenet2012", "tfds:svhn"])
def test_missing_set_says_how_to_get_it_and_leaves_no_trace(name, tmp_path):
    with pytest.raises(RunError) as caught:
        dataset = catalog.find(name, data_dir=str(tmp_path))
        catalog.open_source(dataset, str(tmp_path))
    message = str(caught.value)
    assert str(tmp_path) in message
    assert "tfds" in message.lower()
    assert "Nothing was downloaded" in message
    assert not list(tmp_path.iterdir())


def test_newest_prepared_version_is_read(tmp_path):
    for version in ("3.0.2", "3.0.10"):
        folder = tmp_path / "mnist" / version
        folder.mkdir(parents=True)
        (folder / "dataset_info.json").write_text("{}")
    found = catalog.builder_dir(catalog.find("mnist"), str(tmp_path))
    assert found.name == "3.0.10"


def test_another_record_format_is_named_and_not_called_damaged(tmp_path):
    shutil.copytree(digits().where, tmp_path / "mnist" / "3.0.1")
    file = tmp_path / "mnist" / "3.0.1" / "dataset_info.json"
    file.write_text(file.read_text().replace('"tfrecord"', '"array_record"'))
    with pytest.raises(RunError, match="stored as array_record.*tfds build --file_format=tfrecord"):
        catalog.open_source(catalog.find("mnist"), str(tmp_path))


def test_folder_is_counted_labelled_by_sorted_class_and_in_tfdss_order(tmp_path):
    import tensorflow_datasets as tfds

    source = image_folder(tmp_path, train=9, validation=3)
    assert source.dataset.splits == {"train": 9, "validation": 3}
    assert source.dataset.num_classes == 2
    assert source.dataset.test_split == "validation"
    assert source.class_names() == ("a", "b")
    ours = list(source.records("train").as_numpy_iterator())
    for record in ours:
        assert record["label"] == b"ab".index(record["id"].split(b"/")[1])
    theirs = tfds.ImageFolder(str(tmp_path)).as_dataset(
        split="train", decoders={"image": tfds.decode.SkipDecoding()}
    )
    assert [record["id"] for record in ours] == [
        record["image/filename"].removeprefix(f"{tmp_path}/".encode())
        for record in theirs.as_numpy_iterator()
    ]


def test_folders_that_are_no_set_are_refused(tmp_path):
    write_image(tmp_path / "cat" / "1.png", noise_image(9, 9))
    with pytest.raises(RunError, match=r"PATH/\{train,validation\}/CLASS"):
        catalog.find(f"folder:{tmp_path}")
    with pytest.raises(RunError, match="there is no folder"):
        catalog.find(f"folder:{tmp_path}/birds")


def test_fingerprint_changes_with_a_files_size(tmp_path):
    source = image_folder(tmp_path)
    before = source.fingerprint()
    assert json.dumps(before)
    file = next((tmp_path / "train" / "a").iterdir())
    file.write_bytes(file.read_bytes() + b"\0")
    assert source.fingerprint()["sha256"] != before["sha256"]


def test_fingerprint_changes_with_what_is_in_a_file(tmp_path):
    """Files without compression keep their size, and so did the mean that was kept of them."""
    file = tmp_path / "train" / "a" / "1.pgm"
    for split, name in (("train", "a"), ("train", "b"), ("validation", "a")):
        (tmp_path / split / name).mkdir(parents=True)
        (tmp_path / split / name / "1.pgm").write_bytes(b"P5 2 2 255\n\0\1\2\3")

    def fingerprint():
        return catalog.open_source(catalog.find(f"folder:{tmp_path}")).fingerprint()

    before = fingerprint()
    assert fingerprint() == before
    file.write_bytes(b"P5 2 2 255\n\7\7\7\7")
    after = fingerprint()
    assert after != before and after["sha256"] == before["sha256"]
    assert not is_same_data(before, after)
    earlier = {name: fact for name, fact in before.items() if name != "contents"}
    assert is_same_data(earlier, after)  # such runs go on


def test_sets_that_are_there_describe_themselves(shared_data):
    root = str(shared_data / "tfds")
    dataset = catalog.find("tfds:cifar10", data_dir=root)
    assert dataset.splits == {"train": 50_000, "test": 10_000}
    assert (dataset.num_classes, dataset.channels) == (10, 3)
    assert dataset.test_split == "test"
    source = catalog.open_source(catalog.find("imagenette"), root)
    assert source.dataset.splits == {"train": 3_000, "validation": 1_000}
    assert source.class_names()[0] == "n01440764"


def test_errors_can_be_asked_of_any_split_that_there_is():
    mnist = catalog.find("mnist")
    assert measure_on(mnist, None) == mnist
    assert measure_on(mnist, "train").test_split == "train"
    with pytest.raises(UsageError, match="'val'. Known: train, test."):
        measure_on(mnist, "val")
