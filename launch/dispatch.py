"""From the words of a command to the module that does it."""

import difflib
import pathlib

import reproductions
from common.errors import UsageError
from common.recipe import Recipe
from launch.options import from_flags
from launch.quiet import quiet

VERBS = (
    *("audit", "bench", "doctor", "ensemble", "evaluate", "import", "list"),
    *("predict", "prepare", "report", "sweep"),
)
_RUN_FLAGS = {"gpus", "platform", "data", "data_dir", "precision", "set"}
_RUN_FLAGS |= {"jit_compile"}
_TRAIN_FLAGS = _RUN_FLAGS | {"workdir", "seed", "microbatches", "dry_run"}
_TRAIN_FLAGS |= {"checkpoint_minutes", "max_hours", "stalled_minutes"}
_EVALUATE_FLAGS = _RUN_FLAGS | {"weights", "views", "predictions", "dry_run"}
_PREDICT_FLAGS = {"weights", "out", "views", "data", "data_dir", "set"}
_PREDICT_FLAGS |= {"platform"}
_IMPORT_FLAGS = {"from", "out"}
_PREPARE_FLAGS = {"source", "data_dir", "shorter_side", "jobs", "counts"}
_PREPARE_FLAGS |= {"leave_out_bad", "download"}
_DOCTOR_FLAGS = {"data_dir", "jobs", "deep"}
_SWEEP_FLAGS = {"trials", "tuner", "space", "workers", "record"}
_SWEEP_FLAGS |= _TRAIN_FLAGS
_ENSEMBLE_FLAGS = {"rules", "out", "seed", "record"}


def dispatch(words: list[str], values: dict, given: set[str]) -> int:
    """Runs the command; the exit code.

    Args:
        words: What stands on the command line beside the flags.
        values: Every flag's value.
        given: The flags that were given.

    Raises:
        UsageError: for words or flags that make no command.
    """
    if not words:
        raise UsageError(
            "Name a paper, a variant or a verb: python -m launch list shows "
            "what there is, python -m launch --help how to use it."
        )
    verb, *rest = words
    if verb == "report":
        return _report(rest, values, given)
    if verb in ("list", "audit"):
        _refuse_flags(verb, given)
        return _about_papers(verb, rest)
    if verb == "evaluate":
        return _evaluate(rest, values, given)
    if verb == "predict":
        return _predict(rest, values, given)
    if verb == "import":
        return _import(rest, values, given)
    if verb == "ensemble":
        return _ensemble(rest, values, given)
    if verb == "sweep":
        return _sweep(rest, values, given)
    if verb == "bench":
        return _bench(rest, values, given)
    if verb in ("prepare", "doctor"):
        return _data(verb, rest, values, given)
    return _train(words, values, given)


def _about_papers(verb: str, rest: list[str]) -> int:
    if verb == "audit":
        _refuse_words("audit [NAME]", rest[1:])
        papers = [_find(name)[0] for name in rest] or reproductions.names()
        from launch import audit

        return audit.run(papers)
    _refuse_words("list", rest)
    from launch import list_papers

    return list_papers.run()


def _report(rest: list[str], values: dict, given: set[str]) -> int:
    _refuse_flags("report", given - {"html"})
    from launch import report

    if "html" in given:
        return report.run_html(rest, pathlib.Path(values["html"]).expanduser())
    return report.run(rest)


def _evaluate(rest: list[str], values: dict, given: set[str]) -> int:
    planned = values["dry_run"]
    if not rest or not (planned or values["weights"]):
        raise UsageError(
            "evaluate takes a name and a file: python -m launch evaluate NAME "
            "--weights FILE [--views V,V]; or --dry_run without a file."
        )
    _refuse_words("evaluate NAME", rest[1:])
    _refuse_flags("evaluate", given - _EVALUATE_FLAGS)
    paper, variant = _find(rest[0])
    recipe, run = _recipe(paper, variant), None
    if not planned:
        from launch import trained

        weights, run = trained.locate(values["weights"])
        values = values | {"weights": weights}
        if run and not given & {"data", "set"}:
            recipe = trained.recipe_of(run, variant, recipe)
            if "precision" not in given:
                values["precision"] = run.record["precision"]
        else:
            run = None  # it may be another experiment
    options = from_flags(variant, recipe, values, needs_data=not planned)
    with quiet():
        from launch import evaluate

    return evaluate.run(paper, variant, options, run)


def _predict(rest: list[str], values: dict, given: set[str]) -> int:
    _refuse_flags("predict", given - _PREDICT_FLAGS)
    if len(rest) < 2 or not values["weights"]:
        raise UsageError(
            "predict takes a name, photographs and weights: python -m launch "
            "predict NAME IMAGE... --weights RUN_OR_FILE [--out SHEET.png]."
        )
    name, *words = rest
    paper, variant = _find(name)
    from launch import photograph_words, trained

    weights, run = trained.locate(values["weights"])
    recipe = _recipe(paper, variant)
    if run and not given & {"data", "set"}:
        recipe = trained.recipe_of(run, variant, recipe)
    values = values | {"weights": weights}
    options = from_flags(variant, recipe, values, needs_data=False)
    asked = photograph_words.read(words, options.views, values["out"])
    with quiet():
        from launch import predict

    return predict.run(paper, variant, options, run, asked)


def _import(rest: list[str], values: dict, given: set[str]) -> int:
    _refuse_flags("import", given - _IMPORT_FLAGS)
    if len(rest) < 2 or not values["from"] or not values["out"]:
        raise UsageError(
            "import takes a name, a layout and two files: python -m launch "
            "import NAME --from LAYOUT FILE --out W.weights.h5."
        )
    name, source, *more = rest
    _refuse_words("import NAME FILE", more)
    paper, variant = _find(name)
    from launch import import_weights

    return import_weights.run(
        paper,
        variant,
        values["from"],
        pathlib.Path(source).expanduser(),
        pathlib.Path(values["out"]).expanduser(),
    )


def _ensemble(rest: list[str], values: dict, given: set[str]) -> int:
    _refuse_flags("ensemble", given - _ENSEMBLE_FLAGS)
    if not rest:
        raise UsageError(
            "ensemble takes prediction files or a spec: python -m launch "
            "ensemble FILE.npz FILE.npz ... [--rules R,R]; ensemble ilsvrc2016 "
            "shows the challenge's."
        )
    from launch import ensemble

    out = values["out"] and pathlib.Path(values["out"]).expanduser()
    return ensemble.run(
        rest, values["rules"], out, values["seed"], record=values["record"]
    )


def _sweep(rest: list[str], values: dict, given: set[str]) -> int:
    _refuse_flags("sweep", given - _SWEEP_FLAGS)
    if not rest or values["trials"] is None:
        raise UsageError(
            "sweep takes a name and a number: python -m launch sweep NAME "
            "--trials N [--tuner random] [--space 'FIELD=log(LOW,HIGH)']."
        )
    _refuse_words("sweep NAME", rest[1:])
    paper, variant = _find(rest[0])
    from launch.sweep_request import read_request

    recipe = _recipe(paper, variant)
    request = read_request(paper, variant, recipe, values, given)
    with quiet():
        from launch import sweep

    return sweep.run(request)


def _bench(rest: list[str], values: dict, given: set[str]) -> int:
    _refuse_flags("bench", given - {"data", "data_dir", "out"})
    from launch import bench
    from launch.bench_rows import Request

    parts, names = bench.parts_and_names(rest)
    request = Request(
        names=tuple(_find(name)[1] for name in names),
        data=values["data"],
        data_dir=pathlib.Path(values["data_dir"]).expanduser(),
    )
    out = values["out"] and pathlib.Path(values["out"]).expanduser()
    return bench.run(parts, request, out)


def _data(verb: str, rest: list[str], values: dict, given: set[str]) -> int:
    flags = _PREPARE_FLAGS if verb == "prepare" else _DOCTOR_FLAGS
    _refuse_flags(verb, given - flags)
    if not rest:
        raise UsageError(
            f"{verb} takes a data set: python -m launch {verb} imagenet2012."
        )
    name, *more = rest
    _refuse_words(f"{verb} DATASET", more)
    if verb == "prepare":
        from launch import prepare

        return prepare.run(name, values)
    from launch import doctor

    return doctor.run(name, values)


def _train(words: list[str], values: dict, given: set[str]) -> int:
    paper, variant = _find(words[0])
    _refuse_words("NAME", words[1:])
    _refuse_flags("training", given - _TRAIN_FLAGS)
    options = from_flags(variant, _recipe(paper, variant), values)
    with quiet():
        from launch import train

    return train.run(paper, variant, options)


def _recipe(paper: str, variant: str) -> Recipe:
    return reproductions.load(paper).RECIPES[variant]


def _find(name: str) -> tuple[str, str]:
    """(paper, variant); a misspelt verb is told from a misspelt name."""
    try:
        return reproductions.find(name)
    except ValueError:
        if name == "ilsvrc2016":
            raise UsageError(
                "ilsvrc2016 has no network of its own: python -m launch "
                "ensemble ilsvrc2016 shows its ensembles."
            ) from None
        near = difflib.get_close_matches(name, VERBS, n=1, cutoff=0.7)
        if near:
            raise UsageError(
                f"There is no verb, paper or variant called {name!r}. Did you "
                f"mean {near[0]!r}? See python -m launch --help."
            ) from None
        raise


def _refuse_words(form: str, extra: list[str]) -> None:
    if extra:
        raise UsageError(
            f"python -m launch {form} takes no more words; it was given "
            f"{' '.join(extra)!r} besides. See python -m launch --help."
        )


def _refuse_flags(verb: str, given: set[str]) -> None:
    if given:
        raise UsageError(
            f"{verb} has no use for "
            f"{', '.join(f'--{name}' for name in sorted(given))}. See python "
            "-m launch --help."
        )
