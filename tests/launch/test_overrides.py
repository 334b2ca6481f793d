import dataclasses
import json
from typing import Any

import pytest

from common.data import catalog
from common.errors import UsageError
from common.recipes.recipe import Deviation, Recipe, Sgd, WeightDecay
from common.recipes.serialization import describe, recipe_hash
from launch.settings import overrides


@dataclasses.dataclass(frozen=True)
class Crop:
    size: int

    def scaled(self, factor):
        return Crop(round(self.size * factor))


@dataclasses.dataclass(frozen=True)
class Flip:
    def scaled(self, factor):
        return self


@dataclasses.dataclass(frozen=True)
class Noise:
    deviation: float


RECIPE = Recipe(
    data="imagenet2012",
    image_size=224,
    channels=3,
    num_classes=1000,
    epochs=90,
    updates=None,
    train_images=None,
    held_out=0,
    initialize_from=None,
    global_batch_size=128,
    optimizer=Sgd(learning_rate=0.01, momentum=0.9, nesterov=False),
    schedule=None,
    group_schedules=(),
    weight_decay=WeightDecay(rate=5e-4, variables="kernel"),
    clip_global_norm=None,
    loss=Flip(),
    average_decay=None,
    synchronized_batch_norm=True,
    train_transforms=(Crop(256), Flip(), Crop(224)),
    normalize=Flip(),
    train_noise=(Noise(0.1),),
    test_transforms=(Crop(256),),
    views=("ten_crop",),
    monitor="centre_crop",
    before_epoch=None,
    healthy_after=5,
    deviations=(Deviation(field="epochs", paper="~90", here="90", reason="rounded"),),
)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("epochs=2", 2),
        ("optimizer.learning_rate=0.02", 0.02),
        ("optimizer.learning_rate=1", 1.0),
        ("optimizer.nesterov=true", True),
        ("clip_global_norm=5", 5.0),
        ("weight_decay=None", None),
        ("weight_decay.rate=1e-4", 1e-4),
        ("weight_decay.variables=conv=fc", "conv=fc"),
        ("train_transforms.2.size=128", 128),
        ("train_noise.0.deviation=0.5", 0.5),
        ("views=single,centre_crop", ("single", "centre_crop")),
        ("monitor=single", "single"),
    ],
)
def test_a_field_is_set_with_its_type_and_recorded(setting, expected):
    path = setting.partition("=")[0]
    changed = overrides.apply(RECIPE, [setting])
    assert at(changed, path) == expected
    assert type(at(changed, path)) is type(expected)
    assert changed.deviations[0] == RECIPE.deviations[0]
    assert changed.deviations[1:] == (
        Deviation(field=path, paper=str(at(RECIPE, path)), here=str(expected), reason="--set"),
    )


def at(value: Any, path: str):
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, tuple) else getattr(value, part)
    return value


def test_nothing_else_changes():
    changed = overrides.apply(RECIPE, ["optimizer.learning_rate=0.02"])
    back = overrides.apply(changed, ["optimizer.learning_rate=0.01"])
    assert dataclasses.replace(back, deviations=RECIPE.deviations) == RECIPE


def test_image_size_scales_the_transforms_and_says_so():
    changed = overrides.apply(RECIPE, ["image_size=112"])
    assert changed.train_transforms == (Crop(128), Flip(), Crop(112))
    assert changed.test_transforms == (Crop(128),)
    assert "scaled" in changed.deviations[-1].reason


def test_a_transforms_own_size_has_the_last_word():
    settings = ["train_transforms.0.size=120", "image_size=112"]
    changed = overrides.apply(RECIPE, settings)
    assert changed.train_transforms == (Crop(120), Flip(), Crop(112))


def test_the_present_value_is_no_deviation():
    assert overrides.apply(RECIPE, ["epochs=90"]) == RECIPE


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("epoch=2", "'epochs'"),
        ("optimizer.learning_rat=2", "'learning_rate'"),
        ("epochs=two", "a whole number"),
        ("epochs=2.5", "a whole number"),
        ("epochs=0", "at least 1"),
        ("optimizer.learning_rate=fast", "a number"),
        ("optimizer.learning_rate=nan", "a number"),
        ("optimizer.nesterov=1", "true or false"),
        ("clip_global_norm=big", "a number or None"),
        ("optimizer=adam", "optimizer.learning_rate="),
        ("train_transforms=128", "train_transforms.0"),
        ("train_transforms.3.size=1", "0 to 2"),
        ("train_transforms.-1.size=1", "0 to 2"),
        ("epochs.size=1", "has no parts"),
        ("epochs", "field=value"),
        ("data=mnist", "--data"),
        ("num_classes=10", "--data"),
        ("deviations=", "record"),
    ],
)
def test_what_cannot_be_set_is_refused_and_explained(setting, said):
    with pytest.raises(UsageError, match="--set") as error:
        overrides.apply(RECIPE, [setting])
    assert said in str(error.value)


def test_a_field_is_set_once_only():
    with pytest.raises(UsageError, match="epochs more than once"):
        overrides.apply(RECIPE, ["epochs=2", "epochs=3"])


def test_another_data_set_brings_its_classes_and_is_a_deviation():
    mnist = catalog.find("mnist", channels=1)
    changed = overrides.with_data(RECIPE, mnist)
    assert (changed.data, changed.num_classes, changed.channels) == ("mnist", 10, 1)
    (deviation,) = changed.deviations[1:]
    assert (deviation.field, deviation.reason) == ("data", "--data")
    assert "imagenet2012, 1000" in deviation.paper
    assert "MNIST, 10" in deviation.here


def test_the_learning_rate_follows_the_batch_on_record():
    changed = overrides.apply(RECIPE, ["global_batch_size=32"])
    scaled = overrides.scaled_with_batch(changed, RECIPE)
    assert scaled.optimizer.learning_rate == 0.01 / 4
    *others, deviation = scaled.deviations
    assert tuple(others) == changed.deviations
    assert (deviation.paper, deviation.here) == ("0.01", "0.0025")
    again = overrides.apply(RECIPE, overrides.settings_of(describe(scaled.deviations)))
    assert recipe_hash(again) == recipe_hash(scaled)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ([], "the batch is the paper's"),
        (["optimizer.learning_rate=1"], "the batch is the paper's"),
        (["global_batch_size=64", "optimizer.learning_rate=1"], "set to 1.0"),
    ],
)
def test_a_rate_is_scaled_with_a_changed_batch_only(settings, said):
    changed = overrides.apply(RECIPE, settings)
    with pytest.raises(UsageError, match=f"--scale_learning_rate .*{said}"):
        overrides.scaled_with_batch(changed, RECIPE)


def test_the_papers_own_data_set_is_no_deviation():
    own = catalog.find("imagenet2012")
    assert overrides.with_data(RECIPE, own) == RECIPE


def test_a_description_keeps_class_names_and_is_json():
    described = describe(RECIPE)
    assert described["train_transforms"][0] == {"class": "Crop", "size": 256}
    assert described["train_transforms"][1] == {"class": "Flip"}
    assert json.loads(json.dumps(described)) == described


def test_what_cannot_be_described_is_refused():
    with pytest.raises(TypeError, match="no description"):
        describe(dataclasses.replace(RECIPE, schedule=object()))


def test_the_hash_tells_trainings_apart_and_not_their_words():
    changed = overrides.apply(RECIPE, ["epochs=2"])
    same = dataclasses.replace(RECIPE, deviations=(), views=("single",))
    other = dataclasses.replace(RECIPE, normalize=Crop(224))
    assert recipe_hash(changed) != recipe_hash(RECIPE)
    assert recipe_hash(other) != recipe_hash(RECIPE)
    assert recipe_hash(same) == recipe_hash(RECIPE)
    assert recipe_hash(describe(RECIPE)) == recipe_hash(RECIPE)
