"""No command line ends in a traceback, or with a code that is not documented.

FUZZ_LINES and FUZZ_SEED ask for others.
"""

import os
import pathlib

import pytest

from launch.commands import prepare as prepare_verb
from launch.commands import ship
from launch.report import report
from tests.launch import fuzzing

LINES = int(os.environ.get("FUZZ_LINES", 1500))
SEED = int(os.environ.get("FUZZ_SEED", 0))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with odd files; the project's own stay as they are.

    What computes for long is left out: each line ends where its work begins.
    """
    fuzzing.sandbox(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", ".")
    monkeypatch.setattr(report.records, "add", lambda folders: [])
    monkeypatch.setattr(report.curves, "add", lambda folders: [])
    monkeypatch.setattr(report.figures, "write", lambda papers: [])
    monkeypatch.setattr(report, "texts", lambda *_: {})
    monkeypatch.setattr(ship, "_replace", lambda *_: 0)
    monkeypatch.setattr(prepare_verb, "_download", lambda *_: 0)
    return tmp_path


@pytest.fixture
def no_work(monkeypatch):
    """Every command's options are read and checked; then it is done."""
    from common.papers import audit
    from launch.commands import bench, prepare
    from launch.drawing import block_table
    from launch.inference import evaluation, export, prediction
    from launch.session import training
    from launch.sweep import sweep

    monkeypatch.setattr(bench, "measure", lambda *a: 0)
    for module in (evaluation, export, prediction, training, sweep):
        monkeypatch.setattr(module, "run", lambda *a, **k: 0)
    for module in (evaluation, training):
        monkeypatch.setattr(module, "plan", lambda *a: 0)
    monkeypatch.setattr(block_table, "show_network", lambda *a: 0)
    monkeypatch.setattr(audit, "audit_paper", lambda *a: [])
    monkeypatch.setattr(prepare, "prepare", lambda *a: pathlib.Path())
    monkeypatch.setattr(prepare, "_tell", lambda *a: None)
    monkeypatch.setattr(prepare, "read_manifest", lambda folder: {})


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_no_line_ends_in_a_traceback(here, no_work):
    made = fuzzing.lines(SEED, LINES)
    assert len(made) >= 500 and made == fuzzing.lines(SEED, LINES)
    faults = [found for words in made if (found := fuzzing.fault(words))]
    assert not faults, f"{len(faults)} of {LINES}:\n" + "\n".join(faults[:20])


def test_every_verb_and_flag_has_its_lines():
    made = fuzzing.lines(0, 1500)
    words = {word for line in made for word in line[:1]}
    assert words >= set(fuzzing.VERBS) - {""}
    given = {
        word.lstrip("-").removeprefix("no").partition("=")[0] for line in made for word in line
    }
    assert given >= set(fuzzing.EVERY)
