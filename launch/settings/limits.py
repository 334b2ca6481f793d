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
SMALLEST_SIDE = 8
LARGEST_SIDE = 8_192
LARGEST_NUMBER = 3e38  # of float32
# (lowest, highest, whether these two are allowed themselves)
_SHARE, _BELOW_1 = (0, 1, True, True), (0, 1, True, False)
_NOT_NEGATIVE = (0, LARGEST_NUMBER, True, True)
_ABOVE_0 = (0, LARGEST_NUMBER, False, True)
_SIDE = (1, LARGEST_SIDE, True, True)
_COUNT = (1, 10**9, True, True)
_COUNT_OR_0 = (0, 10**9, True, True)
LIMITS = {
    "image_size": (SMALLEST_SIDE, LARGEST_SIDE, True, True),
    "epochs": _COUNT,
    "updates": _COUNT,
    "train_images": _COUNT,
    "held_out": _COUNT_OR_0,
    "global_batch_size": _COUNT,
    "healthy_after": _COUNT_OR_0,
    "clip_global_norm": _ABOVE_0,
    "average_decay": _BELOW_1,
    "dropout": _BELOW_1,
    "towers": _COUNT,
    "learning_rate": _NOT_NEGATIVE,
    "momentum": _BELOW_1,
    "decay": _BELOW_1,
    "epsilon": _ABOVE_0,
    "mu": _NOT_NEGATIVE,
    "rate": _NOT_NEGATIVE,
    "value": _NOT_NEGATIVE,
    "factors": _NOT_NEGATIVE,
    "factor_before": _NOT_NEGATIVE,
    "times": _NOT_NEGATIVE,
    "divisor": _ABOVE_0,
    "patience": _COUNT,
    "max_drops": _COUNT_OR_0,
    "min_delta": _NOT_NEGATIVE,
    "epoch": _COUNT_OR_0,
    "samples": _COUNT,
    "kept": _SHARE,
    "smoothing": _SHARE,
    "weight": _NOT_NEGATIVE,
    "scale": _NOT_NEGATIVE,
    "size": _SIDE,
    "low": _ABOVE_0,
    "high": _ABOVE_0,
    "pixels": (0, LARGEST_SIDE, True, True),
    "attempts": (1, 1_000, True, True),
    "area": (0, 1, False, True),
    "aspect": _ABOVE_0,
    "saturation": _NOT_NEGATIVE,
    "contrast": _NOT_NEGATIVE,
    "probability": _SHARE,
    "covered": _SHARE,
    "shrink": _ABOVE_0,
    "std": _NOT_NEGATIVE,
    "Standardize.std": _ABOVE_0,  # it divides
}
_REASONS = {
    "image_size": " pixels: of fewer the poolings leave nothing, and one image "
    "of more takes over 800 MB"
}
_RANGES = ("area", "aspect", "saturation", "contrast")  # (low, high)
_SIDES = ("RandomShorterSide",)  # its low and high are sizes


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
        reason = _explain_number(owner, name, value) or _explain_text(name, value)
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


def _explain_number(owner: Any, name: str, value: Any) -> str | None:
    """Why a number is out of its limits, as what it must be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    kind = type(owner).__name__
    limits = LIMITS.get(f"{kind}.{name}", LIMITS.get(name))
    if kind in _SIDES and name in ("low", "high"):
        limits = _SIDE
    if limits is None:
        return None if abs(value) <= LARGEST_NUMBER else "a float32"
    low, high, from_low, to_high = limits
    above = value >= low if from_low else value > low
    below = value <= high if to_high else value < high
    if above and below:
        return None
    first = f"{'at least' if from_low else 'above'} {low:g}"
    last = f"{'at most' if to_high else 'below'} {high:,}"
    return first if high == LARGEST_NUMBER and not above else f"{first}, {last}"


def _explain_text(name: str, value: Any) -> str | None:
    """Why a text cannot be used, as what it must be."""
    if not isinstance(value, str):
        return None
    known = {"metric": METRICS, "resampling": FILTERS}
    if name in known and value not in known[name]:
        hint = did_you_mean(value, known[name])
        return f"one of {', '.join(known[name])}.{hint}".rstrip(".")
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
