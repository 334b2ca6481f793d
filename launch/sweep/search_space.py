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
from common.recipes.recipe import Recipe
from common.recipes.schedules import ByStep
from launch.settings.overrides import apply, spell_out

KINDS = ("log", "linear", "choice")
# The objective is measured by these: trials that differ in them do not compare.
FIXED = ("held_out", "monitor", "views", "healthy_after", "initialize_from")
_FORM = re.compile(r"\s*([\w.]+)\s*=\s*(\w+)\s*\((.*)\)\s*")
_HINT = "'optimizer.learning_rate=log(1e-4,1e-1)'"


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
        inside = between.join(map(as_text, self.values))
        return f"{self.path}={self.kind}({inside})"


def as_text(value: Any) -> str:
    """A value as --set takes it; six digits are all that a trial has."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def read(recipe: Recipe, texts: list[str], tuner: str) -> list[Dimension]:
    """The dimensions that --space gives, checked against the recipe.

    Raises:
        UsageError: for a field that there is not, one that cannot be swept, a
            value of a wrong type, or a form that is none of the three.
    """
    dimensions = [_read_one(recipe, text) for text in texts]
    paths = [d.path for d in dimensions]
    fixed = (*FIXED, "epochs") if tuner == "hyperband" else FIXED
    for path in paths:
        if path.partition(".")[0] in fixed:
            raise UsageError(
                f"--space cannot search {path}: "
                + (
                    "Hyperband itself decides how long each trial trains."
                    if path == "epochs"
                    else "trials that differ in it cannot be compared."
                )
            )
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
            f"FIELD=choice(A,B,...), such as {_HINT}; it was given {text!r}."
        )
    word, kind, inside = form.groups()
    path = spell_out(word)
    if kind not in KINDS:
        raise UsageError(
            f"--space {path}: there is no distribution {kind!r}."
            f"{did_you_mean(kind, KINDS)} Known: {', '.join(KINDS)}."
        )
    between = "|" if "|" in inside else ","
    parts = [part.strip() for part in inside.split(between) if part.strip()]
    typed = [_typed(recipe, path, part) for part in parts]
    values = _choices if kind == "choice" else _bounds
    return Dimension(path=path, kind=kind, values=values(text, parts, typed))


def _typed(recipe: Recipe, path: str, text: str) -> Any:
    """The value that --set would make of it."""
    try:
        changed = apply(recipe, [f"{path}={text}"])
    except UsageError as error:
        raise UsageError(str(error).replace("--set", "--space")) from None
    return part_of(changed, path)


def part_of(recipe: Recipe, path: str) -> Any:
    """The field at `path`, as --set and --space write it."""
    return functools.reduce(_part, path.split("."), recipe)


def _part(value: Any, name: str) -> Any:
    return value[int(name)] if isinstance(value, tuple) else getattr(value, name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bounds(text: str, parts: list[str], typed: list) -> tuple:
    kind = _FORM.fullmatch(text)[2]
    ordered = len(typed) == 2 and all(map(_is_number, typed)) and typed[0] < typed[1]
    if not ordered or (kind == "log" and typed[0] <= 0):
        raise UsageError(
            f"--space {text}: {kind} takes two numbers, the lower first"
            + (", both above 0" if kind == "log" else "")
            + f", such as {_HINT}."
        )
    return tuple(typed)


def _choices(text: str, parts: list[str], typed: list) -> tuple:
    if len(set(parts)) < 2 or len(set(parts)) < len(parts):
        raise UsageError(f"--space {text}: choice takes two values or more, all different.")
    if all(map(_is_number, typed)):
        whole = all(isinstance(value, int) for value in typed)
        return tuple(typed if whole else map(float, typed))
    return tuple(parts)


def default_space(recipe: Recipe, images: int, devices: int) -> list[str]:
    """The texts of a sensible space around the paper's own values.

    Only what can matter: a schedule that changes nothing within the epochs of
    a trial is left out. No network has dropout as a field of its recipe.

    Args:
        images: That each trial trains on.
        devices: That must divide the batch.
    """
    rate, decay = recipe.optimizer.learning_rate, recipe.weight_decay
    texts = [_around("optimizer.learning_rate", rate)]
    if decay is not None:
        texts.append(_around("weight_decay.rate", decay.rate))
    batch = recipe.global_batch_size
    sizes = [batch // 2, batch, 2 * batch]
    if batch % (2 * devices) == 0 and sizes[-1] <= images:
        texts.append(f"global_batch_size=choice({','.join(map(str, sizes))})")
    mine = {one.field for one in recipe.overrides}
    texts += _schedule(recipe, images)
    return [text for text in texts if text.partition("=")[0] not in mine]


def _around(path: str, value: float) -> str:
    return f"{path}=log({value / 10:.6g},{value * 10:.6g})"


def _schedule(recipe: Recipe, images: int) -> list[str]:
    """When the learning rate changes: the paper's time, and half of it."""
    schedule, end = recipe.schedule, recipe.epochs
    if isinstance(schedule, ByStep):
        end = min(recipe.updates or float("inf"), end * images // recipe.global_batch_size)
    starts = getattr(schedule, "starts", ())
    if len(starts) > 1 and 2 <= starts[1] < end:
        early = ",".join(str(start // 2) for start in starts)
        return [f"schedule.starts=choice({_commas(starts)}|{early})"]
    for name in ("epochs", "patience"):
        time = getattr(schedule, name, 0)
        if 2 <= time < end:
            return [f"schedule.{name}=choice({time // 2},{time})"]
    return []


def _commas(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))


def settings_of(values: dict[str, Any]) -> list[str]:
    """A trial's values as --set takes them; the tuner's own are left out."""
    return [
        f"{path}={as_text(value)}"
        for path, value in sorted(values.items())
        if not path.startswith("tuner/")
    ]


def hyperparameters(space: list[Dimension]):
    """The same as keras_tuner.HyperParameters."""
    import keras_tuner

    made = keras_tuner.HyperParameters()
    for dimension in space:
        path, values = dimension.path, dimension.values
        if dimension.kind == "choice":
            made.Choice(path, list(values))
            continue
        whole = all(isinstance(value, int) for value in values)
        number = made.Int if whole else made.Float
        number(path, *values, sampling=dimension.kind)
    return made
