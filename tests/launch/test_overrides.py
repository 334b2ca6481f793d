import dataclasses
import json
from typing import Any, Literal

import pytest

from common.data import catalog
from common.data.transforms import PcaColourNoise
from common.data.transforms import RandomCrop as Crop
from common.data.transforms import RandomFlip as Flip
from common.errors import UsageError
from common.recipes.recipe import Deviation, Override, Sgd, WeightDecay
from common.recipes.serialization import describe, describe_recipe, recipe_hash, spell
from common.training.run_record import overrides_of
from launch.settings import overrides
from tests.launch import toy


@dataclasses.dataclass(frozen=True)
class Form:
    dropout: float = 0.5
    kind: Literal["wide", "deep"] = "wide"


RECIPE = dataclasses.replace(
    toy.RECIPE,
    data="imagenet2012",
    image_size=224,
    channels=3,
    num_classes=1000,
    epochs=90,
    global_batch_size=128,
    optimizer=Sgd(learning_rate=0.01, momentum=0.9, nesterov=False),
    weight_decay=WeightDecay(rate=5e-4, variables="kernel"),
    loss=Flip(),
    train_transforms=(Crop(256), Flip(), Crop(224)),
    normalize=Flip(),
    train_noise=(PcaColourNoise(std=0.1, shrink=1.0),),
    test_transforms=(Crop(256),),
    views=("ten_crop",),
    monitor="centre_crop",
    network=Form(),
    deviations=(Deviation(field="epochs", paper="~90", here="90", reason="rounded"),),
)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("epochs=2", 2),
        ("optimizer.learning_rate=0.02", 0.02),
        ("optimizer.learning_rate=1", 1.0),
        ("optimizer.nesterov=true", True),
        ("optimizer.nesterov=True", True),  # as it is shown
        ("clip_global_norm=5", 5.0),
        ("weight_decay=None", None),
        ("weight_decay.rate=1e-4", 1e-4),
        ("weight_decay.variables=conv=fc", "conv=fc"),
        ("train_transforms.2.size=128", 128),
        ("train_noise.0.std=0.5", 0.5),
        ("views=single,centre_crop", ("single", "centre_crop")),
        ("monitor=single", "single"),
    ],
)
def test_a_field_is_set_with_its_type_and_recorded(setting, expected):
    path = setting.partition("=")[0]
    changed = overrides.apply(RECIPE, [setting])
    assert at(changed, path) == expected
    assert type(at(changed, path)) is type(expected)
    assert changed.deviations == RECIPE.deviations
    assert changed.overrides == (Override(field=path, old=at(RECIPE, path), new=expected),)


def test_what_is_set_in_a_part_holds_in_whatever_order_it_is_said():
    """The part came with its own value, and the record had both."""
    whole = "optimizer=Sgd(learning_rate=0.5,momentum=0.0,nesterov=True)"
    given = ["optimizer.learning_rate=0.02", "epochs=3", whole]
    for changed in (overrides.apply(RECIPE, given), overrides.apply(RECIPE, given[::-1])):
        assert changed.optimizer == Sgd(learning_rate=0.02, momentum=0.0, nesterov=True)
    crop = ["train_transforms.0.size=99", "train_transforms=[RandomCrop(size=64)]"]
    assert overrides.apply(RECIPE, crop).train_transforms[0].size == 99


@pytest.mark.parametrize(
    ("word", "path"),
    [
        ("dropout=0.25", "network.dropout"),
        ("kind=deep", "network.kind"),
        ("lr=0.25", "optimizer.learning_rate"),
        ("batch_size=64", "global_batch_size"),
    ],
)
def test_a_short_word_is_recorded_as_the_field_that_it_means(word, path):
    whole = f"{path}={word.partition('=')[2]}"
    assert overrides.apply(RECIPE, [word]) == (changed := overrides.apply(RECIPE, [whole]))
    assert changed.overrides[0].field == path
    with pytest.raises(UsageError, match=f"{path} more than once"):
        overrides.apply(RECIPE, [word, whole])


def test_only_what_is_changed_in_a_network_is_hashed():
    other = dataclasses.replace(RECIPE, network=Form(kind="deep"))  # the code's affair
    assert recipe_hash(other) == recipe_hash(RECIPE)
    changed = overrides.apply(RECIPE, ["dropout=0"])
    assert describe_recipe(changed)["network"] == {"dropout": 0.0}
    assert recipe_hash(changed) != recipe_hash(RECIPE)
    assert recipe_hash(describe_recipe(changed)) == recipe_hash(changed)
    assert "network" not in describe_recipe(RECIPE)


def at(value: Any, path: str):
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, tuple) else getattr(value, part)
    return value


def test_nothing_else_changes():
    changed = overrides.apply(RECIPE, ["optimizer.learning_rate=0.02"])
    back = overrides.apply(changed, ["optimizer.learning_rate=0.01"])
    assert dataclasses.replace(back, overrides=()) == RECIPE
    # What is there already, and the paper's own data set, are no deviations.
    assert overrides.apply(RECIPE, ["epochs=90"]) == RECIPE
    assert overrides.with_data(RECIPE, catalog.find("imagenet2012")) == RECIPE


def test_image_size_scales_the_transforms_whose_own_size_has_the_last_word():
    changed = overrides.apply(RECIPE, ["image_size=112"])
    assert changed.train_transforms == (Crop(128), Flip(), Crop(112))
    assert changed.test_transforms == (Crop(128),)
    changed = overrides.apply(RECIPE, ["train_transforms.0.size=120", "image_size=112"])
    assert changed.train_transforms == (Crop(120), Flip(), Crop(112))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("epoch=2", "'epochs'"),
        ("dropuot=0", "Did you mean 'dropout'? Fields: image_size, epochs, "),
        ("foo=1", "Parts of the network: dropout, kind."),
        ("dropout=1", "below 1"),
        ("kind=round", "one of 'wide', 'deep'"),
        ("network=None", "network.dropout"),
        ("optimizer.learning_rat=2", "'learning_rate'"),
        ("epochs=two", "a whole number"),
        ("optimizer.learning_rate=fast", "a number"),
        ("optimizer.learning_rate=nan", "a number"),
        ("optimizer.nesterov=1", "true or false"),
        ("clip_global_norm=big", "a number or None"),
        ("optimizer=adam", "optimizer.learning_rate="),
        ("optimizer=Sgdd(learning_rate=foo)", "there is no 'Sgdd' here. Did you mean 'Sgd'?"),
        ("train_transforms=128", "a part of it, such as train_transforms.0.size=..., or all"),
        ("group_schedules=0", "Set all of it by name: GroupSchedule(...)."),
        ("group_schedules=Constant(value=1)", "a list of parts; known here: GroupSchedule."),
        ("train_noise=Context()", "there is no 'Context' here."),
        ("normalize=0", "is RandomFlip(), which one value cannot replace. Set all of it by name"),
        ("before_epoch=0", "it is None, which one value cannot replace. Leave it as it is."),
        ("train_transforms.3.size=1", "0 to 2"),
        ("train_transforms.-1.size=1", "0 to 2"),
        ("epochs.size=1", "has no parts"),
        ("epochs", "field=value"),
        ("data=mnist", "--data"),
        ("deviations=", "record"),
    ],
)
def test_what_cannot_be_set_is_refused_and_explained(setting, said):
    with pytest.raises(UsageError, match="--set") as error:
        overrides.apply(RECIPE, [setting])
    assert said in str(error.value)


def test_the_learning_rate_follows_the_batch_on_record():
    changed = overrides.apply(RECIPE, ["global_batch_size=32"])
    scaled = overrides.scale_with_batch(changed, RECIPE)
    assert scaled.optimizer.learning_rate == 0.01 / 4
    *others, override = scaled.overrides
    assert tuple(others) == changed.overrides
    assert (override.old, override.new) == (0.01, 0.0025)
    again = overrides.apply(RECIPE, overrides_of({"overrides": describe(scaled.overrides)}))
    assert recipe_hash(again) == recipe_hash(scaled)


def test_what_earlier_runs_keep_among_their_deviations_is_read():
    """As text and with a flag for a reason; the values are the trained recipe's."""
    settings = ["image_size=112", "views=single", "optimizer.learning_rate=1", "weight_decay=None"]
    changed = overrides.apply(RECIPE, [*settings, "train_transforms.0.size=120"])
    texts = {
        "data": ("imagenet2012, 1000 classes", "MNIST, 10 classes", "--data"),
        "image_size": ("224", "112", "--set; the sizes of the transforms are scaled with it"),
        "views": ("('ten_crop',)", "('single',)", "--set"),
        "optimizer.learning_rate": ("0.01", "1.0", "--set; --scale_learning_rate: with the batch"),
        "weight_decay": ("WeightDecay(...)", "None", "--set"),
        "train_transforms.0.size": ("128", "120", "--set"),
        "recovered": ("trained in one go", "1 times back to a checkpoint", "--recover"),
        "epochs": ("~90", "90", "rounded"),  # the paper's
    }
    deviations = [
        {"class": "Deviation", "field": field, "paper": paper, "here": here, "reason": reason}
        for field, (paper, here, reason) in texts.items()
    ]
    record = {"recipe": describe_recipe(changed), "deviations": deviations}
    found = {one.field: one for one in overrides_of(json.loads(json.dumps(record)))}
    assert {field: spell(one.new) for field, one in found.items()} == {
        field: here for field, (_, here, _) in texts.items() if field != "epochs"
    }
    assert found["optimizer.learning_rate"].new == 1.0 and found["weight_decay"].new is None
    of_set = [one for one in found.values() if one.field not in ("data", "recovered")]
    assert overrides.apply(RECIPE, of_set) == changed


def test_a_value_of_a_class_that_is_gone_is_refused():
    gone = Override(field="schedule", old=None, new={"class": "Cosine", "epochs": 3})
    with pytest.raises(UsageError, match="--set schedule: it cannot be .*Cosine"):
        overrides.apply(RECIPE, [gone])


@pytest.mark.parametrize("settings", [[], ["global_batch_size=64", "optimizer.learning_rate=1"]])
def test_a_rate_is_scaled_with_a_changed_batch_only(settings):
    changed = overrides.apply(RECIPE, settings)
    with pytest.raises(UsageError, match="--scale_learning_rate .* to other than 128, and not the"):
        overrides.scale_with_batch(changed, RECIPE)


def test_a_description_keeps_class_names_and_is_json():
    described = describe(RECIPE)
    assert described["train_transforms"][0] == {"class": "RandomCrop", "size": 256}
    assert described["train_transforms"][1] == {"class": "RandomFlip"}
    assert json.loads(json.dumps(described)) == described
    with pytest.raises(TypeError, match="no description"):
        describe(dataclasses.replace(RECIPE, schedule=object()))


def test_the_hash_tells_trainings_apart_and_not_their_words():
    changed = overrides.apply(RECIPE, ["epochs=2"])
    same = dataclasses.replace(RECIPE, deviations=(), views=("single",))
    other = dataclasses.replace(RECIPE, normalize=Crop(224))
    assert recipe_hash(changed) != recipe_hash(RECIPE)
    assert recipe_hash(other) != recipe_hash(RECIPE)
    assert recipe_hash(same) == recipe_hash(RECIPE)
    assert recipe_hash(describe_recipe(RECIPE)) == recipe_hash(RECIPE)


@pytest.mark.parametrize(("name", "same"), [("EstimateCurvature", True), ("Dropout", False)])
def test_a_later_field_is_left_out_of_the_hash_in_its_own_class_alone(name, same):
    described = describe_recipe(RECIPE)
    early, late = ({"class": name}, {"class": name, "kept": 0.0})
    hashes = {recipe_hash(described | {"before_epoch": one}) for one in (early, late)}
    assert (len(hashes) == 1) == same
