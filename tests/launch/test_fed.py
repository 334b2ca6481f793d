"""What a file of weights says of its network's input, and who follows it."""

import dataclasses
import json
import re

import h5py
import pytest

import reproductions
from common.data.transforms import CentreCrop
from common.data.transforms.geometric import ResizeShorterSide
from common.data.transforms.pixels import SubtractMeanPixel
from common.errors import RunError, UsageError
from common.models import preprocessing
from common.recipes.serialization import recipe_hash
from launch.settings.overrides import apply
from launch.weights import run_weights
from launch.weights.preprocessing import adapt
from tests.launch import test_predict, toy
from tests.launch.test_export import export
from tests.launch.test_predict import COLOURS, colour, predict_here

colours = test_predict.colours
SWAPPED = dataclasses.replace(
    COLOURS, normalize=SubtractMeanPixel(order="BGR", mean=(0.0, 0.0, 0.0))
)


@pytest.fixture
def alone(colours, tmp_path):
    """The weights without their run, which say nothing."""
    return (colours / run_weights.WEIGHTS).rename(tmp_path / "w.weights.h5")


def first(capsys):
    return capsys.readouterr().out.splitlines()[1].split()[-1]


def test_a_file_that_does_not_say_it_is_asked_for_it(alone, tmp_path, capsys):
    photograph = colour(tmp_path / "a.png", (0, 0, 255))
    for refused in (
        lambda: predict_here(alone, photograph),
        lambda: export(alone, tmp_path / "made"),
    ):
        with pytest.raises(UsageError, match="does not say .*--preprocessing"):
            refused()
    assert not (tmp_path / "made").exists()
    assert predict_here(alone, photograph, preprocessing="recipe") == 0
    assert first(capsys) == "2"
    with pytest.raises(UsageError, match="Did you mean 'recipe'"):
        predict_here(alone, photograph, preprocessing="recipes")


@pytest.mark.parametrize("asked", [None, "torchvison"])
def test_the_layouts_are_named(tmp_path, asked):
    file, recipe = tmp_path / "w.weights.h5", toy.RECIPE
    h5py.File(file, "w").close()
    with pytest.raises(UsageError, match="torchvision, torchvision_232, caffe"):
        adapt("resnet", "resnet50", recipe, file, asked, of_a_run=False)


def test_a_file_is_followed_and_said(alone, tmp_path, capsys):
    """Red and blue change places; the recipe would not do that."""
    preprocessing.write(alone, "caffe", "colours", SWAPPED)
    photograph = colour(tmp_path / "a.png", (0, 0, 255))
    assert predict_here(alone, photograph) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[1].endswith("class 0")
    assert "as caffe prepares them, SubtractMeanPixel(order='BGR'" in said.err


def test_a_run_keeps_its_recipe_and_not_other_files(colours, tmp_path, capsys):
    photograph = colour(tmp_path / "a.png", (0, 0, 255))
    preprocessing.write(colours / run_weights.WEIGHTS, "recipe", "colours", COLOURS)
    assert predict_here(colours, photograph) == 0
    assert first(capsys) == "blue"
    other = (colours / run_weights.WEIGHTS).rename(colours / "other.weights.h5")
    preprocessing.write(other, "caffe", "colours", SWAPPED)
    assert predict_here(other, photograph) == 0
    assert first(capsys) == "0"


def test_another_variants_file_is_refused_and_an_older_one_is_not(alone, tmp_path):
    photograph = colour(tmp_path / "a.png", (0, 0, 255))
    preprocessing.write(alone, "caffe", "greys", SWAPPED)
    for asked in (
        lambda: predict_here(alone, photograph),
        lambda: reproductions.make_preprocessing("", "colours", weights=alone),
    ):
        with pytest.raises(UsageError, match="holds weights of greys, not of colours"):
            asked()
    with h5py.File(alone, "r+") as file:
        facts = json.loads(file.attrs[preprocessing.ATTRIBUTE])
        del facts["variant"]
        file.attrs[preprocessing.ATTRIBUTE] = json.dumps(facts)
    assert predict_here(alone, photograph) == 0


def test_a_flag_does_not_contradict_the_file(alone, tmp_path):
    preprocessing.write(alone, "caffe", "colours", SWAPPED)
    photograph = colour(tmp_path / "a.png", (0, 0, 255))
    with pytest.raises(UsageError, match="as caffe does; .* recipe says other"):
        predict_here(alone, photograph, preprocessing="recipe")


def test_a_file_of_another_image_size_is_scaled(alone):
    preprocessing.write(alone, "caffe", "colours", SWAPPED)
    twice = dataclasses.replace(COLOURS, image_size=32)
    found = preprocessing.read(alone).of(twice)
    wanted = (ResizeShorterSide(48), CentreCrop(48))
    assert found.test_transforms == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no JSON", "not in words that are known"),
        ('"a word"', "not in words that are known"),
        ({"class": "Blur", "size": 3}, "no operation 'Blur'"),
        ({"class": "Standardize", "means": [1]}, "means"),
    ],
)
def test_what_is_not_known_here_is_refused(alone, tmp_path, text, said):
    if isinstance(text, dict):
        facts = {"layout": "caffe", "image_size": 16, "normalize": text}
        text = json.dumps(facts | {"test_transforms": []})
    with h5py.File(alone, "r+") as file:
        file.attrs[preprocessing.ATTRIBUTE] = text
    with pytest.raises(RunError, match=said):
        predict_here(alone, colour(tmp_path / "a.png", (1, 2, 3)))


def test_every_recipe_can_be_written_and_read(tmp_path):
    file = tmp_path / "w.weights.h5"
    h5py.File(file, "w").close()
    blank = {"normalize": None, "test_transforms": ()}
    seen = set()
    for paper in reproductions.names():
        for variant, recipe in reproductions.load(paper).RECIPES.items():
            preprocessing.write(file, "recipe", variant, recipe)
            other = dataclasses.replace(recipe, **blank)
            assert preprocessing.read(file).of(other) == recipe
            seen.add(paper)
    assert len(seen) > 10


@pytest.mark.parametrize(
    ("paper", "variant", "settings"),
    [
        ("alexnet", "alexnet", ["lrn=false", "filters.0=8", "after_conv1=('relu','pool')"]),
        ("preact_resnet", "cifar_preact_resnet110", ["order.after=relu"]),
        ("wide_resnet", "wrn_50_2", ["blocks=(1,1,1,1)"]),
    ],
)
def test_a_file_says_what_set_had_made_of_its_network(tmp_path, paper, variant, settings, capsys):
    file = tmp_path / "w.weights.h5"
    h5py.File(file, "w").close()
    own = reproductions.load(paper).RECIPES[variant]
    made = apply(own, settings)
    preprocessing.write(file, "recipe", variant, made)
    found = adapt(paper, variant, own, file, None, of_a_run=False)
    assert found.network == made.network != own.network
    changed = {one.field.split(".")[1]: one.new for one in found.overrides}
    assert changed == {name: getattr(made.network, name) for name in changed}
    assert len(changed) == len(settings) and recipe_hash(found) != recipe_hash(own)
    name = settings[0].partition("=")[0].partition(".")[0]
    assert re.search(rf"its network is made with .*{name}=", capsys.readouterr().err)
    preprocessing.write(file, "recipe", variant, own)
    assert preprocessing.read(file).of(made).network == made.network  # it says nothing of it
