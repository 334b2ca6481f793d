"""Many examples at a time, on host or device, are bit for bit the same one by one."""

import dataclasses
import io
import struct
import types
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from common.data import pipeline, resident, transforms
from common.data.images.decoder import decode
from common.data.rng import ExampleRng, draw_uniform, fold_in
from common.data.sharding import WHOLE, WorkerShard
from common.data.sources.tfds import decode_together, list_ids
from common.data.transforms import (
    Binarize,
    CentreCrop,
    Pad,
    PcaColourNoise,
    RandomAffine,
    RandomCrop,
    RandomFlip,
    RandomShift,
    ResizeShorterSide,
    ScalePixels,
    Standardize,
    SubtractCentreMean,
    SubtractChannelMean,
    SubtractMeanImage,
    UntilEpoch,
    ZeroBorder,
)
from common.data.transforms.view import View, realize, with_zero_pixel
from common.errors import UsageError
from common.training.steps import repeat_bit_for_bit
from tests.common.data_fixtures import DIGITS, digits, shapes, statistics_of

FRAME = (ResizeShorterSide(28), CentreCrop(28))
AFFINE = RandomAffine(probability=0.9, translate_pixels=2.0, scale=0.15, squeeze=0.1, shear=0.3)
COLOUR = dataclasses.replace(DIGITS, image_size=28, channels=3)
MEAN = np.random.default_rng(0).uniform(0, 255, (28, 28, 3)).astype("float32")
STATISTICS = statistics_of(MEAN)
CPU, GPU = (
    types.SimpleNamespace(
        num_replicas_in_sync=1, extended=types.SimpleNamespace(worker_devices=(device,))
    )
    for device in ("/CPU:0", "/GPU:0")  # without one TensorFlow takes the CPU
)


def of(recipe, *transforms, normalize, **fields):
    return dataclasses.replace(recipe, train_transforms=transforms, normalize=normalize, **fields)


CASES = {
    "LeNet-5": dataclasses.replace(DIGITS, global_batch_size=1),
    "black and white": of(DIGITS, Pad(2), normalize=Binarize(128)),
    "distorted": of(DIGITS, Pad(2), AFFINE, normalize=ScalePixels(0.0, 1.0)),
    "shift, then flip, mean image": of(
        *(COLOUR, *FRAME, RandomShift(4), RandomFlip()), normalize=SubtractMeanImage()
    ),
    "flip, then shift": of(
        *(COLOUR, *FRAME, RandomFlip(), RandomShift(4)),
        normalize=Standardize(mean=(0.1, 0.2, 0.3), std=(0.3, 0.2, 0.1)),
    ),
    "padded after the normalisation": of(
        *(COLOUR, *FRAME, RandomFlip(), RandomShift(4)),
        normalize=Standardize(mean=(0.1, 0.2, 0.3), std=(0.3, 0.2, 0.1)),
        train_noise=(ZeroBorder(),),
    ),
    "crops of the mean image": of(
        *(COLOUR, RandomCrop(20), RandomFlip()), normalize=SubtractMeanImage(), image_size=20
    ),
    "crops of a padded image": of(
        *(COLOUR, Pad(3), RandomCrop(28)), normalize=SubtractChannelMean()
    ),
    "the mean image's centre": of(
        *(COLOUR, RandomCrop(20)), normalize=SubtractCentreMean(), image_size=20
    ),
}


def batches(recipe, epoch, skip, part=WHOLE, take=5):
    asked = {"seed": 3, "epoch": epoch, "skip_steps": skip, "shard": part}
    return list(pipeline.train_batches(digits(), recipe, STATISTICS, **asked).take(take))


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


def open_digits(recipe, strategy=CPU, **how):
    return resident.open_resident(digits(), recipe, STATISTICS, strategy, **how)


def on_device(recipe, epoch, count, *how, **more):
    """The batches that a training set on the device makes, or None."""
    kept = open_digits(recipe, *how, **more)
    if kept is None:
        return None
    size = recipe.global_batch_size
    drawn = kept.draw(seed=3, epoch=epoch, count=count * size)
    make = tf.function(kept.examples)
    rows = [{n: x[i * size :][:size] for n, x in drawn.items()} for i in range(count)]
    return [make(row, *kept.tables) for row in rows]


@pytest.mark.parametrize("name", CASES)
def test_two_epochs_a_resume_and_the_device_are_those_of_one_by_one(name, monkeypatch):
    recipe = CASES[name]
    repeat_bit_for_bit()
    assert resident.kept_bytes(digits(), recipe)  # else one way is compared with itself
    last = pipeline.steps_per_epoch(digits(), recipe) - 2
    half = WorkerShard(1, 2, 2) if recipe.global_batch_size > 1 else WHOLE
    asked = [(0, 0, WHOLE), (1, last, half)]
    together = [batches(recipe, *what) for what in asked]
    resident_ones = on_device(recipe, 0, 5)
    monkeypatch.setattr(resident, "LIMIT", 0)
    alone = [batches(recipe, *what) for what in asked]
    assert [len(found) for found in together] == [5, 2 if half is WHOLE else 4]
    for found, expected in zip(together, alone, strict=True):
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    assert (resident_ones is None) == (name == "distorted")  # which XLA does not know
    for one, other in zip(resident_ones or alone[0], alone[0], strict=True):
        assert_same(one, other)


def test_bytes_lie_on_a_gpu_where_xla_gathers_them_and_else_the_same_values():
    recipe = CASES["shift, then flip, mean image"]
    kept = {compiled: open_digits(recipe, GPU, jit_compile=compiled) for compiled in (True, False)}
    assert [kept[compiled].tables[0].dtype for compiled in kept] == [tf.uint8, tf.float16]
    assert open_digits(recipe, jit_compile=False).tables[0].dtype == tf.uint8
    found = on_device(recipe, 0, 3, GPU, jit_compile=False)
    for one, other in zip(found, on_device(recipe, 0, 3), strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_operation_of_the_first_epochs_is_left_out_later(epoch):
    crop, shift = (*FRAME, UntilEpoch(1, RandomFlip())), RandomShift(4)
    recipe = dataclasses.replace(CASES["flip, then shift"], train_transforms=(*crop, shift))
    for one, other in zip(
        on_device(recipe, epoch, 2), batches(recipe, epoch, 0, take=2), strict=True
    ):
        assert_same(one, other)
    drawn = open_digits(recipe).draw(seed=3, epoch=epoch, count=8)
    assert ("2" in drawn) == (epoch == 0)


def test_the_examples_before_an_epoch_are_those_of_the_pipeline():
    recipe, how = CASES["flip, then shift"], {"seed": 3, "epoch": 2, "size": 20}
    wanted = pipeline.sample_batch(digits(), recipe, STATISTICS, **how)
    assert_same(open_digits(recipe).sample_batch(**how), wanted)


def test_several_workers_stream_it():
    """Or a uint8 variable would be broadcast, which TensorFlow cannot do."""
    several = tf.distribute.MultiWorkerMirroredStrategy.__new__(
        tf.distribute.MultiWorkerMirroredStrategy
    )
    assert resident.open_resident(digits(), CASES["LeNet-5"], STATISTICS, several) is None


def test_a_label_that_is_no_class_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError):
        open_digits(dataclasses.replace(CASES["LeNet-5"], num_classes=9))


def test_every_operation_that_says_that_it_is_batched_was_tried():
    known = vars(transforms).values()
    tried = {
        type(op)
        for recipe in CASES.values()
        for op in (*recipe.train_transforms, recipe.normalize, *recipe.train_noise)
    }
    assert tried == {op for op in known if getattr(op, "batched", False)}


def test_what_is_large_or_is_resized_is_made_one_by_one(monkeypatch):
    def kept(*operations, source=None):
        recipe = of(DIGITS, *operations, normalize=DIGITS.normalize)
        return resident.kept_bytes(source or digits(), recipe)

    assert kept(Pad(2)) == 1437 * 28 * 28 and kept(Pad(2), source=shapes()) == 0
    assert not kept(ResizeShorterSide(32))
    assert not kept(PcaColourNoise(std=0.1, shrink=1.0))
    monkeypatch.setattr(resident, "LIMIT", 1437 * 28 * 28 - 1)
    assert not kept(Pad(2))


@pytest.mark.parametrize("count", [1, 4, 6])
def test_philox_is_tensorflows(count):
    stream = fold_in(5, 1, 2)
    positions = np.array([0, 1, 59_999, 2**31 - 1, 2**32, 2**40 + 5])
    expected = [ExampleRng(stream, tf.constant(p)).uniform(count) for p in positions]
    np.testing.assert_array_equal(draw_uniform(stream, positions, count), expected)


def test_decoded_pixels_are_the_files():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (7, 4, 5, 3), dtype=np.uint8)
    files = tf.stack([tf.io.encode_png(image) for image in images])
    pixels = decode_together(files, (4, 5, 3))
    np.testing.assert_array_equal(pixels, with_zero_pixel(images))
    grey = decode_together(files, (4, 5, 1))
    np.testing.assert_array_equal(
        tf.reshape(grey[1:], (7, 4, 5, 1)), [tf.io.decode_png(file, 1) for file in files]
    )


@pytest.mark.parametrize("file", [b"<html>", None], ids=["damaged", "odd"])
def test_a_bad_image_leaves_it_to_who_can_name_it(file):
    one = np.zeros((4, 5, 3), np.uint8)
    other = np.zeros((5, 4, 3), np.uint8)
    files = [tf.io.encode_png(one).numpy()] * 3
    files[1] = file or tf.io.encode_png(other).numpy()
    assert decode_together(tf.constant(files), (4, 5, 3)) is None


def test_whole_files_are_read_as_tfds_reads_them():
    source = digits()
    read = source.records("test").as_numpy_iterator()
    streamed = source._stream("test").as_numpy_iterator()
    for one, other in zip(read, streamed, strict=True):
        assert one == other
    assert list_ids(source._builder.info.splits["test"])[0].endswith("__0")


@pytest.mark.parametrize("for_device", [False, True])
@pytest.mark.parametrize(
    ("source", "transforms", "operation", "found"),
    [
        (digits, (Pad(4), RandomCrop(28), RandomFlip()), SubtractMeanImage(), "36 x 36"),
        (digits, (Pad(4), RandomCrop(28), RandomFlip()), ZeroBorder(), "36 x 36"),
        (digits, (CentreCrop(24), Pad(2)), SubtractMeanImage(), None),
        (shapes, (ResizeShorterSide(40), RandomCrop(28)), SubtractMeanImage(), "a size that"),
    ],
)
def test_what_goes_by_a_place_in_another_frame_is_refused(
    source, transforms, operation, found, for_device
):
    """It would subtract the mean of pixels beside these, and nothing at the mean image's end."""
    recipe = of(COLOUR, *transforms, normalize=operation, global_batch_size=8)
    asked = {"seed": 0, "epoch": 0, "for_device": for_device}
    if found is None:
        assert pipeline.train_batches(source(), recipe, STATISTICS, **asked)
        return
    with pytest.raises(UsageError, match=f"frame of 28 x 28 pixels, .* one of {found}"):
        pipeline.train_batches(source(), recipe, STATISTICS, **asked)


@pytest.mark.parametrize("channels", [2, 4])
def test_what_is_transparent_is_on_white_in_training_as_in_tests(channels):
    """Of a set whose images are all of one size, too: they are not decoded together."""
    image = np.full((4, 5, channels), 9, np.uint8)
    encoded = tf.io.encode_png(image).numpy()
    assert (realize(View.whole(4, 5), tf.constant(encoded), 3, jpeg=False) > 240).numpy().all()
    opaque = tf.io.encode_png(image[..., : channels - 1]).numpy()
    assert decode_together(tf.constant([opaque, encoded]), (4, 5, 3)) is None
    assert decode_together(tf.constant([opaque, opaque]), (4, 5, 3)) is not None


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_colour_that_is_transparent_is_on_white_in_training_as_in_tests(mode):
    """Of a file without a channel for it, such as a GIF's that was saved as PNG."""
    hole = {"P": 0, "L": 9, "RGB": (9, 9, 9)}[mode]
    opaque, encoded = io.BytesIO(), io.BytesIO()
    image = Image.new("RGB", (5, 4), (9, 9, 9))
    image = image.quantize(2) if mode == "P" else image.convert(mode)
    image.save(opaque, "png")
    image.save(encoded, "png", transparency=hole)
    opaque, encoded = opaque.getvalue(), encoded.getvalue()
    assert (decode(tf.constant(encoded), 3, jpeg=False) == 255).numpy().all()
    assert decode_together(tf.constant([opaque, encoded]), (4, 5, 3)) is None
    assert decode_together(tf.constant([opaque, opaque]), (4, 5, 3)) is not None


def test_the_luminance_of_a_png_is_of_its_pixels_whatever_gamma_it_states():
    """As screenshots do; libpng alone would mix the colours in linear light."""
    image = np.zeros((4, 5, 3), np.uint8) + np.uint8([10, 200, 60])
    plain, grey = tf.io.encode_png(image).numpy(), tf.io.encode_png(image[..., :1]).numpy()
    for name, value in ((b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 45455))):
        chunk = struct.pack(">I", len(value)) + name + value
        stated = plain[:33] + chunk + struct.pack(">I", zlib.crc32(name + value)) + plain[33:]
        seen = [decode(tf.constant(file), 1, jpeg=False) for file in (plain, stated)]
        np.testing.assert_array_equal(*seen)
        files = tf.constant([plain, stated, grey])
        together = tf.reshape(decode_together(files, (4, 5, 1))[1:], (3, 4, 5, 1))
        np.testing.assert_array_equal(together, [*seen, image[..., :1]])
        assert together[0, 0, 0, 0] == 127  # 0.299 * 10 + 0.587 * 200 + 0.114 * 60
