"""Questions to the recorded runs, answered: a part of results.md."""

import reproductions
from launch.report.markdown import table
from launch.report.paper_results import Paper
from launch.report.questions import question_spec
from launch.report.questions.question_spec import Question
from launch.report.questions.question_tables import table_of

_INTRODUCTION = """\
<a id="questions"></a>

## Questions

What follows from the recorded runs that
[reproductions/questions.toml](reproductions/questions.toml) names for each
question. All else is computed from their rows, curves and baselines. A
difference has a 95 % interval: over seeds, paired, by Student's t; or where
there is one run each by Newcombe's method for the numbers of images, which
says nothing of other seeds. It is undecided where 0 lies in the interval, and
there is no verdict where a network is no better than guessing. The training
loss is the cross-entropy of the main head on the last epoch's images as it saw
them. Where the recipe minimises more (auxiliary heads, smoothed labels), the
table has that, too. Why a network fails or a difference goes the other way was
asked of further runs: the paper's README says it under Result."""


def section(papers: dict[str, Paper]) -> str:
    """The part of results.md; empty if the papers have none of the runs."""
    parts = [_part(question, papers) for question in question_spec.read()]
    if not any(parts):
        return ""
    return "\n\n".join(filter(None, [_INTRODUCTION, *parts]))


def _part(question: Question, papers: dict[str, Paper]) -> str:
    head, rows = table_of(question, papers)
    if not rows:
        return ""
    parts = [f"### {question.title}", question.text, table(head, rows)]
    if question.figure and (reproductions.REPOSITORY / question.figure).exists():
        parts.append(f"![{question.title}]({question.figure})")
    return "\n\n".join(parts)
