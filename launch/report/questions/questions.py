"""Questions to the recorded runs, answered: reproductions/questions.md."""

import math
import statistics
from typing import Any

import reproductions
from common.recipes.losses import SmoothedCrossEntropy, SoftmaxCrossEntropy, WithAuxiliary
from launch.report import baseline_records
from launch.report.error_counts import percent
from launch.report.experiments import Names, label, link
from launch.report.markdown import table
from launch.report.papers import Paper
from launch.report.questions import question_spec
from launch.report.questions.question_runs import Line, compare_errors, find_lines
from launch.report.questions.question_spec import Question

MARGIN = 15  # points below the baseline's error: ours
SHORT = 10  # epochs, under which a run that fails says nothing: ours
_INTRODUCTION = """\
# Questions to the recorded runs

Written by `python -m launch report`; do not edit.

What follows from the runs that [questions.toml](questions.toml) names for each
question. All else is computed from their rows, curves and baselines. A
difference has a 95 % interval: over seeds, paired, by Student's t; or where
there is one run each by Newcombe's method for the numbers of images, which
says nothing of other seeds. It is undecided where 0 lies in the interval, and
there is no verdict where a network is no better than guessing. The training
loss is the cross-entropy of the main head on the last epoch's images as it saw
them. Where the recipe minimises more (auxiliary heads, smoothed labels), the
table has that, too. Why a network fails or a difference goes the other way was
asked of further runs: the paper's README says it under Result."""


def page(papers: dict[str, Paper], names: Names) -> str:
    """The whole page; without questions that the papers have no run of."""
    parts = [_INTRODUCTION]
    for question in question_spec.read():
        rows = make_rows(question, papers, names)
        if not rows:
            continue
        linked = [row | {"Setting": link(row["Setting"], names, "settings.md")} for row in rows]
        parts += [f"## {question.title}", question.text, table(linked)]
        figure = question.figure and reproductions.REPOSITORY / question.figure
        if figure and figure.exists():
            place = question.figure.removeprefix("reproductions/")
            parts.append(f"![{question.title}]({place})")
    return "\n\n".join(parts) + "\n"


def make_rows(question: Question, papers: dict[str, Paper], names: Names) -> list[dict[str, str]]:
    """The table's rows by heading; none if the papers given have none of its variants."""
    found = find_lines(question, papers)
    if question.kind == "working":
        return [row for line in found for row in _judge_runs(question, line, names)]
    lines = {line.wanted.variant: line for line in found}
    return [_compare(question, line, lines.get(line.wanted.against), names) for line in found]


def _not_yet(question: Question, line: Line) -> str:
    first, *more = line.missing()
    said = [f"`{question.command(line.wanted, first)}`"]
    return ", ".join([*said, *(f"`--seed {seed}`" for seed in more)])


def _judge_runs(question: Question, line: Line, names: Names) -> list[dict[str, str]]:
    """A row for each run of whether a network learns."""
    if line.measured is None:
        empty = dict.fromkeys(("Setting", "Epochs", "Training loss at the end"), "")
        said = {"Error": f"no finished run yet: {_not_yet(question, line)}", "Baseline": ""}
        return [{"Network": line.wanted.name()} | empty | said | {"Verdict": "not run"}]
    classes, rows = line.classes(), []
    for row in line.measured.rows:
        curve, base = line.curves.get(row["seed"]), baseline_records.of(row)
        epochs, images = len(curve.loss) if curve else row["epochs"], row["num_images"]
        no_base = f"not recorded: `python -m launch baseline {row['data']} --record`"
        rows.append(
            {
                "Network": line.wanted.name()
                + f", seed {row['seed']}" * (len(line.measured.rows) > 1),
                "Setting": label(line.measured, names),
                "Epochs": str(epochs),
                "Training loss at the end": _write_loss(line, row["seed"]),
                "Error": percent(round(row["top1_error"] / 100 * images), images),
                "Baseline": percent(base["wrong"], base["num_images"]) if base else no_base,
                "Verdict": judge(
                    curve and curve.plain_loss(),
                    math.log(classes) / 2,
                    row["top1_error"],
                    base and base["top1_error"],
                    epochs,
                ),
            }
        )
    return rows


def _write_loss(line: Line, seed: int) -> str:
    """The training loss at the end; of both kinds where there are two."""
    curve, about = line.curves.get(seed), describe_loss(line.recipe.loss, line.classes())
    if curve is None:
        return "not recorded"
    if about is None:
        return f"{curve.loss[-1]:.2f} (no cross-entropy)"
    whole = f"{curve.loss[-1]:.2f}{about}"
    plain = f"{curve.plain_loss():.2f}; as it is minimised "
    return plain + whole if curve.cross_entropy else whole


def judge(
    loss: float | None, limit: float, error: float, baseline: float | None, epochs: int
) -> str:
    """Whether a network works, or what speaks against it.

    Args:
        loss: At the end of the training; None if it is not known.
        limit: That it must be below.
        error: Percent.
        baseline: Percent; None if it is not known.
        epochs: That were trained.
    """
    failed = []
    if loss is not None and not loss < limit:
        failed.append(f"training loss {loss:.2f}, not below {limit:.2f}")
    if baseline is not None and not error <= baseline - MARGIN:
        where = "below" if error < baseline else "above"
        failed.append(
            f"error {abs(error - baseline):.1f} points {where} the baseline's, not {MARGIN} below"
        )
    if failed:
        return f"{'fails' if epochs >= SHORT else 'too short to say'}: {'; '.join(failed)}"
    return "undecided: not all is recorded" if None in (loss, baseline) else "working"


def _compare(question: Question, line: Line, base: Line | None, names: Names) -> dict[str, str]:
    """The row of a network that another one is compared with."""
    measured, seeds = line.measured, "none"
    if measured is None:
        error = f"no finished run yet: {_not_yet(question, line)}"
    else:
        error, seeds = measured.error("top1_error"), str(len(measured.rows))
        if question.training:
            errors = [curve.train_error[-1] for curve in line.curves.values()]
            text = f"{statistics.mean(errors):.2f}" if errors else "not recorded"
            text += f" ± {statistics.stdev(errors):.2f}" if len(errors) > 1 else ""
            error = f"training: {text}{' %' * bool(errors)}; {question.split}: {error}"
        if line.missing():
            seeds += f"; not yet: {_not_yet(question, line)}"
    return {
        "Network": line.wanted.name(),
        "Seeds": seeds,
        "Error": error,
        "In the paper": _paper(line),
        "Difference": _difference(question, line, base) if measured else "",
        "Setting": label(measured, names) if measured else "",
    }


def _paper(line: Line) -> str:
    """The paper's number for the same experiment, and its claim."""
    wanted = line.wanted
    said = [
        f"{claim.top1_error} % ({claim.source})"
        for claim, one in line.paper.beside()
        if one is line.measured and claim.top1_error is not None
    ]
    if wanted.claim:
        size = f" by {abs(line.printed_size()):.2f} points" if wanted.size else ""
        said.append(f"{wanted.claim}{size} than {wanted.against} ({wanted.source})")
    return "; ".join(said) or "no claim"


def _difference(question: Question, line: Line, base: Line | None) -> str:
    if base is None or base.measured is None:
        return ""
    if base.measured.changes != line.measured.changes:
        return "not compared: the two were changed differently"
    guessing = [one.wanted.variant for one in (line, base) if one.guesses()]
    kinds = {question.split: (line.tests(), base.tests())}
    if question.training:
        kinds = {"training": (line.trainings(), base.trainings())} | kinds
    texts = []
    for kind, (one, other) in kinds.items():
        if one and other:
            found = compare_errors(one, other)
            judged = found.verdict(line.wanted.claim)
            if guessing:  # which shows nothing of the parts
                judged = f"no verdict: {' and '.join(guessing)} learned nothing, only guesses"
            texts.append(f"{kind}: " * question.training + f"{found.text()}: {judged}")
    return f"minus {base.wanted.variant}: {'; '.join(texts)}"


def describe_loss(loss: Any, classes: int) -> str | None:
    """What a recipe's loss holds besides cross-entropy, with its bounds in nats.

    Empty for the plain cross-entropy; None if it is no form of it.
    """
    main, more, scale = loss, [], 1.0
    if isinstance(loss, WithAuxiliary):
        main, scale = loss.main, 1 + loss.weight * loss.heads
        heads = f"with {loss.weight:g} of that of {loss.heads} auxiliary head"
        more = [heads + "s" * (loss.heads > 1)]
    if not isinstance(main, SoftmaxCrossEntropy | SmoothedCrossEntropy):
        return None
    least, smoothing = 0.0, getattr(main, "smoothing", 0.0)
    if smoothing:
        other = smoothing / classes
        own = 1 - smoothing + other
        least = -own * math.log(own) - (classes - 1) * other * math.log(other)
        more = [f"labels smoothed by {smoothing:g}", *more]
    if not more:
        return ""
    guessing = scale * math.log(classes)
    return f" ({', '.join(more)}: {scale * least:.2f} at best, {guessing:.2f} by guessing)"
