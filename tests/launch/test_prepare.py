"""`python -m launch prepare` and `doctor`: what a person is told."""

import io
import json
import pathlib
import shutil
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
from common.data.preparation.checks import findings
from common.data.preparation.expected import OFFICIAL, Expected
from common.data.preparation.inspection import examine
from common.errors import RunError, UsageError
from launch.terminal.display import Counting, Display
from launch.terminal.exits import SCRIPT
from tests.common import synthetic_imagenet as synthetic
from tests.common.data_fixtures import image_folder, write_image, write_images
from tests.common.prepare_runs import run, small
from tests.launch import flags

ROOT = pathlib.Path(__file__).parents[2]
IMAGENET = pathlib.Path("imagenet2012", "5.1.0")


def launch(verb, name, **given):
    return flags.launch(verb, name, **{"jobs": 1} | given)


def doctor(capsys, data_dir, name="imagenet2012", **flags):
    """(exit code, what was printed)."""
    capsys.readouterr()
    code = launch("doctor", name, data_dir=str(data_dir), **flags)
    return code, capsys.readouterr().out


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return synthetic.make(tmp_path_factory.mktemp("source"), 10, 4)


@pytest.fixture(scope="module")
def prepared(made, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("data")
    run(made.folder, data_dir)
    return data_dir


@pytest.fixture
def data_dir(prepared, tmp_path):
    """A copy that can be broken."""
    return pathlib.Path(shutil.copytree(prepared, tmp_path / "copy"))


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


def test_prepare_says_what_it_did_and_doctor_finds_the_duplicate_alone(made, tmp_path, capsys):
    given = {"counts": str(made.counts), "leave_out_bad": True}
    source = {"source": str(made.folder), "data_dir": str(tmp_path)}
    assert launch("prepare", "imagenet2012", **source, **given) == 0
    output = capsys.readouterr().out
    assert "70 train, 18 validation" in output
    assert "not the whole of imagenet2012" in output
    assert f"{made.odd['png']}: PNG, re-encoded as JPEG" in output
    assert f"{made.odd['empty']}: it has zero bytes" in output
    assert "1 ask by EXIF to be turned" in output
    code, output = doctor(capsys, tmp_path, deep=True)
    [wrong] = [line for line in output.splitlines() if line.startswith("WRONG")]
    assert code == 1 and "1 images of validation are in train" in wrong
    assert made.odd["duplicate"] in wrong
    assert "[65, 970, 230, 809, 516, 57, 334, 415]" in output
    assert "3 images were repaired" in output
    assert "2 images were left out by prepare" in output
    assert "1,762 in all" in output


def test_doctor_is_content_with_a_whole_set(tmp_path, capsys):
    clean = synthetic.make(tmp_path / "source", 10, 4)
    other = synthetic.jpeg(synthetic.noise(np.random.default_rng(9)))
    clean.validation[clean.odd["duplicate"]] = other
    synthetic.write(clean, synthetic.validation_labels())
    run(clean.folder, tmp_path)
    code, output = doctor(capsys, tmp_path)
    assert code == 0 and "Nothing is wrong." in output


def test_doctor_finds_labels_that_tfds_shifted_and_another_class_order(
    data_dir, capsys, monkeypatch
):
    monkeypatch.setattr(sys, "argv", [SCRIPT])
    labels = []

    def shift(name, features):
        labels.append(features["label"].int64_list.value[0])
        if name > "ILSVRC2012_val_00000003.JPEG":
            features["label"].int64_list.value[:] = [labels[-2]]

    folder = data_dir / IMAGENET
    rewrite(folder, "validation", shift)
    (folder / "manifest.json").unlink()  # as a set that TFDS prepared
    names = "\n".join([*WNIDS[:3], *reversed(WNIDS[3:])])
    (folder / "label.labels.txt").write_text(names)
    code, output = doctor(capsys, data_dir)
    assert code == 1 and "label 3 is the first that differs" in output
    assert "15 of 18 validation labels are wrong" in output
    assert "[65, 970, 230, 230, 809, 516, 57, 334]" in output
    assert "TFDS's own builder shifts all labels" in output
    assert f"{SCRIPT} prepare writes one." in output  # advice is to be typed as it stands


def test_doctor_names_damaged_files_and_images(made, data_dir, capsys):
    def truncate(name, features):
        if name == made.odd["grey"]:
            image = features["image"].bytes_list.value
            image[:] = [image[0][:-40]]

    folder = data_dir / IMAGENET
    rewrite(folder, "train", truncate)
    [validation] = folder.glob("*-validation.tfrecord-*")
    content = bytearray(validation.read_bytes())
    content[len(content) // 2] ^= 1
    validation.write_bytes(content)
    code, output = doctor(capsys, data_dir)
    assert code == 1 and f"({made.odd['grey']}): it is cut off" in output
    assert f"{validation}: it cannot be read after record" in output
    assert "is not what was written: its hash" in output
    assert "It is not what was prepared. validation:" in output
    validation.unlink()
    assert f"{validation}: it is not there" in doctor(capsys, data_dir)[1]


def test_doctor_looks_at_class_folders(tmp_path, capsys):
    root = tmp_path / "birds"
    write_images(root, {"validation/a": 1, "validation/b": 1}, (50, 50))
    image_folder(root, validation=0)
    (root / "train" / "owl").mkdir()
    (root / "train" / "a" / "._000.jpg").write_bytes(b"AppleDouble")
    (root / "train" / "a" / "notes.txt").touch()
    code, output = doctor(capsys, tmp_path, f"folder:{root}", deep=True)
    assert code == 0 and "train: 12 images of 2 classes: a 6, b 6." in output
    assert "validation: 2 images of 2 classes: a 1, b 1." in output
    assert "shorter sides of 50 to 85 pixels" in output and "no side above 93." in output
    assert "1 class has no image at all, and no class: owl" in output
    assert "1 hidden or of tools" in output and "1 .txt" in output
    (root / "validation" / "b" / "page.jpg").write_bytes(b"<html>404")
    whole = (root / "train" / "a" / "002.jpg").read_bytes()
    (root / "validation" / "a" / "same.jpg").write_bytes(whole)
    (root / "validation" / "a" / "empty.jpg").write_bytes(b"")
    code, output = doctor(capsys, tmp_path, f"folder:{root}")
    assert code == 1 and "2 images cannot be used" in output
    assert "validation/b/page.jpg: it is no image but a web page" in output
    assert "validation/a/empty.jpg: it has zero bytes" in output
    assert "train/a/002.jpg = validation/a/same.jpg" in output


def test_doctor_names_a_class_that_nothing_can_learn(tmp_path, capsys):
    """As another program may have prepared a set."""
    image_folder(tmp_path / "source")
    folder, _ = small("birds", tmp_path / "source", tmp_path)

    def relabelled(name, features):
        features["label"].int64_list.value[0] = 0

    rewrite(folder, "train", relabelled)
    (folder / "manifest.json").unlink()
    code, output = doctor(capsys, tmp_path, "tfds:birds")
    assert code == 1 and "1 class has no image in train, but in validation: b" in output


def test_doctor_knows_the_mean_and_the_deviation_of_the_pixels(tmp_path, monkeypatch):
    image = np.zeros((2, 2, 3), np.uint8)
    image[..., 0], image[0, :, 1], image[0, 0] = 51, 255, (51, 255, 102)
    mean, std = (0.2, 0.5, 0.1), (0.0, 0.5, 0.1732)
    for split in ("train", "validation"):
        for name, pixels in (("one", image), ("turned", image[..., ::-1])):  # blue first
            for i in range(3):
                write_image(tmp_path / name / split / "a" / f"{i}.png", pixels)

    def said(name, images, dataset="cifar100"):
        known = Expected(totals={"train": images, "test": 1}, mean=mean, std=std)
        monkeypatch.setitem(OFFICIAL, "cifar100", known)
        folder, _ = small(name, tmp_path / name, tmp_path)
        [file] = folder.glob("*-train.tfrecord-*")
        seen = [examine(file, "train", deep=False, add_up=True)]
        found = findings(catalog.find(dataset), folder, seen)
        return [one for one in found if "pixels of train" in one.what]

    (found,) = said("one", 3)
    assert not found.matters and "are right: mean 0.2000" in found.what
    (found,) = said("turned", 3)
    assert found.matters
    assert "mean 0.1000, 0.5000, 0.2000, deviation 0.1732" in found.what
    assert "must have 0.2000, 0.5000, 0.1000 and 0.0000" in found.what
    (found,) = said("turned", 4)  # a part of it
    assert not found.matters
    assert not said("one", 3, "mnist")


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
    code, output = doctor(capsys, shared_data / "tfds", "imagenette")
    assert code == 1 and "train: 3,000 images, and it must have 9,469" in output
    assert "train: 3,000 images of 10 classes: n01440764 300, " in output


@pytest.mark.full
def test_doctor_looks_at_what_tfds_prepared(shared_data, capsys):
    code, output = doctor(capsys, shared_data / "tfds", "mnist")
    assert code == 0 and "train: 60,000 images of 10 classes: 0 5,923, 1 6,742, " in output
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


@pytest.mark.parametrize("name", ["folder:/x", "Birds", "a/b", "sample", "..", "_", "__"])
def test_names_that_cannot_be_are_refused(tmp_path, name):
    with pytest.raises(UsageError, match="no name for a data set"):
        launch("prepare", name, source=str(tmp_path), data_dir=str(tmp_path))


def test_progress_shows_speed_and_time_left(capsys, monkeypatch):
    counting = Counting()
    for now, done in ((0.0, 100), (5.0, 150), (20.0, 300)):  # not every time
        monkeypatch.setattr("launch.terminal.display.time.monotonic", lambda now=now: now)
        counting.show("writing images", done, 1100)
    assert capsys.readouterr().err == ("writing images: 300/1,100, 10/s, 80 s left\n")


def test_the_count_after_a_whole_one_begins_anew(capsys, monkeypatch):
    counting = Counting()
    steps = (0, 0, 100), (10, 100, 100), (3610, 256, 10_000), (3621, 3072, 10_000)
    for now, done, total in steps:
        monkeypatch.setattr("launch.terminal.display.time.monotonic", lambda now=now: now)
        counting.show("measuring images", done, total)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "measuring images: 3,072/10,000, 256/s, 27 s left"


def test_a_line_that_was_wiped_is_drawn_again_at_once(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    counting = Counting(Display(terminal))
    for done in (1, 2):
        counting.show("fusing", done, 3)
        assert f"fusing: {done}/3" in terminal.getvalue()
        counting.clear()


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
    assert (tmp_path / IMAGENET).exists()


@pytest.mark.full
def test_imagenet_in_its_official_form_is_prepared_and_trained_on(tmp_path):
    """1,000 classes, through the commands a person types."""
    made = synthetic.make(tmp_path / "source", 1000, 3)
    data_dir = tmp_path / "data"
    prepared = flags.run_alone(
        *("-m", "launch", "prepare", "imagenet2012", "--source", made.folder),
        *("--data_dir", data_dir, "--counts", made.counts, "--leave_out_bad"),
    )
    assert prepared.returncode == 0, prepared.stderr
    assert "TensorFlow" not in prepared.stderr  # nor of its processes
    folder = data_dir / IMAGENET
    assert read_manifest(folder)["splits"] == {
        "train": 3000 - 2,
        "validation": len(made.validation),
    }
    assert len(read_manifest(folder)["classes"]["train"]) == 1000
    examined = flags.run_alone("-m", "launch", "doctor", "imagenet2012", "--data_dir", data_dir)
    assert examined.returncode in (0, 1)
    assert "validation images are right" in examined.stdout
    recipe = ("--set", "image_size=67", "--set", "epochs=1")
    trained = flags.run_alone(
        *("-m", "launch", "alexnet_as_run", "--data_dir", data_dir, "--platform", "cpu"),
        *("--workdir", tmp_path / "run", *recipe),
    )
    assert trained.returncode == 0, trained.stderr[-3000:]
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    found = catalog.open_source(catalog.find("imagenet2012"), str(data_dir))
    assert record["data"] == found.fingerprint()
    assert record["data"]["splits"]["train"] == 2998
    [result] = [r for r in record["results"] if r["view"] == "centre_crop"]
    assert result["num_images"] == len(made.validation)
