"""What a paper claims: expected.toml in its folder, written by hand from the paper.

Imports no TensorFlow.

In expected.toml a printed row is a row. `[networks]` has each variant's parameters and MACs. A
`[[result]]`, `[[claim]]`, `[[ratio]]` or `[[cost]]` is one of the values below; or it has
`rows`, and what stands beside them holds for each that does not say otherwise. A row may also
be the list of all fields, in their order. A `[[table]]` has `columns` and `rows` as Table says.
"""

import contextlib
import dataclasses
import functools
import pathlib
import re
import types
from collections.abc import Collection, Iterable, Iterator
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
_OWN = re.compile(r"(^|; )(Tables?|Secs?\.|Figs?\.|log)(?!\w)")  # sources that are of the paper


def _one_of(words: Collection[str]) -> Any:
    return dataclasses.field(metadata={"words": words})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """An error rate that the paper reports, in percent.

    Attributes:
        variant: One of RECIPES, or the paper's name for what is not built here (an ensemble,
            another team's entry).
        data: The data set; a name of common.data.catalog where it is one.
        split: "validation", "test" ...
        views: The test protocol, as in Recipe.views.
        source: Table, section, figure or log of the paper; or whose it is.
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

    @property
    def own(self) -> bool:
        """Whether the paper itself prints it; else it is of a release, or of other people."""
        return bool(_OWN.search(self.source))


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
    quantity: str = _one_of(QUANTITIES)
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
    quantity: str = _one_of(RATIO_QUANTITIES)
    of: str
    to: str
    paper: str
    explanation: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """Any other statement, with what became of it (CLAIM_VERDICTS)."""

    text: str
    source: str
    verdict: str = _one_of(CLAIM_VERDICTS)
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
        """The top-1 errors that the paper prints of it, or else others do, in percent."""
        asked = variant, data, split, views
        found = (
            row
            for row in self.result
            if (row.variant, row.data, row.split, row.views) == asked and row.top1_error is not None
        )
        return [row.top1_error for row in prefer_own(found)]


def prefer_own(claims: Iterable[Result]) -> list[Result]:
    """Those that the paper itself prints; all, if it prints none of them."""
    claims = list(claims)
    return [claim for claim in claims if claim.own] or claims


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
    with _naming("the top level", path):
        networks = data.pop("networks")
    counts = {
        variant: make_row(_Counts, count, f"networks.{variant}", path)
        for variant, count in networks.items()
    }
    for name in ("parameters", "macs"):
        data[name] = {variant: getattr(count, name) for variant, count in counts.items()}
    tables = enumerate(data.get("table", []), 1)
    data["table"] = tuple(_read_table(one, f"table {number}", path) for number, one in tables)
    for kind in (Result, Ratio, Claim, Cost):
        key = kind.__name__.lower()
        data[key] = tuple(_read_rows(kind, data.get(key, []), key, path))
    return make_row(Expected, data, "the top level", path)


def load_toml(path: pathlib.Path) -> dict[str, Any]:
    """What a TOML file has.

    Raises:
        RunError: if it cannot be read.
    """
    try:
        return tomli.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomli.TOMLDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error


@contextlib.contextmanager
def _naming(where: str, path: pathlib.Path) -> Iterator[None]:
    """Says of what is wrong with a row where it stands."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path}: {where}: {type(error).__name__}: {error}") from error


def _read_rows(kind: type, blocks: list[dict], key: str, path: pathlib.Path) -> Iterator[Any]:
    names = [field.name for field in dataclasses.fields(kind)]
    rows = [(block, row) for block in blocks for row in block.get("rows", [{}])]
    for number, (block, row) in enumerate(rows, 1):
        with _naming(f"{key} {number}", path):
            own = dict(zip(names, row, strict=True)) if isinstance(row, list) else row
            yield _make(kind, {name: block[name] for name in block if name != "rows"} | own)


def _read_table(data: dict, where: str, path: pathlib.Path) -> Table:
    columns, cells = {}, []
    with _naming(where, path):
        for column in data.get("columns", []):
            heading, quantity, *after = [column] * 2 if isinstance(column, str) else column
            [suffix] = after or [""]
            columns[heading] = quantity, suffix
        for number, row in enumerate(data.get("rows", []), 1):
            with _naming(f"{where}, row {number}", path):
                cells += _read_cells(row, columns)
        own = {name: data[name] for name in data if name not in ("columns", "rows")}
        return _make(Table, own | {"cell": tuple(cells)})


def _read_cells(row: dict, columns: dict) -> Iterator[Cell]:
    """The cells of a row; `columns` has quantity and suffix by heading."""
    label, own = row["row"], row.get("quantity")
    for heading, printed in row.items():
        if heading in ("row", "layer", "quantity"):
            continue
        quantity, suffix = (own, "") if own else columns[heading]
        paper, explanation = printed if isinstance(printed, list) else (printed, None)
        layer = row.get("layer", label) + suffix
        read = {"row": label, "column": heading, "layer": layer, "quantity": quantity}
        yield _make(Cell, read | {"paper": paper, "explanation": explanation})


def make_row(kind: type, data: Any, where: str, path: pathlib.Path) -> Any:
    """A `kind`, a dataclass, of what stands in a file.

    Raises:
        RunError: if a key is unknown or missing, or a text or number is none; names `where`
            and the file.
    """
    with _naming(where, path):
        return _make(kind, data)


def _make(kind: type, data: dict) -> Any:
    row = kind(**data)
    for field in dataclasses.fields(kind):
        value = getattr(row, field.name)
        if isinstance(field.type, type | types.UnionType) and not isinstance(value, field.type):
            wanted = getattr(field.type, "__name__", field.type)
            raise TypeError(f"{field.name} is {value!r}, which is no {wanted}")
        if value not in field.metadata.get("words", [value]):
            words = ", ".join(field.metadata["words"])
            raise ValueError(f"{field.name} {value!r} is none of: {words}")
    return row
