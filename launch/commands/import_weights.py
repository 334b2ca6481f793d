"""Published weights into ours, which evaluate, predict and export read."""

import hashlib
import importlib
import pathlib

from absl.flags import FlagValues

import reproductions
from common.errors import UsageError, did_you_mean
from common.files import save_weights
from common.models import preprocessing, state_dicts
from common.training.health import require_finite_weights
from launch.commands.names import find, refuse_words
from launch.settings.flags import path, text
from launch.terminal.new_files import require_new
from launch.terminal.quiet import quiet
from launch.weights.preprocessing import OURS, layouts

USAGE = "import NAME --from LAYOUT FILE --out W.weights.h5"
FLAGS = {
    "from": text(
        "whose names and order of axes FILE has: torchvision, keras, caffe ...; a "
        "wrong one is answered with those that NAME knows"
    ),
    "out": path("the file to write, for evaluate --weights"),
}


def run(words: list[str], flags: FlagValues) -> int:
    """Writes FILE's weights as NAME's; exit code 0.

    The file says what its network must be fed: see common.models.preprocessing.

    Raises:
        UsageError: if there is no such layout or file, or the other cannot be a new file.
        RunError: if the file is damaged, or another network's.
    """
    layout, target = flags["from"].value, flags.out
    paper, variant = find(words[0]) if words else (None, None)
    known = layouts(paper) if paper else ()
    if len(words) < 2 or not layout or not target:
        hint = f" {variant} knows the layouts {', '.join(known)}." if known else ""
        raise UsageError(
            f"import takes a name, a layout and two files: python -m launch {USAGE}.{hint}"
        )
    refuse_words("import NAME FILE", words[2:])
    source = pathlib.Path(words[1]).expanduser()
    _require_layout(layout, known, paper, variant)
    if not source.is_file():
        raise UsageError(f"There is no file {source} to import weights from.")
    state_dicts.require_suffix(
        source, state_dicts.KERAS_SUFFIXES if layout == "keras" else state_dicts.SUFFIXES
    )
    if not target.name.endswith(OURS):
        raise UsageError(f"--out {target} must end in {OURS}, as the files that evaluate reads.")
    require_new(target, "--out")
    with quiet():
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")  # copying needs none
        weights = importlib.import_module(f"reproductions.{paper}.weights")
    if layout == "keras":
        applications = weights.KERAS_APPLICATIONS
        if variant not in applications:
            has = ", ".join(applications)
            raise UsageError(f"keras.applications has no {variant}; it has {has}.")
        state = state_dicts.of_keras(source, applications[variant])
    else:
        state = state_dicts.read(source)
    model = reproductions.build_model(paper, variant)
    weights.LAYOUTS[layout](state, model)
    require_finite_weights(model, str(source))
    recipe = weights.PREPROCESSING[layout].of(reproductions.load(paper).RECIPES[variant])
    save_weights(model, target, lambda file: preprocessing.write(file, layout, variant, recipe))
    with open(source, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    print(
        f"{variant}: {model.count_params():,} weights written to {target}, from {source} "
        f"({layout}, sha256 {digest}), for images as {layout} prepares them: {recipe.normalize}"
    )
    return 0


def _require_layout(layout: str, known: tuple[str, ...], paper: str, variant: str) -> None:
    if not known:
        raise UsageError(
            f"No published weights are known for {variant}: {paper} has no weights.py that maps "
            "another implementation's names to ours."
        )
    if layout not in known:
        raise UsageError(
            f"{paper} has no layout called {layout!r}.{did_you_mean(layout, known)} Known for "
            f"--from: {', '.join(known)}."
        )
