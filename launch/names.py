"""What there is to name on a command line, and words that are too many."""

import difflib

import reproductions
from common.errors import UsageError
from common.recipes.recipe import Recipe

VERBS = (
    *("audit", "baseline", "bench", "describe", "doctor", "ensemble"),
    "evaluate",
    *("export", "import", "list", "predict", "prepare", "queue", "report"),
    *("ship", "submission", "sweep"),
)


def recipe_named(paper: str, variant: str) -> Recipe:
    """The paper's own recipe."""
    return reproductions.load(paper).RECIPES[variant]


def find(name: str) -> tuple[str, str]:
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


def refuse_words(form: str, extra: list[str]) -> None:
    """Raises a UsageError if there are words that `form` has no place for."""
    if extra:
        raise UsageError(
            f"python -m launch {form} takes no more words; it was given "
            f"{' '.join(extra)!r} besides. See python -m launch --help."
        )


def refuse_flags(verb: str, given: set[str]) -> None:
    """Raises a UsageError if flags are left that `verb` does not take."""
    if given:
        raise UsageError(
            f"{verb} has no use for "
            f"{', '.join(f'--{name}' for name in sorted(given))}. See python "
            "-m launch --help."
        )
