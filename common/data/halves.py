"""Training examples in two halves: made on the host, finished on the device.

The host decodes and cuts; what travels is uint8 wherever that keeps the
recipe's values, and what was drawn. The device resamples what is enlarged,
subtracts and adds. Both together give the bits of
common.data.pipeline.train_batches.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from common.data import transforms
from common.data.examples import checked, parted, seen, sized, whole
from common.data.keys import Key, mix
from common.data.sharding import Part, mapped
from common.data.statistics import Statistics
from common.data.transforms import Context
from common.data.transforms.resampling import enlarge, taps
from common.data.transforms.view import excerpt, realize
from common.recipes.recipe import Recipe

_ON_DEVICE = (  # operations that work on many images, and that XLA compiles
    transforms.Binarize,
    transforms.PcaColourNoise,
    transforms.ScalePixels,
    transforms.Standardize,
    transforms.SubtractCentreMean,
    transforms.SubtractChannelMean,
    transforms.SubtractMeanImage,
    transforms.ZeroBorder,
)
_CUTS = (transforms.CentreCrop, transforms.RandomCrop, transforms.RandomFlip)


class HostBatch(NamedTuple):
    """Images as they travel to the device: tensors, the images' axis first.

    Attributes:
        pixels: (B, S, S, C) uint8, excerpts of the stored images, see
            common.data.transforms.view.excerpt; or (B, H, W, C) float32, where
            resampling left no whole numbers.
        taps: What common.data.transforms.resampling.enlarge makes windows of excerpts
            by: (B, 2, H) int32 and (B, 2, H, 2) float64; or empty.
        top: (B,) int32, the windows' places in their frames.
        left: (B,) int32.
        mirrored: (B,) bool; `enlarge` and the host have seen to it.
        drawn: What each of the device's operations has drawn, (B, n) float32;
            (B, 0) if nothing.
    """

    pixels: Any
    taps: tuple
    top: Any
    left: Any
    mirrored: Any
    drawn: tuple


def on_device(recipe: Recipe, epoch: int) -> tuple[list, list]:
    """The operations on pixel values that the host does, and the device.

    Each with its place in the recipe; the same ones in two epochs are equal.
    """
    _, pixel = parted(recipe, epoch)
    if all(type(op) in _ON_DEVICE for _, op in pixel):
        return [], pixel
    return pixel, []  # what comes after others gives float32 no fewer bytes


def device_part(
    recipe: Recipe, statistics: Statistics | None, epoch: int
) -> Callable[[HostBatch], Any]:
    """From a HostBatch to the network's input, (B, H, W, C) float32.

    Args:
        recipe: Its operations on pixel values.
        statistics: See common.data.statistics; None if none are needed.
        epoch: Decides which operations are active, and nothing else: see
            `on_device`.
    """
    _, operations = on_device(recipe, epoch)

    def finish(batch: HostBatch) -> Any:
        import tensorflow as tf

        images = batch.pixels
        if batch.taps:
            images = enlarge(images, *batch.taps)
        images = tf.cast(images, tf.float32)
        for (_, op), drawn in zip(operations, batch.drawn, strict=True):
            place = (batch.top, batch.left, batch.mirrored)
            context = Context(*place, statistics, drawn=drawn)
            images = op(images, context)
        return sized(images, recipe)

    return finish


def is_enlarged(source: Any, recipe: Recipe, epoch: int) -> bool:
    """Whether no image of a source is shrunk, or seen beyond its edge.

    Then its own pixels are all that has to travel.
    """
    geometric, _ = parted(recipe, epoch)
    host, _ = on_device(recipe, epoch)
    if host or not geometric or source.shorter_side is None:
        return False
    (_, resize), *cuts = geometric
    match resize:
        case transforms.ResizeShorterSide(size=least):
            pass
        case transforms.RandomShorterSide(low=least):
            pass
        case _:
            return False
    known = all(type(op) in _CUTS for _, op in cuts)
    return known and source.shorter_side <= least


def host_batches(
    source: Any,
    recipe: Recipe,
    statistics: Statistics | None,
    order: tuple[int, int, int],
    size: int,
    part: Part,
) -> Any:
    """Of `size` training examples; arguments as common.data.examples.batches.

    Returns:
        A tf.data.Dataset of (HostBatch, (B,) int64 labels).
    """
    import tensorflow as tf

    seed, epoch, skip = order
    shuffled = source.shuffled("train", seed=seed, epoch=epoch, skip=skip)
    elements = part.own(shuffled.elements, size)
    geometric, _ = parted(recipe, epoch)
    host, device = on_device(recipe, epoch)
    enlarged = is_enlarged(source, recipe, epoch)
    channels, jpeg = recipe.channels, source.jpeg

    def example(position: Any, element: Any) -> tuple:
        record = shuffled.read(element)
        encoded = record["image"]

        def key(place: int) -> Key:
            return Key(mix(seed, epoch, place), position)

        view = whole(source, encoded)
        for place, op in geometric:
            view = op(view, key(place))
        if enlarged:
            pixels, taken = excerpt(view, encoded, channels, jpeg)
        else:
            pixels = realize(view, encoded, channels, jpeg)
            for place, op in host:
                pixels = op(pixels, seen(view, statistics, key(place)))
            taken = ()
        context = seen(view, statistics, None)
        place = (context.top, context.left)
        drawn = tuple(
            op.draw(seen(view, statistics, key(place))) if hasattr(op, "draw") else tf.zeros(0)
            for place, op in device
        )
        made = HostBatch(pixels, taken, *place, view.mirrored, drawn)
        return made, checked(record["label"], recipe)

    def finished(batch: HostBatch, labels: Any) -> tuple:
        numbers = taps(batch.taps, recipe.image_size, batch.mirrored)
        return batch._replace(taps=numbers), labels

    batches = part.batches(mapped(elements, example), size)
    return mapped(batches, finished) if enlarged else batches
