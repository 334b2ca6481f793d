"""Files of weights are read whole, or refused; never executed."""

import argparse
import json
import pathlib
import pickle
import struct
import sys

import numpy as np
import pytest

from common.errors import RunError, UsageError
from common.models import state_dicts

STATE = {
    "conv.weight": np.random.default_rng(0).normal(size=(4, 3, 3, 3)),
    "conv.bias": np.arange(4, dtype="float32"),
    "half": np.arange(6, dtype="float16").reshape(2, 3),
    "num_batches_tracked": np.array(3),
}


def write_npz(path, state):
    np.savez(path, **state)


def write_safetensors(path, state):
    from safetensors.numpy import save_file

    save_file(state, path)


def write_torch(path, state):
    torch = pytest.importorskip("torch")
    tensors = {name: torch.tensor(array) for name, array in state.items()}
    torch.save(tensors, path)


def write_old_torch(path, state):
    """Torch's format before 1.6, which the CIFAR weights have."""
    torch = pytest.importorskip("torch")
    torch.save(
        {"state_dict": {n: torch.tensor(a) for n, a in state.items()}, "best_prec1": 91.73},
        path,
        _use_new_zipfile_serialization=False,
    )


WRITERS = {
    "a.npz": write_npz,
    "a.safetensors": write_safetensors,
    "a.PTH": write_torch,
    "a.th": write_old_torch,
}


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_arrays_and_half_a_file_none(name, prefix, tmp_path):
    path = tmp_path / name
    WRITERS[name](path, {prefix + n: array for n, array in STATE.items()})
    found = state_dicts.read(path)
    assert found.keys() == STATE.keys()
    for entry, array in STATE.items():
        assert found[entry].dtype == array.dtype
        np.testing.assert_array_equal(found[entry], array)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RunError, match="cannot be read"):
        state_dicts.read(path)


def test_module_is_a_name_where_not_all_have_it(tmp_path):
    state = {"module.weight": np.ones(2), "fc.weight": np.ones(2)}
    write_npz(tmp_path / "a.npz", state)
    assert state_dicts.read(tmp_path / "a.npz").keys() == state.keys()


def safetensors(header, data):
    """The format: eight bytes of length, JSON, little-endian numbers."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


DAMAGED = {
    "noise": bytes(range(256)) * 20,
    "an array beyond the end": safetensors({"a": entry("F32", [20], 0, 80)}, b"0" * 8),
    "arrays that overlap": safetensors(
        {"a": entry("F32", [2], 0, 8), "b": entry("F32", [1], 4, 8)}, b"0" * 8
    ),
    "a shape of another size": safetensors({"a": entry("F32", [3], 0, 8)}, b"0" * 8),
    "a header beyond the end": struct.pack("<Q", 2**62) + b"{}",
    "text for numbers": safetensors({"a": entry("TEXT", [8], 0, 8)}, b"0" * 8),
    "bfloat16": safetensors({"a": entry("BF16", [2], 0, 4)}, b"0" * 4),
    "eight-bit floats": safetensors({"a": entry("F8_E4M3", [1], 0, 1)}, b"0"),
}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pth", ".th"])
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_a_plain_error(name, suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(DAMAGED[name])
    with pytest.raises(RunError, match=r"a\.\w+ (cannot|is a torch file)"):
        state_dicts.read(path)


NO_WEIGHTS = {
    "an empty file": (b"", "it is empty"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    "a web page": (b"<!DOCTYPE html> 404: not found", "a web page"),
}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pth", ".th", ".h5"])
@pytest.mark.parametrize("name", NO_WEIGHTS)
def test_what_is_no_file_of_weights_says_what_it_is(name, suffix, tmp_path):
    content, told = NO_WEIGHTS[name]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(RunError, match=told):
        if suffix == ".h5":
            state_dicts.of_keras(path, "VGG16")
        else:
            state_dicts.read(path)


def write_h5(path, state):
    import h5py

    with h5py.File(path, "w") as file:
        for name, array in state.items():
            file[name] = array


@pytest.mark.parametrize("write", [write_npz, write_safetensors, write_h5])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_weights_that_are_cut_off_are_called_cut_off(write, share, tmp_path):
    path = tmp_path / f"a.{write.__name__.removeprefix('write_')}"
    write(path, {"a": np.ones(5000, np.float32)})
    state_dicts.require_whole(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(RunError, match="it is cut off: .* bytes"):
        state_dicts.require_whole(path)


@pytest.mark.parametrize("name", ["state_dict", "model", "model_state_dict"])
def test_a_training_scripts_checkpoint_is_unwrapped(name, tmp_path):
    """As torchvision's own script writes them, command line and all."""
    torch = pytest.importorskip("torch")
    weights = {f"module.{k}": torch.tensor(v) for k, v in STATE.items()}
    args = argparse.Namespace(lr=0.1, data_path="/data")
    content = {name: weights, "optimizer": {"lr": 0.1}, "epoch": 3}
    torch.save(content | {"args": args}, tmp_path / "model_89.pth")
    found = state_dicts.read(tmp_path / "model_89.pth")
    assert found.keys() == STATE.keys()
    for key, array in STATE.items():
        np.testing.assert_array_equal(found[key], array)


class Malicious:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, created):
        self.created = created

    def __reduce__(self):
        return pathlib.Path.touch, (self.created,)


def pickled(path, value):
    path.write_bytes(pickle.dumps(value))


def pickled_in_npz(path, value):
    np.savez(path, a=np.array([value], dtype=object))


def pickled_by_torch(path, value):
    pytest.importorskip("torch").save({"state_dict": value}, path)


def pickled_by_old_torch(path, value):
    torch = pytest.importorskip("torch")
    torch.save({"a": value}, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(
    "write,name",
    [
        (pickled, "a.npz"),
        (pickled_in_npz, "a.npz"),
        (pickled, "a.safetensors"),
        (pickled, "a.pth"),
        (pickled_by_torch, "a.pth"),
        (pickled_by_old_torch, "a.th"),
    ],
)
def test_a_pickle_is_never_executed(write, name, tmp_path):
    created = tmp_path / "created"
    pickle.loads(pickle.dumps(Malicious(created)))
    created.unlink()  # so it would have worked
    write(tmp_path / name, Malicious(created))
    with pytest.raises(RunError) as error:
        state_dicts.read(tmp_path / name)
    assert not created.exists()
    assert "weights_only" not in str(error.value)  # no advice to turn it off


def test_without_torch_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    pickled(tmp_path / "a.pth", {})
    with pytest.raises(RunError, match='pip install "torch>=2.10" --index-url'):
        state_dicts.read(tmp_path / "a.pth")


def test_a_torch_that_a_crafted_file_can_break_is_not_used(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    write_torch(tmp_path / "a.pth", STATE)
    old = type(torch.__version__)("2.9.1")
    monkeypatch.setattr(torch, "__version__", old)
    with pytest.raises(RunError, match="can run code in torch 2.9.1"):
        state_dicts.read(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "content,said",
    [
        ({"epoch": 3, "best": 0.1}, "epoch is no tensor"),
        ({"epoch": 3, "model": {}}, "it holds nothing"),
        ([1, 2], "it holds a list"),
    ],
)
def test_a_torch_file_of_other_things_is_refused(content, said, tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(RunError, match=said):
        state_dicts.read(tmp_path / "a.pt")


def test_words_and_other_kinds_of_files_are_no_weights(tmp_path):
    write_npz(tmp_path / "a.npz", {"a": np.array(["b"])})
    with pytest.raises(RunError, match="a holds <U1"):
        state_dicts.read(tmp_path / "a.npz")
    with pytest.raises(UsageError, match=r"none of \.npz, \.safetensors"):
        state_dicts.read(tmp_path / "a.onnx")
    with pytest.raises(UsageError, match=r"none of \.h5, \.keras"):
        state_dicts.of_keras(tmp_path / "a.npz", "VGG16")


@pytest.mark.parametrize("name,blocks", [("resnet20-12fca82f.th", 3), ("resnet32-d509ac18.th", 5)])
def test_the_published_cifar_weights_are_read(name, blocks, shared_data):
    """They were saved on a GPU, and wrapped twice."""
    pytest.importorskip("torch")
    state = state_dicts.read(shared_data / "weights" / name)
    assert len(state) == 5 + 3 * blocks * 10 + 2  # bn has four
    assert state["conv1.weight"].shape == (16, 3, 3, 3)
    assert state[f"layer3.{blocks - 1}.bn2.running_var"].shape == (64,)
