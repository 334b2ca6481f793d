"""A paper's structural numbers, recomputed from the Keras graph."""

import pathlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import keras

from common.errors import RunError
from common.models.layer_table import LayerRow, find_row, layer_table, totals, without_weights
from common.papers.expected import Cell, Expected, Ratio, Table, read_expected

AGREES, EXPLAINED = "agrees", "explained"
MISFIT = "MISFIT"  # differs, and nobody has said why
NEEDLESS = "NEEDLESS EXPLANATION"  # agrees, and yet somebody has said why not

RATIOS = "[ratio]"  # the title that ratios stand under
_SUFFIXES = {None: 1, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "Ki": 2**10, "Mi": 2**20}
_NUMBER = re.compile(r"([\d,]*\d(?:\.(\d+))?) *(Ki|Mi|[KMGB])?(?: *[x×] *10\^(\d+))?")


@dataclass(frozen=True, kw_only=True)
class CellVerdict:
    """A printed number beside the computed one."""

    table: str
    row: str
    column: str
    paper: str
    computed: str
    verdict: str
    explanation: str | None


def agrees(paper: str, computed: int | Fraction | str | tuple[int, ...] | None) -> bool:
    """Whether a computed value would be printed like that.

    A number agrees if it rounds to the printed one: "35K" is 34,500 up to but
    not including 35,500, and "35Ki" the same times 1.024. Shapes agree
    whatever the number of leading 1s, and "56x56" agrees with every number of
    maps.

    Raises:
        RunError: if `paper` is neither a number nor a shape.
    """
    if isinstance(computed, tuple):
        return _shapes_agree(paper, computed)
    if isinstance(computed, str) or computed is None:
        return paper == computed
    digits, decimals, suffix, power = _number(paper).groups()
    unit = _SUFFIXES[suffix] * 10 ** int(power or 0)
    # In halves of the last printed digit, so that all is exact.
    scale = 10 ** len(decimals or "")
    printed = int(digits.replace(",", "").replace(".", ""))
    doubled = 2 * computed * scale
    return (2 * printed - 1) * unit <= doubled < (2 * printed + 1) * unit


def _number(paper: str) -> re.Match:
    match = _NUMBER.fullmatch(paper.strip())
    if not match:
        raise RunError(f"expected.toml: {paper!r} is not a printed number.")
    return match


def _shapes_agree(paper: str, computed: tuple[int, ...]) -> bool:
    parts = paper.strip("[] ").replace("×", "x").split("x")
    if not all(part.strip().isdigit() for part in parts):
        raise RunError(f"expected.toml: {paper!r} is not a shape.")
    shape = [int(part) for part in parts]
    if len(shape) == 2 and len(computed) == 3:
        return shape == list(computed[:2])
    return _without_ones(shape) == _without_ones(computed)


def _without_ones(shape) -> list[int]:
    shape = list(shape)
    while len(shape) > 1 and shape[0] == 1:
        shape.pop(0)
    return shape


def as_text(value: int | str | tuple[int, ...] | None) -> str:
    """A computed value as the tables print it, to the last digit."""
    if isinstance(value, tuple):
        return "x".join(map(str, value)) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value or "none")


def check_table(table: Table, rows: list[LayerRow]) -> list[CellVerdict]:
    """A verdict on each cell of a table of the paper."""
    return [_check_cell(table.title, cell, rows) for cell in table.cell]


def _check_cell(title: str, cell: Cell, rows) -> CellVerdict:
    computed = getattr(find_row(rows, cell.layer), cell.quantity)
    return CellVerdict(
        table=title,
        row=cell.row,
        column=cell.column,
        paper=cell.paper,
        computed=as_text(computed),
        verdict=_verdict(cell, computed),
        explanation=cell.explanation,
    )


def check_ratio(ratio: Ratio, of: list[LayerRow], to: list[LayerRow]) -> CellVerdict:
    """A verdict on a claim between two networks; two digits more than said."""
    parts = [getattr(totals(rows), ratio.quantity) for rows in (of, to)]
    computed = Fraction(*parts)
    decimals = len(_number(ratio.paper)[2] or "") + 2
    return CellVerdict(
        table=RATIOS,
        row=ratio.text,
        column=f"{ratio.quantity}: {ratio.of} / {ratio.to}",
        paper=ratio.paper,
        computed=f"{float(computed):,.{decimals}f}",
        verdict=_verdict(ratio, computed),
        explanation=ratio.explanation,
    )


def _verdict(printed: Cell | Ratio, computed) -> str:
    if agrees(printed.paper, computed):
        return NEEDLESS if printed.explanation else AGREES
    return EXPLAINED if printed.explanation else MISFIT


def networks(expected: Expected) -> tuple[str, ...]:
    """The variants whose networks the checks of a paper need, each once."""
    tables = [table.variant for table in _tables(expected)]
    compared = [v for ratio in expected.ratio for v in (ratio.of, ratio.to)]
    return tuple(dict.fromkeys([*tables, *compared]))


def audit_paper(
    folder: pathlib.Path,
    build_model: Callable[[str], keras.Model],
    counted: dict[str, list[LayerRow]] | None = None,
) -> list[CellVerdict]:
    """A verdict on every structural number in a paper's expected.toml.

    First the parameter and MAC counts of each variant, then the tables, then
    the ratios. Each network is built once, at its paper's size, without its
    weights (see common.models.layer_table.without_weights).

    Args:
        folder: The paper's.
        build_model: From a variant's name; of any paper that a ratio names.
        counted: By variant, the layers of networks that need not be built
            again; those that are built are added.
    """
    expected = read_expected(folder)
    counted = {} if counted is None else counted
    for variant in networks(expected):
        if variant not in counted:
            with without_weights():
                model = build_model(variant)
            counted[variant] = layer_table(model)
    verdicts = [
        verdict
        for table in _tables(expected)
        for verdict in check_table(table, counted[table.variant])
    ]
    return verdicts + [
        check_ratio(ratio, counted[ratio.of], counted[ratio.to]) for ratio in expected.ratio
    ]


def _tables(expected: Expected) -> Iterable[Table]:
    """The paper's, after the counts of [networks]."""
    counts = (("params", expected.parameters), ("macs", expected.macs))
    for quantity, by_variant in counts:
        for variant, count in by_variant.items():
            cell = Cell(
                row=variant, column=quantity, layer="total", quantity=quantity, paper=f"{count:,}"
            )
            yield Table(
                title="[parameters]" if quantity == "params" else "[macs]",
                variant=variant,
                source="expected.toml",
                cell=(cell,),
            )
    yield from expected.table
