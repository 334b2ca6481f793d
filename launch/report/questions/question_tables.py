"""A question's table: its head, and its rows computed from recorded runs."""

import math
import statistics

from launch.report import baseline_records
from launch.report.curves import Curve
from launch.report.error_counts import percent
from launch.report.experiments import Names, label
from launch.report.papers import Paper
from launch.report.questions.question_losses import LossBounds, describe_loss
from launch.report.questions.question_runs import (
    Line,
    compare_errors,
    find_lines,
    find_printed_size,
)
from launch.report.questions.question_spec import Question

MARGIN = 15  # points below the baseline's error: ours
SHORT = 10  # epochs, under which a run that fails says nothing: ours
WORKING = ["Network", "Setting", "Epochs", "Training loss at the end", "Error"]
WORKING += ["Baseline", "Verdict"]
DIFFERENCES = ["Network", "Seeds", "Error", "In the paper", "Difference", "Setting"]


def make_table(
    question: Question, papers: dict[str, Paper], names: Names
) -> tuple[list[str], list[list[str]]]:
    """(head, rows); no rows if the papers given have none of its variants."""
    found = find_lines(question, papers)
    if question.kind == "working":
        rows = [row for line in found for row in _judge_runs(question, line, names)]
        return WORKING, rows
    by_variant = {line.wanted.variant: line for line in found}
    return DIFFERENCES, [
        _compare(question, line, by_variant.get(line.wanted.against), names) for line in found
    ]


def _name(line: Line) -> str:
    return ": ".join(filter(None, (line.wanted.variant, line.wanted.what)))


def _not_yet(question: Question, line: Line) -> str:
    first, *more = line.missing()
    said = [f"`{question.command(line.wanted, first)}`"]
    return ", ".join([*said, *(f"`--seed {seed}`" for seed in more)])


def _judge_runs(question: Question, line: Line, names: Names) -> list[list[str]]:
    if line.measured is None:
        said = f"no finished run yet: {_not_yet(question, line)}"
        return [[_name(line), "", "", "", said, "", "not run"]]
    several = len(line.measured.rows) > 1
    return [
        [
            _name(line) + f", seed {row['seed']}" * several,
            label(line.measured, names),
            *_judge(line, row),
        ]
        for row in line.measured.rows
    ]


def _judge(line: Line, row: dict) -> list[str]:
    """Epochs, loss, error, baseline, verdict."""
    curve, base = line.curves.get(row["seed"]), baseline_records.of(row)
    epochs = len(curve.loss) if curve else row["epochs"]
    classes = line.classes()
    loss = curve.plain_loss() if curve else None
    wrong = round(row["top1_error"] / 100 * row["num_images"])
    return [
        str(epochs),
        _write_loss(curve, describe_loss(line.recipe.loss, classes)),
        percent(wrong, row["num_images"]),
        percent(base["wrong"], base["num_images"])
        if base
        else f"not recorded: `python -m launch baseline {row['data']} --record`",
        judge(loss, math.log(classes) / 2, row["top1_error"], base and base["top1_error"], epochs),
    ]


def _write_loss(curve: Curve | None, about: LossBounds | None) -> str:
    """The training loss at the end; of both kinds where there are two."""
    if curve is None:
        return "not recorded"
    if about is None:
        return f"{curve.loss[-1]:.2f} (no cross-entropy)"
    whole = f"{curve.loss[-1]:.2f}{about.note()}"
    if not curve.cross_entropy:
        return whole
    return f"{curve.plain_loss():.2f}; as it is minimised {whole}"


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
        kind = "fails" if epochs >= SHORT else "too short to say"
        return f"{kind}: {'; '.join(failed)}"
    unknown = [loss is None, baseline is None]
    return "undecided: not all is recorded" if any(unknown) else "working"


def _compare(question: Question, line: Line, base: Line | None, names: Names) -> list[str]:
    measured = line.measured
    if measured is None:
        said = f"no finished run yet: {_not_yet(question, line)}"
        return [_name(line), "none", said, _paper(line), "", ""]
    error = measured.error("top1_error")
    if question.training:
        errors = [curve.train_error[-1] for curve in line.curves.values()]
        text = f"{statistics.mean(errors):.2f}" if errors else "not recorded"
        text += f" ± {statistics.stdev(errors):.2f}" if len(errors) > 1 else ""
        error = f"training: {text}{' %' * bool(errors)}; {question.split}: {error}"
    seeds = str(len(measured.rows))
    if line.missing():
        seeds += f"; not yet: {_not_yet(question, line)}"
    return [
        _name(line),
        seeds,
        error,
        _paper(line),
        _difference(question, line, base),
        label(measured, names),
    ]


def _paper(line: Line) -> str:
    """The paper's number for the same experiment, and its claim."""
    wanted, said = line.wanted, []
    for claim, one in line.paper.beside():
        if one is line.measured and claim.top1_error is not None:
            said.append(f"{claim.top1_error} % ({claim.source})")
    if wanted.claim:
        size = f" by {abs(find_printed_size(line)):.2f} points" if wanted.size else ""
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
