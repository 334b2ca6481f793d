"""What `--dry_run` says a network with auxiliary heads costs."""

import dataclasses
import types

import keras
import pytest

from launch import plan
from tests.launch import toy

MAIN, AUXILIARY = 99 * 10, 99 * 4  # weights, each used once for an image


@pytest.fixture
def model():
    image = keras.Input((99,))
    logits = keras.layers.Dense(10, name="fc")(image)
    aux = keras.layers.Dense(4, name="aux_fc")(image)
    return keras.Model(image, [logits, aux])


@pytest.fixture
def rows(model, monkeypatch):
    """The plan's rows of cost for a recipe; 600 images, 60 an epoch's steps."""
    monkeypatch.setattr(plan, "images_per_second", lambda *_: 100.0)
    dataset = types.SimpleNamespace(name="toys", splits={"train": 600})
    source = types.SimpleNamespace(dataset=dataset)

    def of(**changes):
        recipe = dataclasses.replace(toy.RECIPE, **changes)
        return dict(plan.cost(recipe, source, model, None))

    return of


def test_auxiliary_heads_are_told_apart(model):
    # fc has 10 biases, aux_fc 4.
    assert plan.parameters(model) == (
        "1,000 parameters; 400 more in auxiliary heads"
    )
    alone = keras.Model(model.inputs, model.outputs[0])
    assert plan.parameters(alone) == "1,000 parameters"


def test_an_image_costs_the_main_path_and_training_all(rows):
    text = rows(epochs=20)["arithmetic"]
    assert text.startswith(f"{MAIN:,} multiply-accumulates per image forward")
    flop = 6 * (MAIN + AUXILIARY) * 600 * 20
    assert f"{flop:.2g} FLOP" in text
    assert f"{flop:.2g}" != f"{6 * MAIN * 600 * 20:.2g}"


def test_a_recipe_may_end_within_an_epoch(rows):
    assert rows(epochs=20)["steps"] == "20 epochs x 60 = 1,200; 12,000 images"
    cut = rows(epochs=20, updates=90)
    assert cut["steps"] == "1.5 epochs x 60 = 90; 900 images"
    assert f"{6 * (MAIN + AUXILIARY) * 900:.2g} FLOP" in cut["arithmetic"]
