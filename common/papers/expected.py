"""What a paper claims (expected.toml) and what was measured here.

Imports no TensorFlow. Both files lie in the paper's folder; expected.toml is
written by hand from the paper, reproduced.toml by the program after a run.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Iterable
from typing import Any

import tomli

from common.errors import RunError

QUANTITIES = (
    "params",
    "weights",
    "macs",
    "volume",
    "depth",
    "layers",
    "output",
    "kernel",
    "filters",
    "strides",
    "padding",
)
RATIO_QUANTITIES = ("params", "weights", "macs", "depth")
# What became of a statement, and what the word means.
CLAIM_VERDICTS = {
    "checked": "holds",
    "differs": "differs by a convention, a rounding, or in the release only",
    "wrong": "refuted by its own paper, slides or release",
    "wrong elsewhere": "said by others than the authors, and refuted",
    "not run": "could be tried here, and was not",
    "not checkable": "cannot be checked here",
}
RUN_KEYS = (
    "variant",
    "data",
    "views",
    "seed",
    "epochs",
    "top1_error",
    "num_images",
    "deviations",
    "command",
    "commit",
    "versions",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """An error rate that the paper reports, in percent.

    Attributes:
        variant: One of RECIPES, or the paper's name for what is not built
            here (an ensemble, another team's entry).
        data: The data set; a name of common.data.catalog where it is one.
        split: "validation", "test" ...
        views: The test protocol, as in Recipe.views.
        source: Table, section or log.
        selected: Of published weights that were chosen by this very number:
            on what, and by whom. Testing them again reproduces no training.
    """

    variant: str
    data: str
    split: str
    views: str
    source: str
    selected: str | None = None
    top1_error: float | None = None
    top5_error: float | None = None
    note: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """A number of a structural table.

    Attributes:
        layer: A layer's name; a prefix that stands for all layers whose names
            begin with it and "_"; or "total".
        quantity: One of QUANTITIES; common.models.layer_table.LayerRow says what
            each of them is. "weights" leaves out biases.
        paper: As printed: "35K", "724,406,816", "55x55x96". Where the paper's
            K is 1024, "35Ki".
        explanation: Why the computed value differs; None where it does not.
    """

    row: str
    column: str
    layer: str
    quantity: str
    paper: str
    explanation: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A structural table, the variant it describes, how it is to be read."""

    title: str
    variant: str
    source: str
    cell: tuple[Cell, ...]
    note: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ratio:
    """A claim between two networks, such as "12x fewer parameters".

    Attributes:
        text: The claim, as the paper words it.
        quantity: One of RATIO_QUANTITIES.
        of: The variant that is divided, of any paper.
        to: The variant that it is divided by, of any paper.
        paper: The ratio as printed: "12", "1.3".
        explanation: Why the computed value differs; None where it does not.
    """

    text: str
    source: str
    quantity: str
    of: str
    to: str
    paper: str
    explanation: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """Any other statement, with what became of it (CLAIM_VERDICTS)."""

    text: str
    source: str
    verdict: str
    note: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
    """Hardware and time that the paper reports."""

    variant: str
    note: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Expected:
    """expected.toml.

    Attributes:
        parameters: By variant, the trainable ones that the main head depends
            on; auxiliary heads, which only train, are left out.
        macs: By variant, of one image, without auxiliary heads.
    """

    title: str
    authors: str
    venue: str
    url: str
    parameters: dict[str, int]
    macs: dict[str, int]
    result: tuple[Result, ...] = ()
    table: tuple[Table, ...] = ()
    ratio: tuple[Ratio, ...] = ()
    claim: tuple[Claim, ...] = ()
    cost: tuple[Cost, ...] = ()


def read_expected(folder: pathlib.Path) -> Expected:
    """The claims of the paper in `folder`; read once, until they change.

    Raises:
        RunError: if a key is unknown or missing, or a word is not allowed.
    """
    path = folder / "expected.toml"
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        changed = None  # reading it will say why
    return _read_expected(path, changed)


@functools.cache
def _read_expected(path: pathlib.Path, changed: int | None) -> Expected:
    data = _load(path)
    data["result"] = _rows(Result, data, "result", path)
    tables = data.get("table", [])
    tables = [t | {"cell": _rows(Cell, t, "cell", path)} for t in tables]
    data["table"] = _rows(Table, {"table": tables}, "table", path)
    data["ratio"] = _rows(Ratio, data, "ratio", path)
    data["claim"] = _rows(Claim, data, "claim", path)
    data["cost"] = _rows(Cost, data, "cost", path)
    expected = _make(Expected, data, "the top level", path)
    for table in expected.table:
        for cell in table.cell:
            _check_word(cell.quantity, QUANTITIES, "quantity", path)
    for ratio in expected.ratio:
        _check_word(ratio.quantity, RATIO_QUANTITIES, "quantity", path)
    for claim in expected.claim:
        _check_word(claim.verdict, CLAIM_VERDICTS, "verdict", path)
    return expected


def read_reproduced(folder: pathlib.Path) -> list[dict[str, Any]]:
    """The measured rows of the paper in `folder`; none if it was never run.

    Raises:
        RunError: if a row lacks one of RUN_KEYS.
    """
    path = folder / "reproduced.toml"
    if not path.exists():
        return []
    data = _load(path)
    rows = data.pop("run", [])
    if data:
        raise RunError(f"{path} has keys other than run: {', '.join(data)}.")
    for number, row in enumerate(rows, 1):
        missing = [key for key in RUN_KEYS if key not in row]
        if missing:
            raise RunError(f"{path}: run {number} lacks {', '.join(missing)}.")
    return rows


def _load(path: pathlib.Path) -> dict[str, Any]:
    try:
        return tomli.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomli.TOMLDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error


def _rows(kind: type, data: dict, key: str, path: pathlib.Path) -> tuple:
    rows = data.get(key, [])
    return tuple(_make(kind, row, f"{key} {number}", path) for number, row in enumerate(rows, 1))


def _make(kind: type, data: dict, where: str, path: pathlib.Path) -> Any:
    fields = dataclasses.fields(kind)
    unknown = set(data) - {field.name for field in fields}
    if unknown:
        raise RunError(
            f"{path}: unknown key in {where}: {', '.join(sorted(unknown))}. "
            f"Known: {', '.join(field.name for field in fields)}."
        )
    needed = [f.name for f in fields if f.default is dataclasses.MISSING]
    missing = [name for name in needed if name not in data]
    if missing:
        raise RunError(f"{path}: {where} lacks {', '.join(missing)}.")
    return kind(**data)


def _check_word(word: str, allowed: Iterable[str], key: str, path) -> None:
    if word not in allowed:
        raise RunError(f"{path}: {key} {word!r} is none of: {', '.join(allowed)}.")
