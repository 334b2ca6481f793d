"""Short names for what was changed in runs; reproductions/settings.md explains each."""

from launch.report.measurements import Measurement
from launch.report.papers import Paper
from launch.settings.options import SHORT

Names = dict[tuple[str, tuple[str, ...]], str]  # of a data set and the changes

_INTRODUCTION = """\
# Settings of the changed experiments

Written by `python -m launch report`; do not edit.

A run whose recipe was changed is another experiment than the paper's. Here is what
each setting's name on the other pages stands for. In a name, `px` is the size of the
network's input, `ep` epochs, `up` updates, `b` the global batch size."""


def name_settings(papers: dict[str, Paper]) -> Names:
    """A name for all that was changed in a measurement, such as imagenette-96px-12ep."""
    alike: dict[str, set] = {}
    for paper in papers.values():
        for one in paper.measured:
            if not one.whole:
                alike.setdefault(_outline(one), set()).add((one.data, one.changes))
    return {
        what: f"{name}-{number}" if len(group) > 1 else name
        for name, group in alike.items()
        for number, what in enumerate(sorted(group), 1)
    }


def _outline(one: Measurement) -> str:
    """What most settings differ in."""
    changed = dict(change.partition(" ")[::2] for change in one.changes)
    parts = [
        form.format(changed[f]) for f, form in SHORT.items() if changed.get(f, "None") != "None"
    ]
    if "an" in changed:  # earlier recipe (1a2b3c4d)
        parts.append(f"earlier-{changed['an'].partition('(')[2].rstrip(')')}")
    return "-".join([one.data, *(parts or ["changed"])])


def label(one: Measurement, names: Names) -> str:
    """What was trained: the recipe, in whatever precision, or a setting's name."""
    return ", ".join(["the recipe", *one.changes]) if one.whole else names[one.data, one.changes]


def link(label: str, names: Names, page: str) -> str:
    """A label with a link to its explanation, if it is a setting's name."""
    return f"[{label}]({page}#{label})" if label in names.values() else label


def page(papers: dict[str, Paper], names: Names) -> str:
    """All of reproductions/settings.md."""
    lines = []
    for (data, changes), name in sorted(names.items(), key=lambda pair: pair[1]):
        runs = {
            f"[{one.variant}]({paper.name}/results.md)": None
            for paper in papers.values()
            for one in paper.measured
            if (one.data, one.changes) == (data, changes)
        }
        lines.append(
            f'* <a id="{name}"></a>**{name}**: {"; ".join(changes)}. Of {", ".join(runs)}.'
        )
    return "\n".join([_INTRODUCTION, "", *(lines or ["None."])]) + "\n"
