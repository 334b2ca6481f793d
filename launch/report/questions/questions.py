"""Questions to the recorded runs, answered: reproductions/questions.md."""

import reproductions
from launch.report.experiments import Names, link
from launch.report.markdown import table
from launch.report.papers import Paper
from launch.report.questions import question_spec
from launch.report.questions.question_spec import Question
from launch.report.questions.question_tables import make_table

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
    parts = [_part(question, papers, names) for question in question_spec.read()]
    return "\n\n".join(filter(None, [_INTRODUCTION, *parts])) + "\n"


def _part(question: Question, papers: dict[str, Paper], names: Names) -> str:
    head, rows = make_table(question, papers, names)
    if not rows:
        return ""
    place = head.index("Setting")
    for row in rows:
        row[place] = link(row[place], names, "settings.md")
    parts = [f"## {question.title}", question.text, table(head, rows)]
    figure = question.figure and reproductions.REPOSITORY / question.figure
    if figure and figure.exists():
        parts.append(f"![{question.title}]({question.figure.removeprefix('reproductions/')})")
    return "\n\n".join(parts)
