"""Values that a field's type allows and no training can use."""

import dataclasses

import pytest

import reproductions
from common.distribution.batch_slice import per_replica_batch_size
from common.errors import UsageError
from launch.settings.limits import check
from launch.settings.overrides import apply
from tests.launch.test_overrides import RECIPE, Crop

ALEXNET = reproductions.load("alexnet").RECIPES["alexnet"]
PLATEAU = "schedule=DivideOnPlateau({},{},max_drops=1,metric='{}',min_delta=0)"
PAPERS = [name for name in reproductions.names() if name != "ilsvrc2016"]


@pytest.mark.parametrize("paper", PAPERS)
def test_every_papers_recipe_is_within_the_limits(paper):
    for recipe in reproductions.load(paper).RECIPES.values():
        check(recipe)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("optimizer.momentum=1", "at least 0, below 1"),
        ("optimizer.momentum=-0.1", "at least 0"),
        ("optimizer.learning_rate=-0.1", "at least 0"),
        ("optimizer.learning_rate=1e39", "at most 3e.38"),
        ("weight_decay.rate=-1e-4", "at least 0"),
        ("weight_decay.variables=(", "regular expression"),
        ("clip_global_norm=0", "above 0"),
        ("average_decay=1", "below 1"),
        ("epochs=0", "at least 1"),
        (f"epochs={10**30}", "at most 1,000,000,000"),
        ("updates=0", "at least 1"),
        ("train_images=0", "at least 1"),
        ("held_out=-1", "at least 0"),
        ("global_batch_size=0", "at least 1"),
        ("healthy_after=-1", "at least 0"),
        ("image_size=1", "at least 8"),
        ("image_size=100000", "at most 8,192 pixels: .*800 MB"),
        ("views=", "names no view"),
        ("train_transforms.0.size=0", "at least 1"),
        ("train_transforms.0.size=100000", "at most 8,192"),
        (PLATEAU.format(0, 1, "loss"), "divisor=0.0: it must be above 0"),
        (PLATEAU.format(2, 0, "loss"), "patience"),
        (PLATEAU.format(2, 1, "los"), "metric"),
        ("schedule=EveryEpochs(epochs=0,times=1)", "epochs"),
        ("schedule=ByEpoch(starts=(0,2),factors=(1,-1))", "factors.1"),
        ("group_schedules=[GroupSchedule(variables='*',schedule=Constant(1))]", "0.variables"),
        ("initialize_from=InitializeFrom(variant='a',layers='[',renamed=None)", "layers"),
        ("optimizer=RmsProp(learning_rate=0.1,decay=0.9,momentum=0.9,epsilon=0)", "epsilon"),
        ("optimizer=RmsProp(learning_rate=0.1,decay=1.5,momentum=0.9,epsilon=1)", "decay"),
        ("train_transforms=[RandomShorterSide(480,256)]", "low, 480, is above"),
        ("train_transforms=[RandomShorterSide(0,256)]", "0.low"),
        ("train_transforms=[Pad(-1)]", "0.pixels"),
        ("train_transforms=[RandomAreaCrop(8,(1,0.1),(1,1),('area',))]", "area takes two"),
        ("train_transforms=[RandomAreaCrop(8,(0.1,1),(1,1),())]", "names no filter"),
        ("train_transforms=[RandomAreaCrop(8,(0.1,1),(1,1),('cub',))]", "resampling.0"),
        ("normalize=Standardize(mean=(0,0),std=(1,0))", "std.1"),
        ("train_noise=[PcaColourNoise(std=0.1,shrink=0)]", "0.shrink"),
        (
            "train_noise=[PcaColourNoise(std=0.1,shrink=1),PhotometricDistortions(low=-1,high=1)]",
            "1.low",
        ),
    ],
)
def test_set_refuses_what_no_training_can_use(setting, said):
    path = setting.partition("=")[0]
    with pytest.raises(UsageError, match=f"--set {path}.*{said}"):
        apply(ALEXNET, [setting])


def test_a_papers_own_recipe_is_not_checked_again_and_again():
    odd = dataclasses.replace(RECIPE, train_transforms=(Crop(0),))
    assert apply(odd, []) == odd


@pytest.mark.parametrize("devices", [3, 10**9])
def test_a_batch_that_does_not_divide_names_what_does(devices):
    with pytest.raises(
        UsageError, match=f"256 does not divide among {devices} dev.*it: 1, 2, 4, 8, .* 256"
    ):
        per_replica_batch_size(256, devices, 1)
    assert per_replica_batch_size(256, 2, 2) == 64
