"""What the values of a recipe may be, by the names of its fields.

A type lets through momentum 5 and rates below 0, which train nothing and are
found out late. Importing this module imports no TensorFlow.
"""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

from common.data.transforms.resampling import FILTERS
from common.errors import UsageError, did_you_mean
from common.evaluation import views
from common.recipes.recipe import Recipe

METRICS = ("loss", "top1_error", "val_loss", "val_top1_error")
LARGEST = 3e38  # of float32
# (lowest, highest, which of these are allowed themselves) -> fields. CLASS.FIELD is one class's.
_WITHIN = {
    (8, 8_192, "[]"): "image_size",
    (1, 8_192, "[]"): "size RandomShorterSide.low RandomShorterSide.high",
    (0, 8_192, "[]"): "pixels",
    (1, 1_000, "[]"): "attempts",
    (1, 10**9, "[]"): "epochs updates train_images global_batch_size towers patience samples",
    (0, 10**9, "[]"): "held_out healthy_after max_drops epoch",
    (0, 1, "[]"): "kept smoothing probability covered",
    (0, 1, "[)"): "average_decay dropout momentum decay",
    (0, 1, "(]"): "area",
    (0, LARGEST, "[]"): "learning_rate mu rate value factors factor_before times min_delta "
    "weight scale saturation contrast std",
    (0, LARGEST, "(]"): "clip_global_norm epsilon divisor low high aspect shrink Standardize.std",
}
LIMITS = {field: limits for limits, fields in _WITHIN.items() for field in fields.split()}
_REASONS = {
    "image_size": " pixels: of fewer the poolings leave nothing, and one image "
    "of more takes over 800 MB"
}
_RANGES = ("area", "aspect", "saturation", "contrast")  # (low, high)


def check(recipe: Recipe) -> None:
    """Refuses what no training or test could use.

    Raises:
        UsageError: naming the field, its value and what it may be.
    """
    for path, owner, value in _walk(recipe, "", recipe):
        if dataclasses.is_dataclass(value):
            if reason := _explain_order(value):
                raise UsageError(f"{path}: {reason}.")
            continue
        name = next(n for n in reversed(path.split(".")) if not n.isdigit())
        if isinstance(value, str):
            reason = _explain_text(name, value)
        else:
            reason = _explain_number(type(owner).__name__, name, value)
        if reason:
            reason += _REASONS.get(name, "")
            end = "" if reason.endswith("?") else "."
            raise UsageError(f"{path}={value}: it must be {reason}{end}")
    if not recipe.views:
        raise UsageError(
            "views= names no view, and a training ends with at least one: "
            f"{', '.join(views.NAMES)}."
        )


def _walk(value: Any, path: str, owner: Any) -> Iterator[tuple[str, Any, Any]]:
    """(path, what it is a field of, value) of all that has no parts, then of the parts."""
    if isinstance(value, tuple):
        for place, part in enumerate(value):
            yield from _walk(part, f"{path}.{place}", owner)
        return
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            if field.name not in ("deviations", "overrides"):
                yield from _walk(getattr(value, field.name), f"{path}.{field.name}", value)
    yield path.lstrip("."), owner, value


def _explain_number(owner: str, name: str, value: Any) -> str | None:
    """What a number must be that is out of its limits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    limits = LIMITS.get(f"{owner}.{name}", LIMITS.get(name))
    if limits is None:
        return None if abs(value) <= LARGEST else "a float32"
    low, high, ends = limits
    above = value > low or (value == low and ends[0] == "[")
    below = value < high or (value == high and ends[1] == "]")
    if above and below:
        return None
    first = f"{'at least' if ends[0] == '[' else 'above'} {low:g}"
    last = f"{'at most' if ends[1] == ']' else 'below'} {high:,}"
    return first if high == LARGEST and not above else f"{first}, {last}"


def _explain_text(name: str, value: str) -> str | None:
    """What a text must be that cannot be used."""
    known = {"metric": METRICS, "resampling": FILTERS}.get(name)
    if known and value not in known:
        return f"one of {', '.join(known)}.{did_you_mean(value, known)}".rstrip(".")
    if name in ("variables", "layers"):
        try:
            re.compile(value)
        except re.error as error:
            return f"a regular expression ({error})"
    return None


def _explain_order(owner: Any) -> str | None:
    """What is wrong between two fields of one part."""
    low, high = (getattr(owner, name, None) for name in ("low", "high"))
    if low is not None and high is not None and low > high:
        return f"its low, {low}, is above its high, {high}"
    for name in _RANGES:
        pair = getattr(owner, name, None)
        if isinstance(pair, tuple) and (len(pair) != 2 or pair[0] > pair[1]):
            return f"{name} takes two numbers, the lower first, not {pair}"
    if getattr(owner, "resampling", None) == ():
        return f"resampling names no filter; known: {', '.join(FILTERS)}"
    return None
