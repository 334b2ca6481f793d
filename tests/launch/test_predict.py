"""`python -m launch predict`: what a person's own photographs show."""

import csv
import dataclasses
import itertools
import json
import os
import re

import numpy as np
import pytest
from PIL import Image

import reproductions
from common.data import imagenet
from common.data.pipeline import stored_side
from common.data.statistics import save
from common.data.transforms import CentreCrop, Pad
from common.data.transforms.geometric import ResizeShorterSide
from common.data.transforms.pixels import ScalePixels, SubtractMeanImage
from common.errors import RunError, UsageError
from common.models import preprocessing
from common.recipes.losses import SoftmaxCrossEntropy
from common.recipes.serialization import describe, describe_recipe
from launch.drawing import contact_sheet
from launch.settings.overrides import apply
from launch.weights import run_weights
from tests.common.data_fixtures import statistics_of
from tests.launch import toy
from tests.launch.flags import launch

# Says which of red, green and blue an image has most of.
COLOURS = dataclasses.replace(
    toy.RECIPE,
    data="cifar10",
    image_size=16,
    channels=3,
    num_classes=3,
    loss=SoftmaxCrossEntropy(),
    normalize=ScalePixels(0.0, 1.0),
    test_transforms=(ResizeShorterSide(24), CentreCrop(24)),
    views=("centre_crop", "ten_crop"),
    monitor="centre_crop",
    deviations=(),
)
NAMES = ["red", "green", "blue"]
SHARPNESS = 8


def build_model(variant, *, image_size, num_classes, network=None):
    import keras

    image = keras.Input((image_size, image_size, 3))
    mean = keras.layers.GlobalAveragePooling2D()(image)
    logits = keras.layers.Dense(3, use_bias=False, name="colours")(mean)
    model = keras.Model(image, logits, name=variant)
    model.get_layer("colours").set_weights([SHARPNESS * np.eye(3)])
    return model


def compute_here(monkeypatch):
    """The commands compute in this process, on the strategy that is there."""
    import tensorflow as tf

    from launch.inference import evaluation, prediction

    for module in (evaluation, prediction):
        monkeypatch.setattr(module, "prepare_tensorflow", lambda *_: tf.distribute.get_strategy())


@pytest.fixture
def here(monkeypatch):
    """See `compute_here`."""
    compute_here(monkeypatch)


@pytest.fixture
def colours(tmp_path, monkeypatch):
    """A finished run of the network of colours; its folder.

    The other flags have the values that nobody gave them.
    """
    compute_here(monkeypatch)
    paper = reproductions.Paper(RECIPES={"colours": COLOURS}, VIEWS={})
    monkeypatch.setattr(reproductions, "names", lambda: ("colours",))
    monkeypatch.setattr(reproductions, "load", lambda _: paper)
    monkeypatch.setattr(
        reproductions, "build_model", lambda _, *a, **sizes: build_model(*a, **sizes)
    )
    monkeypatch.setattr(reproductions, "folder", lambda paper: tmp_path)
    folder = tmp_path / "run"
    folder.mkdir()
    model = build_model("colours", image_size=16, num_classes=3)
    model.save_weights(folder / run_weights.WEIGHTS)
    write_record(folder, COLOURS)
    return folder


def write_record(folder, recipe, **more):
    facts = {
        "paper": "colours",
        "variant": "colours",
        "recipe": describe_recipe(recipe),
        "deviations": describe(recipe.deviations),
        "overrides": describe(recipe.overrides),
        "data_title": "Colours",
        "class_names": NAMES,
    }
    toy.write_run(folder, **facts | more)


def predict_here(folder, *words, **given):
    places = {"weights": str(folder), "data_dir": str(folder / "no_data")}
    return launch("predict", "colours", *words, **places | given)


def colour(path, rgb, size=(60, 40)):
    Image.new("RGB", size, rgb).save(path)
    return path


def test_photographs_are_named_in_their_order_with_their_pixels_probabilities(
    colours, tmp_path, capsys
):
    blue = colour(tmp_path / "b.jpg", (0, 0, 255))
    red = colour(tmp_path / "r.png", (255, 0, 0), (31, 90))
    dark = colour(tmp_path / "a.png", (51, 0, 0))  # a fifth of red
    assert predict_here(colours, blue, red, dark) == 0
    said = capsys.readouterr()
    sure = np.exp(SHARPNESS) / (np.exp(SHARPNESS) + 2)
    fifth = np.exp(SHARPNESS / 5) / (np.exp(SHARPNESS / 5) + 2)
    *lines, others, _ = said.out.splitlines()
    assert lines == [
        f"{blue}",
        f"  {100 * sure:5.1f} %  blue",
        "    0.0 %  red",
        "    0.0 %  green",
        f"{red}",
        f"  {100 * sure:5.1f} %  red",
        "    0.0 %  green",
        "    0.0 %  blue",
        f"{dark}",
        f"  {100 * fifth:5.1f} %  red",
    ]
    assert others == f"  {50 * (1 - fifth):5.1f} %  green"
    assert said.err == ""


def test_ten_crops_see_the_corners(colours, tmp_path, capsys):
    framed = Image.new("RGB", (24, 24), (255, 0, 0))
    framed.paste((0, 0, 255), (4, 4, 20, 20))  # all of the centre crop
    framed.save(tmp_path / "a.png")
    sure = {}
    for view in ("centre_crop", "ten_crop"):
        assert predict_here(colours, tmp_path / "a.png", views=[view]) == 0
        best = capsys.readouterr().out.splitlines()[1].split()
        assert best[-1] == "blue"
        sure[view] = float(best[0])
    assert sure["centre_crop"] == 99.9 and sure["ten_crop"] < 99


def test_files_that_cannot_be_read_or_are_turned_are_named_at_the_end(colours, tmp_path, capsys):
    """Training and an exported model see a turned photograph as it is stored."""
    folder = tmp_path / "holiday"
    folder.mkdir()
    (folder / "a.jpg").write_text("not an image")
    colour(folder / "b.jpg", (0, 255, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40), "red").save(folder / "turned.jpg", exif=exif)
    (tmp_path / "c.heic").write_bytes(b"....ftypheic")
    assert predict_here(colours, folder, tmp_path / "c.heic") == 1
    said = capsys.readouterr()
    assert "green" in said.out and "a.jpg" not in said.out
    turned, one, other = said.err.splitlines()
    assert turned.startswith("Turned upright, as their EXIF data ask: turned.jpg.")
    assert "as they are stored" in turned
    assert one.startswith(f"{folder}/a.jpg was left out")
    assert "c.heic" in one + other and "HEIC" in other
    assert "save it as JPEG" in other


def test_the_contact_sheet_shows_each_photograph_and_tables_have_the_guesses(
    colours, tmp_path, capsys
):
    inside = tmp_path / "holiday" / "day 1"
    inside.mkdir(parents=True)
    shown = {"b": (0, 0, 250), f"g $x$ {'long' * 20}": (0, 250, 0), "r,é": (250, 0, 0)}
    files = [colour(inside / f"{name}.png", rgb) for name, rgb in shown.items()]
    outs = [tmp_path / f"guesses.{end}" for end in ("csv", "json", "png")]
    words = [f"--out={out}" for out in outs]
    assert predict_here(colours, tmp_path / "holiday", *words) == 0
    said = capsys.readouterr().out
    for out, verb in zip(outs, ("lists", "lists", "shows"), strict=True):
        assert f"{out} {verb} 3 photographs." in said
    with open(outs[0], newline="") as file:
        table = list(csv.DictReader(file))
    rows = json.loads(outs[1].read_text())
    assert [list(map(str, row.values())) for row in rows] == [list(r.values()) for r in table]
    assert list(table[0]) == ["file", "rank", "class", "score"]
    first = [(row["file"], row["rank"], row["class"]) for row in rows[::3]]
    expected = zip(map(str, files), (1, 1, 1), ("blue", "green", "red"), strict=True)
    assert first == list(expected)
    assert [row["rank"] for row in rows] == [1, 2, 3] * 3
    assert sum(row["score"] for row in rows[:3]) == pytest.approx(1)
    pixels = np.asarray(Image.open(outs[2]).convert("RGB")).astype(int)
    for wanted in shown.values():
        there = (np.abs(pixels - wanted).max(axis=-1) < 8).mean()
        assert there > 0.08  # of the sheet
    left, right = np.array_split(pixels, 2, axis=1)
    assert left.min() < 50 and right.min() < 50  # ink in both


def test_the_runs_own_mean_is_subtracted(colours, tmp_path, capsys, monkeypatch):
    """Grey minus a red mean is least of all red."""
    recipe = dataclasses.replace(COLOURS, normalize=SubtractMeanImage())
    monkeypatch.setitem(reproductions.load("").RECIPES, "colours", recipe)
    write_record(colours, recipe)
    photograph = colour(tmp_path / "a.png", (9, 9, 8))
    with pytest.raises(RunError, match="needs the mean .* --weights the folder"):
        predict_here(colours, photograph)
    mean = np.zeros((24, 24, 3), np.float32)
    mean[..., 0] = 10
    save(statistics_of(mean), colours / run_weights.STATISTICS)
    assert predict_here(colours, photograph) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["green", "blue", "red"]


def test_imagenet_itself_is_not_needed(colours, tmp_path, capsys, monkeypatch):
    """Without it the published means serve, and its names are known."""
    recipe = dataclasses.replace(COLOURS, data="imagenet2012", normalize=SubtractMeanImage())
    monkeypatch.setitem(reproductions.load("").RECIPES, "colours", recipe)
    write_record(colours, recipe)
    photographs = []
    for place in range(3):
        rgb = np.round(imagenet.CHANNEL_MEAN).astype(int)
        rgb[place] += 3
        photographs.append(colour(tmp_path / f"{place}.png", tuple(map(int, rgb))))
    assert predict_here(colours, *photographs) == 0
    said = capsys.readouterr()
    best = [line.split("%  ")[1] for line in said.out.splitlines()[1::4]]
    assert best == list(imagenet.names()[:3])
    assert "123.68, 116.779, 103.939" in said.err


def test_the_weights_alone_are_enough(colours, tmp_path, capsys):
    """The classes then have numbers."""
    alone = (colours / run_weights.WEIGHTS).rename(tmp_path / "w.weights.h5")
    photograph = colour(tmp_path / "a.png", (0, 255, 0))
    preprocessing.write(alone, "recipe", "colours", COLOURS)  # as a training does
    assert predict_here(alone, photograph) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[1].endswith("%  class 1")
    assert "cifar10, which is not here" in said.err


def test_the_weights_alone_know_their_image_size_and_their_data(colours, tmp_path, capsys):
    """And not the classes of the paper's own data, which are as many."""
    photos = tmp_path / "photos"
    for split, name in itertools.product(("train", "test"), ("ant", "bee", "cat")):
        (photos / split / name).mkdir(parents=True)
        colour(photos / split / name / "x.png", (0, 255, 0))
    made = apply(dataclasses.replace(COLOURS, data=f"folder:{photos}"), ["image_size=8"])
    alone = (colours / run_weights.WEIGHTS).rename(tmp_path / "w.weights.h5")
    preprocessing.write(alone, "recipe", "colours", made)
    assert predict_here(alone, photos / "test/bee/x.png") == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[1].endswith("%  bee")
    assert "after ResizeShorterSide(size=12), CentreCrop(size=12)." in said.err
    predict_here(alone, photos / "test/bee/x.png", set=["image_size=16"], data="cifar10")
    assert capsys.readouterr().out.splitlines()[1].endswith("%  class 1")


def test_a_run_brings_its_settings_and_its_data_or_is_refused(colours):
    changed = apply(COLOURS, ["image_size=8", "epochs=3"])
    changed = dataclasses.replace(changed, data="folder:/gone", num_classes=2)
    write_record(colours, changed)
    _, run = run_weights.locate(str(colours))
    recipe = run_weights.read_recipe(run, "colours", COLOURS)
    assert (recipe.data, recipe.num_classes) == ("folder:/gone", 2)
    assert recipe.image_size == 8
    assert recipe.test_transforms == changed.test_transforms
    assert recipe.epochs == 3
    with pytest.raises(UsageError, match="a run of colours, not of greys"):
        run_weights.read_recipe(run, "greys", COLOURS)
    edited = dataclasses.replace(COLOURS, normalize=ScalePixels(-1.0, 1.0))
    with pytest.raises(RunError, match="earlier recipe: normalize.background"):
        run_weights.read_recipe(run, "colours", edited)


def test_weights_of_another_network_are_refused(colours, tmp_path):
    import keras

    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(9)])
    other.save_weights(colours / run_weights.WEIGHTS)
    photograph = colour(tmp_path / "a.png", (1, 2, 3))
    with pytest.raises(RunError, match="does not fit colours"):
        predict_here(colours, photograph)


@pytest.mark.parametrize(
    ("transforms", "size", "side"),
    [((Pad(2),), 32, 28), ((), 32, 32), (COLOURS.test_transforms, 16, None)],
)
def test_the_size_of_the_training_images_is_known(transforms, size, side):
    recipe = dataclasses.replace(COLOURS, test_transforms=transforms, image_size=size)
    assert stored_side(recipe) == side


@pytest.mark.parametrize(("paper", "variant"), [("lenet5", "lenet5"), ("lenet5", "lenet1")])
def test_a_digit_on_paper_is_cut_out_and_bright_on_dark(paper, variant, tmp_path):
    """LeNet-1 shrinks MNIST's images, which its photographs must become all the same."""
    from common.data.pipeline import frame
    from launch.inference.prediction import open_photographs

    page = Image.new("L", (300, 400), 230)
    page.paste(20, (130, 90, 160, 210))  # a one, not in the middle
    page.save(tmp_path / "one.png")
    recipe = reproductions.load(paper).RECIPES[variant]
    source = open_photographs(recipe, [tmp_path / "one.png"])
    [record] = source.records("photographs")
    seen = frame(source, record, recipe)["image"].numpy()[..., 0]
    side = recipe.image_size
    assert seen.shape == (side, side) and seen[side // 2, side // 2] > 200
    border = np.concatenate([seen[:3].ravel(), seen[-3:].ravel(), seen[:, :3].ravel()])
    assert not border.any()


def test_photographs_of_several_folders_are_called_by_theirs(colours, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(contact_sheet, "write", lambda *sheet: shown.append(sheet[2]))
    for name in ("cat", "dog"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        colour(tmp_path / "mine" / name / "14.png", (1, 2, 3))
    predict_here(colours, tmp_path / "mine", out=str(tmp_path / "a.png"))
    predict_here(colours, tmp_path / "mine" / "cat", out=str(tmp_path / "b.png"))
    names = [[title for title, *_ in entries] for entries in shown]
    assert names == [["cat/14.png", "dog/14.png"], ["14.png"]]


def test_a_wrong_photograph_is_marked_in_red(tmp_path):
    entry = ("a.png", Image.new("RGB", (8, 8)), (("b", 0.5),))
    contact_sheet.write(tmp_path / "a.png", "two", [entry] * 2, wrong=[1])
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    red = (pixels[..., 0] - pixels[..., 2] > 100).any(axis=0)
    assert red.any() and not red[: len(red) // 2].any()


def test_a_sheet_takes_any_name_and_stays_a_picture_of_very_many_photographs(tmp_path, monkeypatch):
    monkeypatch.setattr(contact_sheet, "MOST", 4)  # a row
    entry = (os.fsdecode(b"caf\xe9.jpg"), Image.new("RGB", (8, 8)), (("b", 0.5),))
    contact_sheet.write(tmp_path / "a.png", "many", [entry] * 9)
    assert Image.open(tmp_path / "a.png").height < 600


PUBLISHED = {  # variant -> (file, images of CIFAR-10 that it errs on, as published)
    "akamaster_resnet20": ("resnet20-12fca82f.th", 827),
    "akamaster_resnet32": ("resnet32-d509ac18.th", 737),
}


@pytest.mark.full
@pytest.mark.parametrize("variant", PUBLISHED)
def test_cifar_weights_err_on_as_many_images_as_published(
    variant, shared_data, tmp_path, here, monkeypatch, capsys
):
    pytest.importorskip("torch")  # reads the files
    monkeypatch.setenv("TFDS_DATA_DIR", str(shared_data / "tfds"))
    source, target = shared_data / "weights" / PUBLISHED[variant][0], tmp_path / "w.weights.h5"
    launch("import", variant, source, **{"from": "akamaster", "out": target})
    assert launch("evaluate", variant, weights=target) == 0
    said = capsys.readouterr().out
    error = re.search(r"top-1 error ([\d.]+) .* 10,000 images of CIFAR-10", said)
    assert round(float(error[1]) * 100) == PUBLISHED[variant][1]  # 0.01 % is one image
