"""The test server's file: written, read back, scored."""

import numpy as np
import pytest

from common.data import imagenet
from common.errors import RunError, UsageError
from common.evaluation.metrics import wrong
from common.evaluation.predictions import Predictions
from reproductions.ilsvrc2016 import submission_file


def predictions(num_images=6, **changes):
    drawn = np.random.default_rng(1)
    names = [f"ILSVRC2012_val_{i:08d}.JPEG" for i in range(1, num_images + 1)]
    scores = drawn.normal(size=(num_images, 1000)).astype(np.float32)
    # Half of the labels among the five best, the rest anywhere.
    labels = submission_file.best(scores, 5)[:, 2]
    labels[::2] = drawn.integers(0, 1000, len(labels[::2]))
    facts = {
        "ids": np.array(names),
        "labels": labels,
        "classes": np.array(imagenet.WNIDS),
        "scores": scores,
        "record": {},
    }
    return Predictions(**facts | changes)


@pytest.fixture
def files(tmp_path):
    """(predictions, file of guesses, ground truth) of six images."""
    made = predictions()
    submission_file.write(tmp_path / "guesses.txt", made)
    truth = np.array(imagenet.devkit_ids())[made.labels]
    lines = "".join(f"{label}\n" for label in truth)
    (tmp_path / "truth.txt").write_text(lines)
    return made, tmp_path / "guesses.txt", tmp_path / "truth.txt"


def test_a_line_has_five_labels_of_the_devkit_and_boxes(tmp_path):
    scores = np.zeros((1, 1000), np.float32)
    scores[0, [65, 970, 230, 809, 516]] = [9, 8, 7, 6, 5]
    ids = np.array(["a.JPEG"])
    one = predictions(1, ids=ids, scores=scores)
    submission_file.write(tmp_path / "a.txt", one)
    box = "0 0 1 1"
    assert (tmp_path / "a.txt").read_text() == (
        f"490 {box} 361 {box} 171 {box} 822 {box} 297 {box}\n"
    )


def test_files_in_folders_of_their_classes_stand_in_the_order_of_their_names(files, tmp_path):
    made, path, _ = files
    folders = [f"n0{9 - i}/{name}" for i, name in enumerate(made.ids)]  # the last is the first
    turned = {"ids": np.array(folders[::-1]), "scores": made.scores[::-1]}
    assert list(turned["ids"]) == sorted(folders)
    first = submission_file.write(tmp_path / "folders.txt", predictions(**turned))
    assert (tmp_path / "folders.txt").read_text() == path.read_text()
    assert first == "ILSVRC2012_val_00000001.JPEG"
    same = np.array([f"n0{i}/a.JPEG" for i in range(6)])
    with pytest.raises(UsageError, match="have the same"):
        submission_file.write(tmp_path / "same.txt", predictions(ids=same))


def test_the_file_has_the_errors_of_the_scores(files):
    made, path, truth = files
    found = submission_file.score(path, truth)
    assert found.num_images == 6
    assert found.top1_errors == wrong(made.scores, made.labels, 1).sum()
    assert found.top5_errors == wrong(made.scores, made.labels, 5).sum() == 3


def test_blacklisted_images_count_neither_way(files):
    """Counted from 1: image 1 is wrong, image 2 right."""
    made, path, truth = files
    assert wrong(made.scores, made.labels, 5).tolist() == [True, False] * 3
    found = submission_file.score(path, truth, left_out={1})
    assert (found.num_images, found.top5_errors) == (5, 2)
    found = submission_file.score(path, truth, left_out={2, 4})
    assert (found.num_images, found.top5_errors) == (4, 3)


def test_fewer_guesses_are_padded_and_more_left_out(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("3 1 2 3.5 4\n" + "5 0 0 1 1 " * 6 + "\n")
    assert submission_file.read(path).tolist() == [[3, 0, 0, 0, 0], [5] * 5]


WRONG_LINES = {
    "0 0 0 1 1": "line 2, has the label 0",
    "1001 0 0 1 1": "line 2, has the label 1001",
    "2.5 0 0 1 1": "line 2, has the label 2.5",
    "nan 0 0 1 1": "line 2, has the label nan",
    "1 0 0 1": "line 2, has 4 numbers",
    "": "line 2, has 0 numbers",
    "n01440764 0 0 1 1": "line 2, has something else",
}


@pytest.mark.parametrize("line", WRONG_LINES)
def test_a_wrong_line_is_named(line, tmp_path):
    path = tmp_path / "guesses.txt"
    path.write_text(f"1 0 0 1 1\n{line}\n1 0 0 1 1\n")
    with pytest.raises(RunError, match=f"guesses.txt, {WRONG_LINES[line]}"):
        submission_file.read(path)


@pytest.mark.parametrize("line", ["0", "1001", "3 4", "", "tench"])
def test_a_wrong_label_of_the_truth_is_named(line, tmp_path):
    path = tmp_path / "truth.txt"
    path.write_text(f"1\n{line}\n")
    with pytest.raises(RunError, match="truth.txt, line 2,"):
        submission_file.read_truth(path)


def test_missing_files_and_those_of_different_images_are_refused(files):
    _, path, truth = files
    with pytest.raises(RunError, match="no.txt cannot be read"):
        submission_file.read(path.with_name("no.txt"))
    truth.write_text(truth.read_text() + "1\n")
    with pytest.raises(RunError, match="6 images, .*truth.txt has 7"):
        submission_file.score(path, truth)


def test_other_classes_are_refused_and_nothing_is_written(tmp_path):
    classes = np.array(imagenet.WNIDS[::-1])
    with pytest.raises(UsageError, match="n15075141 first"):
        submission_file.write(tmp_path / "a", predictions(classes=classes))
    assert not list(tmp_path.iterdir())
