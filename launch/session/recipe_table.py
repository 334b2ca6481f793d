"""A recipe for people: what each part of it is, and the paper's section beside it."""

import dataclasses
import inspect
import math
import re
from collections.abc import Iterator
from typing import Any

import reproductions
from common.models.initial import list_initial_weights, list_response_norms
from common.models.layer_table import without_weights
from common.papers.sources import read_sources
from common.recipes import schedules
from common.recipes.recipe import Deviation, Recipe
from common.recipes.serialization import NETWORK, spell
from launch.session.starting_weights import read_body
from launch.terminal.tables import show

COLUMNS = ["what", "here", "where the paper says it; ours"]
WIDTH = 100  # of the tables, characters
_FIELDS = (
    ("optimizer", "optimizer"),
    ("learning rate", "schedule"),
    ("epochs", "epochs"),
    ("updates", "updates"),
    ("batch", "global_batch_size"),
    ("weight decay", "weight_decay"),
    ("clipped at", "clip_global_norm"),
    ("averaged", "average_decay"),
    ("before each epoch", "before_epoch"),
    ("begins with", "initialize_from"),
    ("loss", "loss"),
    ("augmentation", "train_transforms"),
    ("normalisation", "normalize"),
    ("noise", "train_noise"),
    ("test images", "test_transforms"),
    ("test views", "views"),
)
_ALSO = {  # what else changes what is told of a field
    "schedule": ("optimizer.learning_rate", "group_schedules"),
    "train_transforms": ("image_size",),
    "test_transforms": ("image_size",),
}


def show_recipe(paper: str, variant: str, recipe: Recipe) -> None:
    """Prints how a network is trained, and where that leaves its paper."""
    with without_weights():
        model = reproductions.build_model(
            paper, variant, image_size=recipe.image_size, network=recipe.network
        )
    show(f"{variant}, its recipe", COLUMNS, list_rows(paper, variant, recipe, model), WIDTH)
    rows = [
        [one.field, one.paper, one.here, "departs" if one.departs else "left open"]
        for one in list_deviations(recipe)
    ]
    print()
    show("Where the two differ", ["field", "paper", "here", "the paper"], rows, WIDTH)


def list_deviations(recipe: Recipe) -> list[Deviation]:
    """Those that are true of a training with this recipe, whatever was changed in it.

    What is said of fields ("FIELD, FIELD") is no more once one of them, or a part of one, is
    another; what is said of something about them ("FIELD: something") once a whole one is, or a
    part by the name of which it is called ("optimizer: decay and epsilon").
    """
    changed = [one.field for one in recipe.overrides]
    if "data" in changed:  # its images are counted in both
        changed += ["held_out", "global_batch_size"]
    if recipe.fine_tuning and not recipe.fine_tuning.new_layers:
        changed += ["model: initial weights"]

    def holds(field: str) -> bool:
        names, colon, about = field.partition(":")
        words = re.findall(r"\w+", about.lower())
        return field not in changed and not any(
            f"{name}.".startswith(f"{one}.")
            or (f"{one}.".startswith(f"{name}.") and (not colon or one.split(".")[-1] in words))
            for name in names.split(", ")
            for one in changed
        )

    return [one for one in recipe.deviations if holds(one.field)]


def list_rows(paper: str, variant: str, recipe: Recipe, model, **ends: float) -> list[list[str]]:
    """(what, here, in the paper) rows; a part of several lines has them in several rows.

    The last column is the comment of recipe.py or forms.py beside the value, what the form's
    docstring says of it where there is none, or what the paper's value was before --set.
    `ends` are the whole training's, if they are known; see `say_rates`.
    """
    folder, rows = reproductions.folder(paper), []

    def add(name: str, lines: list[str], source: str, *fields: str) -> None:
        begin = tuple(f"{field}." for field in fields)
        changed = [o for o in recipe.overrides if f"{o.field}.".startswith(begin)]
        if changed:
            before = ", ".join(f"{o.field} {spell(o.old)}" for o in changed)
            source = f"set here; paper: {before}"
        rows.append([name, lines[0], source])
        rows.extend(["", line, ""] for line in lines[1:])

    sources = read_sources(folder / "recipe.py", "RECIPES", variant)
    for name, field in _FIELDS:
        if (value := getattr(recipe, field)) in (None, ()):
            continue
        lines = [spell(value)]
        if field == "schedule":
            lines = list(say_rates(recipe, **ends))
        elif isinstance(value, tuple) and field != "views":
            lines = [spell(one) for one in value]
        add(name, lines, sources.get(field, ""), field, *_ALSO.get(field, ()))
    tuning = recipe.fine_tuning
    drawn = [one for one in model.layers if not tuning or one.name in tuning.new_layers]
    if starts := list_initial_weights(drawn):
        said = "; ".join(one.paper for one in recipe.deviations if "initial" in one.field)
        add("initial weights", starts, said or "comments of model.py")
    forms, parts = {}, ()
    if recipe.network is not None:
        forms = _explain_parts(recipe.network)
        forms |= read_sources(folder / "forms.py", "FORMS", variant)
        parts = [part.name for part in dataclasses.fields(recipe.network)]
    if norms := list_response_norms(model):
        said = "; ".join(one.paper for one in recipe.deviations if "LRN" in one.field)
        fields = [NETWORK + name for name in parts if name.startswith("lrn")]
        add("response norm", norms, said or forms.get("lrn", "comments of model.py"), *fields)
    for name in parts:
        value = getattr(recipe.network, name)
        add(NETWORK + name, [spell(value)], forms.get(name, ""), NETWORK + name)
    return rows


def _explain_parts(form: Any) -> dict[str, str]:
    """Field -> what the form's docstring says of it, and where the paper does."""
    said = inspect.getdoc(form).partition("Attributes:\n")[2]
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", said, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def say_rates(
    recipe: Recipe, *, epochs: float | None = None, updates: int | None = None
) -> Iterator[str]:
    """The learning rate over time, a line for each value or rule.

    `epochs`, also a part of one, and `updates` are the whole training's, if they are known.
    """
    rate = getattr(recipe.optimizer, "learning_rate", 1.0)
    end = epochs or recipe.epochs, updates or recipe.updates or math.inf
    apart = recipe.fine_tuning and recipe.fine_tuning.body_rate != 1
    head = ""
    for one in recipe.group_schedules:
        which = ", ".join(filter(None, (head, one.variables)))
        if apart and (body := read_body(one.variables)):
            head, which = ", ".join(body.head), ", ".join(filter(None, ("body", body.variables)))
        for line in _say(one.schedule, rate, *end):
            yield f"{which}: {line}"
    others = head or "all others"
    for line in _say(recipe.schedule, rate, *end):
        yield f"{others}: {line}" if recipe.group_schedules else line


def _say(schedule, rate: float, epochs: float, updates: float) -> Iterator[str]:
    match schedule:
        case schedules.Constant(value=factor):
            yield f"{rate * factor:.4g}"
        case schedules.ByEpoch(starts=starts, factors=factors):
            by_step = isinstance(schedule, schedules.ByStep)
            unit, end = ("updates", updates) if by_step else ("epochs", epochs)
            for start, factor in zip(starts, factors, strict=True):
                after = f" after {start:,} {unit}" if start else ""
                after += " (not reached)" if start >= end else ""
                yield f"{rate * factor:.4g}{after}"
        case schedules.EveryEpochs(epochs=epochs, times=times):
            yield f"{rate:.4g}, times {times:g} after every {epochs:g} epochs"
        case schedules.WarmUp(factor_before=factor, metric=metric, below=below, then=then):
            yield f"{rate * factor:.4g} until {metric} has been below {below:g}"
            lines = _say(then, rate, epochs, updates)
            yield from (f"then, counted from the start, {line}" for line in lines)
        case schedules.Scaled(times=times, schedule=scaled):
            yield from _say(scaled, rate * times, epochs, updates)
        case schedules.DivideOnPlateau():
            yield f"{rate:.4g}"
            yield (
                f"divided by {schedule.divisor:g}, {schedule.max_drops} times at most, each time "
                f"{schedule.metric} has not fallen by {schedule.min_delta:g} for "
                f"{schedule.patience} epochs"
            )
        case _:
            yield f"{rate:.4g} times {spell(schedule)}"
