"""What `--dry_run` says a network with auxiliary heads costs."""

import contextlib
import dataclasses
import subprocess
import sys
import types

import keras
import pytest

from common.distribution import hardware
from common.recipes.recipe import WeightDecay
from common.training.optimizers import build_optimizer
from launch.session import plan
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
        time = plan.measure_time(recipe, source, model, None)
        return dict(plan.estimate_cost(recipe, source, model)) | {"time": time}

    return of


def test_auxiliary_heads_are_told_apart(model):
    # fc has 10 biases, aux_fc 4.
    assert plan.count_parameters(model) == ("1,000 parameters; 400 more in auxiliary heads")
    alone = keras.Model(model.inputs, model.outputs[0])
    assert plan.count_parameters(alone) == "1,000 parameters"


def test_an_image_costs_the_main_path_and_training_all(rows):
    text = rows(epochs=20)["arithmetic"]
    assert text.startswith(f"{MAIN:,} multiply-accumulates per image forward")
    flop = 6 * (MAIN + AUXILIARY) * 600 * 20
    assert f"{flop:.2g} FLOP" in text
    assert f"{flop:.2g}" != f"{6 * MAIN * 600 * 20:.2g}"


def test_a_recipe_may_end_within_an_epoch(rows):
    assert rows(epochs=20)["steps"] == "20 epochs x 60 = 1,200; 12,000 images"
    cut = rows(epochs=20, updates=90)
    told = "; it is updates=90 that ends it, not epochs=20"
    assert cut["steps"] == "1.5 epochs x 60 = 90; 900 images" + told
    assert f"{6 * (MAIN + AUXILIARY) * 900:.2g} FLOP" in cut["arithmetic"]


def test_memory_is_what_a_device_holds_and_bfloat16_halves_activations(model):
    optimizer = build_optimizer(toy.RECIPE)  # without momentum
    optimizer.build(model.trainable_variables)
    parts = plan.estimate_memory(model, optimizer, 3, 6)
    weights = 4 * (100 * 10 + 100 * 4)
    assert parts["weights"] == weights
    assert parts["update"] == 3 * weights  # Keras computes it in steps
    assert parts["activations"] == 4 * 3 * (99 + 10 + 4)
    assert parts["input"] == 4 * 6 * 99 * plan.INPUT_BATCHES
    momentum = dataclasses.replace(toy.RECIPE.optimizer, momentum=0.9)
    decay = WeightDecay(rate=1e-4, variables="kernel")
    other = build_optimizer(dataclasses.replace(toy.RECIPE, optimizer=momentum, weight_decay=decay))
    other.build(model.trainable_variables)
    more = plan.estimate_memory(model, other, 3, 6)
    assert more["update"] == 4 * weights  # the decayed gradients, too
    assert more["optimizer state"] - parts["optimizer state"] == weights
    image = keras.Input((8,))
    halved = keras.Model(image, keras.layers.Dense(5, dtype="mixed_bfloat16")(image))
    parts = plan.estimate_memory(halved, optimizer, 1, 1)
    assert parts["activations"] == 4 * 8 + 2 * 5


def test_what_fits_is_what_a_device_has_beside_the_weights():
    parts = {"weights": 100, "update": 300, "activations": 60, "input": 40}
    for whole, images in ((400 + 20 * 10, 20), (400 + 10, 1), (409, 0), (400 + 10 * 1239, 1200)):
        said = plan.estimate_batch(parts, 10, 40, whole)
        asked = f"about {images:,} images at a time" if images else "not one image"
        assert said.startswith(asked), said
        assert not images or f"a batch of {4 * images:,};" in said
    assert "nvidia-smi" in plan.estimate_batch(parts, 10, 40, 0)


def test_cpu_devices_share_the_hosts_memory(model, monkeypatch):
    class Strategy:
        num_replicas_in_sync = 4
        extended = types.SimpleNamespace(worker_devices=["/device:CPU:0"])
        scope = staticmethod(contextlib.nullcontext)

    monkeypatch.setattr(plan.hardware, "memory_bytes", lambda _: 2**32)
    monkeypatch.setattr(plan, "kept_bytes", lambda *_: 0)
    rows = dict(plan._memory(model, toy.RECIPE, None, Strategy(), 10, 1))
    assert "in 1.0 GiB per device" in rows["fits"]


def test_the_memory_is_the_least_that_the_process_may_have(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    cpu = types.SimpleNamespace(extended=types.SimpleNamespace(worker_devices=["/device:CPU:0"]))
    monkeypatch.setattr(hardware, "_LIMITS", (limit, tmp_path / "none"))
    whole = hardware.memory_bytes(cpu)
    limit.write_text("max\n")
    assert hardware.memory_bytes(cpu) == whole > 2**20
    limit.write_text("1048576\n")
    assert hardware.memory_bytes(cpu) == 2**20


ASK = """
import types
from common.distribution import hardware
cpu = types.SimpleNamespace(worker_devices=["/device:CPU:0"])
print(hardware.peak_bytes(types.SimpleNamespace(extended=cpu)))
"""


def test_a_process_did_not_have_the_memory_of_the_one_that_started_it():
    larger = b"x" * 2**28
    said = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    assert 2**20 < int(said.stdout) < len(larger)
