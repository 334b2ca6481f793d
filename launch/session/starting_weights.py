"""A training that begins with weights: which layers are new, which stay as they are."""

import dataclasses
import re
from typing import NamedTuple

import keras

import reproductions
from common.data import imagenet
from common.data.statistics import Statistics, load, needed
from common.errors import RunError, UsageError
from common.models import preprocessing
from common.models.layer_table import layer_table, without_weights
from common.models.state_dicts import require_whole
from common.models.weight_import import Shapes, read_layers, require_same_layers
from common.recipes.recipe import GroupSchedule, Override, Recipe
from common.recipes.schedules import Scaled
from common.recipes.serialization import describe
from common.training.checkpoints import newest_first
from common.training.health import require_finite_weights
from launch.settings.options import Experiment, Training
from launch.settings.overrides import apply
from launch.weights.run_weights import STATISTICS, locate


class Body(NamedTuple):
    """The variables outside of the head whose path `variables` finds: all of them, if it is ""."""

    head: tuple[str, ...]
    variables: str = ""

    def spell(self) -> str:
        """The expression of a GroupSchedule that finds them."""
        outside = rf"(?!(?:{'|'.join(map(re.escape, self.head))})/)" if self.head else ""
        return f"^{outside}(?=.*(?:{self.variables}))" if self.variables else f"^{outside}"


def read_body(expression: str) -> Body | None:
    """What Body.spell has spelt; None of other expressions."""
    form = r"\^(?:\(\?!\(\?:([^()]*)\)/\))?(?:\(\?=\.\*\(\?:(.*)\)\))?"
    found = re.fullmatch(form, expression)
    if not found:
        return None
    head = found[1].replace("\\", "").split("|") if found[1] else ()
    return Body(tuple(head), found[2] or "")


def repeats_fine_tuning(one: Override) -> bool:
    """Whether a change of `group_schedules` is but the body's rate, which `fine_tuning` says."""
    if one.field != "group_schedules":
        return False
    groups = [group for group in describe(one.new) if not read_body(group["variables"])]
    return groups == list(describe(one.old))


def settle(training: Training, source) -> Training:
    """The training with what its network, its classes and its weights decide in the recipe.

    Nothing but the layers that depend on the number of classes may be other than in the
    file; they are new if its classes are others than those of `source`.

    Raises:
        UsageError: if a frozen name is no layer's, or nothing is left to train.
        RunError: if the file is damaged, or has another network's weights.
    """
    tuning, workdir = training.experiment.recipe.fine_tuning, training.settings.workdir
    if tuning is None:
        return training
    if training.weights is None:  # of a run's folder, whose record has all that
        if not newest_first(workdir / "checkpoints"):
            raise RunError(
                f"{workdir} has no checkpoint yet, so it needs the weights that it begins with: "
                "give the command that began it, with --from."
            )
        experiment = training.experiment
        experiment = dataclasses.replace(experiment, recipe=_follow_schedule(experiment.recipe))
        return dataclasses.replace(training, experiment=experiment)
    file, variant = training.weights, training.experiment.variant
    require_whole(file)
    there = read_layers(file, lambda weight: tuple(weight.shape))
    here, head = _shapes(training.experiment)
    if left_out := there.keys() - here.keys():
        heads = _find_auxiliary(training.experiment)
        there = {name: shapes for name, shapes in there.items() if name not in left_out & heads}
    fits = all(there.get(name) == here[name] for name in head)
    new = () if fits and _has_same_classes(training, source) else head
    kept = {name: shapes for name, shapes in there.items() if name not in new}
    taken = {name: shapes for name, shapes in here.items() if name not in new}
    require_same_layers(file, variant, kept, taken)
    _check_frozen(tuple(here), tuning.frozen, new)
    recipe = training.experiment.recipe
    tuning = dataclasses.replace(tuning, new_layers=new)
    on_record = tuple(
        dataclasses.replace(one, new=tuning) if one.field == "fine_tuning" else one
        for one in recipe.overrides
    )
    recipe = dataclasses.replace(recipe, fine_tuning=tuning, overrides=on_record)
    experiment = dataclasses.replace(training.experiment, recipe=_scale_body(recipe, head))
    return dataclasses.replace(training, experiment=experiment)


def begin(training: Training, model: keras.Model) -> None:
    """Gives the network the weights, but in its new layers.

    Raises:
        NotFinite: if they are no numbers.
    """
    weights = read_layers(training.weights)
    for layer in model.layers:
        if layer.weights and layer.name not in training.experiment.recipe.fine_tuning.new_layers:
            layer.set_weights(weights[layer.name])
    require_finite_weights(model, str(training.weights))


def statistics_of_weights(training: Training) -> Statistics | None:
    """What the weights' own training subtracted; None if it is not known, or not needed."""
    recipe = training.experiment.recipe
    if not recipe.fine_tuning or not needed(recipe):
        return None
    if training.weights is None:
        return load(training.settings.workdir / STATISTICS)
    _, run = locate(str(training.weights))
    return run and load(run.folder / STATISTICS)


def describe_start(training: Training, model: keras.Model) -> list[tuple[str, str]]:
    """Rows of the plan, (what, value); none for a training that begins with no weights."""
    recipe = training.experiment.recipe
    tuning = recipe.fine_tuning
    if tuning is None:
        return []
    new = ", ".join(tuning.new_layers)
    head = f"new, for {recipe.num_classes} classes: {new}" if new else "all layers"
    rows = [("begins with", f"{tuning.weights}, sha256 {tuning.sha256[:12]}; {head}")]
    if tuning.frozen:
        frozen = [x.name for x in model.layers if x.weights and not x.trainable]
        rows.append(("frozen", f"{len(frozen)} layers, from {frozen[0]} to {frozen[-1]}"))
    for one in recipe.overrides:
        if one.field == "initialize_from":
            rows.append(("not trained", f"{one.old.variant}, which the paper's recipe begins with"))
    return rows


def _shapes(experiment: Experiment) -> tuple[Shapes, tuple[str, ...]]:
    """(shapes of every layer's weights, names of those that follow from the classes)."""

    def build(num_classes: int) -> Shapes:
        model = reproductions.build_model(
            experiment.paper,
            experiment.variant,
            image_size=experiment.recipe.image_size,
            num_classes=num_classes,
            network=experiment.recipe.network,
        )
        return {x.name: [tuple(w.shape) for w in x.weights] for x in model.layers if x.weights}

    classes, policy = experiment.recipe.num_classes, keras.mixed_precision.dtype_policy()
    try:
        with without_weights():
            here = build(classes)
            try:
                other = build(classes + 1)
            except UsageError:  # LeNet-5 has outputs for ten digits and no others
                other = here
    finally:  # which it clears
        keras.mixed_precision.set_dtype_policy(policy)
    return here, tuple(name for name in here if here[name] != other[name])


def _find_auxiliary(experiment: Experiment) -> set[str]:
    """Layers of the paper's own network that serve its training only: --set may leave them out."""
    policy = keras.mixed_precision.dtype_policy()
    try:
        with without_weights():
            model = reproductions.build_model(experiment.paper, experiment.variant)
            return {row.name for row in layer_table(model) if not row.main}
    finally:  # which it clears
        keras.mixed_precision.set_dtype_policy(policy)


def _has_same_classes(training: Training, source) -> bool:
    """Whether the weights choose among the classes of `source`, in its order."""
    file, run = locate(str(training.weights))
    if run:
        names, data = run.record["class_names"], run.record["recipe"]["data"]
    else:
        own = reproductions.load(training.experiment.paper).RECIPES[training.experiment.variant]
        stated = preprocessing.read(file)
        data = stated and stated.described.get("data") or own.data
        names = imagenet.WNIDS if data == "imagenet2012" else None
    if names and hasattr(source, "class_names"):  # one that is not here has none
        return tuple(names) == tuple(source.class_names())
    return source.dataset.name == data


def _check_frozen(layers: tuple[str, ...], frozen: tuple[str, ...], new: tuple[str, ...]) -> None:
    for prefix in frozen:
        if not any(name.startswith(prefix) for name in layers):
            raise UsageError(
                f"--freeze {prefix}: no layer with weights has a name that begins so. They are "
                f"called {', '.join(layers)}."
            )
    if at_random := [name for name in new if name.startswith(frozen)]:
        raise UsageError(
            f"--freeze {','.join(frozen)} would freeze {', '.join(at_random)}, new for these "
            "classes, with the random weights that it begins with. Freeze other layers."
        )
    if all(name.startswith(frozen) for name in layers):
        raise UsageError(
            f"--freeze {','.join(frozen)} freezes all of {', '.join(layers)}: nothing is left "
            "to train. Freeze fewer."
        )


def _scale_body(recipe: Recipe, head: tuple[str, ...]) -> Recipe:
    """`body_rate` as schedules of its own for all variables outside of the head."""
    times = recipe.fine_tuning.body_rate
    if times == 1:
        return recipe
    schedules = [(group.variables, group.schedule) for group in recipe.group_schedules]
    groups = [
        GroupSchedule(
            variables=Body(head, variables).spell(),
            schedule=Scaled(times=times, schedule=schedule),
        )
        for variables, schedule in (*schedules, ("", recipe.schedule))
    ]
    groups = describe((*groups, *recipe.group_schedules))
    changed = apply(recipe, [Override(field="group_schedules", old=None, new=groups)])
    *others, own = changed.overrides
    if earlier := [one for one in others if one.field == own.field]:  # --set has said, too
        others = [one for one in others if one.field != own.field]
        own = dataclasses.replace(own, old=earlier[0].old)
    return dataclasses.replace(changed, overrides=(*others, own))


def _follow_schedule(recipe: Recipe) -> Recipe:
    """The recipe of a run that goes on; where --set has changed its schedule, its body's, too."""
    if recipe.fine_tuning.body_rate == 1:
        return recipe
    pairs = [(read_body(group.variables), group) for group in recipe.group_schedules]
    found = [pair for pair in pairs if pair[0] and not pair[0].variables]
    by_hand = any(one.field.startswith("group_schedules.") for one in recipe.overrides)
    if by_hand or not found:
        return recipe
    [(all_others, group)] = found
    if group.schedule.schedule == recipe.schedule:
        return recipe
    own = tuple(group for body, group in pairs if not body)
    return _scale_body(dataclasses.replace(recipe, group_schedules=own), all_others.head)
