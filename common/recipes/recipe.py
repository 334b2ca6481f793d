"""A recipe: everything that changes the result of a training run, as data.

One frozen value per published result. A field's default means "this recipe has none of it".
Importing this module imports no TensorFlow.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

SMALL = 2_048  # values in the images of an update: LeNet-5's has 1,024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deviation:
    """One difference between a paper and what is run here.

    Attributes:
        field: What differs, in the recipe's words where it has one.
        paper: What the paper says, and where.
        here: What is done here.
        reason: Why.
        departs: Whether the paper (or the source that the variant follows) states otherwise, and
            does not only leave it open. Stands in results.md beside every number of such a recipe.
    """

    field: str
    paper: str
    here: str
    reason: str
    departs: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Override:
    """A field of a recipe that the command line changed: it is no longer the paper's.

    Attributes:
        field: Its path, such as "optimizer.learning_rate"; or "data" for another data set. Two
            are no fields, and no flag sets them: "recovered" of a training that went back to a
            checkpoint, "continued" of one that went on with another recipe.
        old: Its value before.
        new: Its value now; of "recovered" and "continued" a sentence.
    """

    field: str
    old: Any
    new: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightDecay:
    """`rate * w` added to the gradient of w (L2 inside the momentum).

    Attributes:
        rate: The papers' coefficient (AlexNet: 5e-4).
        variables: A regular expression searched in a variable's path, such as "conv1/kernel"; only
            the variables that it finds decay.
    """

    rate: float
    variables: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sgd:
    """Momentum with the rate inside: v <- momentum v - rate g; w <- w + v."""

    learning_rate: float
    momentum: float
    nesterov: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class RmsProp:
    """RMSProp as TensorFlow 1 had it; see common.training.optimizers.RmsProp."""

    learning_rate: float
    decay: float
    momentum: float
    epsilon: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class GroupSchedule:
    """A schedule of its own for some variables.

    Attributes:
        variables: A regular expression searched in a variable's path.
        schedule: Gives the factor on the optimizer's learning rate; it replaces the recipe's
            schedule for these variables.
    """

    variables: str
    schedule: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class InitializeFrom:
    """Some layers begin with the weights of another, trained network.

    Attributes:
        variant: Of the same paper; trained first, by its own recipe.
        layers: A regular expression; layers of that network whose names it matches wholly are
            copied.
        renamed: Gives each one's name here from its name there; or None: the names are the same.
    """

    variant: str
    layers: str
    renamed: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class FineTuning:
    """A network begins with trained weights, and some of its layers may keep them.

    Attributes:
        weights: What they are, for people: of a run or of a file.
        sha256: Of the file that holds them.
        frozen: Beginnings of names; layers that are called so are not trained, and their
            batch normalisation keeps its statistics.
        body_rate: What the learning rates are multiplied with, but in the layers whose shapes
            follow from the number of classes; in the recipe's `group_schedules`.
        new_layers: Those that begin with their initialisers; all others have the weights.
    """

    weights: str
    sha256: str
    frozen: tuple[str, ...] = ()
    body_rate: float = 1.0
    new_layers: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training recipe.

    Attributes:
        data: The paper's data set, a name of common.data.catalog.
        also_on: Others that the paper trains on by the same recipe; neither described nor hashed.
        image_size: Height and width of the network's input, pixels.
        channels: 1 (grey) or 3 (RGB).
        num_classes: Labels are 0 .. num_classes - 1.
        epochs: Passes over the training set.
        updates: Training ends after so many, within a pass if need be; or None.
        patience: Training ends after so many passes in a row without a lower error on the held-out
            images; or None.
        train_images: Only so many are trained on, the first of the files; or None.
        held_out: Training images that are kept for validation: the last of the files. They are then
            measured in the place of the test split.
        initialize_from: Or None: all weights start from their initialisers.
        fine_tuning: The weights that all begins with, which no paper's recipe has; or None.
        global_batch_size: Images per update, over all replicas.
        optimizer: `Sgd(...)`, `RmsProp(...)` or a paper's own value with `learning_rate` and
            `build(**shared)` -> a Keras optimizer; see common.training.optimizers.
        schedule: See common.recipes.schedules; the factor on the learning rate.
        group_schedules: First match wins; the others follow `schedule`.
        weight_decay: Or None.
        clip_global_norm: Clip all gradients together, after they were summed over the replicas; or
            None.
        loss: `(outputs, labels) -> (batch,)` losses; outputs are the model's.
        average_decay: The tested weights are a running average, a <- d a + (1 - d) w after each
            update; or None: they are the last ones.
        synchronized_batch_norm: Whether batch statistics are taken over the global batch (True) or
            each replica's share (False).
        train_transforms: From the encoded image to the network's input size; pixels 0 .. 255. See
            common.data.transforms.
        normalize: Applied after the train transforms and to the test views.
        train_noise: Applied after `normalize`, in training only.
        test_transforms: From the encoded image to the frame that the test views are cut from.
        network: What its network is made of: its `Form` in the paper's forms.py, where there is
            one, which reproductions.load adds; or None. Not compared: two networks may be trained
            alike, and what was changed is in `overrides`.
        views: The paper's test protocols, measured after training.
        monitor: The view whose error is measured on the test split after each epoch (and that a
            plateau schedule looks at).
        before_epoch: Called with (model, optimizer, loss, examples) before each epoch,
            `before_epoch.samples` examples (None, or where there are fewer: all) as one batch; or
            None.
        healthy_after: Epochs after which a loss still at ln(num_classes) means that the run is
            broken and stops.
        deviations: Where this differs from its paper; common.papers.deviations reads them.
        overrides: What the command line changed in it; a paper's recipe has none.
    """

    data: str
    also_on: tuple[str, ...] = ()
    image_size: int
    channels: int
    num_classes: int
    epochs: int
    updates: int | None = None
    patience: int | None = None
    train_images: int | None = None
    held_out: int = 0
    initialize_from: InitializeFrom | None = None
    fine_tuning: FineTuning | None = None
    global_batch_size: int
    optimizer: Any
    schedule: Any
    group_schedules: tuple[GroupSchedule, ...] = ()
    weight_decay: WeightDecay | None = None
    clip_global_norm: float | None = None
    loss: Callable
    average_decay: float | None = None
    synchronized_batch_norm: bool = False
    train_transforms: tuple
    normalize: Any
    train_noise: tuple = ()
    test_transforms: tuple
    views: tuple[str, ...]
    monitor: str
    before_epoch: Any = None
    network: Any = dataclasses.field(default=None, compare=False)
    healthy_after: int = 5
    deviations: tuple[Deviation, ...] = ()
    overrides: tuple[Override, ...] = ()


def is_fitted(recipe: Recipe) -> bool:
    """Whether its layers are fitted before an epoch, whose steps then change nothing."""
    return getattr(recipe.before_epoch, "fits", False)


def normalizes_whole_batches(recipe: Recipe) -> bool:
    """Whether batch normalisation takes its statistics over the global batch.

    Not where the network has none, as its form's `batch_norm` says.
    """
    return recipe.synchronized_batch_norm and getattr(recipe.network, "batch_norm", True)


def is_small(recipe: Recipe) -> bool:
    """Whether an update takes less than to start TensorFlow's operations."""
    image = recipe.image_size**2 * recipe.channels
    return recipe.global_batch_size * image <= SMALL
