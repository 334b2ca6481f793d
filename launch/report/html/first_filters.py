"""The first layer of a trained network as a picture, without TensorFlow."""

import base64
import io
import pathlib
import re

import numpy as np

from common.errors import RunError, UsageError
from launch.weights.run_weights import WEIGHTS

ACROSS = 16  # filters in a row
IMAGE_CHANNELS = (1, 3)


def weights_of(path: pathlib.Path) -> pathlib.Path | None:
    """A run's weights, or its newest checkpoint; a file is itself.

    None for a run that has neither yet.
    """
    if path.is_file():
        return path
    if (path / WEIGHTS).is_file():
        return path / WEIGHTS
    return max((path / "checkpoints").glob("step-*.npz"), default=None)


def first_kernel(file: pathlib.Path) -> np.ndarray | None:
    """The kernel that sees the image, (height, width, channels, filters).

    None if no kernel in the file has so few channels.

    Raises:
        UsageError: if the file is neither weights of Keras nor a checkpoint.
        RunError: if it is damaged.
    """
    if file.suffix not in (".npz", ".h5"):
        raise UsageError(f"{file} is neither a run's folder nor a file of weights (.weights.h5).")
    try:
        kernels = {
            name: array
            for name, array in _read(file).items()
            if array.ndim == 4 and array.shape[2] in IMAGE_CHANNELS and array.shape[0] > 1
        }
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{file} cannot be read: {error}.") from error

    def place(name: str) -> list:  # conv2d, conv2d_2, conv2d_10: as Keras names them
        return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]

    return kernels[min(kernels, key=place)] if kernels else None


def _read(file: pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint's model or of weights, without the optimizer's."""
    if file.suffix == ".npz":
        with np.load(file) as stored:  # the model's variables are 0/<position>/<path>
            return {name: stored[name] for name in stored.files if re.match(r"0/\d+/", name)}
    import h5py

    arrays = {}

    def keep(name, value):
        if isinstance(value, h5py.Dataset) and not name.startswith("optim"):
            arrays[name] = value[()]

    with h5py.File(file) as stored:
        stored.visititems(keep)
    return arrays


def picture(kernel: np.ndarray) -> str:
    """A PNG as a data URI; grey is 0, each filter is scaled by itself."""
    from PIL import Image

    height, width, _, filters = kernel.shape
    across = min(ACROSS, filters)
    down = -(-filters // across)
    sheet = np.zeros(
        (down * (height + 1) - 1, across * (width + 1) - 1, 4), np.uint8
    )  # red, green, blue, opaque; nothing between the filters
    for i in range(filters):
        one = kernel[..., i].astype(np.float64)
        grey = 127.5 + 127.5 * one / (np.abs(one).max() or 1.0)
        top, left = i // across * (height + 1), i % across * (width + 1)
        tile = sheet[top : top + height, left : left + width]
        tile[..., :3] = grey.round()
        tile[..., 3] = 255
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
