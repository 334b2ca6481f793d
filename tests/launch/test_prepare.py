"""`python -m launch prepare` and `doctor`: what a person is told."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from common.data import catalog
from common.data.dataset import read_manifest
from common.data.imagenet import WNIDS
from common.data.preparation.arrays import CIFAR100
from common.data.preparation.checks import _pixels
from common.data.preparation.expected import OFFICIAL, Expected
from common.data.preparation.inspection import Examined, _add_up
from common.errors import RunError, UsageError
from launch.terminal.display import Counting
from tests.common import synthetic_imagenet as synthetic
from tests.common.data_fixtures import image_folder, noise_image, write_image
from tests.common.test_preparation import ROOT, hashes, write_idx
from tests.launch import flags


def launch(verb, name, **given):
    return flags.launch(verb, name, **{"jobs": 1} | given)


def prepare(made, data_dir, **flags):
    flags |= {"counts": str(made.counts), "leave_out_bad": True}
    return launch(
        "prepare", "imagenet2012", source=str(made.folder), data_dir=str(data_dir), **flags
    )


def doctor(data_dir, name="imagenet2012", **flags):
    return launch("doctor", name, data_dir=str(data_dir), **flags)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return synthetic.make(tmp_path_factory.mktemp("source"), 10, 4)


@pytest.fixture
def data_dir(made, tmp_path, capsys):
    """Prepared, with what was printed."""
    assert prepare(made, tmp_path) == 0
    return tmp_path


def folder_in(data_dir):
    return data_dir / "imagenet2012" / "5.1.0"


def rewrite(folder, split, change):
    """Puts a record file through `change(file_name, features)`."""
    [file] = folder.glob(f"*-{split}.tfrecord-*")
    kept = []
    for raw in list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator()):
        example = tf.train.Example.FromString(raw)
        features = example.features.feature
        change(features["file_name"].bytes_list.value[0].decode(), features)
        kept.append(example.SerializeToString())
    with tf.io.TFRecordWriter(str(file)) as writer:
        for example in kept:
            writer.write(example)


def forget_hashes(folder):
    """As a set that TFDS prepared."""
    (folder / "manifest.json").unlink()


def test_prepare_says_what_it_did(made, data_dir, capsys):
    output = capsys.readouterr().out
    assert "70 train, 18 validation" in output
    assert "not the whole of imagenet2012" in output
    assert f"{made.odd['png']}: PNG, re-encoded as JPEG" in output
    assert f"{made.odd['empty']}: it has zero bytes" in output
    assert "1 ask by EXIF to be turned" in output


def test_doctor_finds_the_duplicate_and_nothing_else(made, data_dir, capsys):
    capsys.readouterr()
    assert doctor(data_dir, deep=True) == 1
    output = capsys.readouterr().out
    wrong = [line for line in output.splitlines() if line.startswith("WRONG")]
    assert len(wrong) == 1
    assert "1 images of validation are in train" in wrong[0]
    assert made.odd["duplicate"] in wrong[0]
    assert "[65, 970, 230, 809, 516, 57, 334, 415]" in output
    assert "3 images were repaired" in output


def test_doctor_is_content_with_a_whole_set(made, tmp_path, capsys):
    clean = synthetic.make(tmp_path / "source", 10, 4)
    clean.validation[clean.odd["duplicate"]] = synthetic.jpeg(
        synthetic.noise(synthetic.np.random.default_rng(9))
    )
    synthetic.write(clean, synthetic.validation_labels())
    assert prepare(clean, tmp_path) == 0
    assert doctor(tmp_path) == 0
    assert "Nothing is wrong." in capsys.readouterr().out


def test_doctor_finds_labels_that_tfds_shifted(data_dir, capsys):
    labels = []

    def shift(name, features):
        labels.append(features["label"].int64_list.value[0])
        if name > "ILSVRC2012_val_00000003.JPEG":
            features["label"].int64_list.value[:] = [labels[-2]]

    rewrite(folder_in(data_dir), "validation", shift)
    forget_hashes(folder_in(data_dir))
    assert doctor(data_dir) == 1
    output = capsys.readouterr().out
    assert "15 of 18 validation labels are wrong" in output
    assert "[65, 970, 230, 230, 809, 516, 57, 334]" in output
    assert "TFDS's own builder shifts all labels" in output


def test_doctor_names_damaged_files_and_images(made, data_dir, capsys):
    folder = folder_in(data_dir)

    def truncate(name, features):
        if name == made.odd["grey"]:
            image = features["image"].bytes_list.value
            image[:] = [image[0][:-40]]

    rewrite(folder, "train", truncate)
    [validation] = folder.glob("*-validation.tfrecord-*")
    content = bytearray(validation.read_bytes())
    content[len(content) // 2] ^= 1
    validation.write_bytes(content)
    assert doctor(data_dir) == 1
    output = capsys.readouterr().out
    assert f"({made.odd['grey']}): it is cut off" in output
    assert f"{validation}: it cannot be read after record" in output
    assert "is not what was written: its hash" in output


def test_doctor_finds_another_class_order(data_dir, capsys):
    names = folder_in(data_dir) / "label.labels.txt"
    names.write_text("\n".join([*WNIDS[:3], *reversed(WNIDS[3:])]))
    assert doctor(data_dir) == 1
    assert "label 3 is the first that differs" in capsys.readouterr().out


def test_doctor_looks_at_class_folders(tmp_path, capsys):
    root = tmp_path / "birds"
    for i, name in enumerate("ab"):
        other = noise_image(50, 50, seed=100 + i)
        write_image(root / "validation" / name / "1.png", other)
    image_folder(root, validation=0)
    (root / "train" / "owl").mkdir()
    (root / "train" / "a" / "._000.jpg").write_bytes(b"AppleDouble")
    (root / "train" / "a" / "notes.txt").touch()
    assert doctor(tmp_path, f"folder:{root}", deep=True) == 0
    output = capsys.readouterr().out
    assert "train: 12 images of 2 classes: a 6, b 6." in output
    assert "validation: 2 images of 2 classes: a 1, b 1." in output
    assert "shorter sides of 50 to 85 pixels" in output and "no side above 93." in output
    assert "1 class has no image at all, and no class: owl" in output
    assert "1 hidden or of tools" in output and "1 .txt" in output
    (root / "validation" / "b" / "page.jpg").write_bytes(b"<html>404")
    whole = (root / "train" / "a" / "002.jpg").read_bytes()
    (root / "validation" / "a" / "same.jpg").write_bytes(whole)
    (root / "validation" / "a" / "half.jpg").write_bytes(whole[:900])
    assert doctor(tmp_path, f"folder:{root}") == 1
    output = capsys.readouterr().out
    assert "2 images cannot be used" in output
    assert "validation/b/page.jpg: it is no image but a web page" in output
    assert "validation/a/half.jpg: it is cut off" in output
    assert "train/a/002.jpg = validation/a/same.jpg" in output


def test_doctor_names_a_class_that_nothing_can_learn(tmp_path, capsys):
    """As another program may have prepared a set."""
    root = tmp_path / "source"
    image_folder(root)
    request = {"source": str(root), "data_dir": str(tmp_path)}
    assert launch("prepare", "birds", **request) == 0
    folder = tmp_path / "birds" / "1.0.0"

    def relabelled(name, features):
        features["label"].int64_list.value[0] = 0

    rewrite(folder, "train", relabelled)
    forget_hashes(folder)
    capsys.readouterr()
    assert doctor(tmp_path, "tfds:birds") == 1
    output = capsys.readouterr().out
    assert "1 class has no image in train, but in validation: b" in output


def pixels_finding(dataset, *parts):
    """What is said of the training pixels of (images, image) pairs."""
    seen = []
    for images, image in parts:
        file = Examined(split="train", file="some")
        for _ in range(images):
            _add_up(file, image)
            file.records.append(("", 0, b""))
        seen.append(file)
    return list(_pixels(catalog.find(dataset), seen))


def test_doctor_knows_the_mean_and_the_deviation_of_the_pixels(monkeypatch):
    image = np.zeros((2, 2, 3), np.uint8)
    image[..., 0], image[0, :, 1], image[0, 0] = 51, 255, (51, 255, 102)
    encoded = tf.io.encode_png(image).numpy()
    mean, std = (0.2, 0.5, 0.1), (0.0, 0.5, 0.1732)
    known = Expected(totals={"train": 3, "test": 1}, mean=mean, std=std)
    monkeypatch.setitem(OFFICIAL, "cifar100", known)
    (found,) = pixels_finding("cifar100", (2, encoded), (1, encoded))
    assert not found.matters and "are right: mean 0.2000" in found.what
    turned = tf.io.encode_png(image[..., ::-1]).numpy()  # blue first
    (found,) = pixels_finding("cifar100", (3, turned))
    assert found.matters
    assert "mean 0.1000, 0.5000, 0.2000, deviation 0.1732" in found.what
    assert "must have 0.2000, 0.5000, 0.1000 and 0.0000" in found.what
    (found,) = pixels_finding("cifar100", (2, turned))  # a part of it
    assert not found.matters
    assert not pixels_finding("mnist", (1, encoded))


def test_an_incomplete_cifar100_is_not_prepared(tmp_path):
    picture = tf.io.encode_png(np.zeros((32, 32, 3), np.uint8)).numpy()
    for split in ("train", "test"):
        for name in CIFAR100:
            file = tmp_path / "png" / split / name / "1.png"
            file.parent.mkdir(parents=True)
            file.write_bytes(picture)
    with pytest.raises(RunError, match="not the whole .*apple has 1 of 500"):
        launch("prepare", "cifar100", source=str(tmp_path / "png"), data_dir=str(tmp_path), jobs=1)


def test_doctor_looks_at_a_part_that_another_program_made(shared_data, capsys):
    assert doctor(shared_data / "tfds", "imagenette") == 1
    output = capsys.readouterr().out
    assert "train: 3,000 images, and it must have 9,469" in output
    assert "train: 3,000 images of 10 classes: n01440764 300, " in output


@pytest.mark.full
def test_doctor_looks_at_what_tfds_prepared(shared_data, capsys):
    assert doctor(shared_data / "tfds", "mnist") == 0
    output = capsys.readouterr().out
    assert "train: 60,000 images of 10 classes, 5,421 to 6,742" in output
    assert "No manifest" in output


def test_what_to_fetch_is_said(tmp_path):
    for name, word in (
        ("imagenet2012", "ILSVRC2012_img_train.tar"),
        ("mnist", "idx3"),
        ("cifar10", "cifar-10-binary.tar.gz"),
        ("cifar100", "train/CLASS/*.png"),
        ("svhn", "train_32x32.mat"),
        ("imagenette", "imagenette2-160.tgz"),
        ("birds", "train/CLASS"),
    ):
        with pytest.raises(UsageError) as caught:
            launch("prepare", name, data_dir=str(tmp_path))
        message = str(caught.value)
        assert word in message and "--source FOLDER" in message
        online = name not in ("imagenet2012", "birds")
        assert ("--download" in message) is online
    with pytest.raises(UsageError, match="register at"):
        launch("prepare", "imagenet2012", data_dir=str(tmp_path), download=True)


def test_download_is_tfdss_and_its_failure_is_told(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    def fail(name, data_dir):
        raise ConnectionError(f"no way to {name}")

    monkeypatch.setattr(tfds, "builder", fail)
    with pytest.raises(RunError, match="no way to imagenette/160px-v2.*--sour"):
        launch("prepare", "imagenette", data_dir=str(tmp_path), download=True)


@pytest.mark.parametrize("name", ["folder:/x", "Birds", "a/b", "sample", ".."])
def test_names_that_cannot_be_are_refused(tmp_path, name):
    with pytest.raises(UsageError, match="no name for a data set"):
        launch("prepare", name, source=str(tmp_path), data_dir=str(tmp_path))


def test_progress_shows_speed_and_time_left(capsys, monkeypatch):
    counting = Counting()
    for now, done in ((0.0, 100), (5.0, 150), (20.0, 300)):  # not every time
        monkeypatch.setattr("launch.terminal.display.time.monotonic", lambda now=now: now)
        counting.show("writing images", done, 1100)
    assert capsys.readouterr().err == ("writing images: 300/1,100, 10/s, 80 s left\n")


def run_command(*words):
    return subprocess.run(
        [sys.executable, "-m", "launch", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.full
@pytest.mark.parametrize("name,code", [("SIGTERM", 75), ("SIGINT", 130)])
def test_asked_to_stop_it_says_that_it_continues(made, tmp_path, name, code):
    command = [sys.executable, "-m", "launch", "prepare", "imagenet2012"]
    command += ["--source", made.folder, "--counts", made.counts]
    command += ["--data_dir", tmp_path, "--leave_out_bad", "--jobs", "2"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs, such as these tests may be, ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not (tmp_path / "imagenet2012.part").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "the same command continues" in said and "Traceback" not in said
    assert subprocess.run(command, cwd=ROOT).returncode == 0
    assert folder_in(tmp_path).exists()


@pytest.mark.full
def test_imagenet_in_its_official_form_is_prepared_and_trained_on(tmp_path):
    """1,000 classes, through the commands a person types."""
    made = synthetic.make(tmp_path / "source", 1000, 3)
    data_dir = tmp_path / "data"
    prepared = run_command(
        *("prepare", "imagenet2012", "--source", made.folder),
        *("--data_dir", data_dir, "--counts", made.counts, "--leave_out_bad"),
    )
    assert prepared.returncode == 0, prepared.stderr
    folder = folder_in(data_dir)
    assert read_manifest(folder)["splits"] == {
        "train": 3000 - 2,
        "validation": len(made.validation),
    }
    assert len(read_manifest(folder)["classes"]["train"]) == 1000
    examined = run_command("doctor", "imagenet2012", "--data_dir", data_dir)
    assert examined.returncode in (0, 1)
    assert "validation images are right" in examined.stdout
    recipe = ("--set", "image_size=67", "--set", "epochs=1")
    trained = run_command(
        *("alexnet_as_run", "--data_dir", data_dir, "--platform", "cpu"),
        *("--workdir", tmp_path / "run", *recipe),
    )
    assert trained.returncode == 0, trained.stderr[-3000:]
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    found = catalog.open_source(catalog.find("imagenet2012"), str(data_dir))
    assert record["data"] == found.fingerprint()
    assert record["data"]["splits"]["train"] == 2998
    [result] = [r for r in record["results"] if r["view"] == "centre_crop"]
    assert result["num_images"] == len(made.validation)


@pytest.mark.full
def test_many_processes_give_what_one_gives(made, data_dir, tmp_path):
    other = tmp_path / "other"
    prepared = run_command(
        *("prepare", "imagenet2012", "--source", made.folder, "--jobs", 3),
        *("--data_dir", other, "--counts", made.counts, "--leave_out_bad"),
    )
    assert prepared.returncode == 0, prepared.stderr
    assert "TensorFlow" not in prepared.stderr
    assert hashes(folder_in(other)) == hashes(folder_in(data_dir))


@pytest.mark.full
def test_mnist_of_tfds_is_the_idx_files(shared_data, tmp_path):
    """TFDS's set, written as idx files and prepared, is TFDS's set."""
    mnist = catalog.find("mnist", channels=1)
    theirs = catalog.open_source(mnist, str(shared_data / "tfds"))
    arrays = pixels_and_labels(theirs)
    write_idx(tmp_path, arrays)
    flags = {"source": str(tmp_path), "data_dir": str(tmp_path / "data")}
    assert launch("prepare", "mnist", **flags) == 0
    assert doctor(tmp_path / "data", "mnist") == 0
    ours = catalog.open_source(mnist, str(tmp_path / "data"))
    for split, found in pixels_and_labels(ours).items():
        for one, other in zip(found, arrays[split], strict=True):
            np.testing.assert_array_equal(one, other)


def pixels_and_labels(source):
    """split -> ((N, H, W), (N,)) uint8."""
    found = {}
    for split in ("train", "test"):
        records = source.records(split).batch(60_000).get_single_element()
        images = [tf.io.decode_png(png)[..., 0] for png in records["image"]]
        found[split] = np.uint8(images), np.uint8(records["label"])
    return found
