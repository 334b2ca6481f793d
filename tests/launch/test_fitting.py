"""A network that does not fit into a device's memory."""

import dataclasses

import pytest
import tensorflow as tf

from common.errors import RunError
from launch.session.setup import explain_memory
from launch.settings.options import read_training
from reproductions.bn_inception.recipe import RECIPES as BN_RECIPES
from reproductions.resnet.recipe import RECIPES
from tests.launch.flags import read

OOM = tf.errors.ResourceExhaustedError(
    None, None, "OOM when allocating tensor with shape[64,64,112,112]"
)


def said(recipe, replicas=1, microbatches=1) -> str:
    with pytest.raises(RunError) as found, explain_memory(recipe, replicas, microbatches):
        raise OOM
    return str(found.value)


def test_the_next_smaller_part_is_named():
    text = said(RECIPES["resnet50"])
    assert "too small for 256 images at a time (OOM when" in text
    assert "--microbatches 2. The same command with that goes on" in text
    text = said(RECIPES["resnet50"], replicas=2, microbatches=4)
    assert "for 32 images" in text and "--microbatches 8." in text
    odd = dataclasses.replace(RECIPES["resnet50"], global_batch_size=90)
    assert "--microbatches 9." in said(odd, replicas=2, microbatches=3)


def test_one_image_or_statistics_of_the_whole_batch_need_more_devices():
    one = dataclasses.replace(RECIPES["resnet50"], global_batch_size=4)
    for text in (said(one, microbatches=4), said(BN_RECIPES["bn_inception"])):
        assert "(--gpus). The same" in text and "microbatches" not in text


@pytest.mark.parametrize(
    ("variant", "settings"),
    [
        ("inception_no_bn", []),
        ("bn_mnist_baseline", []),
        ("bn_inception", ["batch_norm=False"]),
        ("bn_inception", ["synchronized_batch_norm=False"]),
    ],
)
def test_a_batch_is_cut_where_nothing_is_normalised_over_the_whole_of_it(variant, settings):
    flags = read("NAME", microbatches=2)
    asked = read_training("bn_inception", variant, flags, settings, needs_data=False)
    assert asked.settings.microbatches == 2
    assert "--microbatches 4." in said(asked.experiment.recipe, microbatches=2)


def test_other_errors_are_left_alone():
    with pytest.raises(tf.errors.AbortedError), explain_memory(None, 1, 1):
        raise tf.errors.AbortedError(None, None, "another")
