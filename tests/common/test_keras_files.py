"""Files of keras.applications, as published and as Keras 3 writes them."""

import h5py
import keras
import numpy as np
import pytest

from common.errors import RunError
from common.models.state_dicts import of_keras, of_keras_model


def toy(weights=None, classes=1000):
    """Called as the functions of keras.applications are."""
    assert weights is None
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((5, 5, 3)),
            layers.Conv2D(4, 3, name="block1_conv1"),
            layers.BatchNormalization(scale=False, name="block1_bn"),
            layers.Flatten(),
            layers.Dense(6, name="fc1"),
            layers.Dense(6, name="fc2"),
            layers.Dense(classes, name="predictions"),
        ]
    )


@pytest.fixture
def model(monkeypatch):
    """With an optimizer, whose variables a file may hold as well."""
    monkeypatch.setattr(keras.applications, "Toy", toy, raising=False)
    model = toy()
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    for weight in model.weights:
        weight.assign(np.random.default_rng(1).uniform(1, 2, weight.shape))
    return model


def published(path, model):
    """The weights alone, as the files that Keras publishes have them."""
    whole = path.with_name("whole.h5")
    model.save(whole)
    with h5py.File(whole) as file, h5py.File(path, "w") as weights:
        for name in file["model_weights"]:
            file["model_weights"].copy(name, weights)
        weights.attrs.update(file["model_weights"].attrs)


FILES = {
    "toy.h5": published,
    "whole.h5": lambda path, model: model.save(path),
    "toy.weights.h5": lambda path, model: model.save_weights(path),
    "toy.keras": lambda path, model: model.save(path),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_weights_by_name(name, model, tmp_path):
    FILES[name](tmp_path / name, model)
    state = of_keras(tmp_path / name, "Toy")
    assert state["predictions/kernel"].shape == (6, 1000)
    assert "block1_bn/moving_variance" in state and len(state) == 11
    for entry, array in of_keras_model(model).items():
        np.testing.assert_array_equal(state[entry], array, strict=True)


def without_top(path):
    layers = [keras.Input((5, 5, 3)), keras.layers.Conv2D(4, 3)]
    keras.Sequential(layers).save_weights(path)


def of_another_network(path):
    layers = [keras.layers.Dense(7), keras.layers.Dense(7)]
    keras.Sequential([keras.Input((3,)), *layers]).save_weights(path)


def of_other_classes(path):
    toy(classes=7).save_weights(path)


def noise(path):
    path.write_bytes(bytes(range(256)) * 20)


@pytest.mark.parametrize("write", [without_top, of_another_network, of_other_classes, noise])
@pytest.mark.parametrize("name", ["a.weights.h5", "a.keras"])
def test_other_files_are_a_plain_error(name, write, model, tmp_path):
    write(tmp_path / "a.weights.h5")
    (tmp_path / "a.weights.h5").rename(tmp_path / name)
    with pytest.raises(RunError, match="keras.applications.Toy with its class"):
        of_keras(tmp_path / name, "Toy")
