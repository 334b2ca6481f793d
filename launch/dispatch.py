"""From the words of a command to the module that does it."""

import pathlib

import reproductions
from common.errors import UsageError
from launch.options import from_flags
from launch.quiet import quiet
from launch.verbs import find, recipe_named, refuse_flags, refuse_words

_RUN_FLAGS = {"gpus", "platform", "data", "data_dir", "precision", "set"}
_RUN_FLAGS |= {"jit_compile"}
_TRAIN_FLAGS = _RUN_FLAGS | {"workdir", "seed", "microbatches", "dry_run"}
_TRAIN_FLAGS |= {"checkpoint_minutes", "max_hours", "stalled_minutes"}
_EVALUATE_FLAGS = _RUN_FLAGS | {"weights", "views", "predictions", "dry_run"}
_PREDICT_FLAGS = {"weights", "out", "views", "data", "data_dir", "set"}
_PREDICT_FLAGS |= {"platform"}
_EXPORT_FLAGS = (_PREDICT_FLAGS - {"platform"}) | {"format"}
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
    if verb in ("list", "audit"):
        refuse_flags(verb, given)
        return _about_papers(verb, rest)
    if verb in ("prepare", "doctor"):
        return _data(verb, rest, values, given)
    run = {
        "bench": _bench,
        "describe": _describe,
        "ensemble": _ensemble,
        "evaluate": _evaluate,
        "export": _export,
        "import": _import,
        "predict": _predict,
        "report": _report,
        "sweep": _sweep,
    }
    if verb in run:
        return run[verb](rest, values, given)
    return _train(words, values, given)


def _about_papers(verb: str, rest: list[str]) -> int:
    if verb == "audit":
        refuse_words("audit [NAME]", rest[1:])
        papers = [find(name)[0] for name in rest] or reproductions.names()
        from launch import audit

        return audit.run(papers)
    refuse_words("list", rest)
    from launch import list_papers

    return list_papers.run()


def _report(rest: list[str], values: dict, given: set[str]) -> int:
    refuse_flags("report", given - {"html"})
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
    refuse_words("evaluate NAME", rest[1:])
    refuse_flags("evaluate", given - _EVALUATE_FLAGS)
    paper, variant = find(rest[0])
    recipe, run = recipe_named(paper, variant), None
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
    refuse_flags("predict", given - _PREDICT_FLAGS)
    if len(rest) < 2 or not values["weights"]:
        raise UsageError(
            "predict takes a name, photographs and weights: python -m launch "
            "predict NAME IMAGE... --weights RUN_OR_FILE [--out SHEET.png]."
        )
    name, *words = rest
    paper, variant = find(name)
    from launch import photograph_words

    options, run = _trained(paper, variant, values, given)
    asked = photograph_words.read(words, options.views, values["out"])
    with quiet():
        from launch import predict

    return predict.run(paper, variant, options, run, asked)


def _trained(paper: str, variant: str, values: dict, given: set[str]) -> tuple:
    """(options for the weights, the run that they are from, if it is known)."""
    from launch import trained

    weights, run = trained.locate(values["weights"])
    recipe = recipe_named(paper, variant)
    if run and not given & {"data", "set"}:
        recipe = trained.recipe_of(run, variant, recipe)
    values = values | {"weights": weights}
    return from_flags(variant, recipe, values, needs_data=False), run


def _export(rest: list[str], values: dict, given: set[str]) -> int:
    refuse_flags("export", given - _EXPORT_FLAGS)
    if not rest or not values["weights"] or not values["out"]:
        raise UsageError(
            "export takes a name, weights and what to write: python -m launch "
            "export NAME --weights RUN_OR_FILE --out FOLDER_OR_FILE [--format "
            "savedmodel|onnx|tflite]."
        )
    refuse_words("export NAME", rest[1:])
    paper, variant = find(rest[0])
    from launch import export_request

    kind, out = export_request.read(
        values["out"], values["format"], values["views"]
    )
    options, run = _trained(paper, variant, values, given)
    with quiet():
        from launch import export

    return export.run(paper, variant, options, run, kind, out)


def _describe(rest: list[str], values: dict, given: set[str]) -> int:
    refuse_flags("describe", given - {"svg"})
    if not rest:
        raise UsageError(
            "describe takes a name: python -m launch describe NAME [--svg "
            "FILE.svg]."
        )
    refuse_words("describe NAME", rest[1:])
    paper, variant = find(rest[0])
    picture = values["svg"] and pathlib.Path(values["svg"]).expanduser()
    with quiet():
        from launch import describe

    return describe.run(paper, variant, picture)


def _import(rest: list[str], values: dict, given: set[str]) -> int:
    refuse_flags("import", given - _IMPORT_FLAGS)
    if len(rest) < 2 or not values["from"] or not values["out"]:
        raise UsageError(
            "import takes a name, a layout and two files: python -m launch "
            "import NAME --from LAYOUT FILE --out W.weights.h5."
        )
    name, source, *more = rest
    refuse_words("import NAME FILE", more)
    paper, variant = find(name)
    from launch import import_weights

    return import_weights.run(
        paper,
        variant,
        values["from"],
        pathlib.Path(source).expanduser(),
        pathlib.Path(values["out"]).expanduser(),
    )


def _ensemble(rest: list[str], values: dict, given: set[str]) -> int:
    refuse_flags("ensemble", given - _ENSEMBLE_FLAGS)
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
    refuse_flags("sweep", given - _SWEEP_FLAGS)
    if not rest or values["trials"] is None:
        raise UsageError(
            "sweep takes a name and a number: python -m launch sweep NAME "
            "--trials N [--tuner random] [--space 'FIELD=log(LOW,HIGH)']."
        )
    refuse_words("sweep NAME", rest[1:])
    paper, variant = find(rest[0])
    from launch.sweep_request import read_request

    recipe = recipe_named(paper, variant)
    request = read_request(paper, variant, recipe, values, given)
    with quiet():
        from launch import sweep

    return sweep.run(request)


def _bench(rest: list[str], values: dict, given: set[str]) -> int:
    refuse_flags("bench", given - {"data", "data_dir", "out"})
    from launch import bench
    from launch.bench_rows import Request

    parts, names = bench.parts_and_names(rest)
    request = Request(
        names=tuple(find(name)[1] for name in names),
        data=values["data"],
        data_dir=pathlib.Path(values["data_dir"]).expanduser(),
    )
    out = values["out"] and pathlib.Path(values["out"]).expanduser()
    return bench.run(parts, request, out)


def _data(verb: str, rest: list[str], values: dict, given: set[str]) -> int:
    flags = _PREPARE_FLAGS if verb == "prepare" else _DOCTOR_FLAGS
    refuse_flags(verb, given - flags)
    if not rest:
        raise UsageError(
            f"{verb} takes a data set: python -m launch {verb} imagenet2012."
        )
    name, *more = rest
    refuse_words(f"{verb} DATASET", more)
    if verb == "prepare":
        from launch import prepare

        return prepare.run(name, values)
    from launch import doctor

    return doctor.run(name, values)


def _train(words: list[str], values: dict, given: set[str]) -> int:
    paper, variant = find(words[0])
    refuse_words("NAME", words[1:])
    refuse_flags("training", given - _TRAIN_FLAGS)
    options = from_flags(variant, recipe_named(paper, variant), values)
    with quiet():
        from launch import train

    return train.run(paper, variant, options)
