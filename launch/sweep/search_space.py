"""What a sweep searches: named fields of a recipe, each with its values.

A dimension is written as PATH=log(LOW,HIGH), PATH=linear(LOW,HIGH) or
PATH=choice(A,B,...); where a value has commas itself, '|' stands between the
choices. The values are read by the code of --set.
"""

import dataclasses
import functools
import re
from typing import Any

from common.errors import UsageError, did_you_mean
from common.recipes.recipe import Recipe, is_fitted
from common.recipes.schedules import ByStep
from launch.settings.overrides import apply, spell_out

KINDS = ("log", "linear", "choice")
# The objective is measured by these: trials that differ in them do not compare.
FIXED = ("held_out", "monitor", "views", "healthy_after", "initialize_from")
_FORM = re.compile(r"\s*([\w.]+)\s*=\s*(\w+)\s*\((.*)\)\s*")
_EXAMPLE = "'optimizer.learning_rate=log(1e-4,1e-1)'"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dimension:
    """A field that is searched.

    Attributes:
        path: Of the recipe's field, as for --set.
        kind: One of KINDS.
        values: (low, high), numbers; or the choices, all whole numbers, all
            numbers or all texts.
    """

    path: str
    kind: str
    values: tuple

    def __str__(self) -> str:
        between = "|" if any("," in str(v) for v in self.values) else ","
        return f"{self.path}={self.kind}({between.join(map(as_text, self.values))})"


def as_text(value: Any) -> str:
    """A value as --set takes it; six digits are all that a trial has."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def settings_of(values: dict[str, Any]) -> list[str]:
    """A trial's values as --set takes them; without Hyperband's own."""
    return [
        f"{path}={as_text(value)}"
        for path, value in sorted(values.items())
        if not path.startswith("tuner/")
    ]


def part_of(recipe: Recipe, path: str) -> Any:
    """The field at `path`, as --set and --space write it."""

    def step(value: Any, name: str) -> Any:
        return value[int(name)] if isinstance(value, tuple) else getattr(value, name)

    return functools.reduce(step, path.split("."), recipe)


def read(recipe: Recipe, texts: list[str], tuner: str) -> list[Dimension]:
    """The dimensions that --space gives, checked against the recipe.

    Raises:
        UsageError: for a field that there is not, one that cannot be swept, a
            value of a wrong type, or a form that is none of the three.
    """
    dimensions = [_read_one(recipe, text) for text in texts]
    paths = [d.path for d in dimensions]
    fixed = {name: "trials that differ in it cannot be compared" for name in FIXED}
    if tuner == "hyperband":
        why = "Hyperband itself decides how long each trial trains"
        fixed |= {"epochs": why, "patience": why}
        if recipe.patience is not None:  # what it continues may have ended for good
            raise UsageError(f"--set patience={recipe.patience} with --tuner hyperband: {why}.")
    for path in paths:
        if why := fixed.get(path.partition(".")[0]):
            raise UsageError(f"--space cannot search {path}: {why}.")
        if paths.count(path) > 1:
            raise UsageError(f"--space gives {path} more than once.")
        if any(one.field == path for one in recipe.overrides):
            raise UsageError(
                f"{path} is given to both --set and --space: it is either fixed or searched."
            )
    return dimensions


def _read_one(recipe: Recipe, text: str) -> Dimension:
    form = _FORM.fullmatch(text)
    if not form:
        raise UsageError(
            "--space takes FIELD=log(LOW,HIGH), FIELD=linear(LOW,HIGH) or "
            f"FIELD=choice(A,B,...), such as {_EXAMPLE}; it was given {text!r}."
        )
    word, kind, inside = form.groups()
    path = spell_out(word)
    if kind not in KINDS:
        raise UsageError(
            f"--space {path}: there is no distribution {kind!r}."
            f"{did_you_mean(kind, KINDS)} Known: {', '.join(KINDS)}."
        )
    parts = [part.strip() for part in inside.split("|" if "|" in inside else ",") if part.strip()]
    try:
        typed = [part_of(apply(recipe, [f"{path}={part}"]), path) for part in parts]
    except UsageError as error:
        raise UsageError(str(error).replace("--set", "--space")) from None
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in typed)
    if kind == "choice":
        if len(set(parts)) < max(2, len(parts)):
            raise UsageError(f"--space {text}: choice takes two values or more, all different.")
        if any(isinstance(value, float) for value in typed):
            typed = map(float, typed)
        return Dimension(path=path, kind=kind, values=tuple(typed if numbers else parts))
    ordered = numbers and len(typed) == 2 and typed[0] < typed[1]
    if not ordered or (kind == "log" and typed[0] <= 0):
        above = ", both above 0" if kind == "log" else ""
        raise UsageError(
            f"--space {text}: {kind} takes two numbers, the lower first{above}, such as {_EXAMPLE}."
        )
    return Dimension(path=path, kind=kind, values=tuple(typed))


def default_space(recipe: Recipe, images: int, devices: int) -> list[str]:
    """The texts of a sensible space around the paper's own values.

    Only what can matter: a schedule that changes nothing within the epochs of
    a trial is left out. A network's parts are searched when they are named.

    Args:
        images: That each trial trains on.
        devices: That must divide the batch.
    """
    if is_fitted(recipe):
        raise UsageError(
            "This network is fitted to all images at once: it has no rates to search. --space "
            "names what is to be searched."
        )
    around = {"optimizer.learning_rate": recipe.optimizer.learning_rate}
    if recipe.weight_decay is not None:
        around["weight_decay.rate"] = recipe.weight_decay.rate
    texts = [f"{path}=log({own / 10:.6g},{own * 10:.6g})" for path, own in around.items()]
    batch = recipe.global_batch_size
    if batch % (2 * devices) == 0 and 2 * batch <= images:
        texts.append(f"global_batch_size=choice({batch // 2},{batch},{2 * batch})")
    texts += _search_schedule(recipe, images)
    mine = {one.field for one in recipe.overrides}
    return [text for text in texts if text.partition("=")[0] not in mine]


def count_epochs(recipe: Recipe, images: int) -> int:
    """The epochs of a training on so many images; its updates may cut the last one short."""
    steps = max(1, images // recipe.global_batch_size)
    return min(recipe.epochs, -(-(recipe.updates or recipe.epochs * steps) // steps))


def _search_schedule(recipe: Recipe, images: int) -> list[str]:
    """When the learning rate changes: the paper's time, and half of it."""
    schedule, end = recipe.schedule, count_epochs(recipe, images)
    if isinstance(schedule, ByStep):
        end = min(recipe.updates or float("inf"), end * images // recipe.global_batch_size)
    starts = getattr(schedule, "starts", ())
    if len(starts) > 1 and 2 <= starts[1] < end:
        own, early = (",".join(str(start // by) for start in starts) for by in (1, 2))
        return [f"schedule.starts=choice({own}|{early})"]
    for name in ("epochs", "patience"):
        if 2 <= (time := getattr(schedule, name, 0)) < end:
            return [f"schedule.{name}=choice({time // 2},{time})"]
    return []
