"""The words of a command line: names of networks, and words that are too many."""

import difflib
import pathlib

from absl.flags import FlagValues

import reproductions
from common.data import catalog
from common.errors import UsageError
from launch.commands import COMMANDS


def find(name: str) -> tuple[str, str]:
    """(paper, variant); a misspelt verb is told from a misspelt name."""
    try:
        return reproductions.find(name)
    except UsageError:
        if name == "ilsvrc2016":
            raise UsageError(
                "ilsvrc2016 has no network of its own: python -m launch "
                "ensemble ilsvrc2016 shows its ensembles."
            ) from None
        if near := difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.7):
            raise UsageError(
                f"There is no verb, paper or variant called {name!r}. Did you "
                f"mean {near[0]!r}? See python -m launch --help."
            ) from None
        raise


def read_name(usage: str, words: list[str]) -> tuple[str, str]:
    """(paper, variant) of a command that takes a name and no other word."""
    verb = usage.split()[0]
    if not words:
        raise UsageError(f"{verb} takes a name: python -m launch {usage}.")
    refuse_words(f"{verb} NAME", words[1:])
    return find(words[0])


def find_trained(word: str, flags: FlagValues) -> tuple[str, str]:
    """(paper, variant) of a network's name, or of a run's folder, which becomes --weights.

    Raises:
        UsageError: if it is neither, or --weights says other ones.
    """
    try:
        return find(word)
    except UsageError:
        if not (path := pathlib.Path(word).expanduser()).exists():
            if len(path.parts) == 1:
                raise
            raise UsageError(f"There is no folder {word}, to be a run's.") from None
    from launch.weights import run_weights  # list does without

    _, run = run_weights.locate(word)
    if run is None or flags.weights:
        raise UsageError(
            f"{word} {'is a run: leave out --weights' if run else 'is no run'}. Give a run's "
            "folder, which knows its network, or a network's name and --weights RUN_OR_FILE."
        )
    flags.weights = word
    return find(run.record["variant"])


def read_data_set(usage: str, words: list[str]) -> str:
    """The data set of a command that takes one and no other word."""
    verb = usage.split()[0]
    if not words:
        raise UsageError(f"{verb} takes a data set: python -m launch {verb} imagenet2012.")
    refuse_words(f"{verb} DATASET", words[1:])
    return catalog.ALSO.get(words[0], words[0])


def refuse_words(form: str, extra: list[str]) -> None:
    """Raises a UsageError if there are words that `form` has no place for."""
    if extra:
        raise UsageError(
            f"python -m launch {form} takes no more words; it was given "
            f"{' '.join(extra)!r} besides. See python -m launch --help."
        )
