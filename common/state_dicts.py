"""Files of published weights, read into arrays by name.

Nothing that a file says is ever executed: pickled objects are refused, by
NumPy and by torch alike.
"""

import io
import pathlib
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from common.errors import RunError, UsageError

if TYPE_CHECKING:
    import keras

State = dict[str, np.ndarray]
TORCH = (".pth", ".pt", ".th")
SUFFIXES = (".npz", ".safetensors", *TORCH)
KERAS_SUFFIXES = (".h5", ".keras")
SAFE_TORCH = "2.10"  # before it weights_only can be broken: CVE-2026-24747


def require_suffix(path: pathlib.Path, suffixes: tuple[str, ...]) -> None:
    """Refuses a file of another kind, by its name.

    Raises:
        UsageError: if the name ends in none of `suffixes`.
    """
    if path.suffix.lower() not in suffixes:
        raise UsageError(
            f"{path} cannot be read as weights: its name ends in none of "
            f"{', '.join(suffixes)}."
        )


def read(path: pathlib.Path) -> State:
    """The state dict in a .npz, .safetensors, .pth, .pt or .th file.

    A training checkpoint's `state_dict` is unwrapped, and the prefix
    `module.` of networks that trained on several devices taken off. bfloat16
    becomes float32.

    Raises:
        UsageError: for a file of another kind.
        RunError: if the file is damaged, holds anything but named arrays of
            numbers, or needs torch and there is none.
    """
    require_suffix(path, SUFFIXES)
    suffix = path.suffix.lower()
    if suffix in TORCH:
        state = _torch(path)
    elif suffix == ".npz":
        state = _npz(path)
    else:
        state = _safetensors(path)
    if all(name.startswith("module.") for name in state):
        state = {n.removeprefix("module."): a for n, a in state.items()}
    for name, array in state.items():
        if array.dtype.kind not in "fiub":
            raise _unreadable(path, f"{name} holds {array.dtype}, no numbers")
    return state


def _npz(path: pathlib.Path) -> State:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except Exception as error:  # a damaged file can raise anything
        raise _unreadable(path, error) from error


def _safetensors(path: pathlib.Path) -> State:
    import ml_dtypes  # also tells NumPy what a bfloat16 is
    from safetensors.numpy import load_file

    try:
        state = load_file(path)
    except Exception as error:
        raise _unreadable(path, error) from error
    return {
        name: array.astype("float32")
        if array.dtype == ml_dtypes.bfloat16
        else array
        for name, array in state.items()
    }


def _torch(path: pathlib.Path) -> State:
    try:
        import torch
    except ImportError as error:
        raise RunError(
            f"{path} is a torch file, and torch is not installed: pip install "
            '".[torch]". Or save its state dict as .safetensors or .npz where '
            "torch is."
        ) from error
    if torch.__version__ < SAFE_TORCH:
        raise RunError(
            f"{path} is not opened: a crafted file can run code in torch "
            f'{torch.__version__}. pip install ".[torch]" brings {SAFE_TORCH} '
            "or newer."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise _unreadable(path, _first_sentence(error)) from error
    if isinstance(content, dict):
        content = content.get("state_dict", content)
    if not isinstance(content, dict):
        raise _unreadable(path, f"it holds a {type(content).__name__}")
    odd = [n for n, v in content.items() if not isinstance(v, torch.Tensor)]
    if odd:
        raise _unreadable(path, f"{odd[0]} is no tensor")
    return {
        str(name): _numpy(tensor, torch) for name, tensor in content.items()
    }


def _numpy(tensor, torch) -> np.ndarray:
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return tensor.detach().numpy()


def _first_sentence(error: Exception) -> str:
    """Without torch's advice to load the file unsafely."""
    return str(error).partition(". ")[0].partition("\n")[0]


def _unreadable(path: pathlib.Path, why: object) -> RunError:
    return RunError(
        f"{path} cannot be read as a state dict: {why}. It must hold arrays "
        "by name and nothing else."
    )


def of_keras(path: pathlib.Path, application: str) -> State:
    """The weights in a file of a network of keras.applications.

    Args:
        path: The .h5 that Keras publishes, or .weights.h5 or .keras as Keras
            3 writes them, with the classifying layer.
        application: The network's function in keras.applications.

    Raises:
        UsageError: for a file of another kind.
        RunError: if the file is damaged or another network's.
    """
    require_suffix(path, KERAS_SUFFIXES)
    import keras

    build = getattr(keras.applications, application)
    try:
        model = build(weights=None, classes=_classes(path))
        model.load_weights(path)
    except Exception as error:  # h5py and Keras raise many kinds
        raise RunError(
            f"{path} cannot be read as weights of keras.applications."
            f"{application} with its classifying layer (include_top=True): "
            f"{error}"
        ) from error
    return of_keras_model(model)


def of_keras_model(model: "keras.Model") -> State:
    """LAYER/VARIABLE -> array, of a flat model."""
    return {
        f"{layer.name}/{variable.name}": variable.numpy()
        for layer in model.layers
        for variable in layer.weights
    }


def _classes(path: pathlib.Path) -> int:
    """The columns of the last dense kernel.

    It is the last by name: dense_2 after dense_1, predictions after fc2.
    """
    import h5py

    with h5py.File(_h5_in(path)) as file:
        kernels = [array for array in _arrays(file) if array.ndim == 2]
        if not kernels:
            raise ValueError("it has no dense layer")
        return kernels[-1].shape[1]


def _h5_in(path: pathlib.Path) -> pathlib.Path | io.BytesIO:
    if path.suffix.lower() != ".keras":
        return path
    with zipfile.ZipFile(path) as archive:
        return io.BytesIO(archive.read("model.weights.h5"))


def _arrays(group) -> Iterator:
    """All data sets below an HDF5 group but an optimizer's, by name."""
    import h5py

    for name in sorted(group):
        if isinstance(group[name], h5py.Dataset):
            yield group[name]
        elif not name.startswith("optimizer"):
            yield from _arrays(group[name])
