"""A prepared set knows what it was made from."""

import os
import shutil

import pytest

from common.errors import RunError, UsageError
from tests.common.data_fixtures import noise_image, write_image
from tests.common.test_preparation import small


@pytest.fixture
def pets(tmp_path):
    """A source, prepared; (source, data_dir, the set's folder)."""
    source, data = tmp_path / "pets", tmp_path / "data"
    for split, count in (("train", 3), ("val", 2)):
        for label in ("cat", "dog"):
            for i in range(count):
                path = source / split / label / f"{i}.jpg"
                write_image(path, noise_image(20, 20, seed=i))
    folder, _ = small("pets", source, data)
    return source, data, folder


def everything(folder):
    return {f.name: f.stat().st_mtime_ns for f in folder.iterdir()}


def test_the_same_source_is_ready(pets, tmp_path):
    source, data, folder = pets
    before = everything(folder)
    assert small("pets", source, data)[0] == folder
    shutil.copytree(source, tmp_path / "copy")  # with its times
    assert small("pets", tmp_path / "copy", data)[0] == folder
    assert small("pets", source, data, leave_out_bad=True)[0] == folder
    assert everything(folder) == before


def add_class(source):
    for split in ("train", "val"):
        write_image(source / split / "owl" / "0.jpg", noise_image(20, 20))


def add_image(source):
    write_image(source / "train" / "cat" / "9.jpg", noise_image(20, 20))


def change(source):
    path = source / "train" / "cat" / "0.jpg"
    data = bytearray(path.read_bytes())
    data[-1] ^= 0
    state = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))


def rename(source):
    folder = source / "train" / "cat"
    (folder / "0.jpg").rename(folder / "z.jpg")


CHANGES = {
    add_class: "train: 7 images, not 6, other numbers of owl",
    add_image: "train: 7 images, not 6, other numbers of cat",
    change: "as many images, but other files, or some that were changed",
    rename: "as many images, but other files",
}


@pytest.mark.parametrize("changed", CHANGES)
def test_a_source_that_changed_is_refused_with_what_differs(changed, pets):
    source, data, folder = pets
    before = everything(folder)
    changed(source)
    with pytest.raises(UsageError, match=CHANGES[changed]) as caught:
        small("pets", source, data)
    assert "stays as it is" in str(caught.value)
    assert everything(folder) == before


def test_another_or_an_empty_source_is_refused(pets, tmp_path):
    source, data, _ = pets
    shutil.copytree(source, tmp_path / "other")
    shutil.rmtree(tmp_path / "other" / "train" / "dog")
    shutil.rmtree(tmp_path / "other" / "val" / "dog")
    with pytest.raises(UsageError, match="other numbers of dog"):
        small("pets", tmp_path / "other", data)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="not laid out as"):
        small("pets", tmp_path / "empty", data)


def test_files_that_were_left_out_need_the_flag_again(pets):
    source, data, folder = pets
    (source / "train" / "cat" / "bad.jpg").write_bytes(b"")
    small("bad", source, data, leave_out_bad=True)
    small("bad", source, data, leave_out_bad=True)
    with pytest.raises(UsageError, match="--leave_out_bad: 1 files left out"):
        small("bad", source, data)
    (folder / "source.json").unlink()
    with pytest.raises(UsageError, match="does not say from which files"):
        small("pets", source, data)
