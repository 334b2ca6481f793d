"""The papers, one folder each; a folder's name is the paper's name here.

Imported beside other code, this is the Python API: PYTHON.md.
"""

import contextlib
import dataclasses
import functools
import importlib.util
import numbers
import pathlib
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

try:
    from common.errors import RunError, UsageError, did_you_mean
except ImportError:
    import common

    raise ImportError(
        f"reproductions needs the package common beside it ({__file__}), and Python finds "
        f"another one first: {common.__file__ or list(common.__path__)}. Rename that, or start "
        "Python where it is not on the path: in another folder, or as python -P.",
        name="common",
    ) from None
from common.lazy import keras
from common.papers.deviations import add_deviations
from common.papers.folders import check_claims, check_recipes, find_fault, find_folders
from common.recipes.recipe import Recipe

REPOSITORY = pathlib.Path(__file__).parents[1]
# Keras walks a graph by recursion, a few calls for each operation on its longest path:
# cifar_resnet1202 takes 24,000.
DEEPEST_GRAPH = 30_000


def names() -> tuple[str, ...]:
    """All papers, sorted: the folders whose recipes can be read."""
    return tuple(name for name, fault in _folders().items() if not fault)


def readable() -> tuple[str, ...]:
    """Those of `names` whose claims can be read, too."""
    return tuple(name for name in names() if name not in faults())


@functools.cache
def faults() -> dict[str, str]:
    """Folders whose recipes or claims cannot be read, and why, naming the file."""
    root = pathlib.Path(__file__).parent

    def read(paper: str) -> None:
        check_claims(root / paper, _load(paper).RECIPES)

    found = {
        name: fault or find_fault(root / name, functools.partial(read, name))
        for name, fault in _folders().items()
    }
    return {name: fault for name, fault in found.items() if fault}


@functools.cache
def _folders() -> dict[str, str]:
    """By paper, why its recipes cannot be read, or are another paper's; "" of most.

    A name that two have is that of the paper with results and facts; of two such, of the first.
    """
    root, owners = pathlib.Path(__file__).parent, dict.fromkeys(RESERVED, "the suite")
    facts = REPOSITORY / "tests" / "reproductions" / "facts"

    def is_finished(paper: str) -> bool:  # a new one has no results, a copy no facts
        return (root / paper / "results.md").exists() and (facts / f"{paper}.toml").exists()

    def take(name: str, paper: str) -> None:
        if owners.setdefault(name, paper) != paper:
            raise RunError(f"{root / paper}: {name} is {owners[name]}'s name; choose another.")

    def read(paper: str) -> None:
        take(paper, paper)
        check_recipes(root / paper, lambda: _load(paper).RECIPES)
        for variant in _load(paper).RECIPES:
            take(variant, paper)

    papers = sorted((one.name for one in find_folders(root)), key=is_finished, reverse=True)
    found = {name: find_fault(root / name, functools.partial(read, name)) for name in papers}
    return dict(sorted(found.items()))


@dataclasses.dataclass(frozen=True)
class Paper:
    """What a paper's recipe.py and deviations.toml say; see `load`.

    Attributes:
        RECIPES: Variant -> recipe, the headline network's first.
        VIEWS: Variant -> name -> test protocol (common.evaluation.views), of those that
            the paper tests otherwise than by the common views.
    """

    RECIPES: dict[str, Recipe]
    VIEWS: dict[str, dict[str, Any]]


def load(paper: str) -> Paper:
    """The paper's recipes, each with its network's form, and views; imports no TensorFlow.

    Raises:
        UsageError: if there is no such paper.
        RunError: if its folder cannot be read; says why.
    """
    if paper not in _folders():
        of = [name for name in names() if paper in _load(name).RECIPES]
        said = f" {paper} is a variant of {of[0]}: find({paper!r}) gives both." if of else ""
        raise UsageError(_unknown(paper, names()) + said)
    if fault := _folders()[paper]:
        raise RunError(f"{paper} is unfinished: {fault}")
    return _load(paper)


@functools.cache
def _load(paper: str) -> Paper:
    module = importlib.import_module(f"reproductions.{paper}.recipe")
    own = pathlib.Path(module.__file__).parent
    if not getattr(module, "RECIPES", None):
        raise RunError(f"{module.__file__} has no RECIPES, or none in them.")
    recipes = add_deviations(module.RECIPES, own)
    if (own / "forms.py").exists():
        forms = importlib.import_module(f"reproductions.{paper}.forms").FORMS
        recipes = {v: dataclasses.replace(r, network=forms.get(v)) for v, r in recipes.items()}
    return Paper(RECIPES=recipes, VIEWS=getattr(module, "VIEWS", {}))


def require_repository(command: str) -> None:
    """Checks that the command may write beside the code.

    Raises:
        UsageError: if this is an installed copy.
    """
    if not (REPOSITORY / "pyproject.toml").is_file():
        raise UsageError(
            f"{command} writes into the repository, and this is an installed copy ({REPOSITORY}), "
            "which stays as it is. Clone the repository, install that with pip install -e, and "
            "run the same command there."
        )


def folder(paper: str) -> pathlib.Path:
    """Where the paper's files lie."""
    return pathlib.Path(__file__).parent / paper


def build_model(
    paper: str,
    variant: str,
    *,
    image_size: int | None = None,
    num_classes: int | None = None,
    network: Any = None,
) -> "keras.Model":
    """A variant's network: (batch, S, S, channels) images -> (batch, num_classes) logits.

    With auxiliary heads a list of logits, the main head's first; of mnist_pairwise scores and the
    units they are sums of. Logits are float32 under any dtype policy.

    Args:
        image_size: S, pixels; None is the recipe's.
        num_classes: None is the recipe's; 0 leaves out the classifier and the auxiliary
            heads: (batch, features).
        network: Its form, one of the paper's forms.py; None is the recipe's.

    Raises:
        UsageError: if the network does not fit such images, cannot have such a form, or
            there cannot be so many classes.
    """
    recipe = _recipe(paper, variant)
    size = recipe.image_size if image_size is None else image_size
    classes = recipe.num_classes if num_classes is None else num_classes
    for name, value in (("image_size", size), ("num_classes", classes)):
        if not isinstance(value, numbers.Integral) or isinstance(value, bool):
            raise UsageError(f"{name}={value!r}: it must be a whole number; images are square.")
    smallest = smallest_image(paper, variant)
    if size < smallest:
        raise UsageError(
            f"{variant} needs images of at least {smallest}x{smallest} pixels: from "
            f"{size}x{size} nothing is left for its last windows."
        )
    if classes < 0:
        raise UsageError(
            f"{variant} cannot have {classes} classes: 1 or more, or 0 for no classifier."
        )
    model = _import_model(paper)
    changed = network is not None and network != recipe.network
    form = {"form": network} if changed else {}
    with _deep_graphs():
        try:
            built = model.build_model(variant, size, classes or recipe.num_classes, **form)
        except ValueError as error:
            if not changed or isinstance(error, UsageError):
                raise
            raise UsageError(
                f"{variant} cannot be built of such parts, for {size}x{size} pixels: {error}"
            ) from error
        return built if classes else _without_classifier(built)


def _without_classifier(model: "keras.Model") -> "keras.Model":
    """(batch, H, W, C) images -> (batch, features), what the main head's classifier sees.

    The classifier is the last layer with weights.
    """
    layer = model.outputs[0]._keras_history.operation
    while not layer.weights:
        layer = layer.input._keras_history.operation
    return keras.Model(model.inputs, layer.input, name=model.name)


def _import_model(paper: str) -> types.ModuleType:
    return importlib.import_module(f"reproductions.{paper}.model")


def load_model(file: pathlib.Path | str) -> "keras.Model":
    """What `model.save` of such a network wrote (.keras), in any process.

    Keras's own load_model knows the papers' layers only where their modules are imported.
    """
    for paper in names():
        with contextlib.suppress(Exception, SystemExit):  # of one that is being written
            _import_model(paper)
    with _deep_graphs():
        return keras.saving.load_model(file)


@contextlib.contextmanager
def _deep_graphs() -> Iterator[None]:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, DEEPEST_GRAPH))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def make_preprocessing(
    paper: str,
    variant: str,
    *,
    image_size: int | None = None,
    weights: pathlib.Path | str | None = None,
) -> Callable[[Any], Any]:
    """From an image to what the network is fed: the paper's test transforms and normalisation.

    The function takes (H, W, 1 or 3) uint8 pixels, or the bytes of a JPEG or PNG file, and
    gives (S, S, channels) float32, the centre of the frame; it can be mapped over a
    tf.data.Dataset. Networks for MNIST and CIFAR take images of the size that those have.

    Args:
        image_size: S, pixels; None is the recipe's.
        weights: A file that a training or `import` wrote, or a run's folder: what it says of its
            pixels, and the statistics beside it, take the place of the recipe's.

    Raises:
        UsageError: if the recipe subtracts what is nowhere to be found, there is no such file, or
            it is another variant's.
        RunError: if what the file says is not known here.
    """
    import tensorflow as tf

    from common.data import pipeline, statistics
    from common.evaluation.inputs import inputs_of_file
    from common.evaluation.views import FrameView
    from common.models.preprocessing import STATISTICS, prepared_for

    file = _find_weights(weights) if weights else None
    recipe = prepared_for(_recipe(paper, variant), variant, file, image_size)
    known = file and statistics.load(file.with_name(STATISTICS))
    if known:
        statistics.require_size(known, recipe)
    elif recipe.normalize.needs_statistics:
        if recipe.data != "imagenet2012":
            raise UsageError(
                f"{variant} subtracts the mean of its training images, {recipe.data}: give "
                "weights=, a run's or those that come with the code, which have it beside them."
            )
        known = statistics.published(recipe)
    view = FrameView(name="centre_crop", size=recipe.image_size)
    side = pipeline.stored_side(recipe)

    def preprocess(image: Any) -> Any:
        if isinstance(image, str | pathlib.Path):
            raise UsageError(
                f"That is a path; give what is in it: Path({str(image)!r}).read_bytes()"
            )
        image = tf.convert_to_tensor(image)
        if (image.dtype, image.shape.rank) not in ((tf.string, 0), (tf.uint8, 3)):
            raise UsageError(
                "One image at a time: (height, width, channels) uint8 pixels, 0 .. 255, or a "
                f"file's bytes; this is {image.dtype.name} of shape {image.shape}."
            )
        encoded = image if image.dtype == tf.string else tf.io.encode_png(image)
        return inputs_of_file(encoded, recipe, known, view, side)[0]

    return tf.autograph.experimental.do_not_convert(preprocess)


def _find_weights(place: pathlib.Path | str) -> pathlib.Path:
    file = pathlib.Path(place).expanduser()
    if file.is_dir():  # a run's
        file /= "final.weights.h5"
    if not file.is_file():
        raise UsageError(f"weights={str(place)!r}: there is no file {file}.")
    return file


def _recipe(paper: str, variant: str) -> Recipe:
    recipes = load(paper).RECIPES
    if variant not in recipes:
        raise UsageError(
            f"{paper} has no variant {variant!r}.{did_you_mean(variant, recipes)} It has "
            f"{', '.join(recipes)}."
        )
    return recipes[variant]


def smallest_image(paper: str, variant: str) -> int:
    """The side of the smallest images that the network has windows for; pixels."""
    return getattr(_import_model(paper), "SMALLEST_IMAGE", {}).get(variant, 1)


def views(paper: str, variant: str) -> dict[str, Any]:
    """The paper's own test protocols (common.evaluation.views) of a variant."""
    return load(paper).VIEWS.get(variant, {})


def find(name: str) -> tuple[str, str]:
    """(paper, variant) of a paper's or a variant's name.

    A paper's name means its first variant, the headline network.

    Raises:
        UsageError: if nothing is called that; names what is nearest.
        RunError: if it is a paper whose folder cannot be read; says why.
    """
    variants = {v: p for p in names() for v in load(p).RECIPES}
    if name in variants:
        return variants[name], name
    if name in _folders():
        return name, next(iter(load(name).RECIPES))
    said = _unknown(name, (*variants, *names()))
    if name.isidentifier() and folder(name).is_dir():
        said += f" {folder(name)} is no paper: it has no recipe.py."
    raise UsageError(said)


def _unknown(name: str, known: tuple[str, ...]) -> str:
    hint = did_you_mean(name, known)
    return (
        f"There is no paper or variant called {name!r}.{hint} Papers: "
        f"{', '.join(names())}; python -m launch list shows their variants."
        + "".join(f" {paper} is unfinished: {why}" for paper, why in _folders().items() if why)
    )


# What a paper cannot be called: its module would take the place of what is here, or its tests
# could not be chosen by its name.
RESERVED = frozenset({*globals(), "common", "launch", "test", "tests"})
