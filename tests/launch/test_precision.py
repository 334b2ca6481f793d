"""What is computed is what --precision says."""

import types

import keras
import pytest
import tensorflow as tf

from common.errors import UsageError
from launch.session import setup
from launch.session.setup import set_precision
from launch.settings.options import Devices

CPU = tf.distribute.get_strategy()


@pytest.fixture(autouse=True)
def as_before():
    tf32 = tf.config.experimental.tensor_float_32_execution_enabled()
    policy = keras.mixed_precision.global_policy()
    yield
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    keras.mixed_precision.set_global_policy(policy)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(setup, "on_gpus", lambda strategy: True)
    monkeypatch.setattr(setup.hardware, "has_tensorfloat32", lambda: True)
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)


@pytest.mark.parametrize(
    "precision, policy, rounded",
    [
        ("float32", "float32", False),
        ("tensorfloat32", "float32", True),
        ("mixed_bfloat16", "mixed_bfloat16", False),
        ("mixed_float16", "mixed_float16", False),
    ],
)
def test_float32_is_float32_and_the_others_are_what_they_say(gpu, precision, policy, rounded):
    set_precision(precision, CPU)
    assert keras.mixed_precision.global_policy().name == policy
    found = tf.config.experimental.tensor_float_32_execution_enabled()
    assert found is rounded


def test_a_cpu_has_no_tensorfloat32():
    with pytest.raises(UsageError, match="would run on a CPU"):
        set_precision("tensorfloat32", CPU)


def test_an_old_gpu_has_none_nor_one_where_the_environment_forbids_it(gpu, monkeypatch):
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    with pytest.raises(UsageError, match="NVIDIA_TF32_OVERRIDE=0 forbids"):
        set_precision("tensorfloat32", CPU)
    monkeypatch.setattr(setup.hardware, "has_tensorfloat32", lambda: False)
    with pytest.raises(UsageError, match="capability 8.0"):
        set_precision("tensorfloat32", CPU)


def test_single_images_go_to_the_cpu_where_there_is_a_gpu(monkeypatch):
    """A GPU would spend its time starting kernels."""
    asked = []

    def made(gpus, platform, cluster):
        asked.append(gpus)
        return CPU

    monkeypatch.setattr(setup, "make_strategy", made)
    monkeypatch.setattr(setup, "repeat_bit_for_bit", lambda: None)
    for batch, gpus, platform in (
        (1, None, "auto"),
        (1, 1, "auto"),
        (1, None, "gpu"),
        (128, None, "auto"),
    ):
        recipe = types.SimpleNamespace(image_size=32, channels=1, global_batch_size=batch)
        setup.prepare_tensorflow(Devices(gpus=gpus, platform=platform), recipe)
    assert asked == [0, 1, None, None]


def test_initial_weights_are_computed_on_the_cpu():
    """GPUs compute the normal distribution to other last digits."""
    asked = []

    @tf.function
    def built():
        def initial():
            asked.append(tf.zeros(3).device)
            return tf.zeros(3)

        with tf.device("GPU:0"):
            setup.initialize_on_cpu(lambda **values: None, initial_value=initial)

    built.get_concrete_function()
    assert asked == ["/device:CPU:0"]
