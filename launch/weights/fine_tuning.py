"""What --from, --freeze and --body_rate change in a recipe: it begins with trained weights.

Images are prepared as those of the weights were, in the recipe's place. Importing this
module imports no TensorFlow.
"""

import dataclasses
import hashlib
import pathlib
from collections.abc import Sequence

from absl.flags import FlagValues

import reproductions
from common.data.statistics import load
from common.data.transforms import (
    PcaColourNoise,
    SubtractCentreMean,
    SubtractChannelMean,
    SubtractMeanImage,
    active,
)
from common.errors import UsageError, did_you_mean
from common.models.state_dicts import require_whole
from common.recipes.recipe import FineTuning, Override, Recipe, is_fitted
from common.recipes.serialization import NETWORK, describe, recipe_hash
from launch.settings.overrides import apply, combine, path_of
from launch.weights.preprocessing import adapt
from launch.weights.run_weights import STATISTICS, WEIGHTS, Trained, locate, read_recipe
from launch.weights.shipped import find_folder, list_variants

_WITH_FROM = ("freeze", "body_rate", "preprocessing")
_SUBTRACT = (SubtractMeanImage, SubtractCentreMean, SubtractChannelMean)


def require_from(flags: FlagValues) -> None:
    """Refuses the flags that go with --from, which is not given."""
    for name in _WITH_FROM:
        if flags[name].present:
            raise UsageError(f"--{name} goes with --from: a training that begins with weights.")


def read_changes(
    paper: str, variant: str, flags: FlagValues
) -> tuple[list[str | Override], pathlib.Path]:
    """(what --from and --set change in the variant's recipe, the file of weights).

    What --set says has the last word. Which layers are new is known once the network is
    there: launch.session.starting_weights.

    Raises:
        UsageError, RunError: if there are no such weights, of other networks or of images
            that cannot be prepared here, or for flags that do not go together.
    """
    given = flags["from"].value
    if not flags.body_rate:
        raise UsageError("--body_rate=0: it must be above 0; layers that are to stay: --freeze.")
    if not pathlib.Path(given).expanduser().exists():
        given = _find_shipped(given)
    file, run = locate(given)
    if not file.is_file():
        raise UsageError(f"There is no file {file} to read weights from (given with --from).")
    recipe = reproductions.load(paper).RECIPES[variant]
    if is_fitted(recipe):
        raise UsageError(
            f"{variant} is fitted to the images anew, whatever it begins with: leave out --from. "
            "What it learned elsewhere is for evaluate, predict and export."
        )
    whose, seen = file.name, recipe
    if run:
        seen, of = read_recipe(run, variant, recipe), run.record
        if file.name == WEIGHTS and of.get("status", "finished") != "finished":
            raise UsageError(
                f"{run.folder} goes on with another end or recipe: its {WEIGHTS} is of an earlier "
                "end. Wait for the new one, or give --from a copy of that file."
            )
        whose = (
            f"run of {of['variant']}, {of['data_title']}, {of['recipe']['num_classes']} classes, "
            f"recipe {recipe_hash(of['recipe'])}, seed {of['seed']}"
        )
    seen = adapt(paper, variant, seen, file, flags.preprocessing, of_a_run=run is not None)
    require_whole(file)
    with open(file, "rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    tuning = FineTuning(
        weights=whose,
        sha256=digest,
        frozen=tuple(dict.fromkeys(flags.freeze)),
        body_rate=flags.body_rate,
    )
    own = {"fine_tuning": tuning, **_change_images(recipe, seen, flags.set)}
    if recipe.initialize_from:
        own["initialize_from"] = None
    changes = [Override(field=name, old=None, new=describe(new)) for name, new in own.items()]
    changes = combine([*changes, *_list_parts(recipe, seen)], flags.set)
    if "normalize" not in map(path_of, flags.set):
        _require_mean(apply(recipe, changes), seen, file, run)
    return changes, file


def _list_parts(recipe: Recipe, seen: Recipe) -> list[Override]:
    """What the weights' network is made of other than the recipe's: they are of no other."""
    if seen.network == recipe.network:
        return []
    names = [field.name for field in dataclasses.fields(seen.network)]
    parts = [(name, getattr(seen.network, name)) for name in names]
    return [
        Override(field=NETWORK + name, old=None, new=describe(part))
        for name, part in parts
        if part != getattr(recipe.network, name)
    ]


def _find_shipped(variant: str) -> str:
    """The folder of a variant's shipped weights."""
    known = list_variants()
    if variant in known:
        return str(find_folder(*reproductions.find(variant)))
    raise UsageError(
        f"--from {variant}: there is no such folder of a run or file of weights, and no weights "
        f"come with a variant of that name.{did_you_mean(variant, known)} They come with: "
        f"{', '.join(known)}."
    )


def _change_images(recipe: Recipe, seen: Recipe, settings: Sequence[str]) -> dict:
    """Field -> value, of those that prepare images for the network."""
    changed = {}
    if seen.image_size != recipe.image_size:
        changed["image_size"] = seen.image_size
    size = [Override(field=name, old=None, new=new) for name, new in changed.items()]
    recipe = apply(recipe, combine(size, settings))
    seen = apply(seen, [f"image_size={recipe.image_size}"])
    for name in ("normalize", "test_transforms"):
        if getattr(seen, name) != getattr(recipe, name):
            changed[name] = getattr(seen, name)
    # Noise on colours has the unit of pixels and the order RGB, so it comes before what
    # changes these; what only subtracts leaves it where the paper has it.
    only_subtracts = isinstance(changed.get("normalize"), (*_SUBTRACT, type(None)))
    moved = [
        transform
        for transform in recipe.train_noise
        if isinstance(active((transform,), epoch=-1)[0][1], PcaColourNoise)
    ]
    if moved and not only_subtracts:
        changed["train_transforms"] = (*recipe.train_transforms, *moved)
        changed["train_noise"] = tuple(x for x in recipe.train_noise if x not in moved)
    return changed


def _require_mean(recipe: Recipe, seen: Recipe, file: pathlib.Path, run: Trained | None) -> None:
    """Refuses weights whose network is fed images less a mean that is not known."""
    if not seen.normalize.needs_statistics:
        return
    if not run or load(run.folder / STATISTICS) is None:
        raise UsageError(
            f"{file} was trained on images less the mean of its training set "
            f"({seen.normalize}), which is not with it ({STATISTICS}). Give --from the folder of "
            "the run that made it; or say with --set normalize=... what to do to images instead."
        )
    if recipe.image_size != seen.image_size and seen.normalize != SubtractChannelMean():
        raise UsageError(
            f"{run.folder} subtracts a mean image of {seen.image_size}x{seen.image_size} pixels "
            "from what its network sees: --set image_size would change that. Leave it out; or "
            "say with --set normalize=... what to do to images instead."
        )
