"""From the words of a command to the module that does it."""

import pathlib

import reproductions
from common.data import catalog
from common.errors import UsageError
from launch.names import find, recipe_named, refuse_flags, refuse_words
from launch.session.jit_policy import keep_compiled
from launch.settings.options import from_flags
from launch.terminal.quiet import quiet
from launch.weights.bundled_weights import options_for

_RUN_FLAGS = {"gpus", "platform", "data", "data_dir", "precision", "set"}
_RUN_FLAGS |= {"jit_compile"}
_TRAIN_FLAGS = _RUN_FLAGS | {"workdir", "seed", "microbatches", "dry_run"}
_TRAIN_FLAGS |= {"checkpoint_minutes", "max_hours", "stalled_minutes"}
_TRAIN_FLAGS |= {"scale_learning_rate", "recover"}
_EVALUATE_FLAGS = _RUN_FLAGS | {"weights", "views", "split", "predictions"}
_EVALUATE_FLAGS |= {"dry_run", "preprocessing"}
_PREDICT_FLAGS = {"weights", "out", "views", "data", "data_dir", "set"}
_PREDICT_FLAGS |= {"platform", "preprocessing"}
_EXPORT_FLAGS = (_PREDICT_FLAGS - {"platform"}) | {"format"}
_IMPORT_FLAGS = {"from", "out"}
_PREPARE_FLAGS = {"source", "data_dir", "shorter_side", "jobs", "counts"}
_PREPARE_FLAGS |= {"leave_out_bad", "download"}
_DATA_FLAGS = {
    "baseline": {"data_dir", "record"},
    "doctor": {"data_dir", "jobs", "deep"},
    "prepare": _PREPARE_FLAGS,
}
_SWEEP_FLAGS = {"trials", "tuner", "space", "workers", "record"}
_SWEEP_FLAGS |= _TRAIN_FLAGS - {"scale_learning_rate", "recover"}
_QUEUE_FLAGS = {"data_dir", "platform", "max_hours", "dry_run"}
_BENCH_FLAGS = {"data", "data_dir", "out", "gpus", "platform", "set"}
_ENSEMBLE_FLAGS = {"rules", "out", "seed", "record", "available"}


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
    if verb in _DATA_FLAGS:
        return _data(verb, rest, values, given)
    run = {
        "bench": _bench,
        "describe": _describe,
        "ensemble": _ensemble,
        "evaluate": _evaluate,
        "export": _export,
        "import": _import,
        "predict": _predict,
        "queue": _queue,
        "report": _report,
        "ship": _ship,
        "submission": _submission,
        "sweep": _sweep,
    }
    if verb in run:
        return run[verb](rest, values, given)
    return _train(words, values, given)


def _about_papers(verb: str, rest: list[str]) -> int:
    if verb == "audit":
        refuse_words("audit [NAME]", rest[1:])
        papers = [find(name)[0] for name in rest] or reproductions.names()
        from launch.commands import audit

        return audit.run(papers)
    refuse_words("list", rest)
    from launch.commands import list_papers

    return list_papers.run()


def _report(rest: list[str], values: dict, given: set[str]) -> int:
    refuse_flags("report", given - {"html"})
    from launch.report import report

    if "html" in given:
        return report.run_html(rest, pathlib.Path(values["html"]).expanduser())
    return report.run(rest)


def _evaluate(rest: list[str], values: dict, given: set[str]) -> int:
    form = (
        "evaluate NAME [--weights RUN_OR_FILE] [--views V,V]; or --dry_run, which needs no weights"
    )
    if not rest:
        raise UsageError(f"evaluate takes a name: python -m launch {form}.")
    refuse_words("evaluate NAME", rest[1:])
    refuse_flags("evaluate", given - _EVALUATE_FLAGS)
    paper, variant = find(rest[0])
    if values["dry_run"] and not values["weights"]:
        recipe, run = recipe_named(paper, variant), None
        options = from_flags(variant, recipe, values, needs_data=False)
    else:
        options, run = options_for(form, paper, variant, values, given, measures=True)
    with quiet():
        from launch.commands import evaluate

    return evaluate.run(paper, variant, options, run)


def _predict(rest: list[str], values: dict, given: set[str]) -> int:
    form = "predict NAME IMAGE... [--weights RUN_OR_FILE] [--out SHEET.png]"
    refuse_flags("predict", given - _PREDICT_FLAGS)
    if len(rest) < 2:
        raise UsageError(f"predict takes a name and photographs: python -m launch {form}.")
    name, *words = rest
    paper, variant = find(name)
    from launch.commands import photograph_words

    asked = photograph_words.read(words, values["views"], values["out"])
    options, run = options_for(form, paper, variant, values, given)
    with quiet():
        from launch.commands import predict

    return predict.run(paper, variant, options, run, asked)


def _export(rest: list[str], values: dict, given: set[str]) -> int:
    form = (
        "export NAME --out FOLDER_OR_FILE [--weights RUN_OR_FILE] [--format savedmodel|onnx|tflite]"
    )
    refuse_flags("export", given - _EXPORT_FLAGS)
    if not rest or not values["out"]:
        raise UsageError(f"export takes a name and what to write: python -m launch {form}.")
    refuse_words("export NAME", rest[1:])
    paper, variant = find(rest[0])
    from launch.commands import export_request

    kind, out = export_request.read(values["out"], values["format"], values["views"])
    options, run = options_for(form, paper, variant, values, given)
    with quiet():
        from launch.commands import export

    return export.run(paper, variant, options, run, kind, out)


def _ship(rest: list[str], values: dict, given: set[str]) -> int:
    refuse_flags("ship", given - {"data_dir"})
    if not rest:
        raise UsageError("ship takes finished runs: python -m launch ship RUN...")
    from launch.commands import ship

    return ship.run(rest, values)


def _describe(rest: list[str], values: dict, given: set[str]) -> int:
    refuse_flags("describe", given - {"svg"})
    if not rest:
        raise UsageError("describe takes a name: python -m launch describe NAME [--svg FILE.svg].")
    refuse_words("describe NAME", rest[1:])
    paper, variant = find(rest[0])
    picture = values["svg"] and pathlib.Path(values["svg"]).expanduser()
    with quiet():
        from launch.commands import describe

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
    from launch.commands import import_weights

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
    from launch.commands import ensemble

    out = values["out"] and pathlib.Path(values["out"]).expanduser()
    how = {name: values[name] for name in ("seed", "available", "record")}
    return ensemble.run(rest, values["rules"], out, **how)


def _submission(rest: list[str], values: dict, given: set[str]) -> int:
    refuse_flags("submission", given - {"out"})
    from launch.commands import submission

    return submission.run(rest, values["out"])


def _sweep(rest: list[str], values: dict, given: set[str]) -> int:
    refuse_flags("sweep", given - _SWEEP_FLAGS)
    if not rest or values["trials"] is None:
        raise UsageError(
            "sweep takes a name and a number: python -m launch sweep NAME "
            "--trials N [--tuner random] [--space 'FIELD=log(LOW,HIGH)']."
        )
    refuse_words("sweep NAME", rest[1:])
    paper, variant = find(rest[0])
    from launch.sweep.sweep_request import read_request

    recipe = recipe_named(paper, variant)
    request = read_request(paper, variant, recipe, values, given)
    with quiet():
        from launch.sweep import sweep

    return sweep.run(request)


def _queue(rest: list[str], values: dict, given: set[str]) -> int:
    refuse_flags("queue", given - _QUEUE_FLAGS)
    refuse_words("queue", rest)
    from launch.commands import queue

    return queue.run(values)


def _bench(rest: list[str], values: dict, given: set[str]) -> int:
    refuse_flags("bench", given - _BENCH_FLAGS)
    from launch.bench import bench
    from launch.bench.rows import Request

    parts, names = bench.parts_and_names(rest)
    request = Request(
        names=tuple(find(name)[1] for name in names),
        data=values["data"],
        data_dir=pathlib.Path(values["data_dir"]).expanduser(),
        gpus=values["gpus"],
        platform=values["platform"],
        changes=tuple(values["set"]),
    )
    out = values["out"] and pathlib.Path(values["out"]).expanduser()
    return bench.run(parts, request, out)


def _data(verb: str, rest: list[str], values: dict, given: set[str]) -> int:
    refuse_flags(verb, given - _DATA_FLAGS[verb])
    if not rest:
        raise UsageError(f"{verb} takes a data set: python -m launch {verb} imagenet2012.")
    name, *more = rest
    name = catalog.ALSO.get(name, name)
    refuse_words(f"{verb} DATASET", more)
    if verb == "prepare":
        from launch.commands import prepare

        return prepare.run(name, values)
    if verb == "baseline":
        from launch.commands import baseline

        return baseline.run(name, values["data_dir"], record=values["record"])
    from launch.commands import doctor

    return doctor.run(name, values)


def _train(words: list[str], values: dict, given: set[str]) -> int:
    paper, variant = find(words[0])
    refuse_words("NAME", words[1:])
    refuse_flags("training", given - _TRAIN_FLAGS)
    recipe, needs_data = recipe_named(paper, variant), not values["dry_run"]
    options = from_flags(variant, recipe, values, needs_data=needs_data)
    keep_compiled(pathlib.Path(catalog.default_cache_dir()))
    with quiet():
        from launch.commands import train

    return train.run(paper, variant, options)
