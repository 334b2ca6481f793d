"""Float16: the loss is scaled, and an update that overflows is left out."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.training import checkpoints
from common.training.optimizers import FIRST_SCALE, SOUND_UPDATES, MomentumSgd
from tests.common.device_runs import build_steps

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(8, 8, 8, 3)).astype("float32")
LABELS = RNG.integers(5, size=8)


@pytest.fixture
def float16():
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("mixed_float16")
    yield
    keras.mixed_precision.set_global_policy(before)


def trainer(*, loss_scaling, **more):
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    x = keras.layers.Flatten()(x)
    model = keras.Model(image, keras.layers.Dense(5, name="fc")(x))
    optimizer = MomentumSgd(0.9, nesterov=False, loss_scaling=loss_scaling)
    run = build_steps(model, batch_size=8, optimizer=optimizer, **more)
    data = tf.data.Dataset.from_tensors((IMAGES, LABELS)).repeat()

    def train(updates):
        return run(iter(data), 0, [[0.05]] * updates)

    return model, optimizer, train


@pytest.fixture(scope="module")
def float32_losses():
    policy = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("float32")
    losses = trainer(loss_scaling=False)[2](10)[0].numpy()
    keras.mixed_precision.set_global_policy(policy)
    return losses


@pytest.mark.parametrize("xla", [False, True])
def test_float16_learns_as_float32_does_and_an_update_that_overflows_is_left_out(
    float16, float32_losses, xla
):
    model, optimizer, train = trainer(loss_scaling=True, jit_compile=xla)
    losses = train(10)[0].numpy()
    np.testing.assert_allclose(losses, float32_losses, rtol=0.02)
    assert losses[-1] < 0.7 * losses[0]
    assert optimizer.scale().numpy() == FIRST_SCALE
    assert optimizer.sound_updates.numpy() == 10
    before = [v.numpy() for v in (*model.variables, optimizer.momentums[0])]
    optimizer.loss_scale.assign(2.0**40)
    assert np.isfinite(train(3)[0].numpy()).all()
    for old, new in zip(before, (*model.variables, optimizer.momentums[0]), strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    assert optimizer.loss_scale.numpy() == 2.0**37  # half for each
    assert optimizer.iterations.numpy() == 10
    assert optimizer.sound_updates.numpy() == 0


def test_the_scale_doubles_after_many_sound_updates_and_is_in_the_checkpoint(float16, tmp_path):
    model, optimizer, train = trainer(loss_scaling=True)
    optimizer.sound_updates.assign(SOUND_UPDATES - 2)
    train(2)
    assert optimizer.loss_scale.numpy() == 2 * FIRST_SCALE
    assert optimizer.sound_updates.numpy() == 0
    optimizer.loss_scale.assign(2.0**40)
    train(3)
    checkpoints.save(tmp_path, 3, checkpoints.named_variables(model, optimizer), {})
    expected = train(4)[0].numpy()
    other, fresh, again = trainer(loss_scaling=True)
    checkpoints.restore(tmp_path, checkpoints.named_variables(other, fresh))
    assert fresh.loss_scale.numpy() == 2.0**37
    np.testing.assert_array_equal(again(4)[0].numpy(), expected)
