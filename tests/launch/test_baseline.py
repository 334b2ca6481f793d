"""The verb `baseline`, its record, and the recorded rows measured again."""

import pathlib

import pytest

from common.data import catalog
from launch.commands import baseline
from launch.report import baseline_records
from tests.launch.flags import launch


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where baselines.toml is written."""
    monkeypatch.setattr("reproductions.folder", lambda paper: tmp_path / "any" / paper)
    (tmp_path / "any").mkdir()
    return tmp_path / "any"


def test_the_sample_is_measured_and_recorded(folder, capsys, monkeypatch):
    words = ["x", "baseline", "sample", "--record", "--data_dir", "/d/x"]
    monkeypatch.setattr("sys.argv", words)
    monkeypatch.setattr("common.evaluation.thumbnail_baseline.CHOICES", (1e-3, 1e-2))
    assert launch("baseline", "sample", record=True, data_dir="~") == 0
    (row,) = baseline_records.file().read()
    assert f"{row['top1_error']:.2f} % (" in capsys.readouterr().out
    assert row["top1_error"] == 100 * row["wrong"] / row["num_images"]
    # Ten classes of shapes: not much better than guessing, yet better.
    assert 50 < row["top1_error"] < 90 and row["num_images"] == 200
    assert (row["data"], row["split"]) == ("sample", "test")
    assert row["read"].startswith("sample_shapes/")
    assert row["command"] == "python -m launch baseline sample --record"
    assert any("scikit-learn" in text for text in row["versions"])
    assert "/d/x" not in (folder / "baselines.toml").read_text()


def row(**changed):
    return {
        "data": "mnist",
        "split": "test",
        "read": "mnist/3.0.1",
        "seed": 0,
        "num_images": 10,
        "wrong": 4,
        "top1_error": 40.0,
        "c": 0.1,
        "command": "",
        "commit": "",
    } | changed


def test_a_row_replaces_its_older_self_and_counts_for_the_same_images_only(folder):
    for one in (row(), row(data="cifar10"), row(wrong=3)):
        baseline_records.file().add([one])
    assert [r["wrong"] for r in baseline_records.file().read()] == [4, 3]
    run = {"data": "mnist", "split": "test", "read": "mnist/3.0.1"}
    assert baseline_records.of(run)["wrong"] == 3
    for key in run:
        assert baseline_records.of(run | {key: "other"}) is None


def test_a_folder_is_recorded_by_its_name():
    assert baseline._without_place("folder:/home/me/birds") == "folder:birds"
    assert baseline._without_place("tfds:birds") == "tfds:birds"


@pytest.mark.full
@pytest.mark.parametrize("kept", baseline_records.file().read(), ids=lambda kept: kept["data"])
def test_recorded_baselines_are_measured_again(kept, shared_data):
    from common.evaluation import thumbnail_baseline

    data_dir = str(shared_data / "tfds")
    found = catalog.find(kept["data"], data_dir=data_dir)
    source = catalog.open_source(found, data_dir)
    assert source.fingerprint()["sha256"] == kept["sha256"]
    again = thumbnail_baseline.measure(source, kept["seed"], lambda *told: None)
    assert (again.wrong, again.c) == (kept["wrong"], kept["c"])


def test_no_place_on_a_machine_is_recorded():
    for kept in baseline_records.file().read():
        said = f"{kept['data']} {kept['read']} {kept['command']}"
        assert pathlib.Path.home().as_posix() not in said
        assert "data_dir" not in said
