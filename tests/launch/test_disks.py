"""Every write can fail: a sentence with the path, nothing half-written left.

A limit on the size of files stands in for a full disk, as it needs no rights:
Python, HDF5 and TensorFlow meet it in the same places. A name below a file
stands in for a folder that cannot be written.
"""

import contextlib
import os
import pathlib
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

from common import files
from common.data import statistics
from common.data.sources import sample
from common.errors import RunError
from common.evaluation.predictions import PredictionWriter
from launch.drawing import contact_sheet
from launch.inference import export
from launch.terminal import new_files
from launch.terminal.exits import exit_code
from tests.common import test_serving, test_statistics
from tests.common.data_fixtures import noise_image, statistics_of
from tests.launch import test_export, test_predict
from tests.launch.flags import launch

ROOT = pathlib.Path(__file__).parents[2]
colours = test_predict.colours


@contextlib.contextmanager
def full_disk(size=1000):
    """No file can have more than `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def code_of(run, capsys):
    """(exit code, what was said)."""
    code = exit_code(run)
    return code, capsys.readouterr().err


ENTRIES = [("a", noise_image(90, 90), [("cat", 1.0)])]
WRITERS = {
    "s.png": lambda path: contact_sheet.write(path, "heading", ENTRIES),
    "w.weights.h5": lambda path: files.save_weights(test_serving.small_network(32, 10), path),
    "m": lambda path: export._write("savedmodel", test_serving.lenet5(), path),
    "m.tflite": lambda path: export._write("tflite", test_serving.lenet5(), path),
    "a.json": lambda path: files.write_json(path, list(range(1000))),
    "s.npz": lambda path: statistics.save(statistics_of(np.zeros((50, 50, 3), np.float32)), path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_a_sentence_and_nothing_is_left(name, tmp_path, capsys):
    """Of the longest name that there is, which can be written."""
    longest = 250 if name == "m.tflite" else 255  # its record beside it has a longer name
    write, target = WRITERS[name], tmp_path / f"{'ü' * ((longest - len(name)) // 2)}{name}"
    with full_disk():
        code, said = code_of(lambda: write(target), capsys)
    assert code == 1
    assert str(target) in said and "File too large" in said, said
    assert not names_in(tmp_path)
    assert code_of(lambda: write(target) or 0, capsys)[0] == 0
    assert target.exists()


@pytest.mark.parametrize("name", WRITERS)
def test_what_cannot_be_a_place_is_a_sentence(name, tmp_path, capsys, monkeypatch):
    for kind in ("savedmodel", "tflite"):  # what is converted does not matter
        monkeypatch.setitem(export._WRITERS, kind, lambda _, made: made.write_text("a model"))
    (tmp_path / "file").touch()
    for target in (tmp_path / "file" / name, tmp_path / f"{'x' * 300}{name}"):
        code, said = code_of(lambda: WRITERS[name](target), capsys)  # noqa: B023
        assert code == 1 and "Traceback" not in said
        assert str(tmp_path) in said, said
    assert names_in(tmp_path) == {"file"}


def test_a_failed_export_leaves_no_record_and_no_folder(colours, tmp_path, capsys):
    for out in ("made.tflite", "served/1"):
        before = names_in(tmp_path)
        with full_disk(), pytest.raises(RunError, match="File too large"):
            test_export.export(colours, tmp_path / out)
        assert names_in(tmp_path) == before
    assert test_export.export(colours, tmp_path / "served" / "1") == 0
    assert (tmp_path / "served" / "1" / "saved_model.pb").is_file()


def test_predictions_that_cannot_begin_leave_nothing(tmp_path):
    classes = np.array([f"class {i}" for i in range(200)])
    with full_disk(), pytest.raises(RunError, match=r"p\.npz.*File too large"):
        PredictionWriter(tmp_path / "p.npz", {}, 10, classes)
    assert not names_in(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="could not be written"):
        PredictionWriter(tmp_path / "file" / "p.npz", {}, 10, classes)


def test_without_a_cache_the_mean_is_computed_and_not_kept(cache):
    cache.parent.touch()
    source, recipe = test_statistics.shapes(), test_statistics.MEAN
    found = statistics.statistics_for(source, recipe)
    assert found.mean_image.size
    cache.parent.unlink()
    with full_disk(200):
        again = statistics.statistics_for(source, recipe)
    np.testing.assert_array_equal(found.mean_image, again.mean_image)
    assert not names_in(cache / "statistics")


def test_without_a_cache_the_sample_is_made_for_this_process(cache):
    cache.parent.touch()
    few = {"train": 10, "test": 10}
    made = sample.prepare("sample_shapes", few)
    assert (made / "dataset_info.json").is_file()
    assert sample.prepare("sample_shapes", few) == made


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ("import akamaster_resnet20 FILE", {"from": "akamaster", "out": "w.weights.h5"}),
        ("ensemble FILE", {"rules": ["simple"], "out": "e.npz"}),
        ("submission FILE", {"out": "g.txt"}),
        ("predict lenet5 FILE", {"out": "s.png"}),
        ("export lenet5", {"out": "m.tflite"}),
        ("describe lenet5", {"svg": "x.svg"}),
        ("report", {"html": "x.html"}),
        ("bench start", {"out": "b.json"}),
    ],
)
def test_a_read_only_folder_is_told_before_anything_is_computed(
    words, flags, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(new_files.os, "access", lambda folder, _: folder != tmp_path)
    file = tmp_path / "p.npz"
    file.touch()
    places = {name: str(tmp_path / flags[name]) for name in ("out", "svg", "html") if name in flags}
    given = words.replace("FILE", str(file)).split()
    code, said = code_of(lambda: launch(*given, **flags | places), capsys)
    assert code == 1 and f"Nothing can be written to {tmp_path}" in said, said


# Standard output


def shell(command, **environment):
    """(exit code, stdout, stderr) of `python -m launch COMMAND`."""
    done = subprocess.run(
        ["bash", "-c", f'exec "$0" -m launch {command}', sys.executable],
        cwd=ROOT,
        capture_output=True,
        env=os.environ | environment,
    )
    return done.returncode, done.stdout, done.stderr.decode()


def test_a_closed_output_is_told_before_anything_is_done(tmp_path):
    code, _, said = shell(f"describe lenet5 --svg {tmp_path}/x.svg >&-")
    assert code == 1 and said.startswith("Standard output is closed"), said
    assert not names_in(tmp_path)


def test_a_full_output_is_a_sentence():
    code, _, said = shell("list > /dev/full")
    assert code == 1 and len(said.splitlines()) == 1, said
    assert "standard output: No space left on device" in said


def test_closed_standard_error_is_no_matter():
    code, output, _ = shell("list 2>&-")
    assert code == 0 and b"lenet5" in output
    assert shell("no_such_verb 2>&-")[0] == 2
    assert shell("no_such_verb 2> /dev/full")[0] == 2


def test_names_that_the_output_has_no_letters_for_are_escaped(tmp_path):
    name = "ü\udce9.png"
    os.mkdir(tmp_path / name)
    command = f"predict cifar_resnet20 {os.fsdecode(os.fsencode(tmp_path))}/*"
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"}
    code, _, said = shell(command, **ascii_only)
    assert code == 2 and r"\xfc\udce9.png has no photographs" in said, said
