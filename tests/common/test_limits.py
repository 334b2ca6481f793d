"""Values that a field's type allows and no training can use."""

import dataclasses

import pytest

import reproductions
from common.data.transforms import (
    Pad,
    PcaColourNoise,
    PhotometricDistortions,
    RandomAreaCrop,
    RandomCrop,
    RandomShorterSide,
    Standardize,
)
from common.distribution.batch_slice import per_replica_batch_size
from common.errors import UsageError
from common.recipes import schedules
from common.recipes.recipe import GroupSchedule, InitializeFrom, RmsProp
from launch.settings.limits import check
from launch.settings.overrides import apply
from tests.launch.test_overrides import RECIPE, Crop

PAPERS = [name for name in reproductions.names() if name != "ilsvrc2016"]


@pytest.mark.parametrize("paper", PAPERS)
def test_every_papers_recipe_is_within_the_limits(paper):
    for recipe in reproductions.load(paper).RECIPES.values():
        check(recipe)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("optimizer.momentum=5", "at least 0, below 1"),
        ("optimizer.momentum=1", "below 1"),
        ("optimizer.momentum=-0.1", "at least 0"),
        ("optimizer.learning_rate=-0.1", "at least 0"),
        ("optimizer.learning_rate=1e39", "at most 3e.38"),
        ("weight_decay.rate=-1e-4", "at least 0"),
        ("weight_decay.variables=(", "regular expression"),
        ("clip_global_norm=0", "above 0"),
        ("clip_global_norm=-1", "above 0"),
        ("average_decay=1", "below 1"),
        ("epochs=0", "at least 1"),
        ("epochs=-3", "at least 1"),
        (f"epochs={10**30}", "at most 1,000,000,000"),
        ("updates=0", "at least 1"),
        ("train_images=0", "at least 1"),
        ("train_images=-5", "at least 1"),
        ("held_out=-1", "at least 0"),
        ("global_batch_size=0", "at least 1"),
        ("global_batch_size=-8", "at least 1"),
        ("healthy_after=-1", "at least 0"),
        ("image_size=1", "at least 8"),
        ("image_size=-7", "at least 1"),
        ("image_size=100000", "at most 8,192 pixels: .*800 MB"),
        ("views=", "names no view"),
        ("views=,", "names no view"),
        ("train_transforms.0.size=0", "at least 1"),
        ("train_transforms.0.size=-1", "at least 1"),
        ("train_transforms.0.size=100000", "at most 8,192"),
    ],
)
def test_set_refuses_what_no_training_can_use(setting, said):
    path = setting.partition("=")[0]
    with pytest.raises(UsageError, match=f"--set {path}=.*{said}"):
        apply(RECIPE, [setting])


BAD = {
    "divisor": dict(
        schedule=schedules.DivideOnPlateau(
            divisor=0.0, patience=1, max_drops=1, metric="loss", min_delta=0.0
        )
    ),
    "patience": dict(
        schedule=schedules.DivideOnPlateau(
            divisor=2.0, patience=0, max_drops=1, metric="loss", min_delta=0.0
        )
    ),
    "metric": dict(
        schedule=schedules.DivideOnPlateau(
            divisor=2.0, patience=1, max_drops=1, metric="los", min_delta=0.0
        )
    ),
    "schedule.epochs": dict(schedule=schedules.EveryEpochs(epochs=0, times=1)),
    "schedule.factors.1": dict(schedule=schedules.ByEpoch(starts=(0, 2), factors=(1.0, -1.0))),
    "group_schedules.0.variables": dict(
        group_schedules=(GroupSchedule(variables="*", schedule=None),)
    ),
    "initialize_from.layers": dict(
        initialize_from=InitializeFrom(variant="a", layers="[", renamed=None)
    ),
    "optimizer.epsilon": dict(
        optimizer=RmsProp(learning_rate=0.1, decay=0.9, momentum=0.9, epsilon=0.0)
    ),
    "optimizer.decay": dict(
        optimizer=RmsProp(learning_rate=0.1, decay=1.5, momentum=0.9, epsilon=1.0)
    ),
    "low": dict(train_transforms=(RandomShorterSide(480, 256),)),
    "train_transforms.0.low": dict(train_transforms=(RandomShorterSide(0, 256),)),
    "train_transforms.0.size": dict(train_transforms=(RandomCrop(0),)),
    "train_transforms.0.pixels": dict(train_transforms=(Pad(-1),)),
    "area": dict(
        train_transforms=(
            RandomAreaCrop(size=8, area=(1.0, 0.1), aspect=(1.0, 1.0), resampling=("area",)),
        )
    ),
    "names no filter": dict(
        train_transforms=(
            RandomAreaCrop(size=8, area=(0.1, 1.0), aspect=(1.0, 1.0), resampling=()),
        )
    ),
    "resampling.0": dict(
        train_transforms=(
            RandomAreaCrop(size=8, area=(0.1, 1.0), aspect=(1.0, 1.0), resampling=("cub",)),
        )
    ),
    "normalize.std.1": dict(normalize=Standardize(mean=(0.0, 0.0), std=(1.0, 0.0))),
    "train_noise.0.shrink": dict(train_noise=(PcaColourNoise(std=0.1, shrink=0.0),)),
    "train_noise.1.low": dict(
        train_noise=(
            PcaColourNoise(std=0.1, shrink=1.0),
            PhotometricDistortions(low=-1.0, high=1.0),
        )
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_parts_that_would_divide_by_zero_or_fail_late_are_refused(name):
    with pytest.raises(UsageError, match=name):
        check(dataclasses.replace(RECIPE, **BAD[name]))


def test_a_papers_own_recipe_is_not_checked_again_and_again():
    odd = dataclasses.replace(RECIPE, train_transforms=(Crop(0),))
    assert apply(odd, []) == odd


@pytest.mark.parametrize("devices", [3, 10**9])
def test_a_batch_that_does_not_divide_names_what_does(devices):
    with pytest.raises(UsageError, match="divide it: 1, 2"):
        per_replica_batch_size(256, devices, 1)
    assert per_replica_batch_size(256, 2, 2) == 64
