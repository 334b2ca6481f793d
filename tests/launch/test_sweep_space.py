import dataclasses

import pytest

import reproductions
from common.errors import UsageError
from launch.settings.overrides import apply
from launch.sweep import search_space
from launch.sweep.workers import share_gpus
from reproductions.resnet_cifar.recipe import RESNET20
from tests.launch.sweep_fakes import request


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
        ("optimzer.learning_rate=log(1,2)", "'optimizer'"),
        ("optimizer.learning_rate=0.1", "log(LOW,HIGH)"),
        ("optimizer.learning_rate=lg(1,2)", "'log'"),
        ("optimizer.learning_rate=log(0,2)", "above 0"),
        ("optimizer.learning_rate=log(2,1)", "lower first"),
        ("optimizer.learning_rate=linear(1)", "two numbers"),
        ("optimizer.learning_rate=log(a,b)", "a number"),
        ("global_batch_size=choice(64.5,32)", "whole number"),
        ("global_batch_size=choice(64)", "two values"),
        ("global_batch_size=choice(64,64)", "all different"),
        ("optimizer.nesterov=linear(false,true)", "two numbers"),
        ("num_classes=choice(1,2)", "it follows from --data"),
        ("held_out=choice(1,2)", "cannot be compared"),
        ("monitor=choice(single,ten_crop)", "cannot be compared"),
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


def test_hyperband_decides_on_epochs_itself():
    assert read("epochs=choice(1,2)")
    with pytest.raises(UsageError, match="Hyperband itself"):
        read("epochs=choice(1,2)", tuner="hyperband")


@pytest.mark.parametrize("paper", reproductions.names())
def test_every_recipe_has_a_default_space_around_its_own_values(paper):
    for recipe in reproductions.load(paper).RECIPES.values():
        texts = search_space.default_space(recipe, 45_000, 1)
        for dimension in search_space.read(recipe, texts, "hyperband"):
            own = search_space.part_of(recipe, dimension.path)
            if dimension.kind == "log":
                low, high = dimension.values
                assert low * 10 == pytest.approx(own)
                assert high == pytest.approx(10 * own)
            else:
                if isinstance(own, tuple):
                    own = ",".join(map(str, own))
                assert own in dimension.values
        assert texts[0].startswith("optimizer.learning_rate=log(")


def test_a_schedule_is_searched_only_where_it_is_reached():
    def paths(recipe):
        texts = search_space.default_space(recipe, 45_000, 1)
        return [text.partition("=")[0] for text in texts]

    assert "schedule.starts" in paths(RESNET20)
    short = dataclasses.replace(RESNET20, epochs=10)
    assert "schedule.starts" not in paths(short)
    assert "weight_decay.rate" in paths(short)
    bare = dataclasses.replace(short, weight_decay=None)
    assert "weight_decay.rate" not in paths(bare)
    assert "global_batch_size" in paths(short)


def test_what_set_fixes_is_not_in_the_default_space():
    asked = request(set=["optimizer.learning_rate=0.01", "global_batch_size=8"])
    paths = [dimension.path for dimension in asked.space]
    assert paths and "optimizer.learning_rate" not in paths
    assert "global_batch_size" not in paths


def test_trials_are_compared_on_training_images_that_are_held_out():
    recipe = request().recipe
    assert recipe.held_out == 143  # a tenth of the digits' 1,437
    assert recipe.views == (recipe.monitor,)
    assert request(set=["held_out=50"]).recipe.held_out == 50
    with pytest.raises(UsageError, match="never chooses by the test split"):
        request(set=["held_out=0"])


def test_a_folder_of_images_has_nothing_to_hold_out(tmp_path):
    with pytest.raises(UsageError, match="prepare"):
        request("cifar_resnet20", data=f"folder:{tmp_path}")


def test_a_trial_is_a_command_of_its_own(tmp_path):
    asked = request(set=["epochs=9"], platform="cpu", tuner="hyperband")
    words = asked.trial_words(tmp_path, ["optimizer.mu=0.5", "epochs=3"])
    assert words[:3] == ["lenet5", "--data=sample", "--platform=cpu"]
    assert "--set=epochs=3" in words and "--set=epochs=9" not in words
    assert "--set=held_out=143" in words and "--set=optimizer.mu=0.5" in words
    assert words[-1] == f"--workdir={tmp_path}"


def test_values_are_given_to_a_trial_as_set_reads_them():
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


@pytest.mark.parametrize("missing", ["PORT", "TUNER_ID"])
def test_half_of_the_address_of_a_chief_is_refused(monkeypatch, missing):
    for name in ("ORACLE_IP", "ORACLE_PORT", "TUNER_ID"):
        if not name.endswith(missing):
            monkeypatch.setenv(f"KERASTUNER_{name}", "1")
    with pytest.raises(UsageError, match=f"{missing} is not set"):
        request()


def test_workers_are_started_here_or_named_by_the_environment(monkeypatch):
    for name in ("ORACLE_IP", "ORACLE_PORT", "TUNER_ID"):
        monkeypatch.setenv(f"KERASTUNER_{name}", "1")
    with pytest.raises(UsageError, match="--workers"):
        request(workers=2)
