"""When a run is broken and should stop, and what to tell its owner."""

import math
import pathlib
from typing import Any

from common.errors import NotFinite, RunError
from common.lazy import np
from common.recipes.recipe import Recipe
from common.training import checkpoints

MOVED = 0.99  # of ln(classes): below this, a network has learnt something
GUESSING = 0.95  # of chance's error: below this it has, whatever its loss says


def require_finite(
    losses: "np.ndarray", *, first_step: int, epoch: int, folder: pathlib.Path
) -> None:
    """Checks one call's losses: those of the updates from `first_step` on.

    Args:
        epoch: Counted from 0.
        folder: The run's checkpoints.

    Raises:
        NotFinite: if one is NaN or infinite; names its step.
    """
    bad = np.flatnonzero(~np.isfinite(losses))
    if not bad.size:
        return
    raise NotFinite(
        f"The loss is {losses[bad[0]]} at step {first_step + bad[0]} (epoch {epoch + 1}): training "
        "has diverged. "
        + checkpoints.kept_sentence(folder)
        + "Usual causes: a learning rate too high for this batch, data or precision; damaged "
        "images. Try --set optimizer.learning_rate=... with a fresh --workdir."
    )


def require_finite_weights(model: Any, whose: str) -> None:
    """Checks every weight of a keras.Model; `whose` begins a sentence: a file, mostly.

    Raises:
        NotFinite: if one is NaN or infinite; names the variable.
    """
    for variable in model.variables:
        values = np.asarray(variable.numpy())
        if values.dtype.kind != "u":  # a seed generator's
            odd = values[~np.isfinite(values)]
            if odd.size:
                raise NotFinite(
                    f"{whose} has {odd[0]} in {variable.path} ({odd.size:,} of {values.size:,} "
                    "values): no network computes with that. It is damaged, or its training had "
                    "diverged."
                )


def require_moved(row: dict, recipe: Recipe) -> None:
    """Checks the loss of the epoch in which a healthy run has left ln(C): `healthy_after`.

    Args:
        row: Of the history.

    Raises:
        RunError: if that epoch's loss is still that of guessing.
    """
    start = getattr(recipe.loss, "guessing", math.log)(recipe.num_classes)
    chance = 100 * (1 - 1 / recipe.num_classes)
    moved = row["loss"] < MOVED * start or row["top1_error"] < GUESSING * chance
    if row["epoch"] != recipe.healthy_after or moved:
        return
    raise RunError(
        f"After epoch {row['epoch']} the loss is {row['loss']:.3f}, where guessing among "
        f"{recipe.num_classes} classes gives {start:.3f}: the network has learnt nothing, though a "
        "healthy run has moved by then. Check the labels, the input range (the recipe's "
        "normalize), the initialisation and the learning rate; the checkpoint is kept. To train on "
        "regardless: --set healthy_after=0 with a fresh --workdir."
    )
