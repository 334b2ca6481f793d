"""reproductions/questions.toml: which recorded runs answer which question."""

import dataclasses
import pathlib
from typing import Any

import reproductions
from common.errors import RunError
from common.papers.expected import load_toml, make_row

FILE = pathlib.Path(reproductions.__file__).parent / "questions.toml"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """A line of a question's table: runs that differ in their seed only.

    Attributes:
        what: What the variant is, in a few words.
        flags: Of its command, besides the question's.
        seeds: That are to be run.
        against: The variant of another line, which this one is compared with.
        claim: What the paper says of this error minus that one, "higher" or "lower"; or nothing.
        size: Two of expected.toml's systems whose top-1 errors differ by what the paper
            prints; or nothing.
        source: Where it says so.
    """

    variant: str
    what: str = ""
    flags: str = ""
    seeds: tuple[int, ...] = (0,)
    against: str | None = None
    claim: str = ""
    size: tuple[str, ...] = ()
    source: str = ""

    def name(self) -> str:
        """The variant and what it is."""
        return ": ".join(filter(None, (self.variant, self.what)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
    """A question and the runs that answer it.

    Attributes:
        name: An anchor.
        kind: "working" or "differences".
        must_contain: Of what was changed in a run; see questions.toml.
        must_not_contain: Likewise.
        training: Whether training errors are compared, too.
        figure: Shown below the table if it is there; from the project's folder.
    """

    name: str
    title: str
    kind: str
    text: str
    data: str
    split: str
    views: str
    flags: str
    run: tuple[Wanted, ...]
    must_contain: tuple[str, ...] = ()
    must_not_contain: tuple[str, ...] = ()
    training: bool = False
    figure: str | None = None

    def takes(self, changes: tuple[str, ...]) -> bool:
        """Whether a run with these changes belongs to it."""

        def has(entry: str) -> bool:
            return any(f"{change} ".startswith(f"{entry} ") for change in changes)

        return all(map(has, self.must_contain)) and not any(map(has, self.must_not_contain))

    def command(self, wanted: Wanted, seed: int) -> str:
        """What makes a run of it."""
        words = f"python -m launch {wanted.variant}", self.flags, wanted.flags
        return " ".join(filter(None, (*words, f"--seed {seed}" * bool(seed))))


def read(file: pathlib.Path = FILE) -> tuple[Question, ...]:
    """The questions, in the order of the file.

    Raises:
        RunError: if a key is unknown or missing.
    """
    found = []
    rows = load_toml(file).get("question")
    if not rows:
        raise RunError(f"{file} has no [[question]].")
    for number, row in enumerate(rows, 1):
        where = f"question {number}"
        runs = [make_row(Wanted, _freeze(one), f"{where}, run", file) for one in row.get("run", [])]
        found.append(make_row(Question, _freeze(row | {"run": runs}), where, file))
    return tuple(found)


def _freeze(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in row.items()}
