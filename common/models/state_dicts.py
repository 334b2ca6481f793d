"""Files of published weights, read into arrays by name.

Nothing that a file says is ever executed: pickled objects are refused, by NumPy and by torch alike.
"""

import argparse
import pathlib
import re
import zipfile

from common.errors import RunError, UsageError
from common.lazy import h5py, keras, np

State = dict[str, "np.ndarray"]
TORCH = (".pth", ".pt", ".th")
SUFFIXES = (".npz", ".safetensors", *TORCH)
KERAS_SUFFIXES = (".h5", ".keras")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_UNDER = ("state_dict", "model", "model_state_dict")  # in a checkpoint
SAFE_TORCH = "2.10"  # before it weights_only can be broken: CVE-2026-24747
INSTALL_TORCH = (
    f'pip install "torch>={SAFE_TORCH}" --index-url https://download.pytorch.org/whl/cpu'
)


def require_suffix(path: pathlib.Path, suffixes: tuple[str, ...]) -> None:
    """Refuses a file of another kind, by its name.

    Raises:
        UsageError: if the name ends in none of `suffixes`.
    """
    if path.suffix.lower() not in suffixes:
        raise UsageError(
            f"{path} cannot be read as weights: its name ends in none of {', '.join(suffixes)}."
        )


def require_whole(path: pathlib.Path) -> None:
    """Refuses what is no file of weights, or the beginning of one.

    Raises:
        RunError: saying what it is instead; readers say many other things.
    """
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            begin = file.read(64)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from error
    what = None
    if not size:
        what = "it is empty: writing or downloading it failed"
    elif begin.startswith(b"version https://git-lfs"):
        what = "it is a Git LFS pointer to a file: `git lfs pull` fetches that"
    elif begin.lstrip()[:9].lower() in (b"<!doctype", b"<html>"):
        what = "it is a web page, such as a failed download leaves"
    elif cut := _cut_off(path, begin, size):
        what = f"it is cut off: {cut}. Get it again, and compare its size"
    if what:
        raise RunError(f"{path} cannot be read as weights: {what}.")


def _cut_off(path: pathlib.Path, begin: bytes, size: int) -> str | None:
    """How much of a file is there that should be longer; None if it is whole.

    For HDF5, zip archives (.npz, .keras, torch's) and .safetensors.
    """
    if begin.startswith(_HDF5):
        try:
            h5py.File(path, "r").close()
        except OSError as error:
            whole = re.search(r"truncated.* stored_eof = (\d+)", str(error))
            return whole and f"{size:,} of {int(whole[1]):,} bytes are there"
    elif begin.startswith(b"PK") and not zipfile.is_zipfile(path):
        return f"the zip archive has no end after {size:,} bytes"
    elif path.suffix.lower() == ".safetensors" and size >= 8:
        whole = 8 + int.from_bytes(begin[:8], "little")
        if whole <= size and begin[8:9] == b"{":
            with open(path, "rb") as file:
                ends = re.findall(rb"data_offsets\D+\d+\D+(\d+)", file.read(whole)[8:])
            whole += max(map(int, ends), default=0)
        if size < whole < 2**48 and begin[8:9] == b"{":
            return f"{size:,} of {whole:,} bytes are there"
    return None


def read(path: pathlib.Path) -> State:
    """The state dict in a .npz, .safetensors, .pth, .pt or .th file.

    Of a training checkpoint the weights are taken, which are under `state_dict`, `model`
    (torchvision's own training script) or `model_state_dict`, and the prefix `module.` of networks
    that trained on several devices is taken off.

    Raises:
        UsageError: for a file of another kind.
        RunError: if the file is damaged, holds anything but named arrays of numbers, or needs torch
            and there is none.
    """
    require_suffix(path, SUFFIXES)
    require_whole(path)
    try:
        if path.suffix.lower() in TORCH:
            state = _read_torch(path)
        elif path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                state = {name: arrays[name] for name in arrays.files}
        else:
            from safetensors.numpy import load_file

            state = load_file(path)
    except RunError:
        raise
    except Exception as error:  # a damaged file can raise anything
        raise _unreadable(path, error) from error
    if all(name.startswith("module.") for name in state):
        state = {n.removeprefix("module."): a for n, a in state.items()}
    for name, array in state.items():
        if array.dtype.kind not in "fiub":
            raise _unreadable(path, f"{name} holds {array.dtype}, no numbers")
    return state


def _read_torch(path: pathlib.Path) -> State:
    try:
        import torch
    except ImportError as error:
        raise RunError(
            f"{path} is a torch file, and torch is not installed: {INSTALL_TORCH} (the CPU's will "
            "do). Or save its state dict as .safetensors or .npz where torch is."
        ) from error
    if torch.__version__ < SAFE_TORCH:
        raise RunError(
            f"{path} is not opened: a crafted file can run code in torch {torch.__version__}. "
            f"{INSTALL_TORCH} brings {SAFE_TORCH} or newer."
        )
    try:
        # Training scripts put their command line beside the weights.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except EOFError as error:
        raise _unreadable(path, "it is cut off") from error
    except Exception as error:
        # Without torch's advice to load the file unsafely.
        first_sentence = str(error).partition(". ")[0].partition("\n")[0]
        raise _unreadable(path, first_sentence) from error
    if isinstance(content, dict):
        content = next((content[k] for k in _UNDER if isinstance(content.get(k), dict)), content)
    if not isinstance(content, dict):
        raise _unreadable(path, f"it holds a {type(content).__name__}")
    if not content:
        raise _unreadable(path, "it holds nothing")
    state = {}
    for name, tensor in content.items():
        if not isinstance(tensor, torch.Tensor):
            raise _unreadable(path, f"{name} is no tensor")
        state[str(name)] = tensor.detach().numpy()
    return state


def _unreadable(path: pathlib.Path, why: object) -> RunError:
    return RunError(
        f"{path} cannot be read as a state dict: {why}. It must hold arrays by name and nothing "
        "else."
    )


def of_keras(path: pathlib.Path, application: str) -> State:
    """The weights in a file of a network of keras.applications.

    Args:
        path: The .h5 that Keras publishes, or .weights.h5 or .keras as Keras 3 writes them, with
            the classifying layer of 1000 classes.
        application: The network's function in keras.applications.

    Raises:
        UsageError: for a file of another kind.
        RunError: if the file is damaged, or another network's or number of classes.
    """
    require_suffix(path, KERAS_SUFFIXES)
    require_whole(path)
    build = getattr(keras.applications, application)
    try:
        model = build(weights=None)
        model.load_weights(path)
    except Exception as error:  # h5py and Keras raise many kinds
        raise RunError(
            f"{path} cannot be read as weights of keras.applications.{application} with its "
            f"classifying layer (include_top=True): {error}"
        ) from error
    return of_keras_model(model)


def of_keras_model(model: "keras.Model") -> State:
    """LAYER/VARIABLE -> array, of a flat model."""
    return {
        f"{layer.name}/{variable.name}": variable.numpy()
        for layer in model.layers
        for variable in layer.weights
    }
