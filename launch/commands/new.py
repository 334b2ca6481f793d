"""Writes the files of a new paper: its folder and its test, each line that is missing marked.

They pass the contract test but for what is marked, and break nothing while they are
unfinished. CONTRIBUTING.md says how to go on.
"""

import keyword
import pathlib

from absl.flags import FlagValues

import reproductions
from common.errors import UsageError
from common.files import write_text
from common.papers.folders import list_left
from launch.commands import COMMANDS
from launch.commands.names import refuse_words
from launch.terminal.exits import as_called

USAGE = "new PAPER"
FLAGS = {}
TEMPLATE = pathlib.Path(__file__).parent / "template"
NAME = "the_paper"  # what the template calls it


def run(words: list[str], flags: FlagValues) -> int:
    """Writes the files, and says what is next; exit code 0.

    Raises:
        UsageError: if the name cannot be a paper's, or is taken.
    """
    refuse_words(USAGE, words[1:])
    if not words:
        raise UsageError("new takes a name: python -m launch new zfnet2.")
    name = words[0]
    folder, tests = reproductions.folder(name), reproductions.REPOSITORY / "tests/reproductions"
    elsewhere = {
        "test.txt": tests / f"test_{name}.py",
        "facts.toml": tests / "facts" / f"{name}.toml",
    }
    _check_name(name, [folder, *elsewhere.values()])
    for source in sorted(TEMPLATE.glob("*.*")):
        text = source.read_text(encoding="utf-8")
        text = text.replace(NAME, name).replace(NAME.upper(), name.upper())
        target = elsewhere.get(source.name, folder / source.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, text)
        print(f"{target.relative_to(reproductions.REPOSITORY)} is written.")
    left = len(list_left(folder))
    told = (
        f"{left} lines say TODO. Next, in the order of CONTRIBUTING.md:\n"
        f"  python -m pytest tests/reproductions -k {name}    what is missing, and what is wrong\n"
        f"  python -m launch {name} --data sample --dry_run"
    )
    print(as_called(told))
    return 0


def _check_name(name: str, paths: list[pathlib.Path]) -> None:
    """Refuses what cannot be a paper's name, or is a network's, a command's or the suite's."""
    reproductions.require_repository("new")
    plain = name.isidentifier() and name.isascii() and name == name.lower()
    if not plain or keyword.iskeyword(name) or name in (NAME, "_"):
        raise UsageError(
            f"{name!r} cannot be a paper's name: it is its folder's and its network's, so a Python "
            "name of a-z, 0-9 and _, such as zfnet or cifar_resnet20."
        )
    if there := [path for path in paths if path.exists()]:
        raise UsageError(
            f"{name} is taken: {there[0]} is there. Choose another name, or remove it."
        )
    papers = map(reproductions.load, reproductions.names())
    what = {
        "a network": any(name in paper.RECIPES for paper in papers),
        "a command": name in COMMANDS,
        "a part of the suite": name in reproductions.RESERVED,
    }
    if what := [one for one, is_called in what.items() if is_called]:
        raise UsageError(f"{name} is taken: {what[0]} is called that. Choose another name.")
