"""--from, --freeze and --body_rate: a training that begins with trained weights."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.data import catalog
from common.data.statistics import load
from common.data.transforms import (
    PcaColourNoise,
    Standardize,
    SubtractCentreMean,
    SubtractChannelMean,
    TorchvisionCentreCrop,
    TorchvisionResize,
)
from common.errors import RunError, UsageError
from common.files import save_weights
from common.models import preprocessing
from common.models.preprocessing import torchvision
from common.models.weight_import import read_layers
from common.recipes.recipe import FineTuning, GroupSchedule, Override
from common.recipes.schedules import Constant
from common.recipes.serialization import describe, describe_recipe
from common.training.optimizers import build_optimizer, rates_at
from common.training.run_record import asked_overrides, is_finished
from launch.session import recipe_table, starting_weights
from launch.session.run_session import identify
from launch.session.setup import build_network
from launch.settings.options import read_training
from launch.settings.overrides import apply, combine
from launch.weights import run_weights
from launch.weights.fine_tuning import _change_images, read_changes
from launch.weights.shipped import find_folder
from tests.common.data_fixtures import write_images
from tests.launch import test_predict
from tests.launch.flags import answer, read
from tests.launch.test_resume import finish, start

here = test_predict.here

SHIPPED = find_folder("resnet_cifar", "cifar_resnet20")
FILE = SHIPPED / run_weights.WEIGHTS
CIFAR = json.loads((SHIPPED / "run.json").read_text())["class_names"]
RESNET18 = reproductions.load("resnet").RECIPES["resnet18"]


ANIMALS = ("cat", "dog", "eel")


def folder_of(root, names=ANIMALS, images=4):
    """So many noisy images of each class and split."""
    places = [f"{split}/{name}" for split in ("train", "validation") for name in names]
    return f"folder:{write_images(root, dict.fromkeys(places, images), (32, 32))}"


def ask(variant, weights, data=None, **flags):
    """The training that flags mean, before its network is known."""
    paper, _ = reproductions.find(variant)
    values = read("NAME", **{"from": weights, "data": data, "set": ["global_batch_size=4"]} | flags)
    changes, file = read_changes(paper, variant, values)
    return read_training(paper, variant, values, changes, needs_data=False, weights=file)


def settle(*words, **flags):
    """The same with what the network and its weights decide, and its source."""
    asked = ask(*words, **flags)
    source = catalog.open_source(asked.experiment.dataset)
    return starting_weights.settle(asked, source), source


def published(file, variant, recipe):
    """A file that says what its network is fed, as import's do."""
    h5py.File(file, "w").close()
    preprocessing.write(file, "torchvision", variant, torchvision(256, 224).of(recipe))
    return file


def test_images_are_prepared_as_those_of_the_weights(tmp_path):
    file = published(tmp_path / "w.h5", "resnet18", RESNET18)
    recipe = ask("resnet18", file).experiment.recipe
    assert isinstance(recipe.normalize, Standardize)
    assert recipe.test_transforms == (TorchvisionResize(256), TorchvisionCentreCrop(256))
    # Noise of pixels 0 .. 255 comes before they are standardised.
    assert recipe.train_transforms == (*RESNET18.train_transforms, *RESNET18.train_noise)
    assert isinstance(recipe.train_transforms[-1], PcaColourNoise) and recipe.train_noise == ()
    changed = {one.field: one for one in recipe.overrides}
    assert changed["normalize"].old == SubtractCentreMean()
    small = ask("resnet18", file, set=["image_size=112", "normalize=SubtractChannelMean()"])
    recipe = small.experiment.recipe
    assert recipe.test_transforms == (TorchvisionResize(128), TorchvisionCentreCrop(128))
    assert recipe.normalize == SubtractChannelMean()


def test_noise_stays_where_the_paper_has_it_when_pixels_keep_their_unit():
    seen = dataclasses.replace(RESNET18, normalize=SubtractChannelMean())
    assert _change_images(RESNET18, seen, []) == {"normalize": SubtractChannelMean()}


def test_weights_that_miss_the_mean_they_were_trained_with_are_refused(tmp_path):
    alone = shutil.copy(FILE, tmp_path / "alone.weights.h5")
    with pytest.raises(UsageError, match="--preprocessing"):
        ask("cifar_resnet20", alone)
    with pytest.raises(UsageError, match="less the mean of its training set"):
        ask("cifar_resnet20", alone, preprocessing="recipe")
    with pytest.raises(UsageError, match="subtracts a mean image of 32x32"):
        ask("cifar_resnet20", SHIPPED, set=["image_size=48"])
    given = ["normalize=SubtractChannelMean()", "global_batch_size=4"]
    assert ask("cifar_resnet20", alone, preprocessing="recipe", set=given).weights == alone


def test_weights_of_an_earlier_end_are_not_taken_for_the_recipe_that_goes_on(tmp_path):
    run = shutil.copytree(SHIPPED, tmp_path / "run")
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"status": "stopped"}))
    with pytest.raises(UsageError, match="of an earlier end"):
        ask("cifar_resnet20", run)
    ask("cifar_resnet20", shutil.copy(run / run_weights.WEIGHTS, run / run_weights.BEST))


@pytest.mark.parametrize("name", ["w.pth", "w.TH", "w.npz", "w.safetensors", "w.h5", "w.keras"])
def test_a_published_file_is_to_be_imported_first(tmp_path, name):
    file = tmp_path / name
    h5py.File(file, "w").close() if name.endswith("h5") else file.write_bytes(b"of another kind")
    said = f"Import it first: .* import cifar_resnet20 --from LAYOUT {file} .* akamaster"
    with pytest.raises(UsageError, match=said):
        ask("cifar_resnet20", file)
    with pytest.raises(UsageError, match="no published weights are known for lenet5"):
        ask("lenet5", file)


def test_another_variants_weights_are_refused_though_they_fit(tmp_path):
    file = shutil.copy(FILE, tmp_path / "w.weights.h5")
    recipe = reproductions.load("resnet_cifar").RECIPES["akamaster_resnet20"]
    preprocessing.write(file, "akamaster", "akamaster_resnet20", recipe)
    with pytest.raises(UsageError, match="of akamaster_resnet20, not of cifar_resnet20: give the"):
        ask("cifar_resnet20", file)
    assert ask("akamaster_resnet20", file).weights == file


def test_other_classes_have_a_new_head_and_all_else_has_the_weights(tmp_path):
    asked, _ = settle("cifar_resnet20", "cifar_resnet20", folder_of(tmp_path), freeze="conv1")
    assert asked.experiment.recipe.fine_tuning.new_layers == ("fc",)
    model = build_network(asked.experiment, tf.distribute.get_strategy())
    began = [w.numpy() for w in model.get_layer("fc").weights]
    starting_weights.begin(asked, model)
    there = read_layers(FILE)
    for layer in model.layers:
        expected = began if layer.name == "fc" else there.get(layer.name, ())
        for weight, value in zip(layer.weights, expected, strict=True):
            np.testing.assert_array_equal(weight.numpy(), value)
            assert weight.path.startswith(f"{layer.name}/")  # what body_rate goes by
        assert layer.trainable != layer.name.startswith("conv1")
    kept, mean = (
        starting_weights.statistics_of_weights(asked),
        load(SHIPPED / run_weights.STATISTICS),
    )
    np.testing.assert_array_equal(kept.mean_image, mean.mean_image)
    told = recipe_table.list_rows("resnet_cifar", "cifar_resnet20", asked.experiment.recipe, model)
    begun = [here for _, here, _ in told if "VarianceScaling" in here]
    assert len(begun) == 1 and begun[0].startswith("fc: ")
    rows = dict(starting_weights.describe_start(asked, model))
    assert "new, for 3 classes: fc" in rows["begins with"]
    assert "10 classes, recipe " in rows["begins with"] and "2 layers" in rows["frozen"]


def test_the_head_stays_if_its_classes_do(tmp_path):
    same, _ = settle("cifar_resnet20", "cifar_resnet20", folder_of(tmp_path / "a", CIFAR, 1))
    recipe = same.experiment.recipe
    assert recipe.fine_tuning.new_layers == ()
    model = build_network(same.experiment, tf.distribute.get_strategy())
    told = recipe_table.list_rows("resnet_cifar", "cifar_resnet20", recipe, model)
    assert "initial weights" not in [what for what, *_ in told]
    left = [one.field for one in recipe_table.list_deviations(recipe)]
    assert "model: shortcuts" in left and not {"held_out", "model: initial weights"} & set(left)
    names = [f"other {name}" for name in CIFAR]
    other, _ = settle("cifar_resnet20", "cifar_resnet20", folder_of(tmp_path / "b", names, 1))
    assert other.experiment.recipe.fine_tuning.new_layers == ("fc",)


def test_a_file_on_its_own_says_whose_classes_its_head_is_of(tmp_path):
    plain = "normalize=ScalePixels(0, 1)"
    run = weights_of(tmp_path / "run", "cifar_resnet20", plain)  # of the sample's ten digits
    file = shutil.copy(run / run_weights.WEIGHTS, tmp_path / "digits.weights.h5")
    asked, _ = settle("cifar_resnet20", file, "sample")
    assert asked.experiment.recipe.fine_tuning.new_layers == ()
    cifar = SimpleNamespace(dataset=SimpleNamespace(name="cifar10"))
    assert not starting_weights._has_same_classes(asked, cifar)


@pytest.mark.parametrize(
    ("freeze", "names", "said"),
    [
        ("conv1,stag4", ANIMALS, "--freeze stag4: no layer .* called conv1, .*fc"),
        ("fc", ANIMALS, "would freeze fc, new for these classes"),
        ("conv1,stage,fc", CIFAR, "nothing is left to train"),
    ],
)
def test_names_that_cannot_be_frozen_are_refused(tmp_path, freeze, names, said):
    with pytest.raises(UsageError, match=said):
        settle("cifar_resnet20", "cifar_resnet20", folder_of(tmp_path, names, 1), freeze=freeze)


@pytest.mark.parametrize("shape", [None, (3, 3, 3, 17)])
def test_weights_of_another_network_are_refused_by_name(tmp_path, shape):
    run = shutil.copytree(SHIPPED, tmp_path / "run")
    with h5py.File(run / run_weights.WEIGHTS, "r+") as file:
        if shape:
            del file["layers/conv2d/vars/0"]
            file["layers/conv2d/vars/0"] = np.zeros(shape)
        else:
            file["layers/conv2d/vars"].attrs["name"] = "stem"
    said = "another shape: conv1" if shape else "Missing: conv1; unknown: stem"
    with pytest.raises(RunError, match=said):
        settle("cifar_resnet20", run, folder_of(tmp_path / "data"))


def weights_of(folder, variant, *settings):
    """The run of a network that --set has made another; its weights are random."""
    paper, _ = reproductions.find(variant)
    asked = read_training(paper, variant, read("NAME", data="sample"), settings, needs_data=False)
    source = catalog.open_source(asked.experiment.dataset)
    model = build_network(asked.experiment, tf.distribute.get_strategy())
    folder.mkdir()
    recipe = asked.experiment.recipe
    save_weights(
        model,
        folder / run_weights.WEIGHTS,
        lambda made: preprocessing.write(made, preprocessing.RECIPE, variant, recipe),
    )
    (folder / "run.json").write_text(json.dumps(identify(asked, source)))
    return folder


SMALL = ("train_images=4", "global_batch_size=2", "image_size=67", "normalize=ScalePixels(0, 1)")
NARROW = "filters=(2,4,4,4,4)"


def test_the_network_is_made_as_that_of_the_runs_weights(tmp_path):
    run = weights_of(tmp_path / "run", "alexnet", *SMALL, NARROW, "lrn=false")
    begun, source = settle("alexnet", run, "sample", set=SMALL)
    network = begun.experiment.recipe.network
    assert (network.filters, network.lrn) == ((2, 4, 4, 4, 4), False)
    on_record = {one["field"] for one in identify(begun, source)["overrides"]}
    assert {"network.filters", "network.lrn"} <= on_record
    alone = shutil.copy(run / run_weights.WEIGHTS, tmp_path / "w.weights.h5")  # says it, too
    assert ask("alexnet", alone, "sample", set=SMALL).experiment.recipe.network == network
    asked = ask("alexnet", run, "sample", set=[*SMALL, "lrn=true"])
    assert asked.experiment.recipe.network.lrn  # --set has the last word
    with pytest.raises(RunError, match="of another shape: conv5"):
        settle("alexnet", run, "sample", set=[*SMALL, "filters=(2,4,4,4,2)"])


def test_auxiliary_heads_may_be_left_out_and_are_not_missed(tmp_path):
    run, whole = tmp_path / "run", tmp_path / "whole"
    weights_of(run, "googlenet", *SMALL, "auxiliary=false")
    begun, _ = settle("googlenet", run, "sample", set=SMALL)
    assert begun.experiment.recipe.network.auxiliary is False
    with pytest.raises(RunError, match="Missing: "):
        settle("googlenet", run, "sample", set=[*SMALL, "auxiliary=true"])
    weights_of(whole, "googlenet", *SMALL)
    begun, _ = settle("googlenet", whole, "sample", set=[*SMALL, "auxiliary=false"])
    model = build_network(begun.experiment, tf.distribute.get_strategy())
    starting_weights.begin(begun, model)
    name = "conv1_7x7"
    there = read_layers(whole / run_weights.WEIGHTS)
    np.testing.assert_array_equal(model.get_layer(name).get_weights()[0], there[name][0])


def test_the_body_learns_at_a_rate_of_its_own():
    recipe = dataclasses.replace(
        reproductions.load("resnet_cifar").RECIPES["cifar_resnet20"],
        fine_tuning=FineTuning(weights="w", sha256="", body_rate=0.1),
        schedule=Constant(value=1.0),
        group_schedules=(GroupSchedule(variables="bias$", schedule=Constant(value=2.0)),),
    )
    scaled = starting_weights._scale_body(recipe, ("fc",))
    rates = ["body, bias$: 0.02", "body: 0.01", "fc, bias$: 0.2", "fc: 0.1"]
    assert list(recipe_table.say_rates(scaled)) == rates
    variables = []
    for path in ("conv1/kernel", "conv1/bias", "fc/kernel", "fc/bias", "fc_not/kernel"):
        layer, name = path.split("/")
        with keras.name_scope(layer):
            variables.append(keras.Variable(0.0, name=name))
    layers = [keras.layers.Dense(1, name=name) for name in ("conv1", "fc", "fc_not")]
    for layer in layers:
        layer.build((None, 1))
    weights = [weight for layer in layers for weight in layer.trainable_variables]
    optimizer = build_optimizer(scaled)
    optimizer.build(weights)
    rates = rates_at(scaled, epoch=0, step=0, steps_per_epoch=1, history=[])
    found = {
        weight.path: rates[group] / recipe.optimizer.learning_rate
        for weight, group in zip(weights, optimizer._group, strict=True)
    }
    expected = {"conv1/kernel": 0.1, "conv1/bias": 0.2, "fc/kernel": 1, "fc/bias": 2}
    assert found == pytest.approx(expected | {"fc_not/kernel": 0.1, "fc_not/bias": 0.2})


@pytest.mark.parametrize("head", [(), ("fc",), ("fc", "other-head")])
@pytest.mark.parametrize("variables", ["", "bias$", "(a|b)"])
def test_what_is_spelt_of_a_body_is_read_and_nothing_else(head, variables):
    body = starting_weights.Body(head, variables)
    assert starting_weights.read_body(body.spell()) == body
    for other in (variables or "kernel", f"{body.spell()}x", "^fc"):
        assert starting_weights.read_body(other) is None


def test_the_bodys_rate_is_no_second_deviation():
    recipe = reproductions.load("resnet_cifar").RECIPES["cifar_resnet20"]
    tuning = FineTuning(weights="w", sha256="", body_rate=0.1)
    recipe = dataclasses.replace(recipe, fine_tuning=tuning)
    [change] = starting_weights._scale_body(recipe, ("fc", "other-head")).overrides
    assert starting_weights.repeats_fine_tuning(change)
    own = GroupSchedule(variables="bias$", schedule=Constant(value=2.0))
    with_own = dataclasses.replace(change, new=(*change.new, own))
    assert not starting_weights.repeats_fine_tuning(with_own)


def read_again(recipe, *settings):
    """A run's recipe, as `launch RUN --set ...` reads it from the record."""
    record = json.loads(json.dumps({"overrides": describe(recipe.overrides)}))
    own = [one for one in asked_overrides(record) if one.field != "data"]
    paper = reproductions.load("resnet_cifar").RECIPES["cifar_resnet20"]
    return starting_weights._follow_schedule(apply(paper, combine(own, settings)))


TUNING = {"weights": "w", "sha256": "", "body_rate": 0.1}
GROUPS = "GroupSchedule(variables='gamma$', schedule=Constant(value=2.0))"


@pytest.mark.parametrize("asked", [[], [f"group_schedules=({GROUPS},)"]])
def test_the_body_follows_a_schedule_that_a_run_goes_on_with(asked):
    paper = reproductions.load("resnet_cifar").RECIPES["cifar_resnet20"]
    tuning = Override(field="fine_tuning", old=None, new=describe(FineTuning(**TUNING)))
    recipe = starting_weights._scale_body(apply(paper, [tuning, *asked]), ("fc",))
    assert [one.field for one in recipe.overrides] == ["fine_tuning", "group_schedules"]
    assert read_again(recipe) == recipe
    changed = read_again(recipe, "schedule=Constant(value=1)")
    rates = list(recipe_table.say_rates(changed))
    assert "body: 0.01" in rates and rates[-1] == "fc: 0.1"
    assert [one.field for one in changed.overrides].count("group_schedules") == 1
    assert read_again(changed) == changed
    by_hand = read_again(
        recipe, "schedule=Constant(value=1)", f"group_schedules.{len(asked)}.schedule.times=0.5"
    )
    assert by_hand.group_schedules[len(asked)].schedule.times == 0.5


def test_another_network_is_not_trained_first(tmp_path):
    own = reproductions.load("vgg").RECIPES["vgg16"]
    assert own.initialize_from
    asked = ask("vgg16", published(tmp_path / "w.h5", "vgg16", own))
    assert asked.before is None and asked.experiment.recipe.initialize_from is None
    rows = dict(starting_weights.describe_start(asked, None))
    assert rows["not trained"].startswith(own.initialize_from.variant)


def test_a_run_is_the_same_only_with_the_same_weights(tmp_path):
    run, data = shutil.copytree(SHIPPED, tmp_path / "run"), folder_of(tmp_path / "data")
    asked, source = settle("cifar_resnet20", run, data, body_rate=0.1, freeze="conv1")
    recipe, folder = asked.experiment.recipe, tmp_path / "workdir"
    folder.mkdir()
    identity = identify(asked, source) | {"status": "finished"}
    (folder / "run.json").write_text(json.dumps(identity))
    assert is_finished(folder, identify(asked, source))
    with h5py.File(run / run_weights.WEIGHTS, "r+") as file:
        file["layers/conv2d/vars/0"][0] = 0.5
    changed, _ = settle("cifar_resnet20", run, data, body_rate=0.1, freeze="conv1")
    assert changed.settings.workdir == asked.settings.workdir
    with pytest.raises(RunError, match="holds another run: recipe.fine_tuning.sha256 is"):
        is_finished(folder, identify(changed, source))
    found = run_weights.Trained(folder, json.loads(json.dumps(identity)))
    paper = reproductions.load("resnet_cifar").RECIPES["cifar_resnet20"]
    again = run_weights.read_recipe(found, "cifar_resnet20", paper)
    assert describe_recipe(again) == describe_recipe(recipe)
    assert describe(again.overrides[1:]) == describe(recipe.overrides[1:])


def test_two_devices_train_what_is_not_frozen_and_the_record_serves_predict(tmp_path, here, capsys):
    folder = tmp_path / "run"
    command = (
        *("cifar_resnet20", "--from", "cifar_resnet20", "--freeze", "conv1,stage1_,stage2_"),
        *("--data", folder_of(tmp_path / "data"), "--body_rate", "0.1"),
        *("--set", "global_batch_size=4", "--set", "epochs=1", "--set", "updates=None"),
        *("--gpus", "2", "--platform", "cpu"),
    )
    said = finish(start(command, folder))
    assert "Not the paper's experiment" in said and "fine_tuning: run of cifar_resnet20" in said
    there, here = read_layers(FILE), read_layers(folder / run_weights.WEIGHTS)
    same = {
        name for name in here if name != "fc" and all(map(np.array_equal, here[name], there[name]))
    }
    assert same == {n for n in here if n.startswith(("conv1", "stage1_", "stage2_"))}
    photograph = next((tmp_path / "data").glob("train/eel/*"))
    code, out, err = answer(capsys, "predict", folder, photograph)
    assert code == 0, err
    assert all(name in out for name in ("cat", "dog", "eel"))
