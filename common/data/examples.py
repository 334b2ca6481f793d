"""How one training example is made: on the host, or there and on the device.

In the second way the host decodes and cuts; what travels is uint8 wherever that
keeps the recipe's values, and what was drawn. The device resamples what is
enlarged, subtracts and adds. Both ways give the same bits.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from common.data.dataset import Source
from common.data.rng import ExampleRng, Rng, fold_in
from common.data.transforms import Context, RandomShorterSide, ResizeShorterSide, active
from common.data.transforms.operation import Operation, Statistics
from common.data.transforms.resampling import enlarge
from common.data.transforms.view import View, excerpt, image_size, realize
from common.errors import UsageError
from common.lazy import tf
from common.recipes.recipe import Recipe


class Operations(NamedTuple):
    """Of an epoch, each with its place in the recipe, which its draws depend on."""

    geometric: list[tuple[int, Operation]]  # those on views
    pixel: list[tuple[int, Operation]]  # those on pixel values
    device: list[tuple[int, Operation]]  # the same, if a device can do all of them; or none


class HostBatch(NamedTuple):
    """Images as they travel to the device: tensors, the images' axis first.

    None is int32: TensorFlow keeps those of a loop on a GPU's host, and the next update would
    wait for the one before to fetch them from the device and send them there again.

    Attributes:
        pixels: (B, S, S, C) uint8, excerpts of the stored images, see
            common.data.transforms.view.excerpt; or (B, H, W, C) float32, where
            resampling left no whole numbers.
        taps: What common.data.transforms.resampling.enlarge makes windows of excerpts
            by: (B, 2, H) int64 and (B, 2, H, 2) float64; or empty.
    """

    pixels: Any
    taps: tuple
    top: Any  # (B,) int64, the windows' places in their frames
    left: Any
    mirrored: Any  # (B,) bool; `enlarge` and the host have seen to it
    drawn: tuple  # by each of the device's operations, (B, n) float32; (B, 0) if nothing


def split_operations(recipe: Recipe, epoch: int) -> Operations:
    """Those at work in an epoch; the same ones in two epochs are equal.

    Raises:
        UsageError: if some on views come after one on pixel values, or noise in the unit of pixels
            after a normalisation that changes it.
    """
    chain = (*recipe.train_transforms, recipe.normalize, *recipe.train_noise)
    operations = active(chain, epoch)
    geometric = [op for op in operations if op[1].geometric]
    pixel = [op for op in operations if not op[1].geometric]
    if operations != geometric + pixel:
        raise UsageError(
            "A recipe's geometric transforms (resize, crop, flip, pad) must "
            "come before those of pixel values."
        )
    for _, noise in active(recipe.train_noise, epoch):
        if noise.of_pixels and not getattr(recipe.normalize, "only_subtracts", True):
            raise UsageError(
                f"train_noise has {noise}, which adds to pixels of 0 .. 255 in the order RGB, and "
                f"normalize, {recipe.normalize}, makes other values of them before: leave it out "
                "(--set train_noise=()), or put it at the end of train_transforms."
            )
    # All or nothing: once one pixel operation ran on the host, the image is float32 and sending it
    # saves nothing.
    on_device = all(op.on_device for _, op in pixel)
    return Operations(geometric, pixel, pixel if on_device else [])


def make_example(
    source: Source,
    recipe: Recipe,
    statistics: Statistics | None,
    *,
    seed: int,
    epoch: int,
    for_device: bool,
) -> Callable[[Any, dict], tuple[Any, Any]]:
    """From (position in the epoch, record) to (image, label); see train_batches.

    `for_device` the image is one of a HostBatch, whose `taps` have yet to go
    through common.data.transforms.resampling.taps.
    """
    geometric, pixel, device = split_operations(recipe, epoch)
    host = [] if for_device and device else pixel
    enlarged = for_device and is_enlarged(source, recipe, epoch)

    def make(position: Any, record: dict[str, Any]) -> tuple[Any, Any]:
        def rng_of(place: int) -> ExampleRng:
            return ExampleRng(fold_in(seed, epoch, place), position)

        encoded, label = record["image"], require_class(record["label"], recipe)
        view = view_of(source, encoded)
        for place, op in geometric:
            view = op(view, rng_of(place))
        require_frame(view, pixel, statistics)
        if enlarged:
            image, places = excerpt(view, encoded, recipe.channels, source.jpeg)
        else:
            image, places = realize(view, encoded, recipe.channels, source.jpeg), ()
        for place, op in host:
            image = op(image, context_of(view, statistics, rng_of(place)))
        if not for_device:
            return require_size(image, recipe), label
        drawn = tuple(op.draw(context_of(view, statistics, rng_of(p))) for p, op in device)
        context = context_of(view, statistics)
        place = (tf.cast(number, tf.int64) for number in (context.top, context.left))
        return HostBatch(image, places, *place, view.mirrored, drawn), label

    return make


def is_enlarged(source: Source, recipe: Recipe, epoch: int) -> bool:
    """Whether no image of a source is shrunk, or seen beyond its edge.

    Then its own pixels are all that has to travel.
    """
    geometric, _, device = split_operations(recipe, epoch)
    if not device or not geometric or source.shorter_side is None:
        return False
    (_, resize), *cuts = geometric
    match resize:
        case ResizeShorterSide(size=least) | RandomShorterSide(low=least):
            return all(op.inside for _, op in cuts) and source.shorter_side <= least
    return False


def finish_on_device(
    recipe: Recipe, statistics: Statistics | None, epoch: int
) -> Callable[[HostBatch], Any]:
    """From a HostBatch to the network's input, (B, H, W, C) float32.

    `epoch` decides which operations are at work, and nothing else; `statistics`
    are those that they need.
    """
    operations = split_operations(recipe, epoch).device

    def finish(batch: HostBatch) -> Any:
        images = enlarge(batch.pixels, *batch.taps) if batch.taps else batch.pixels
        images = tf.cast(images, tf.float32)
        for (_, op), drawn in zip(operations, batch.drawn, strict=True):
            place = (tf.cast(number, tf.int32) for number in (batch.top, batch.left))
            images = op(images, Context(*place, batch.mirrored, statistics, drawn=drawn))
        return require_size(images, recipe)

    return finish


def context_of(view: View, statistics: Statistics | None, rng: Rng | None = None) -> Context:
    """What operations on pixel values may know of a view, or of many."""
    top = view.window.top - view.frame.top
    left = view.window.left - view.frame.left
    return Context(top, left, view.mirrored, statistics, rng)


def require_frame(
    view: View, operations: list[tuple[int, Operation]], statistics: Statistics | None
) -> None:
    """Fails if the window of a view, or of many, has no place in an operation's frame."""
    found = tuple(view.frame[2:])
    known = all(isinstance(side, int) for side in found)  # tensors have no `==`
    for _, op in operations:
        wanted = op.frame_for(view.window, statistics)
        if wanted and not (known and found == wanted):
            size = "{} x {}".format(*found) if known else "a size that differs from image to image"
            raise UsageError(
                f"{op} goes by the window's place in a frame of {wanted[0]} x {wanted[1]} pixels, "
                f"and train_transforms make one of {size}: what is subtracted or set to 0 would be "
                "that of another place. Let them make the frame that test_transforms make, and "
                "move the window in it (RandomCrop, or RandomShift in the place of Pad and "
                "RandomCrop); SubtractCentreMean and SubtractChannelMean go by no place."
            )


def view_of(source: Source, encoded: Any) -> View:
    """The view that is all of an image."""
    return View.whole(*(source.image_shape or image_size(encoded, source.jpeg)))


def require_size(image: Any, recipe: Recipe) -> Any:
    """The image, or images; fails if it is not what the network takes."""
    expected = (recipe.image_size, recipe.image_size, recipe.channels)
    if tuple(image.shape[-3:]) != expected:
        raise UsageError(
            f"The recipe's transforms give images of {tuple(image.shape)}; its "
            f"image_size and channels say {expected}."
        )
    return image


def require_class(label: Any, recipe: Recipe) -> Any:
    """The label, or labels; fails if it is not one of 0 .. num_classes - 1."""
    # One cheap operation in the place of two assertions.
    return tf.gather(tf.range(recipe.num_classes, dtype=tf.int64), label)
