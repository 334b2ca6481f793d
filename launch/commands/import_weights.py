"""`python -m launch import NAME --from LAYOUT FILE --out W.weights.h5`."""

import ast
import hashlib
import importlib
import pathlib

import reproductions
from common.errors import UsageError, did_you_mean
from common.files import save_weights
from common.models import preprocessing, state_dicts
from common.recipes.recipe import Recipe
from common.training.health import require_finite_weights
from launch.terminal.new_files import require_new
from launch.terminal.quiet import quiet

SUFFIX = ".weights.h5"  # Keras takes no other


def run(paper: str, variant: str, layout: str, source: pathlib.Path, target: pathlib.Path) -> int:
    """Writes `source`'s weights to `target` as `variant`'s; exit code 0.

    The file says what its network must be fed: see common.models.preprocessing.

    Raises:
        UsageError: if there is no such layout or file, or `target` cannot be
            a new file of weights.
        RunError: if the file is damaged, or another network's.
    """
    _check(paper, variant, layout, source, target)
    with quiet():
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")  # copying needs none
        weights = importlib.import_module(f"reproductions.{paper}.weights")
    if layout == "keras":
        application = _application(weights.KERAS_APPLICATIONS, variant)
        state = state_dicts.of_keras(source, application)
    else:
        state = state_dicts.read(source)
    model = reproductions.build_model(paper, variant)
    weights.LAYOUTS[layout](state, model)
    require_finite_weights(model, str(source))
    recipe = reproductions.load(paper).RECIPES[variant]
    recipe = weights.PREPROCESSING[layout].of(recipe)
    _save(model, target, layout, recipe)
    with open(source, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    print(
        f"{variant}: {model.count_params():,} parameters written to {target}, "
        f"from {source} ({layout}, sha256 {digest}), for images as {layout} "
        f"prepares them: {recipe.normalize}"
    )
    return 0


def layouts(paper: str) -> tuple[str, ...]:
    """The keys of LAYOUTS in the paper's weights.py, read and not run.

    Importing it would import TensorFlow, only to refuse a misspelt word.
    """
    file = reproductions.folder(paper) / "weights.py"
    if not file.is_file():
        return ()
    for statement in ast.parse(file.read_text()).body:
        match statement:
            case ast.Assign([ast.Name("LAYOUTS")], ast.Dict(keys)):
                return tuple(ast.literal_eval(key) for key in keys)
    return ()


def _check(paper, variant, layout, source, target) -> None:
    _check_layout(paper, variant, layout)
    if not source.is_file():
        raise UsageError(f"There is no file {source} to import weights from.")
    state_dicts.require_suffix(
        source, state_dicts.KERAS_SUFFIXES if layout == "keras" else state_dicts.SUFFIXES
    )
    if not target.name.endswith(SUFFIX):
        raise UsageError(f"--out {target} must end in {SUFFIX}, as the files that evaluate reads.")
    require_new(target, "--out")


def _check_layout(paper: str, variant: str, layout: str) -> None:
    known = layouts(paper)
    if not known:
        raise UsageError(
            f"No published weights are known for {variant}: {paper} has no "
            "weights.py that maps another implementation's names to ours."
        )
    if layout not in known:
        hint = did_you_mean(layout, known)
        raise UsageError(
            f"{paper} has no layout called {layout!r}.{hint} Known for --from: {', '.join(known)}."
        )


def _application(applications: dict[str, str], variant: str) -> str:
    if variant not in applications:
        raise UsageError(f"keras.applications has no {variant}; it has {', '.join(applications)}.")
    return applications[variant]


def _save(model, target: pathlib.Path, layout: str, recipe: Recipe) -> None:
    """`target` appears whole or not at all."""
    save_weights(model, target, lambda file: preprocessing.write(file, layout, recipe))
