"""How the publishers of weights prepare a JPEG, as plain numbers.

Nothing of this project's preprocessing is used: PIL and NumPy alone. And random
weights in each layout.
"""

import importlib

import keras
import numpy as np
from PIL import Image

import common.models.weight_import
from tests import golden

# By torchvision's _presets.py, Cadene's settings, fb.resnet.torch's numbers.
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def pil(file, side, size):
    """Resize(side) and CenterCrop(size) of torchvision; 0 .. 255, RGB."""
    image = Image.open(file)
    short = min(image.size)
    new = [int(side * length / short) for length in image.size]
    image = image.resize(new, Image.Resampling.BILINEAR)
    left, top = (int(round((length - size) / 2.0)) for length in new)
    image = image.crop((left, top, left + size, top + size))
    return np.asarray(image).astype(np.float64)


def standardized(file, side, size):
    return (pil(file, side, size) / 255 - MEAN) / STD


def through_transform_input(file, side, size):
    """What torchvision's Inception makes of standardised pixels."""
    pixels = standardized(file, side, size)
    return pixels * (STD / 0.5) + (MEAN - 0.5) / 0.5


def halves(file, side, size):
    """Cadene's Inceptions: mean and std 0.5 of 0 .. 1."""
    return (pil(file, side, size) / 255 - 0.5) / 0.5


def bgr(pixels, *mean):
    return pixels[..., ::-1] - np.array(mean)


def cadene_bninception(file):
    """Our conv1 is turned to RGB, so what it sees is turned back."""
    return bgr(pil(file, 256, 224), 104, 117, 128)[..., ::-1]


def cadene_cafferesnet(file):
    return bgr(pil(file, 256, 224), 102.9801, 115.9465, 122.7717)


def squashed(file, size):
    """Caffe: the centre of 256x256, between the nearest pixels; RGB."""
    pixels = np.asarray(Image.open(file)).astype(np.float64)
    for axis in (0, 1):
        length = pixels.shape[axis]
        place = (np.arange(256) + 0.5) * length / 256 - 0.5
        place = place.clip(0, length - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, length - 1)
        part = np.expand_dims(place - low, [k for k in (0, 1, 2) if k != axis])
        pixels = (1 - part) * pixels.take(low, axis) + part * pixels.take(high, axis)
    start = (256 - size) // 2
    return pixels[start : start + size, start : start + size]


def caffe_alexnet(file):
    mean = (104.0069879317889, 116.66876761696767, 122.6789143406786)
    return bgr(squashed(file, 227), *mean)


def caffe_googlenet(file):
    return bgr(squashed(file, 224), 104, 117, 123)


def centre(file, side, size):
    """A publisher that says nothing of sizes: the recipes' frame and crop.

    The shorter side is `side`, the longer one the nearest whole number;
    bilinear, antialiased, without rounding of pixels.
    """
    image = Image.open(file)
    short = min(image.size)
    new = [(length * side + short // 2) // short for length in image.size]
    channels = [
        np.asarray(c.convert("F").resize(new, Image.Resampling.BILINEAR)) for c in image.split()
    ]
    pixels = np.stack(channels, axis=-1).astype(np.float64)
    top, left = ((n - side) // 2 + (side - size) // 2 for n in pixels.shape[:2])
    return pixels[top : top + size, left : left + size]


def vgg(file):
    """Oxford, and preprocess_input of Keras's VGG and ResNet."""
    return bgr(centre(file, 256, 224), 103.939, 116.779, 123.68)


def keras_inception(file):
    return centre(file, 342, 299) / 127.5 - 1


def akamaster(file):
    """The file has 32x32 pixels."""
    return (np.asarray(Image.open(file)) / 255 - MEAN) / STD


def torch_state(paper, layout, model, first=()):
    """A random state in torch's layout with the entries that `model` takes.

    Args:
        first: An entry by which the layout knows which network it is.
    """
    weights = importlib.import_module(f"reproductions.{paper}.weights")
    shapes = {}

    def note(_, state, wanted):
        for entry, (variable, _) in wanted.items():
            shape = tuple(variable.shape)
            axes = {4: (3, 2, 0, 1), 2: (1, 0)}.get(len(shape), (0,))
            shapes[entry] = tuple(shape[axis] for axis in axes)

    original, common.models.weight_import._assign = common.models.weight_import._assign, note
    try:
        weights.LAYOUTS[layout](dict.fromkeys(first), model)
    finally:
        common.models.weight_import._assign = original
    return {entry: _values(entry, shape) for entry, shape in shapes.items()}


def _values(entry, shape):
    """As tests.golden's, and moments that change little."""
    if entry.endswith("running_mean"):
        return golden._weights(f"{entry}.bias", shape)
    if entry.endswith("running_var"):
        uniform = np.random.default_rng(len(entry)).uniform(0.5, 1.5, shape)
        return uniform.astype("float32")
    return golden._weights(entry, shape)


def keras_network(application):
    """keras.applications' own network, with random weights."""
    model = getattr(keras.applications, application)(weights=None)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        for variable in layer.weights:
            shape = tuple(variable.shape)
            if variable.name == "kernel":
                deviation = np.sqrt(2 / np.prod(shape[:-1]))
                values = rng.normal(0, deviation, shape)
            elif variable.name in ("gamma", "moving_variance"):
                values = rng.uniform(0.5, 1.5, shape)
            else:
                values = rng.normal(0, 0.1, shape)
            variable.assign(values.astype("float32"))
    return model
