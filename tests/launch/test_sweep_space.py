import dataclasses

import pytest

import reproductions
from common.errors import UsageError
from common.recipes.recipe import is_fitted
from launch.settings.overrides import apply
from launch.sweep import search_space, status
from launch.sweep.sweep_request import MEMBER
from launch.sweep.workers import share_gpus
from reproductions.resnet_cifar.recipe import RESNET20
from tests.launch.sweep_fakes import request
from tests.launch.test_fine_tuning import folder_of


def read(*texts, recipe=RESNET20, tuner="random"):
    return search_space.read(recipe, list(texts), tuner)


def test_a_dimension_is_typed_as_set_types_it():
    [rate, batch, decay, starts, switch] = read(
        "optimizer.learning_rate = log(1e-4, 1e-1)",
        "global_batch_size=linear(16,64)",
        "weight_decay.rate=choice(0,5e-4)",
        "schedule.starts=choice(0,10,20|0,5,10)",
        "optimizer.nesterov=choice(true,false)",
    )
    assert rate.values == (1e-4, 1e-1) and rate.kind == "log"
    assert batch.values == (16, 64)
    assert decay.values == (0.0, 5e-4)
    assert starts.values == ("0,10,20", "0,5,10")
    assert switch.values == ("true", "false")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("optimizer.learning_rte=log(1,2)", "'learning_rate'"),
        ("optimizer.learning_rate=0.1", "log(LOW,HIGH)"),
        ("optimizer.learning_rate=lg(1,2)", "'log'"),
        ("optimizer.learning_rate=log(0,2)", "above 0"),
        ("optimizer.learning_rate=log(2,1)", "lower first"),
        ("optimizer.learning_rate=linear(1)", "two numbers"),
        ("optimizer.learning_rate=log(a,b)", "a number"),
        ("global_batch_size=choice(64.5,32)", "whole number"),
        ("global_batch_size=choice(64)", "two values"),
        ("global_batch_size=choice(64,32,64)", "all different"),
        ("optimizer.nesterov=linear(false,true)", "two numbers"),
        ("num_classes=choice(1,2)", "it follows from --data"),
        ("held_out=choice(1,2)", "cannot be compared"),
    ],
)
def test_what_cannot_be_searched_is_refused_by_name(text, said):
    with pytest.raises(UsageError, match="--space") as raised:
        read(text)
    assert said in str(raised.value)


def test_a_field_is_fixed_or_searched_and_only_once():
    space = "optimizer.learning_rate=log(1,2)"
    with pytest.raises(UsageError, match="more than once"):
        read(space, space)
    fixed = apply(RESNET20, ["optimizer.learning_rate=0.3"])
    with pytest.raises(UsageError, match="both --set and --space"):
        read(space, recipe=fixed)
    assert read("epochs=choice(1,2)")
    for field in ("epochs", "patience"):
        with pytest.raises(UsageError, match="Hyperband itself"):
            read(f"{field}=choice(1,2)", tuner="hyperband")
    with pytest.raises(UsageError, match="--set patience=2 with --tuner hyperband: Hyperband"):
        request(set=["patience=2"], tuner="hyperband")


def test_a_rate_that_was_set_to_zero_is_no_fitted_network():
    texts = search_space.default_space(apply(RESNET20, ["optimizer.learning_rate=0"]), 45_000, 1)
    assert texts and not any("learning_rate" in text for text in texts)


def test_every_recipe_has_a_default_space_around_its_own_values():
    seen = set()
    for recipe in (
        r for p in reproductions.names() for r in reproductions.load(p).RECIPES.values()
    ):
        if is_fitted(recipe):
            with pytest.raises(UsageError, match="it has no rates to search"):
                search_space.default_space(recipe, 45_000, 1)
            continue
        texts = search_space.default_space(recipe, 45_000, 1)
        assert texts[0].startswith("optimizer.learning_rate=log(")
        if tuple(texts) in seen:  # around the same values
            continue
        seen.add(tuple(texts))
        for dimension in search_space.read(recipe, texts, "hyperband"):
            own = search_space.part_of(recipe, dimension.path)
            if dimension.kind == "log":
                assert dimension.values == pytest.approx((own / 10, own * 10))
            else:
                own = ",".join(map(str, own)) if isinstance(own, tuple) else own
                assert own in dimension.values
    assert len(seen) > 10


def test_only_what_can_matter_and_is_not_fixed_is_searched():
    def paths(recipe):
        texts = search_space.default_space(recipe, 45_000, 1)
        return {text.partition("=")[0] for text in texts}

    always = {"optimizer.learning_rate", "global_batch_size"}
    assert paths(RESNET20) == always | {"weight_decay.rate", "schedule.starts"}
    short = dataclasses.replace(RESNET20, epochs=10)  # which no time of the schedule is in
    assert paths(short) == always | {"weight_decay.rate"}
    assert paths(dataclasses.replace(short, weight_decay=None)) == always
    assert "schedule.starts" in {one.path for one in request().space}
    ends = request(set=["updates=1300"])  # within the second epoch of 1,294 images
    assert "schedule.starts" not in {one.path for one in ends.space} and ends.epochs == 2
    asked = request(set=["optimizer.learning_rate=0.01", "global_batch_size=8"])
    assert asked.space and always.isdisjoint(dimension.path for dimension in asked.space)


def test_batches_are_searched_among_those_that_fit_into_the_images_of_a_trial():
    def batches(images):
        space = request("cifar_resnet20", set=[f"train_images={images}"]).space
        return [one.values for one in space if one.path == "global_batch_size"]

    assert batches(300) == [(64, 128, 256)]
    assert batches(200) == []  # 256 are more than a trial trains on


def test_a_winner_is_trained_in_full_on_all_images_to_the_papers_end():
    asked = ("epochs=3", "train_images=300", "patience=2", "weight_decay.rate=0.1")
    settings = request("cifar_resnet20", set=asked).settings
    facts = {"variant": "cifar_resnet20", "flags": ["--data=sample"], "settings": settings}
    trial = {"values": ["optimizer.learning_rate=0.2", "patience=3"]}
    assert status._train_in_full(facts, trial) == (
        "python -m launch cifar_resnet20 --data=sample --set weight_decay.rate=0.1 "
        "--set optimizer.learning_rate=0.2"
    )


def test_trials_are_compared_on_training_images_that_are_held_out(tmp_path):
    recipe = request().recipe
    assert recipe.held_out == 143  # a tenth of the digits' 1,437
    assert recipe.views == (recipe.monitor,)
    assert request(set=["held_out=50"]).recipe.held_out == 50
    with pytest.raises(UsageError, match="never chooses by the test split"):
        request(set=["held_out=0"])
    few = ["global_batch_size=4"]
    folder = request("cifar_resnet20", data=folder_of(tmp_path), set=few)  # whose list is mixed
    assert folder.recipe.held_out == 1 and f"--data={folder.recipe.data}" in folder.flags


def test_a_trial_is_a_command_of_its_own(tmp_path):
    asked = request(set=["epochs=9"], platform="cpu", tuner="hyperband")
    words = asked.trial_words(tmp_path, ["optimizer.mu=0.5", "epochs=3"])
    assert words[:3] == ["lenet5", "--data=sample", "--platform=cpu"]
    assert "--set=epochs=3" in words and "--set=epochs=9" not in words
    assert "--set=held_out=143" in words and "--set=optimizer.mu=0.5" in words
    assert words[-1] == f"--workdir={tmp_path}"
    values = {"a": 0.1 + 1e-9, "tuner/epochs": 3, "b": 64, "c": "0,5"}
    assert search_space.settings_of(values) == ["a=0.1", "b=64", "c=0,5"]


def test_each_worker_has_gpus_of_its_own():
    shares = share_gpus(2, ["4", "5", "6", "7"], 2)
    assert [s["CUDA_VISIBLE_DEVICES"] for s in shares] == ["4,5", "6,7"]
    assert share_gpus(2, ["0", "1"], None)[1] == {"CUDA_VISIBLE_DEVICES": "1"}
    assert share_gpus(3, [], 2) == [{}] * 3
    assert share_gpus(2, ["0"], 0) == [{}] * 2
    with pytest.raises(UsageError, match="there are 1"):
        share_gpus(2, ["0"], None)


@pytest.mark.parametrize("missing", ["PORT", "TUNER_ID", "nothing"])
def test_workers_are_started_here_or_named_whole_by_the_environment(monkeypatch, missing):
    for name in MEMBER:
        if not name.endswith(missing):
            monkeypatch.setenv(name, "1")
    said = "--workers starts" if missing == "nothing" else f"{missing} is not set"
    with pytest.raises(UsageError, match=said):
        request(workers=2)
