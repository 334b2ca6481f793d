"""What is a class and what is an image: one rule for all that reads folders."""

import hashlib
import io
import os
import shutil

import pytest
from PIL import Image

from common.data import catalog, processes
from common.data.dataset import read_manifest
from common.data.images import decoder
from common.data.images.repair import Unreadable, mend
from common.data.preparation import folders
from common.data.sources import folder, look, photographs
from common.data.sources.folder_source import read_folder
from common.errors import RunError
from tests.common import synthetic_imagenet as synthetic
from tests.common.data_fixtures import as_predict_sees, noise_image, write_image, write_images
from tests.common.prepare_runs import find as find_imagenet
from tests.common.prepare_runs import records, small


def lay_out(root, **splits):
    """split -> "cat:6 dog/deeper:2": the smallest of images, each another one."""
    words = {split: [word.split(":") for word in each.split()] for split, each in splits.items()}
    counts = {f"{s}/{place}": int(count) for s, each in words.items() for place, count in each}
    return write_images(root, counts, (1, 1))


def notes_of(root):
    return catalog.find(f"folder:{root}").notes


def list_images(root):
    return read_folder(root).listing


def read_both(root):
    """By `folder:PATH` and by `prepare`: (classes, sizes of the splits)."""
    listing = list_images(root)
    found = folders.find(root)
    sizes = {split: len(images) for split, images in listing.items()}
    assert {s: len(images) for s, images in found.splits.items()} == sizes
    assert found.classes == folder.class_names(listing)
    return found.classes, sizes


TOOLS = (
    *(".ipynb_checkpoints", ".git", "@eaDir", "__MACOSX", "#recycle"),
    *("lost+found", "$RECYCLE.BIN", "System Volume Information"),
)


def test_what_is_a_tools_is_no_class_and_no_image(tmp_path):
    lay_out(tmp_path, train="cat:6 dog:6", validation="cat:3 dog:3")
    for name in TOOLS:
        for place in ("", "train", "validation", "train/cat"):
            (tmp_path / place / name).mkdir()
            (tmp_path / place / name / "cat_0.jpg").touch()
    for name in ("._0.jpg", ".hidden.png", "Thumbs.db", ".DS_Store"):
        (tmp_path / "train" / "cat" / name).touch()
    assert read_both(tmp_path) == (("cat", "dog"), {"train": 12, "validation": 6})
    [note] = notes_of(tmp_path)
    assert f"{4 * len(TOOLS) + 4} hidden or of tools" in note
    found, [said] = photographs.find([str(tmp_path / "train" / "cat")])
    assert len(found) == 6 and f"{len(TOOLS) + 4} hidden" in said


def test_all_suffixes_are_read_everywhere_and_others_are_counted(tmp_path):
    lay_out(tmp_path, train="cat:1", validation="cat:1")
    inside = tmp_path / "train" / "cat"
    image = (inside / "0.jpg").read_bytes()
    for suffix in folder.SUFFIXES:
        (inside / f"a{suffix}").write_bytes(image)
        (inside / f"b{suffix.upper()}").write_bytes(image)
    for name in ("notes.txt", "c.heic", "d.heic", "no_ending"):
        (inside / name).touch()
    many = 1 + 2 * len(folder.SUFFIXES)
    assert read_both(tmp_path)[1] == {"train": many, "validation": 1}
    assert len(photographs.find([str(inside)])[0]) == many
    [note] = notes_of(tmp_path)
    assert "4 that by their names are no images (2 .heic" in note


def test_images_deeper_than_a_class_are_counted(tmp_path):
    lay_out(tmp_path, train="cat:6 cat/more:2", validation="cat:3")
    (tmp_path / "train" / "loose.jpg").touch()
    (tmp_path / "loose.png").touch()
    assert read_both(tmp_path)[1] == {"train": 6, "validation": 3}
    deeper, outside = sorted(notes_of(tmp_path))
    assert "2 images in folders inside of class folders" in deeper
    assert "2 images outside of class folders" in outside


def test_a_class_folder_as_the_data_is_told_to_be_one(tmp_path):
    write_images(tmp_path, {"cat": 2})
    said = "cat has no folders, and images in itself, such as 0.jpg.*that the classes or the splits"
    with pytest.raises(RunError, match=said):
        notes_of(tmp_path / "cat")


ALIKE = "cat:2 Cat:2 dog:2 dogs:2 fox:2"
TOLD = {
    "empty": ("cat:6 owl:0", "cat:3 owl:0", "1 class has no image at all, and no class: owl."),
    "untested": ("cat:6 owl:4", "cat:3 owl:0", "1 class has no image in validation: owl."),
    "alike": (ALIKE, ALIKE, "Cat and cat, dog and dogs"),
}
REFUSED = {
    "typing error": ("cat:6 dog:6", "cat:3 dogs:3", "dog for dogs"),
    "case": ("Cat:6 dog:6", "cat:3 dog:3", "Cat for cat"),
    "mark": ("a_b:6 dog:6", "a-b:3 dog:3", "a_b for a-b"),
    "emptied": ("cat:6 owl:0", "cat:3 owl:2", "1 class has no image in train"),
    "other": ("cat:6", "cat:3 owl:2", "would count as an error"),
    "deeper": ("cat:6 owl/web:6", "cat:3 owl:3", "train/owl has no images itself"),
    "all deeper": ("all/cat:6", "all/cat:3", "6 in folders inside of it"),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_may_be_a_mistake_is_told(name, tmp_path):
    train, validation, told = TOLD[name]
    lay_out(tmp_path, train=train, validation=validation)
    used = {word.partition(":")[0] for word in train.split() if not word.endswith(":0")}
    assert set(read_both(tmp_path)[0]) == used
    [note] = notes_of(tmp_path)
    assert told in note


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_give_a_wrong_number_is_refused(name, tmp_path):
    train, validation, told = REFUSED[name]
    lay_out(tmp_path, train=train, validation=validation)
    for read in (notes_of, folders.find):
        with pytest.raises(RunError, match=told):
            read(tmp_path)


def test_links_are_followed_and_broken_ones_are_counted(tmp_path):
    real = lay_out(tmp_path / "real", train="cat:6", validation="cat:3")
    root = lay_out(tmp_path / "made", train="dog:2", validation="dog:2")
    for split in ("train", "validation"):
        (root / split / "cat").symlink_to(real / split / "cat")
    (root / "train" / "dog" / "gone.jpg").symlink_to("/nonexistent/x.jpg")
    (root / "train" / "gone").symlink_to("/nonexistent/folder")
    (root / "train" / "self").symlink_to("self")
    assert read_both(root)[1] == {"train": 8, "validation": 5}
    [note] = notes_of(root)
    assert "3 links that lead nowhere" in note and "train/self" in note
    (root / "train" / "loop").symlink_to(root / "train")
    with pytest.raises(RunError, match="train/loop has no images itself"):
        notes_of(root)


@pytest.mark.parametrize("place", ["train/cat/caf\udce9.jpg", "train/caf\udce9"])
def test_a_name_that_is_no_utf8_gets_a_sentence(place, tmp_path):
    lay_out(tmp_path, train="cat:2", validation="cat:2")
    (tmp_path / "train" / "cat" / "caf\udce9.txt").touch()  # no image
    [note] = notes_of(tmp_path)
    assert r"caf\udce9.txt" in note and note.encode()
    wrong = tmp_path / place
    if place.endswith(".jpg"):
        wrong.touch()
    else:
        wrong.mkdir()
    for read in (notes_of, folders.find):
        with pytest.raises(RunError, match=r"no UTF-8, b'train.*caf\\xe9"):
            read(tmp_path)


def test_splits_without_class_folders_or_images(tmp_path):
    """Kaggle's test images have no classes."""
    root = lay_out(tmp_path / "kaggle", train="cat:2", validation="cat:2")
    (root / "test").mkdir()
    (root / "test" / "1.jpg").touch()
    assert read_both(root)[1] == {"train": 2, "validation": 2}
    assert notes_of(root) == ("Left out: 1 image outside of class folders: test/1.jpg.",)
    root = lay_out(tmp_path / "untrained", train="cat:0", validation="cat:2")
    assert folders.find(root).splits["train"] == []  # refused by prepare
    for split in ("Training", "Testing"):
        write_image(tmp_path / "flat" / split / "1.jpg", noise_image(9, 9))
    for place in (root, tmp_path / "flat"):
        with pytest.raises(RunError, match="needs 'train'"):
            notes_of(place)
    lay_out(tmp_path / "twice", train="cat:2", val="cat:2", validation="cat:3")
    with pytest.raises(RunError, match="both validation and val"):
        folders.find(tmp_path / "twice")


def test_tools_files_in_tars_and_beside_them_are_no_images(tmp_path):
    image = synthetic.jpeg(noise_image(40, 40))
    inside = {
        "n01440764/n01440764_1.JPEG": image,
        "n01440764/._n01440764_1.JPEG": b"AppleDouble",
        "__MACOSX/n01440764/n01440764_1.JPEG": b"AppleDouble",
    }
    source = tmp_path / "source"
    source.mkdir()
    tar = source / "ILSVRC2012_img_train.tar"
    tar.write_bytes(synthetic.tar_of(inside))
    found = find_imagenet(source)
    assert [i.name for i in found.splits["train"]] == ["n01440764_1.JPEG"]
    assert len(found.ignored) == 2
    wnid = tmp_path / "unpacked" / "train" / "n01440764"
    for folder_name in (wnid, wnid / "@eaDir", wnid.parent / "@eaDir"):
        folder_name.mkdir(parents=True)
        (folder_name / "n01440764_1.JPEG").write_bytes(image)
    found = find_imagenet(tmp_path / "unpacked")
    assert len(found.splits["train"]) == 1


def test_every_kind_keeps_its_pixels_and_is_on_record(tmp_path):
    """CIFAR-100's class folders of PNG files: not one byte may change."""
    root, seen = tmp_path / "source", {}
    for split in ("train", "validation"):
        (root / split / "a").mkdir(parents=True)
        for i, name in enumerate(("x.jpg", "x.webp", "x.bmp", "x.gif", "t.png", "x.png")):
            image = Image.fromarray(noise_image(20, 30, seed=i))
            if name == "t.png":
                image.putalpha(100)
            if name == "x.gif":
                image = image.quantize(16)
            path = root / split / "a" / name
            image.save(path, **{"lossless": True} if name == "x.webp" else {})
            seen[f"a/{name}"] = as_predict_sees(path)
    where, source = small("odd", root, tmp_path / "data")
    found = records(where, "train")
    for name, (data, _) in found.items():
        jpeg = data.startswith(b"\xff\xd8")
        decoded = decoder.decode(data, 3, jpeg=jpeg).numpy()
        assert (decoded == seen[name]).all(), name
    for name in ("x.jpg", "x.png"):
        assert found[f"a/{name}"][0] == (root / "train" / "a" / name).read_bytes()
    assert source.jpeg is None
    manifest = read_manifest(where)
    assert manifest["pixels"]["train"] == manifest["pixels"]["validation"]
    assert manifest["pixels"]["train"] == {
        "BMP, kept as PNG pixel by pixel": 1,
        "GIF, kept as PNG pixel by pixel": 1,
        "JPEG, as they were": 1,
        "PNG, as they were": 1,
        "PNG, laid on white, kept as PNG": 1,
        "WebP, kept as PNG pixel by pixel": 1,
    }
    for split in ("train", "validation"):
        for path in (root / split / "a").iterdir():
            if path.suffix != ".png" or path.name == "t.png":
                path.unlink()
    where, source = small("png", root, tmp_path / "data")
    assert read_manifest(where)["repaired"] == {}
    assert source.jpeg is False and source.image_shape == (20, 30)


def test_a_folder_that_cannot_be_read_gets_a_sentence(tmp_path, monkeypatch):
    lay_out(tmp_path, train="cat:2", validation="cat:2")

    def denied(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(RunError, match="cannot be read: Permission denied"):
        notes_of(tmp_path)


def split_of(root):
    """Path -> its split."""
    listing = list_images(root)
    return {path: split for split, images in listing.items() for path, _ in images}


def test_classes_without_splits_are_divided_by_the_files_hashes(tmp_path):
    root = write_images(tmp_path, {"cat": 60, "dog": 40})
    before = split_of(root)
    assert len(before) == 100
    for path, split in before.items():
        digest = hashlib.blake2b((root / path).read_bytes(), digest_size=16).hexdigest()
        assert split == ("test" if digest < "3333" else "train")
    source = catalog.open_source(catalog.find(f"folder:{root}"))
    assert sum(source.dataset.splits.values()) == 100
    assert source.dataset.test_split == "test"
    assert source.fingerprint()["divided"] == folder.DIVIDED
    assert any(note.startswith("Divided here") for note in source.dataset.notes)
    # Stable under additions, new names and moves; copies go together.
    write_images(root, {"owl": 9})
    shutil.copy(root / "cat" / "0.jpg", root / "owl" / "copy.jpg")
    (root / "cat" / "1.jpg").rename(root / "dog" / "moved.jpg")
    after = split_of(root)
    assert after["dog/moved.jpg"] == before.pop("cat/1.jpg")
    assert after["owl/copy.jpg"] == after["cat/0.jpg"]
    assert before.items() <= after.items()


def test_each_class_has_a_test_image_and_a_training_image(tmp_path):
    found = split_of(write_images(tmp_path, {f"c{i}": 2 for i in range(8)} | {"one": 1}))
    for i in range(8):
        assert {found[f"c{i}/0.jpg"], found[f"c{i}/1.jpg"]} == {"train", "test"}
    assert found["one/0.jpg"] == "train"
    assert "1 class has no image in test: one." in notes_of(tmp_path)


def damage(root):
    """Puts files that cannot be used beside those that can; the names of the former."""
    whole = (root / "cat" / "0.jpg").read_bytes()
    bad = {"half": whole[: len(whole) // 2], "page": b"<html>404", "empty": b""}
    for name, data in bad.items():
        (root / "cat" / f"{name}.jpg").write_bytes(data)
    # It has its end mark, and yet nothing can be decoded.
    png = io.BytesIO()
    Image.fromarray(noise_image(9, 9)).save(png, "png")
    data = bytearray(png.getvalue())
    data[45:60] = b"\0" * 15
    (root / "cat" / "torn.png").write_bytes(data)
    image = Image.fromarray(noise_image(20, 30))
    image.convert("CMYK").save(root / "dog" / "cmyk.jpg")
    image.save(root / "dog" / "x.webp")
    return {f"cat/{name}" for name in ("half.jpg", "page.jpg", "empty.jpg", "torn.png")}


def test_damaged_files_are_left_out_as_prepare_leaves_them_out(tmp_path, cache, monkeypatch):
    # test_same_pixels starts processes for it, as a training does.
    monkeypatch.setattr(processes, "workers", lambda _, here=processes.workers: here(1))
    root = write_images(tmp_path / "pets", {"cat": 6, "dog": 6})
    bad = damage(root)
    found = read_folder(root)
    used = {path for images in found.listing.values() for path, _ in images}
    assert len(used) == 14 and not used & bad
    [left] = [note for note in found.notes if "cannot be used" in note]
    assert left.startswith("Left out: 4 images that cannot be used: cat/empty.jpg (it has zero")
    assert "CMYK JPEG files that are read as RGB: 1." in found.notes
    for path in bad | used:
        try:
            mend((root / path).read_bytes(), None, lossless=True)
        except Unreadable:
            assert path in bad, path
        else:
            assert path in used, path
    source = catalog.open_source(catalog.find(f"folder:{root}"))
    assert source.fingerprint()["left_out"] == "4 images that cannot be used"
    for split in ("train", "test"):  # every pixel decodes
        for record in source.records(split):
            jpeg = record["image"].numpy().startswith(b"\xff\xd8")
            assert decoder.decode(record["image"], 3, jpeg=jpeg).shape[-1] == 3


def test_what_cannot_be_read_is_said_without_its_path(tmp_path):
    judged = look._judge(tmp_path, ["gone.jpg"])
    assert judged == {"gone.jpg": "it cannot be read: No such file or directory"}


def test_a_class_whose_training_images_are_all_damaged_is_refused(tmp_path):
    lay_out(tmp_path, train="cat:2 dog:1", validation="cat:1 dog:1")
    (tmp_path / "train" / "dog" / "0.jpg").write_bytes(b"")
    with pytest.raises(RunError, match="1 class has no image in train, but in validation: dog"):
        notes_of(tmp_path)


def test_a_file_is_looked_at_again_only_after_it_changed(tmp_path, cache, monkeypatch):
    root = write_images(tmp_path / "pets", {"cat": 6})
    monkeypatch.setattr(look, "_WORTH_KEEPING", 0.0)
    seen = []
    real = look._look
    monkeypatch.setattr(look, "_look", lambda path: seen.append(path.name) or real(path))
    first = read_folder(root)
    assert len(seen) == 6
    assert read_folder(root) == first and len(seen) == 6
    (root / "cat" / "3.jpg").write_bytes(b"")
    assert read_folder(root).looks["cat/3.jpg"].why == "it has zero bytes"
    assert seen[6:] == ["3.jpg"]
    read_folder(root, again=True)
    assert len(seen) == 13


def test_a_folder_is_read_once_for_what_it_is_and_for_its_images(tmp_path, monkeypatch):
    root = lay_out(tmp_path, train="cat:2 dog:2", validation="cat:1 dog:1")
    read = []
    real = folder.find_layout
    monkeypatch.setattr(folder, "find_layout", lambda root: read.append(root) or real(root))
    source = catalog.open_source(catalog.find(f"folder:{root}"))
    assert source.dataset.splits == source.fingerprint()["splits"] == {"train": 4, "validation": 2}
    assert read == [root]
