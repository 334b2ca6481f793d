"""Checkpoints are whole or not there."""

import errno
import types

import keras
import numpy as np
import pytest

from common.errors import RunError
from common.training import checkpoints


def variables(value=0.0, shape=(3,)):
    variable = keras.Variable(np.full(shape, value, "float32"), name="w")
    return {"0/0/w": variable}


def steps(folder):
    return [f.name for f in checkpoints.newest_first(folder)]


def test_restores_the_newest_whole_one_and_keeps_two(tmp_path):
    assert checkpoints.restore(tmp_path / "none", variables()) is None
    for step in (1, 2, 10):
        checkpoints.save(tmp_path, step, variables(step), {"step": step})
    (tmp_path / ".step-000000011.npz.99.part").write_bytes(b"half")
    assert steps(tmp_path) == ["step-000000010.npz", "step-000000002.npz"]
    found = variables()
    state = checkpoints.restore(tmp_path, found)
    assert state == {"step": 10, "damaged": []}
    np.testing.assert_array_equal(found["0/0/w"].numpy(), [10, 10, 10])


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, damage):
    for step in (1, 2):
        checkpoints.save(tmp_path, step, variables(step), {"step": step})
    newest = checkpoints.newest_first(tmp_path)[0]
    content = bytearray(newest.read_bytes())
    place = content.index(np.full(3, 2, "float32").tobytes())
    content[place] ^= 0x01
    whole = {"cut": content[: len(content) // 2], "flip": content, "empty": b""}
    newest.write_bytes(whole[damage])
    found = variables()
    state = checkpoints.restore(tmp_path, found)
    assert state["step"] == 1
    assert "step-000000002.npz" in state["damaged"][0]
    np.testing.assert_array_equal(found["0/0/w"].numpy(), [1, 1, 1])


def test_only_damaged_checkpoints_are_an_error_that_names_them(tmp_path):
    checkpoints.save(tmp_path, 1, variables(), {})
    checkpoints.newest_first(tmp_path)[0].write_bytes(b"PK")
    with pytest.raises(RunError, match="step-000000001.npz"):
        checkpoints.restore(tmp_path, variables())


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    checkpoints.save(tmp_path, 1, variables(), {})
    with pytest.raises(RunError, match="another network.*--workdir"):
        checkpoints.restore(tmp_path, variables(shape=(4,)))


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    checkpoints.save(tmp_path, 1, variables(1), {"step": 1})

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints.np, "savez", full)
    with pytest.raises(RunError, match="No space left.*000000001.npz.*kept"):
        checkpoints.save(tmp_path, 2, variables(2), {"step": 2})
    assert [f.name for f in tmp_path.iterdir()] == ["step-000000001.npz"]


def test_values_that_are_not_finite_are_never_saved(tmp_path):
    checkpoints.save(tmp_path, 1, variables(1), {"step": 1})
    with pytest.raises(RunError, match="diverged.*000000001.npz, is kept"):
        checkpoints.save(tmp_path, 2, variables(np.nan), {"step": 2})
    assert steps(tmp_path) == ["step-000000001.npz"]


def test_every_variable_has_a_name_of_its_own():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    names = checkpoints.named_variables(model, model)
    assert len(names) == 4


def test_a_disk_without_room_is_found_before_the_training(tmp_path, monkeypatch):
    variables = {"w": np.zeros((256, 1024), np.float32)}  # 1 MiB
    free = types.SimpleNamespace(free=3 * 2**20)
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda path: free)
    checkpoints.require_room(tmp_path, variables)
    free.free -= 1
    with pytest.raises(RunError, match="needs 3 MiB .* 3 MiB are free there"):
        checkpoints.require_room(tmp_path, variables)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "0.npz").write_bytes(b"1")
    checkpoints.require_room(tmp_path, variables)
