"""Prediction files are whole, sorted, checked, and continued after a kill at any byte."""

import dataclasses
import errno
import os

import numpy as np
import pytest

from common import files
from common.errors import RunError, UsageError
from common.evaluation.predictions import (
    Predictions,
    PredictionWriter,
    read,
    require_same_images,
    write,
)

RECORD = {"paper": "toy", "view": "single", "command": "evaluate toy"}
CLASSES = np.array(["ant", "bee", "cat"])


def some(num_images=20, seed=0):
    rng = np.random.default_rng(seed)
    return Predictions(
        ids=np.array([f"test_{i:05d}.png" for i in range(num_images)]),
        labels=rng.integers(0, 3, num_images),
        classes=CLASSES,
        scores=rng.normal(size=(num_images, 3)).astype(np.float32),
        record=RECORD,
    )


def assert_equal(a, b):
    for name in ("ids", "labels", "classes", "scores"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_a_file_is_read_as_it_was_written_and_by_numpy_alone(tmp_path):
    write(tmp_path / "p.npz", some())
    found = read(tmp_path / "p.npz")
    assert_equal(found, some())
    assert found.record.items() >= RECORD.items()
    assert len(found.record["sha256"]) == 64
    write(tmp_path / "unknown.npz", dataclasses.replace(some(), labels=np.full(20, -1)))
    assert (read(tmp_path / "unknown.npz").labels == -1).all()
    with np.load(tmp_path / "p.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["scores"], some().scores)


def test_files_that_are_changed_damaged_others_or_missing_are_refused(tmp_path):
    path = tmp_path / "p.npz"
    write(path, some())
    content = path.read_bytes()
    with np.load(path) as file:
        arrays = dict(file)
    changes = {"ids": np.char.upper, "labels": lambda x: 2 - x, "classes": np.flip}
    for name, change in (changes | {"scores": np.negative}).items():
        np.savez(path, **arrays | {name: change(arrays[name])})
        with pytest.raises(RunError, match="changed since it was written"):
            read(path)
    for keep in (0, 10, 300, -1):
        path.write_bytes(content[:keep])
        with pytest.raises(RunError, match="not a prediction file"):
            read(path)
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.save(tmp_path / "array.npy", np.zeros(3))
    for name in ("other.npz", "array.npy"):
        with pytest.raises(RunError, match="not a prediction file"):
            read(tmp_path / name)
    with pytest.raises(RunError, match="no file"):
        read(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scores": np.full((20, 3), np.nan, np.float32)}, "00000.png.*nan"),
        ({"scores": np.full((20, 3), -np.inf, np.float32)}, "for ant is -inf"),
        ({"scores": np.zeros((20, 3))}, "float32"),
        ({"scores": np.zeros((20, 4), np.float32)}, r"\(20, 4\) scores"),
        ({"labels": np.full(20, 3)}, "label 3 of 3 classes"),
        ({"labels": np.full(20, -2)}, "label -2"),
        ({"ids": some().ids[::-1]}, "ascending"),
        ({"ids": np.full(20, "x")}, "once"),
        ({"classes": np.array(["ant", "ant", "cat"])}, "named twice"),
    ],
)
def test_nothing_unsound_is_written(tmp_path, wrong, message):
    with pytest.raises(RunError, match=message):
        write(tmp_path / "p.npz", dataclasses.replace(some(), **wrong))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (some(19), "20 and 19 images, and 'test_00019.png' is in the first"),
        (
            dataclasses.replace(some(), ids=np.array([f"val_{i:02d}" for i in range(20)])),
            "'test_00000.png' is in the first only",
        ),
        (
            dataclasses.replace(some(), classes=CLASSES[::-1]),
            "classes are in different orders: number 1 is 'ant' in the one, 'cat'",
        ),
        (
            dataclasses.replace(some(), classes=np.array(["ant", "bee", "dog"])),
            "'cat' is in the first only",
        ),
        (
            dataclasses.replace(some(), ids=some().ids[::-1]),
            "images are in different orders: number 1",
        ),
        (
            dataclasses.replace(some(), labels=(some().labels + 1) % 3),
            "image test_00000.png has the label",
        ),
    ],
)
def test_files_that_do_not_go_together_name_the_first_difference(other, message):
    require_same_images([("a", some()), ("b", some(seed=0))])
    with pytest.raises(UsageError, match=message):
        require_same_images([("a", some()), ("same", some()), ("b", other)])


def order(num_images):
    """The order of a data set: not that of the names."""
    return np.random.default_rng(1).permutation(num_images)


def resume(path, stop=None, batch=3):
    """Predicts what is missing, up to `stop` images."""
    all_of = some()
    there = PredictionWriter(path, RECORD, 20, CLASSES)
    stop = 20 if stop is None else stop
    while there.done < stop:
        rows = order(20)[there.done : min(stop, there.done + batch)]
        there.append(all_of.ids[rows], all_of.labels[rows], all_of.scores[rows])
    return there


def test_a_file_cut_at_any_byte_loses_it_and_what_comes_after_it(tmp_path):
    path = tmp_path / "p.npz"
    resume(path, 12)
    batches = sorted((tmp_path / "p.npz.part").glob("*.npz"))
    assert len(batches) == 4
    whole = [file.read_bytes() for file in batches]
    rng = np.random.default_rng(2)
    for place, content in enumerate(whole):
        for cut in [*rng.integers(0, len(content), 15), 0, 1, len(content) - 1]:
            for file, there in zip(batches, whole, strict=True):
                file.write_bytes(there)
            batches[place].write_bytes(content[:cut])
            assert PredictionWriter(path, RECORD, 20, CLASSES).done == 3 * place
    assert_equal(resume(path).finish(), some())


def test_bytes_that_were_damaged_are_predicted_again(tmp_path):
    path = tmp_path / "p.npz"
    resume(path, 12)
    batches = sorted((tmp_path / "p.npz.part").glob("*.npz"))
    content = batches[2].read_bytes()
    scores = content.index(some().scores[order(20)[6:9]].tobytes())
    batches[2].write_bytes(content[: scores + 4] + b"wrong" + content[scores + 9 :])
    # Batches after a damaged one must not come back once it is replaced.
    assert PredictionWriter(path, RECORD, 20, CLASSES).done == 6
    assert PredictionWriter(path, RECORD, 20, CLASSES).done == 6
    resume(path, 12)
    batches[1].unlink()
    assert PredictionWriter(path, RECORD, 20, CLASSES).done == 3
    record = tmp_path / "p.npz.part" / "record.json"
    for damaged in (record.read_bytes()[:20], b"\xff"):  # not whole: it begins anew
        resume(path, 12)
        record.write_bytes(damaged)
        assert PredictionWriter(path, RECORD, 20, CLASSES).done == 0
    assert_equal(resume(path).finish(), some())


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_batch_that_failed_does_not_spoil_the_next(tmp_path, monkeypatch):
    there = resume(tmp_path / "p.npz", 3)
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", full)
        with pytest.raises(RunError, match="3 images are kept.*it continues"):
            there.append(["a"], [0], [[0, 0, 0]])
    with pytest.raises(RunError, match="scores of b are not finite.*3 images"):
        there.append(["a", "b"], [0, 1], [[0, 0, 0], [0, np.nan, 0]])
    (there.folder / ".000000003.npz.1.part").write_bytes(b"what a kill left")
    assert_equal(resume(tmp_path / "p.npz").finish(), some())
    assert [f.name for f in tmp_path.iterdir()] == ["p.npz"]


def test_a_folder_of_another_record_is_refused(tmp_path):
    path = tmp_path / "p.npz"
    resume(path, 7)
    again = {**RECORD, "command": "evaluate toy --gpus 2"}
    assert PredictionWriter(path, again, 20, CLASSES).done == 7
    with pytest.raises(UsageError, match='view = "single"; now it is "dense"'):
        PredictionWriter(path, {**RECORD, "view": "dense"}, 20, CLASSES)
    with pytest.raises(UsageError, match="images = 20; now it is 21"):
        PredictionWriter(path, RECORD, 21, CLASSES)
    with pytest.raises(UsageError, match="classes"):
        PredictionWriter(path, RECORD, 20, CLASSES[::-1])
    assert PredictionWriter(path, RECORD, 20, CLASSES).done == 7


def test_too_few_too_many_and_repeated_images_are_refused(tmp_path):
    there = resume(tmp_path / "p.npz", 18)
    with pytest.raises(RunError, match="18 of 20"):
        there.finish()
    rows = order(20)[:3]
    three = some().ids[rows], some().labels[rows], some().scores[rows]
    with pytest.raises(RunError, match="more came"):
        there.append(*three)
    there.append(*(x[:2] for x in three))
    with pytest.raises(RunError, match="once"):
        there.finish()
    assert there.folder.is_dir()
