"""Synthetic photographs: ten kinds of object, drawn with NumPy.

A class is a shape or a texture; position, size, rotation, colours, lighting,
clutter and noise are drawn at random and tell nothing of the class.
"""

import numpy as np

CLASSES = tuple("disc ring square triangle cross stripes checkerboard dots flower crescent".split())

_CLUTTER = 5  # small rectangles behind the object
_NOISE = 10.0  # standard deviation, grey levels


def draw(label: int, rng: np.random.Generator) -> np.ndarray:
    """One image of class `label`, (height, width, 3) uint8.

    The longer side is 320 .. 560 pixels, three quarters are landscape.
    """
    long = int(rng.integers(320, 561))
    short = int(long * rng.uniform(0.6, 0.9))
    height, width = (short, long) if rng.random() < 0.75 else (long, short)
    ground, ink = _two_colours(rng)
    # Light that falls off in some direction, on a plain ground.
    down, across = rng.uniform(-25, 25, 2).astype(np.float32)
    light = np.linspace(-down, down, height, dtype=np.float32)[:, None, None]
    image = ground + light + np.linspace(-across, across, width, dtype=np.float32)[None, :, None]
    for _ in range(_CLUTTER):
        top, left = int(rng.integers(height)), int(rng.integers(width))
        tall, wide = rng.integers(8, 40, 2)
        patch = image[top : top + tall, left : left + wide]
        patch[...] = rng.uniform(0, 255, 3)
    size = short * rng.uniform(0.34, 0.46)
    centre_y, centre_x = (rng.uniform(0.9 * size, side - 0.9 * size) for side in (height, width))
    top, left = (max(0, int(centre_y - 1.5 * size)), max(0, int(centre_x - 1.5 * size)))
    part = image[top : int(centre_y + 1.5 * size), left : int(centre_x + 1.5 * size)]
    y, x = np.ogrid[: part.shape[0], : part.shape[1]]
    u = (x + np.float32(left - centre_x)) / np.float32(size)
    v = (y + np.float32(top - centre_y)) / np.float32(size)
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    part[_mask(label, u * cos - v * sin, u * sin + v * cos)] = ink
    # Of brightness, the same in all channels.
    image += rng.standard_normal((height, width, 1), np.float32) * np.float32(_NOISE)
    return np.clip(image, 0, 255).astype(np.uint8)


def _two_colours(rng: np.random.Generator) -> np.ndarray:
    """Two colours that are far enough apart to be told, (2, 3)."""
    while True:
        colours = rng.uniform(30, 225, (2, 3)).astype(np.float32)
        if np.abs(colours[0] - colours[1]).sum() > 200:
            return colours


def _mask(label: int, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Where the object is; (u, v) are 0 at its centre, 1 at its reach."""
    radius = np.hypot(u, v)
    square = np.maximum(np.abs(u), np.abs(v)) < 0.85
    wave_u, wave_v = np.sin(11 * u), np.sin(11 * v)
    match CLASSES[label]:
        case "disc":
            return radius < 0.95
        case "ring":
            return (radius > 0.6) & (radius < 1)
        case "square":
            return square
        case "triangle":
            return (v > -0.5) & (v + 1.73 * np.abs(u) < 1)
        case "cross":
            near = np.minimum(np.abs(u), np.abs(v)) < 0.22
            return near & (np.maximum(np.abs(u), np.abs(v)) < 1)
        case "stripes":
            return square & (wave_u > 0)
        case "checkerboard":
            return square & (wave_u * wave_v > 0)
        case "dots":
            return square & (wave_u + wave_v > 0.9)
        case "flower":
            return radius < 0.6 + 0.4 * np.cos(5 * np.arctan2(v, u))
        case "crescent":
            return (radius < 1) & (np.hypot(u - 0.45, v) > 0.75)
