"""A training set on the devices: the batches of the one that is streamed."""

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf

from common.data import pipeline
from common.data.resident import open_resident
from common.data.transforms import RandomFlip, RandomShift, UntilEpoch
from common.training.steps import repeat_bit_for_bit
from tests.common.data_fixtures import digits
from tests.common.test_decoded import CASES, STATISTICS

CPU = types.SimpleNamespace(
    num_replicas_in_sync=1, extended=types.SimpleNamespace(worker_devices=("/CPU:0",))
)
CASES = {name: dataclasses.replace(recipe, global_batch_size=8) for name, recipe in CASES.items()}
FLIPPED_AT_FIRST = dataclasses.replace(
    CASES["flip, then shift"],
    train_transforms=(
        *CASES["flip, then shift"].train_transforms[:2],
        UntilEpoch(1, RandomFlip()),
        RandomShift(4),
    ),
)


def open_digits(recipe):
    return open_resident(digits(), recipe, STATISTICS, CPU)


def assert_same_batches(recipe, epoch):
    resident = open_digits(recipe)
    drawn = resident.draw(seed=3, epoch=epoch, count=16)
    streamed = pipeline.train_batches(digits(), recipe, STATISTICS, seed=3, epoch=epoch)
    make = tf.function(resident.examples)
    for start, batch in zip((0, 8), streamed.take(2), strict=True):
        rows = {name: x[start : start + 8] for name, x in drawn.items()}
        made = make(rows, *resident.tables)
        for found, wanted in zip(made, batch, strict=True):
            np.testing.assert_array_equal(found, wanted)
            assert found.dtype == wanted.dtype


@pytest.mark.parametrize("name", [n for n in CASES if n != "distorted"])
def test_batches_have_the_bits_of_those_that_are_streamed(name):
    repeat_bit_for_bit()
    assert_same_batches(CASES[name], epoch=2)


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_operation_of_the_first_epochs_is_left_out_later(epoch):
    assert_same_batches(FLIPPED_AT_FIRST, epoch)
    drawn = open_digits(FLIPPED_AT_FIRST).draw(seed=3, epoch=epoch, count=8)
    assert ("2" in drawn) == (epoch == 0)


def test_xla_computes_them_to_its_rounding():
    resident = open_digits(CASES["LeNet-5"])
    drawn = resident.draw(seed=3, epoch=0, count=8)
    plain, _ = tf.function(resident.examples)(drawn, *resident.tables)
    compiled, _ = tf.function(resident.examples, jit_compile=True)(drawn, *resident.tables)
    np.testing.assert_allclose(plain, compiled, rtol=0, atol=2e-7)


def test_the_examples_before_an_epoch_are_those_of_the_pipeline():
    recipe = CASES["flip, then shift"]
    how = {"seed": 3, "epoch": 2, "size": 20}
    wanted = pipeline.sample_batch(digits(), recipe, STATISTICS, **how)
    found = open_digits(recipe).sample_batch(**how)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_xla_does_not_know_is_streamed():
    assert open_digits(CASES["distorted"]) is None


def test_several_workers_stream_it():
    """Or a uint8 variable would be broadcast, which TensorFlow cannot do."""
    several = tf.distribute.MultiWorkerMirroredStrategy.__new__(
        tf.distribute.MultiWorkerMirroredStrategy
    )
    found = open_resident(digits(), CASES["LeNet-5"], STATISTICS, several)
    assert found is None


def test_a_label_that_is_no_class_is_an_error():
    few = dataclasses.replace(CASES["LeNet-5"], num_classes=9)
    with pytest.raises(tf.errors.InvalidArgumentError):
        open_digits(few)
