"""What host and device make of images is what the CPU makes alone."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from common.data import catalog, examples, pipeline, transforms
from common.data.sharding import WorkerShard
from common.data.transforms import (
    Binarize,
    CentreCrop,
    Lighting,
    Pad,
    PcaColourNoise,
    PhotometricDistortions,
    RandomAreaCrop,
    RandomCrop,
    RandomFlip,
    RandomShift,
    RandomShorterSide,
    ResizeShorterSide,
    ScalePixels,
    Standardize,
    SubtractCentreMean,
    SubtractChannelMean,
    SubtractMeanImage,
    SubtractMeanPixel,
    UntilEpoch,
    ZeroBorder,
)
from common.errors import UsageError
from tests.common.data_fixtures import PHOTOS, noise_image, shapes, statistics_of, write_image

FRAME = (ResizeShorterSide(64), CentreCrop(64))
CUT = (RandomCrop(40), RandomFlip())
NOISE = PcaColourNoise(std=0.1, shrink=1.0)
SIDES = [(64, 86), (97, 64), (64, 64), (40, 50), (64, 300), (33, 32), (9, 12)]
MEAN = np.random.default_rng(0).uniform(0, 255, (64, 64, 3)).astype("float32")
STATISTICS = statistics_of(MEAN, np.diag([5000.0, 3000.0, 4000.0]))
PLAIN = dataclasses.replace(PHOTOS, image_size=40, num_classes=2, global_batch_size=14)


def of(*transforms, normalize, noise=()):
    return dataclasses.replace(
        PLAIN, train_transforms=transforms, normalize=normalize, train_noise=noise
    )


ENLARGED = {
    "AlexNet": of(*FRAME, *CUT, normalize=SubtractMeanImage(), noise=(NOISE,)),
    "net 145": of(
        *(*FRAME, *CUT),
        normalize=SubtractCentreMean(),
        noise=(PcaColourNoise(std=0.1, shrink=1.1),),
    ),
    "VGG, flipped before it is cut": of(
        *(ResizeShorterSide(77), RandomFlip(), RandomCrop(40)),
        normalize=SubtractChannelMean(),
        noise=(NOISE,),
    ),
    "ResNet": of(
        *(RandomShorterSide(64, 120), *CUT), normalize=SubtractCentreMean(), noise=(NOISE,)
    ),
}
FLOAT = {
    "shrunk": of(*(ResizeShorterSide(50), *CUT), normalize=SubtractChannelMean(), noise=(NOISE,)),
    "drawn smaller": of(
        *(RandomShorterSide(63, 80), *CUT),
        normalize=Standardize(mean=(0.1, 0.2, 0.3), std=(0.3, 0.2, 0.1)),
    ),
    "areas and colours": of(
        RandomAreaCrop(*(40, (0.08, 1.0), (3 / 4, 4 / 3)), ("bilinear", "bicubic")),
        RandomFlip(),
        PhotometricDistortions(low=0.5, high=1.5),
        normalize=Standardize(mean=(0.1, 0.2, 0.3), std=(0.3, 0.2, 0.1)),
    ),
    "shifted beyond the edge": of(
        *(ResizeShorterSide(64), CentreCrop(40), RandomShift(4), RandomFlip()),
        normalize=ScalePixels(-0.1, 1.175),
        noise=(ZeroBorder(),),
    ),
    "padded, black and white": of(*(ResizeShorterSide(64), Pad(4), *CUT), normalize=Binarize(128)),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """JPEG and PNG files with shorter sides of at most 64 pixels."""
    root = tmp_path_factory.mktemp("small")
    for i, sides in enumerate(SIDES * 4):
        name = f"train/{'ab'[i % 2]}/{i:03}.{('png', 'jpg')[i % 3 > 0]}"
        write_image(root / name, noise_image(*sides, 3 - i % 5 // 4 * 2, i))
    write_image(root / "val/a/0.png", noise_image(64, 64))
    source = catalog.open_source(catalog.find(f"folder:{root}"))
    source.shorter_side = 64
    return source


def both(source, recipe, **asked):
    """(what is sent, the images) of each batch: the device makes of it what the CPU makes alone."""
    asked = {"seed": 3, "epoch": 0} | asked
    finish = examples.finish_on_device(recipe, STATISTICS, asked["epoch"])
    whole = pipeline.train_batches(source, recipe, STATISTICS, **asked)
    sent = pipeline.train_batches(source, recipe, STATISTICS, **asked, for_device=True)
    for (images, labels), (batch, same) in zip(whole, sent, strict=True):
        np.testing.assert_array_equal(same, labels)
        np.testing.assert_array_equal(finish(batch), images)
        yield batch, images.numpy()


@pytest.mark.parametrize("recipe", ENLARGED.values(), ids=ENLARGED)
def test_enlarged_images_travel_as_stored_with_the_same_bits(source, recipe):
    count = 0
    finish = examples.finish_on_device(recipe, STATISTICS, 0)
    compiled = tf.function(finish, jit_compile=True)
    for batch, images in both(source, recipe, epoch=2):
        assert batch.pixels.dtype == tf.uint8
        np.testing.assert_array_equal(compiled(batch), images)
        count += len(images)
    assert count == 28


@pytest.mark.parametrize("recipe", [ENLARGED["AlexNet"], FLOAT["shrunk"]])
def test_nothing_travels_that_tensorflow_keeps_on_a_gpus_host(source, recipe):
    asked = {"seed": 3, "epoch": 0, "for_device": True}
    sent = pipeline.train_batches(source, recipe, STATISTICS, **asked).element_spec
    kept = {tf.int32, tf.string}
    assert not kept & {spec.dtype for spec in tf.nest.flatten(sent)}


@pytest.mark.parametrize("recipe", FLOAT.values(), ids=FLOAT)
def test_others_travel_as_float32_with_the_same_bits(source, recipe):
    for batch, _ in both(source, recipe):
        assert batch.pixels.dtype == tf.float32 and batch.taps == ()


def test_every_operation_that_says_that_it_works_on_the_device_was_tried():
    known = vars(transforms).values()
    tried = {
        type(op)
        for recipe in (*ENLARGED.values(), *FLOAT.values())
        for _, op in examples.split_operations(recipe, epoch=0).device
    }
    assert tried == {op for op in known if getattr(op, "on_device", False)}


def test_images_of_unknown_size_travel_as_float32():
    recipe = dataclasses.replace(ENLARGED["AlexNet"], num_classes=10)
    assert shapes().shorter_side is None
    for batch, _ in both(shapes(), recipe):
        assert batch.pixels.dtype == tf.float32


def test_a_resumed_worker_is_sent_its_part(source):
    recipe = dataclasses.replace(ENLARGED["AlexNet"], global_batch_size=4)
    asked = {"skip_steps": 2, "shard": WorkerShard(1, 2)}
    found = list(both(source, recipe, **asked))
    assert [len(images) for _, images in found] == [2] * 5


def test_noise_that_has_ended_is_neither_drawn_nor_added(source):
    noise = (UntilEpoch(1, NOISE),)
    recipe = dataclasses.replace(ENLARGED["AlexNet"], train_noise=noise)
    before, after = (examples.split_operations(recipe, epoch).device for epoch in (0, 1))
    assert [op for _, op in before] == [SubtractMeanImage(), NOISE]
    assert after == before[:1]
    for batch, _ in both(source, recipe, epoch=1):
        assert len(batch.drawn) == 1


def test_a_larger_image_than_was_said_is_no_silent_error(source, tmp_path):
    write_image(tmp_path / "train/a/0.jpg", noise_image(65, 65))
    write_image(tmp_path / "val/a/0.jpg", noise_image(64, 64))
    other = catalog.open_source(catalog.find(f"folder:{tmp_path}"))
    other.shorter_side = 64
    recipe = dataclasses.replace(ENLARGED["AlexNet"], global_batch_size=1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="larger than its"):
        list(both(other, recipe))


@pytest.mark.parametrize("noise", [NOISE, UntilEpoch(3, NOISE), Lighting(std=0.1)])
def test_noise_on_pixels_is_refused_after_what_changes_their_unit(noise):
    """It would be 58 times as strong as the paper's after a Standardize."""
    fitting = (SubtractChannelMean(), SubtractMeanPixel(order="RGB", mean=(1.0, 2.0, 3.0)))
    changed = (
        Standardize(mean=(0.1, 0.2, 0.3), std=(0.3, 0.2, 0.1)),
        ScalePixels(-0.1, 1.175),
        SubtractMeanPixel(order="BGR", mean=(1.0, 2.0, 3.0)),
    )
    for normalize in fitting:
        examples.split_operations(of(*FRAME, normalize=normalize, noise=(noise,)), epoch=0)
    for normalize in changed:
        recipe = of(*FRAME, normalize=normalize, noise=(noise,))
        with pytest.raises(UsageError, match="train_noise has .* at the end of train_transforms"):
            examples.split_operations(recipe, epoch=0)
        examples.split_operations(of(*FRAME, noise, normalize=normalize), epoch=0)
