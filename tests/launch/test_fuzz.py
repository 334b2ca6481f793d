"""No command line ends in a traceback, or with a code that is not documented.

FUZZ_LINES and FUZZ_SEED ask for others.
"""

import os

import pytest

from launch.commands import prepare as prepare_verb
from launch.commands import ship
from launch.report import report
from tests.launch import fuzzing

LINES = int(os.environ.get("FUZZ_LINES", 1500))
SEED = int(os.environ.get("FUZZ_SEED", 0))
DEEP = int(os.environ.get("FUZZ_DEEP", 60))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with odd files; the project's own stay as they are.

    What computes for long is left out: each line ends where its work begins.
    """
    fuzzing.sandbox(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fuzzing.FLAGS["data_dir"], "default", ".")
    monkeypatch.setattr(report.records, "add", lambda folders: None)
    monkeypatch.setattr(report.curves, "add", lambda folders: None)
    monkeypatch.setattr(report.figures, "write", lambda papers: None)
    monkeypatch.setattr(report, "texts", lambda *_: {})
    monkeypatch.setattr(ship, "_replace", lambda *_: 0)
    monkeypatch.setattr(prepare_verb, "_download", lambda *_: 0)
    return tmp_path


@pytest.fixture
def no_work(monkeypatch):
    """Every command's options are read and checked; then it is done."""
    from launch.bench import bench
    from launch.commands import audit, describe, evaluate, export, predict, prepare, train
    from launch.sweep import sweep

    for module in (audit, bench, describe, evaluate, export, predict, train):
        monkeypatch.setattr(module, "run", lambda *a, **k: 0)
    monkeypatch.setattr(sweep, "run", lambda request: 0)
    monkeypatch.setattr(prepare, "run", lambda *a: 0)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_no_line_ends_in_a_traceback(here, no_work):
    made = fuzzing.lines(SEED, LINES)
    assert len(made) >= 500 and made == fuzzing.lines(SEED, LINES)
    faults = [found for words in made if (found := fuzzing.fault(words))]
    assert not faults, f"{len(faults)} of {LINES}:\n" + "\n".join(faults[:20])


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_no_line_that_computes_ends_in_a_traceback(here, monkeypatch):
    """In one process, so on its one device."""
    import tensorflow as tf

    from launch.commands import evaluate, predict, train

    for module in (evaluate, predict, train):
        monkeypatch.setattr(
            module, "prepare_tensorflow", lambda *_: tf.distribute.OneDeviceStrategy("CPU:0")
        )
    made = fuzzing.computed(SEED, DEEP)
    faults = [found for words in made if (found := fuzzing.fault(words))]
    assert not faults, f"{len(faults)} of {DEEP}:\n" + "\n".join(faults[:20])


def test_every_verb_and_flag_has_its_lines():
    made = fuzzing.lines(0, 1500)
    words = {word for line in made for word in line[:1]}
    assert words >= set(fuzzing.VERBS) - {""}
    given = {
        word.lstrip("-").removeprefix("no").partition("=")[0] for line in made for word in line
    }
    assert given >= set(fuzzing.FLAGS)
