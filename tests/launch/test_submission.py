"""The verb `submission`: the test server's file written and scored."""

import re

import pytest

from common.data import catalog, imagenet
from common.evaluation import predictions
from common.evaluation.metrics import wrong
from launch.commands import submission as command
from reproductions.ilsvrc2016 import submission_file
from tests.common.test_submission_file import predictions as drawn
from tests.launch import flags
from tests.launch.test_command_line import launch


def submission(*words, out=None):
    return flags.launch("submission", *words, out=out)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The present folder, with six images' a.npz and truth.txt."""
    monkeypatch.chdir(tmp_path)
    made = drawn()
    predictions.write("a.npz", made)
    ids = imagenet.devkit_ids()
    lines = "".join(f"{ids[label]}\n" for label in made.labels)
    (tmp_path / "truth.txt").write_text(lines)
    return tmp_path


def test_a_prediction_file_is_written_for_the_server_and_scored(folder):
    # `launch` fails if TensorFlow or Keras was loaded.
    words = ("submission", "a.npz", "--out", "guesses.txt")
    code, said, _ = launch(*words, cwd=folder)
    assert code == 0 and "5 guesses for each of 6 images" in said
    assert len(submission_file.read(folder / "guesses.txt")) == 6
    words = ("submission", "guesses.txt", "truth.txt")
    code, said, _ = launch(*words, cwd=folder)
    made = predictions.read(folder / "a.npz")
    top1, top5 = (int(wrong(made.scores, made.labels, k).sum()) for k in (1, 5))
    _, row = said.splitlines()[-2:]
    found = re.split(r"  +", row)
    assert code == 0 and found[:3] == ["All", "6", str(top1)]
    assert found[4] == str(top5)


def test_the_validation_set_is_also_counted_without_the_blacklist(folder, capsys, monkeypatch):
    there = catalog.find("imagenet2012").splits["validation"]
    assert command.VALIDATION_IMAGES == there
    monkeypatch.setattr(command, "VALIDATION_IMAGES", 100)
    monkeypatch.setattr(imagenet, "blacklist", lambda: {3, 7})
    (folder / "g.txt").write_text("7 0 0 1 1\n" * 100)
    (folder / "t.txt").write_text("7\n" * 99 + "8\n")
    assert submission("g.txt", "t.txt") == 0
    said = capsys.readouterr().out
    assert re.search(r"(?m)^All  +100  +1 ", said)
    assert re.search(r"(?m)^Without the blacklist  +98  +1 ", said)
