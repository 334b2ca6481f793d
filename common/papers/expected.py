"""What a paper claims: expected.toml in its folder, written by hand from the paper.

Imports no TensorFlow.

In expected.toml a printed row is a row. `[networks]` has each variant's parameters and MACs. A
`[[result]]`, `[[claim]]`, `[[ratio]]` or `[[cost]]` is one of the values below; or it has
`rows`, and what stands beside them holds for each that does not say otherwise. A row may also
be the list of all fields, in their order. A `[[table]]` has `columns` and `rows` as Table says.
"""

import dataclasses
import functools
import pathlib
import types
from collections.abc import Iterable
from typing import Any

import tomli

from common.errors import RunError

# fmt: off
QUANTITIES = (
    "params", "weights", "macs", "volume", "depth", "layers", "output", "kernel", "filters",
    "strides", "padding",
)
# fmt: on
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """An error rate that the paper reports, in percent.

    Attributes:
        variant: One of RECIPES, or the paper's name for what is not built here (an ensemble,
            another team's entry).
        data: The data set; a name of common.data.catalog where it is one.
        split: "validation", "test" ...
        views: The test protocol, as in Recipe.views.
        source: Table, section or log.
        selected: Of published weights that were chosen by this very number: on what, and by
            whom. Testing them again reproduces no training.
    """

    variant: str
    data: str
    split: str
    views: str
    source: str
    selected: str | None = None
    top1_error: int | float | None = None
    top5_error: int | float | None = None
    note: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """A number of a structural table.

    Attributes:
        layer: A layer's name; a prefix that stands for all layers whose names begin with it
            and "_"; or "total".
        quantity: One of QUANTITIES; common.models.layer_table.LayerRow says what each of them
            is. "weights" leaves out biases.
        paper: As printed: "35K", "724,406,816", "55x55x96". Where the paper's K is 1024,
            "35Ki".
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
    """A structural table, the variant it describes, how it is to be read.

    In the file it has, in the place of `cell`:

        columns = ["filters", ["#3x3", "filters", "_3x3"]]
        rows = [{row = "inception (3a)", layer = "inception_3a", "#3x3" = "128"}]

    A column is its heading, the quantity in it, and what follows the row's layer in the name of
    the layer that is meant; a heading alone is a quantity. A row has a label, a layer (its
    label, if it has none) and, under their headings, the cells that are printed: a text, or
    ["35K", "why the computed value differs"]. A row of one `quantity` may say so itself, for
    headings that are no column. A label may come again, for other layers.
    """

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
class _Counts:
    parameters: int
    macs: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Expected:
    """expected.toml.

    Attributes:
        parameters: By variant, the trainable ones that the main head depends on; auxiliary
            heads, which only train, are left out.
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

    def find_errors(self, variant: str, data: str, split: str, views: str) -> list[float]:
        """The top-1 errors that the paper prints of it, in percent."""
        asked = variant, data, split, views
        return [
            row.top1_error
            for row in self.result
            if (row.variant, row.data, row.split, row.views) == asked and row.top1_error is not None
        ]


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
    data = load_toml(path)
    if "networks" not in data:
        raise RunError(f"{path}: the top level lacks networks, with their parameters and macs.")
    counts = {
        variant: make_row(_Counts, count, f"networks.{variant}", path)
        for variant, count in data.pop("networks").items()
    }
    for name in ("parameters", "macs"):
        data[name] = {variant: getattr(count, name) for variant, count in counts.items()}
    data["table"] = tuple(_read_table(table, path) for table in data.get("table", []))
    for kind in (Result, Ratio, Claim, Cost):
        key = kind.__name__.lower()
        data[key] = tuple(_read_rows(kind, data.get(key, []), key, path))
    expected = make_row(Expected, data, "the top level", path)
    for ratio in expected.ratio:
        _require_word(ratio.quantity, RATIO_QUANTITIES, "quantity", path)
    for claim in expected.claim:
        _require_word(claim.verdict, CLAIM_VERDICTS, "verdict", path)
    return expected


def load_toml(path: pathlib.Path) -> dict[str, Any]:
    """What a TOML file has.

    Raises:
        RunError: if it cannot be read.
    """
    try:
        return tomli.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomli.TOMLDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error


def _read_rows(kind: type, blocks: list[dict], key: str, path: pathlib.Path) -> Iterable[Any]:
    names = [field.name for field in dataclasses.fields(kind)]
    rows = [(block, row) for block in blocks for row in block.get("rows", [{}])]
    for number, (block, row) in enumerate(rows, 1):
        where = f"{key} {number}"
        if isinstance(row, list):
            if len(row) != len(names):
                raise RunError(f"{path}: {where} has {len(row)} parts, not {', '.join(names)}.")
            row = dict(zip(names, row, strict=True))
        if isinstance(row, dict):
            row = {name: value for name, value in block.items() if name != "rows"} | row
        yield make_row(kind, row, where, path)


def _read_table(data: dict, path: pathlib.Path) -> Table:
    data = dict(data)
    where, columns = f"table {data.get('title', '')!r}", {}
    for column in data.pop("columns", []):
        column = [column, column] if isinstance(column, str) else column
        if len(column) not in (2, 3):
            raise RunError(
                f"{path}: {where} has a column {column}; a column is a heading, a quantity and, "
                "where it is another layer's, what follows the row's layer."
            )
        heading, quantity, *suffix = column
        _require_word(quantity, QUANTITIES, f"{where}: quantity", path)
        columns[heading] = quantity, "".join(suffix)
    rows = data.pop("rows", [])
    cells = tuple(cell for row in rows for cell in _read_cells(row, columns, where, path))
    return make_row(Table, data | {"cell": cells}, where, path)


def _read_cells(row: dict, columns: dict, where: str, path: pathlib.Path) -> Iterable[Cell]:
    """The cells of a row; `columns` has quantity and suffix by heading."""
    if not isinstance(row, dict) or "row" not in row:
        raise RunError(f"{path}: a row of {where} lacks row, its label: {row}.")
    label, own = row["row"], row.get("quantity")
    where = f"row {label!r} of {where}"
    if own is not None:
        _require_word(own, QUANTITIES, f"{where}: quantity", path)
    for heading, printed in row.items():
        if heading in ("row", "layer", "quantity"):
            continue
        if own is None and heading not in columns:
            raise RunError(
                f"{path}: {where} has a cell {heading!r}, which is none of the table's columns: "
                f"{', '.join(columns)}."
            )
        quantity, suffix = (own, "") if own else columns[heading]
        paper, *why = printed if isinstance(printed, list) else [printed]
        if not all(isinstance(text, str) for text in (paper, *why)) or len(why) > 1:
            raise RunError(
                f"{path}: {where}: {heading!r} is {printed!r}; it takes a number in quotes, or "
                "that and an explanation."
            )
        yield Cell(
            row=label,
            column=heading,
            layer=row.get("layer", label) + suffix,
            quantity=quantity,
            paper=paper,
            explanation=why[0] if why else None,
        )


def make_row(kind: type, data: Any, where: str, path: pathlib.Path) -> Any:
    """A `kind`, a dataclass, of what stands in a file.

    Raises:
        RunError: if a key is unknown or missing, or a text or number is none; names `where`
            and the file.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if not isinstance(data, dict):
        raise RunError(f"{path}: {where} is {data!r}, not {{{next(iter(fields))} = ..., ...}}.")
    if unknown := sorted(data.keys() - fields):
        raise RunError(
            f"{path}: unknown key in {where}: {', '.join(unknown)}. Known: {', '.join(fields)}."
        )
    needed = [name for name, field in fields.items() if field.default is dataclasses.MISSING]
    if missing := [name for name in needed if name not in data]:
        raise RunError(f"{path}: {where} lacks {', '.join(missing)}.")
    for name, value in data.items():
        wanted = fields[name].type
        if isinstance(wanted, type | types.UnionType) and not isinstance(value, wanted):
            nouns = {bool: "truth value (true or false)", int: "whole number"}
            noun = nouns.get(wanted, "text" if isinstance("", wanted) else "number")
            raise RunError(f"{path}: {name} of {where} is {value!r}, which is no {noun}.")
    return kind(**data)


def _require_word(word: str, allowed: Iterable[str], key: str, path: pathlib.Path) -> None:
    if word not in allowed:
        raise RunError(f"{path}: {key} {word!r} is none of: {', '.join(allowed)}.")
