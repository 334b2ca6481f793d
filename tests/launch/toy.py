"""A paper of its own for the tests of list, report and audit."""

import dataclasses
import json

import pytest

import reproductions
from common.recipes.recipe import Deviation, Recipe, Sgd
from common.recipes.serialization import describe, describe_recipe
from launch.settings.overrides import apply

RECIPE = Recipe(
    data="mnist",
    image_size=32,
    channels=1,
    num_classes=10,
    epochs=20,
    global_batch_size=10,
    optimizer=Sgd(learning_rate=0.1, momentum=0.0, nesterov=False),
    schedule=None,
    loss=None,
    synchronized_batch_norm=True,
    train_transforms=(),
    normalize=None,
    test_transforms=(),
    views=("single", "ten_crop"),
    monitor="single",
    healthy_after=1,
    deviations=(
        Deviation(field="loss", paper="a | b", here="b", reason="unsaid"),
        Deviation(field="loss", paper="d", here="c", reason="better", departs=True),
    ),
)
RECIPES = {"toy": RECIPE, "toy_small": dataclasses.replace(RECIPE, deviations=())}

EXPECTED = """
title = "Toy networks"
authors = "A. Author"
venue = "Toys 1998"
url = "https://example.org"
[networks]
toy = {parameters = 1_000, macs = 2_000}
toy_small = {parameters = 500, macs = 1_000}
[[result]]
data = "mnist"
split = "test"
rows = [
  {variant = "toy", views = "single", top1_error = 0.95, source = "Table 1"},
  {variant = "toy", views = "ten_crop", top1_error = 0.8, source = "Table 2"},
  {variant = "toy_small", views = "single", top1_error = 1.7, source = "Table 3"},
]
[[claim]]
rows = [["It is small.", "Sec. 1", "checked", ""]]
"""
HEAD = EXPECTED.partition("toy =")[0]
README = "# Toy\n\nBefore.\n<!-- deviations -->\nold\n<!-- /deviations -->\nAfter.\n"


@pytest.fixture
def paper(tmp_path, monkeypatch):
    """The toy as the only paper; its folder."""
    return make(tmp_path, monkeypatch)


def make(tmp_path, monkeypatch):
    """Makes the toy the only paper; its folder."""
    folder = tmp_path / "reproductions" / "toy"
    folder.mkdir(parents=True)
    (folder / "expected.toml").write_text(EXPECTED)
    (folder / "README.md").write_text(README)
    paper = reproductions.Paper(RECIPES=RECIPES, VIEWS={})
    monkeypatch.setattr("reproductions.names", lambda: ("toy",))
    monkeypatch.setattr("reproductions.faults", dict)
    monkeypatch.setattr("reproductions.load", lambda _: paper)
    monkeypatch.setattr("reproductions.folder", lambda paper: folder.parent / paper)
    return folder


def write_run(folder, *, seed=0, error=0.93, settings=(), view="single", history=(), **more):
    """A finished run's folder, as common.training.run_record leaves it."""
    recipe = apply(RECIPE, settings)
    result = {
        "view": view,
        "split": "test",
        "num_images": 10_000,
        "top1_error": error,
        "top5_error": None,
        "loss": 0.1,
    }
    session = {
        "started": "2026-01-01T00:00:00+00:00",
        "command": f"python -m launch toy --seed {seed} --data_dir /d/x",
        "commit": "abc",
        "versions": {"python": "3.11", "keras": "3.15"},
        "devices": 1,
        "platform": "cpu",
    }
    run = {
        "paper": "toy",
        "variant": "toy",
        "recipe": describe_recipe(recipe),
        "deviations": describe(recipe.deviations),
        "overrides": describe(recipe.overrides),
        "data": {"name": "toys/1.0.0"},
        "seed": seed,
        "precision": "float32",
        "sessions": [session],
        "status": "finished",
        "finished": "2026-01-01T01:00:00+00:00",
        "images_per_second": 123.4,
        "results": [result],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(run | more))
    lines = [json.dumps(row) + "\n" for row in history]
    (folder / "metrics.jsonl").write_text("".join(lines))
    return str(folder)


def history(epochs):
    """So many epochs of metrics.jsonl: errors of 4 / n and 2 / n percent."""
    return [
        {"epoch": n, "step": 6_000 * n, "loss": 1 / n, "top1_error": 4 / n, "val_top1_error": 2 / n}
        for n in range(1, epochs + 1)
    ]
