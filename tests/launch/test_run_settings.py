"""A run's own settings, and what flags change in them one by one."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from common.data import catalog
from common.data.sources.relabelled import relabel
from common.data.statistics import save
from common.data.transforms.pixels import SubtractMeanImage
from common.errors import RunError, UsageError
from common.recipes.recipe import Override
from launch.inference import evaluation, network_inputs
from launch.settings.overrides import apply, combine, with_data
from launch.weights import bundled_weights, run_weights
from tests.common.data_fixtures import statistics_of
from tests.launch import test_fine_tuning, test_predict
from tests.launch.flags import launch, read

colours = test_predict.colours
RGB = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200)}


def folder_of(root, shown=None, height=40):
    """Two images of each class and split; `shown`: class -> its colour."""
    shown = RGB if shown is None else shown
    for split in ("train", "validation"):
        for name, rgb in shown.items():
            place = root / split / name
            place.mkdir(parents=True)
            for number in range(2):
                image = Image.new("RGB", (30 + number, height), rgb)
                image.save(place / f"{name}_{number}.png")
    return f"folder:{root}"


@pytest.fixture
def run(colours, tmp_path):
    """`train(*settings)`: the folder of a run on coloured photographs."""
    data = catalog.find(folder_of(tmp_path / "data"))
    source = catalog.open_source(data)

    def train(*settings, **more):
        recipe = apply(with_data(test_predict.COLOURS, data), settings)
        facts = {
            "data": source.fingerprint(),
            "class_names": list(test_predict.NAMES),
            "status": "finished",
            "results": [],
            "seed": 0,
        }
        test_predict.write_record(colours, recipe, **facts | more)
        return colours

    return train


def experiment(folder, **given):
    """What evaluate makes of a run and flags."""
    return find("evaluate", folder, measures=True, **given).experiment


def find(command, folder, *, measures=False, **given):
    flags = read(command, weights=str(folder), **given)
    return bundled_weights.find_network("", "colours", "colours", flags, measures=measures)


def measured(folder, capsys, **given):
    """(exit code, lines of stdout, stderr) of evaluate, under one view if none are given."""
    usual = {"weights": str(folder), "views": ["centre_crop"]}
    code = launch("evaluate", "colours", **usual | given)
    said = capsys.readouterr()
    return code, said.out.splitlines(), said.err


SETTINGS = ("image_size=8", "views=ten_crop", "test_transforms.0.size=13")


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({}, {}),
        ({"data": "COPY"}, {"data": "COPY"}),
        ({"set": ["epochs=3"]}, {"epochs": 3}),
        ({"set": ["views=centre_crop"]}, {"views": ("centre_crop",)}),
        ({"set": ["epochs=3"], "data": "COPY"}, {"epochs": 3, "data": "COPY"}),
    ],
)
def test_flags_change_a_runs_settings_one_by_one(run, tmp_path, given, changed):
    copy = folder_of(tmp_path / "copy")
    given, changed = (
        {k: copy if v == "COPY" else v for k, v in values.items()} for values in (given, changed)
    )
    folder = run(*SETTINGS)
    alone = experiment(folder).recipe
    assert alone.image_size == 8 and alone.views == ("ten_crop",)
    assert alone.test_transforms[0].size == 13
    now = experiment(folder, **given).recipe
    expected = dataclasses.replace(alone, overrides=(), **changed)
    assert dataclasses.replace(now, overrides=()) == expected


def test_other_images_are_not_cut_as_the_runs_were(run, tmp_path):
    folder = run("held_out=2", "train_images=3")
    alone = experiment(folder).recipe
    assert (alone.held_out, alone.train_images) == (2, 3)
    other = {"data": folder_of(tmp_path / "copy")}
    now = experiment(folder, **other).recipe
    assert (now.held_out, now.train_images) == (0, None)
    now = experiment(folder, **other, set=["held_out=1"]).recipe
    assert (now.held_out, now.train_images) == (1, None)


@pytest.mark.parametrize(
    "asked", [{"split": "test"}, {"split": "validation"}, {"set": ["held_out=0"]}]
)
def test_the_test_split_of_a_run_that_held_images_out_is_no_result_of_it(
    run, tmp_path, capsys, asked
):
    """It is "test", whatever the folder calls it."""
    folder = run("held_out=2")
    code, (line, *_), _ = measured(folder, capsys)
    assert code == 0 and line.endswith("2 images of data, 2 training images held out, held_out")
    shutil.rmtree(tmp_path / "data" / "validation" / "red")
    code, (line, *lines), _ = measured(folder, capsys, **asked)
    assert code == 0 and line.endswith(" 4 images of data, validation")
    *without, note = lines[: 1 + ("split" in asked)]
    assert note == (
        "Not written into the run: its results are those of the images that it held out."
    )
    said = "The network was trained without 2 images, held out to choose by."
    assert without == [said] * ("split" in asked)
    assert (folder / "evaluated" / "data_validation").is_dir()
    with pytest.raises(UsageError, match="no split called 'tests'. Known: train, held_out, test"):
        measured(folder, capsys, split="tests")


def test_what_was_held_out_is_not_known_of_a_folder_that_has_grown(run, tmp_path, capsys):
    """Whose images are mixed anew: most of the last ones were trained on."""
    folder = run("held_out=2")
    assert measured(folder, capsys)[0] == 0
    shutil.copy(tmp_path / "data/train/red/red_0.png", tmp_path / "data/train/red/red_9.png")
    with pytest.raises(RunError, match="other images than when .*--split test"):
        measured(folder, capsys)
    assert measured(folder, capsys, split="test")[0] == 0


def test_the_same_images_elsewhere_are_no_other_data_set(run, tmp_path, capsys):
    folder = run("held_out=2")
    (tmp_path / "data").rename(tmp_path / "moved")
    _, (_, note, *_), _ = measured(folder, capsys, data=f"folder:{tmp_path / 'moved'}")
    said = "Not written into the run: its results are those of the images that it held out."
    assert note == said


def test_a_setting_replaces_the_runs_of_its_field_and_its_parts():
    own = ["optimizer.momentum=0", "optimizer.nesterov=true", "epochs=2"]
    assert combine(own, ["optimizer=X"]) == ["epochs=2", "optimizer=X"]
    assert combine(own, ["optimizer.momentum=1"])[:2] == own[1:]
    on_record = [Override(field="epochs", old=1, new=2)]
    assert combine(on_record, ["epochs=3"]) == ["epochs=3"]
    assert combine(on_record, ["updates=3"]) == [*on_record, "updates=3"]


def test_labels_of_other_images_go_by_the_names_of_the_classes(run, tmp_path, capsys):
    """The folders sort as blue, green, red; the network's order is theirs."""
    folder = run()
    code, (line, note, *_), err = measured(folder, capsys, views=None)
    assert code == 0 and "top-1 error 0.00" in line and "classes" not in err
    assert note.startswith("Written into")
    record = json.loads((folder / "run.json").read_text())
    assert [r["view"] for r in record["results"]] == list(test_predict.COLOURS.views)
    fewer = {name: RGB[name] for name in ("red", "blue")}
    other = folder_of(tmp_path / "other", fewer)
    code, (line, note, *_), err = measured(folder, capsys, data=other)
    assert code == 0 and "top-1 error 0.00" in line and "4 images" in line
    assert note == "Not written into the run: its data set was another one."
    assert "has 2 of the 3 classes" in err


def test_what_is_wrong_on_other_images_is_kept_of_the_runs_own_network_alone(run, tmp_path, capsys):
    """Of others it would take the same place."""
    folder, other = run(), folder_of(tmp_path / "other", height=50)
    best = shutil.copy(folder / run_weights.WEIGHTS, folder / run_weights.BEST)
    for asked in ({"weights": best}, {"set": ["test_transforms.0.size=30"]}):
        code, lines, _ = measured(folder, capsys, data=other, **asked)
        assert code == 0 and lines[-1].startswith("--out FOLDER keeps")
    assert not (folder / "evaluated").exists()
    measured(folder, capsys, data=other)
    assert (folder / "evaluated" / "other_validation").is_dir()


def test_a_file_of_weights_is_said_not_to_know_its_classes(run, tmp_path, capsys):
    file = run() / run_weights.WEIGHTS
    alone = file.rename(tmp_path / "alone.weights.h5")
    given = {"data": f"folder:{tmp_path / 'data'}", "preprocessing": "recipe"}
    code, _, err = measured(alone, capsys, **given)
    assert code == 0 and "does not know its classes" in err


def test_classes_of_other_names_are_refused(run, tmp_path, capsys):
    other = RGB | {"green": (0, 0, 0)}
    other["grean"] = other.pop("green")
    data = folder_of(tmp_path / "other", other)
    with pytest.raises(UsageError, match="'grean'.*mean 'green'.*never by"):
        measured(run(), capsys, data=data)
    run()
    for split in ("train", "validation"):
        place = tmp_path / "data" / split
        (place / "green").rename(place / "violet")
    with pytest.raises(UsageError, match="'violet'"):  # the run's own folder
        measured(tmp_path / "run", capsys)


def test_relabelled_records_keep_their_order(tmp_path):
    source = catalog.open_source(catalog.find(folder_of(tmp_path)))
    other = relabel(source, ("red", "green", "white", "blue"), "a run")
    places = {"blue": 3, "green": 1, "red": 0}
    for before, after in zip(source.records("train"), other.records("train"), strict=True):
        assert before["id"] == after["id"]
        name = source.class_names()[int(before["label"])]
        assert int(after["label"]) == places[name]


def test_a_result_under_other_settings_is_no_part_of_the_run(run, capsys):
    folder = run("views=ten_crop")
    before = (folder / "run.json").read_text()
    settings = ["test_transforms.0.size=20", "test_transforms.1.size=20"]
    _, (line, note, *_), _ = measured(folder, capsys, set=settings, views=None)
    assert line.startswith("ten_crop")
    assert note == "Not written into the run: its recipe was another one."
    assert (folder / "run.json").read_text() == before
    same = ["views=ten_crop"]  # changes nothing
    assert "Written into" in measured(folder, capsys, set=same, views=None)[1][1]


def test_a_result_of_another_network_is_no_part_of_the_run(tmp_path):
    folder = test_fine_tuning.weights_of(tmp_path / "run", "bn_mnist", "batch_norm=false")
    record = json.loads((folder / "run.json").read_text()) | {"status": "finished"}
    (folder / "run.json").write_text(json.dumps(record))

    def why_not(*settings):
        flags = read("evaluate", weights=folder, set=settings)
        found = bundled_weights.find_network("evaluate", "bn_inception", "bn_mnist", flags)
        source = catalog.open_source(found.experiment.dataset)
        return evaluation._find_difference(found, "float32", source)

    assert why_not() is None and why_not("batch_norm=false") is None
    assert why_not("batch_norm=true") == "its network was another one"


def test_what_was_not_held_out_in_training_is_not_said_to_have_been(run, capsys):
    asked = {"set": ["held_out=2"], "split": "validation"}
    for settings in ([], ["held_out=3"]):
        folder = run(*settings)
        for dry_run in (False, True):
            with pytest.raises(UsageError, match="no split called 'validation'.*held_out=0"):
                measured(folder, capsys, **asked, dry_run=dry_run)
    file = shutil.copy(folder / run_weights.WEIGHTS, folder / "a.weights.h5")  # of no known run
    asked |= {"data": f"folder:{folder.parent / 'data'}", "preprocessing": "recipe"}
    with pytest.raises(UsageError, match="no split called 'validation'.*held_out=0"):
        measured(file, capsys, **asked)


def test_a_result_in_other_arithmetic_is_no_part_of_the_run(run, capsys):
    folder = run(precision="mixed_bfloat16")
    _, lines, _ = measured(folder, capsys, precision="float32")
    assert "its arithmetic was mixed_bfloat16" in lines[1]
    assert json.loads((folder / "run.json").read_text())["results"] == []


def test_nothing_is_written_into_weights_that_come_with_the_code(run, tmp_path, capsys):
    place = tmp_path / "trained" / "colours"
    place.parent.mkdir()
    run().rename(place)
    before = (place / "run.json").read_text()
    for weights in (None, str(place)):
        _, lines, _ = measured(place, capsys, weights=weights, views=None)
        said = [line.partition(":")[0] for line in lines if "top-1 error" in line]
        assert said == list(test_predict.COLOURS.views)
    assert (place / "run.json").read_text() == before
    assert not (place / "lock").exists() and not (place / "evaluated").exists()


def test_what_was_subtracted_in_training_is_subtracted_now(run, tmp_path, capsys, monkeypatch):
    """The training images are others by now: their mean is not the run's."""
    recipe = dataclasses.replace(test_predict.COLOURS, normalize=SubtractMeanImage())
    monkeypatch.setattr(test_predict, "COLOURS", recipe)
    monkeypatch.setitem(evaluation.reproductions.load("colours").RECIPES, "colours", recipe)
    folder = run()
    mean = np.zeros((24, 24, 3), np.float32)
    save(statistics_of(mean), folder / run_weights.STATISTICS)
    seen = []
    monkeypatch.setattr(
        network_inputs, "training_statistics", lambda *a: pytest.fail("the run has its own")
    )
    real = evaluation.Evaluator

    def evaluator(**parts):
        seen.append(parts["statistics"])
        return real(**parts)

    monkeypatch.setattr(evaluation, "Evaluator", evaluator)
    assert measured(folder, capsys)[0] == 0
    np.testing.assert_array_equal(seen[0].mean_image, mean)
    with pytest.raises(UsageError, match="of 24 x 24 pixels.*12 x 12"):
        measured(folder, capsys, set=["image_size=8"])
    (folder / run_weights.STATISTICS).unlink()
    with pytest.raises(RunError, match="did not keep the mean"):
        measured(folder, capsys, data=folder_of(tmp_path / "other", height=400))


def test_predict_and_export_take_the_runs_data_and_no_other(run, tmp_path):
    folder = run("image_size=8")
    for verb in ("predict", "export"):
        found = find(verb, folder, data=f"folder:{tmp_path / 'data'}")
        assert found.experiment.recipe.image_size == 8
        other = {"data": folder_of(tmp_path / verb)}
        with pytest.raises(UsageError, match="Leave it out"):
            find(verb, folder, **other)


def test_the_cost_of_a_runs_views_is_that_of_its_settings(run, capsys, monkeypatch):
    seen = []
    monkeypatch.setattr(evaluation, "print_plan", lambda model, *rest: seen.append(model) or 0)
    folder = run("image_size=8")
    code, _, _ = measured(folder, capsys, dry_run=True)
    assert code == 0 and seen[0].input_shape[1:3] == (8, 8)


def test_a_run_that_has_not_ended_or_goes_on_says_so(run, tmp_path):
    folder = run(sessions=[{"data_dir": str(tmp_path / "data")}])
    (folder / run_weights.WEIGHTS).unlink()
    with pytest.raises(UsageError, match="has not come to its end"):
        find("evaluate", folder)
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(UsageError, match="data, which is gone: --data folder:PATH"):
        launch(folder)
