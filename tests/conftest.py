"""Fixtures: where real data lies, if it does. And what the garbage collector looks through."""

import gc
import os
import pathlib

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

gc.disable()  # while modules are imported, as in launch/terminal/quiet.py

ROOT = pathlib.Path(__file__).parents[1]


def pytest_collection_finish():
    """Half a million objects of imports and tests stay: no collection looks through them."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The data sets kept outside the project; skips where there are none."""
    folder = pathlib.Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set SHARED_DATA to its folder")
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch) -> pathlib.Path:
    """An empty cache, which is not there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "classic-convnets"
