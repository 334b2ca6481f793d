"""Whole parts of a recipe by name: `--set schedule='ByEpoch(...)'`."""

import json

import pytest

import reproductions
from common.data.transforms import RandomCrop, RandomFlip, Standardize
from common.errors import UsageError
from common.recipes.losses import SmoothedCrossEntropy
from common.recipes.recipe import Override, RmsProp, Sgd, WeightDecay
from common.recipes.schedules import ByEpoch, Constant, WarmUp
from common.recipes.serialization import describe, spell
from common.training.run_record import overrides_of
from launch.settings.overrides import apply

ALEXNET = reproductions.load("alexnet").RECIPES["alexnet"]
LENET5 = reproductions.load("lenet5").RECIPES["lenet5"]
STAIRS = "ByEpoch(starts=(0,30),factors=(1,.1))"
PARTS = {
    "schedule": (STAIRS, ByEpoch(starts=(0, 30), factors=(1.0, 0.1))),
    "optimizer": (
        "RmsProp(learning_rate=1,decay=0.9,momentum=0.9,epsilon=1)",
        RmsProp(learning_rate=1.0, decay=0.9, momentum=0.9, epsilon=1.0),
    ),
    "train_transforms": ("[RandomCrop(224), RandomFlip()]", (RandomCrop(224), RandomFlip())),
    "train_noise": ("()", ()),
    "test_transforms": ("(RandomCrop(size=256),)", (RandomCrop(256),)),
    "normalize": (
        "Standardize(mean=(0.5,0.5,0),std=[1,1,1])",
        Standardize(mean=(0.5, 0.5, 0.0), std=(1.0, 1.0, 1.0)),
    ),
    "weight_decay": (
        "WeightDecay(rate=1e-3,variables='kernel')",
        WeightDecay(rate=1e-3, variables="kernel"),
    ),
    "loss": ("SmoothedCrossEntropy(smoothing=0.1)", SmoothedCrossEntropy(smoothing=0.1)),
}


@pytest.mark.parametrize("path", PARTS)
def test_a_whole_part_is_set_on_record_and_read_again(path):
    text, expected = PARTS[path]
    changed = apply(ALEXNET, [f"{path}={text}"])
    assert getattr(changed, path) == expected
    (override,) = changed.overrides
    assert override == Override(field=path, old=getattr(ALEXNET, path), new=expected)
    record = json.loads(json.dumps({"overrides": describe(changed.overrides)}))
    assert spell(overrides_of(record)[0].new) == str(expected)
    again = apply(ALEXNET, overrides_of(record))
    assert getattr(again, path) == expected
    assert describe(again) == describe(changed)


def test_parts_within_parts_and_of_the_papers_own():
    text = "WarmUp(factor_before=0.1,metric='loss',below=1,then=Constant(1))"
    assert apply(ALEXNET, [f"schedule={text}"]).schedule == WarmUp(
        factor_before=0.1, metric="loss", below=1.0, then=Constant(value=1)
    )
    sdlm = "optimizer=Sdlm(learning_rate=1e-3, mu=0.02)"
    assert apply(LENET5, [sdlm]).optimizer.learning_rate == 1e-3
    crop = "train_transforms.0=RandomCrop(size=227)"
    assert apply(ALEXNET, [crop]).train_transforms[0] == RandomCrop(227)


def test_a_part_of_a_new_part_can_be_set_with_it():
    sgd = "optimizer=Sgd(learning_rate=1,momentum=0.5,nesterov=True)"
    changed = apply(ALEXNET, [sgd, "optimizer.momentum=0.25"])
    assert changed.optimizer == Sgd(learning_rate=1.0, momentum=0.25, nesterov=True)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("schedule=ByEpoc(starts=(0,),factors=(1,))", "mean 'ByEpoch'"),
        ("schedule=ByEpoch(starts=(0,))", "takes starts, factors"),
        ("schedule=ByEpoch(starts=(0,),factors=(1,),x=1)", "takes starts"),
        ("schedule=ByEpoch((0,),starts=(0,),factors=(1,))", "takes starts"),
        ("schedule=ByEpoch(starts=(0,9),factors=(1,))", "staircase"),
        ("schedule=ByEpoch(starts=(0.5,),factors=(1,))", "starts is 0.5"),
        ("schedule=ByEpoch(starts=0,factors=(1,))", "starts is 0; it takes"),
        ("schedule=[]", "takes one part"),
        ("schedule=(1, 2)", "takes one part"),
        ("schedule=Sgd(learning_rate=1,momentum=0,nesterov=True)", "no 'Sgd'"),
        ("optimizer=Sgd()", "Sgd takes learning_rate, momentum, nesterov"),
        (
            "optimizer=Sgd(learning_rate='x',momentum=0,nesterov=True)",
            "learning_rate is 'x'; it takes float",
        ),
        (
            "optimizer=Sgd(learning_rate=1,momentum=5,nesterov=True)",
            "optimizer.momentum=5.0: it must be",
        ),
        ("optimizer=__import__('os').system('true')", "no value of a recipe"),
        ("optimizer=(lambda: 0)()", "no value of a recipe"),
        ("optimizer=Sgd(**{})", "no value of a recipe"),
        ("optimizer=Sgd(", "cannot be read"),
        ("optimizer=" + "(" * 500, "cannot be read"),
        ("train_transforms=[RandomCrop(8), 3]", "a list of parts"),
        ("train_transforms=[RandomCrop(8)", "cannot be read"),
        ("loss=(1; 2)", "cannot be read"),
        ("optimizer=adam", r"or all of it by name: Sgd\(...\), RmsProp"),
    ],
)
def test_what_is_no_part_is_refused(setting, said):
    with pytest.raises(UsageError, match=said):
        apply(ALEXNET, [setting])
