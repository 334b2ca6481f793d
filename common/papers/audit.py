"""A paper's structural numbers, recomputed from the Keras graph."""

import pathlib
import re
from collections.abc import Callable
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

    A number agrees if it rounds to the printed one: "35K" is 34,500 up to but not including
    35,500, and "35Ki" the same times 1.024. Shapes agree whatever the number of leading 1s,
    and "56x56" agrees with every number of maps.

    Raises:
        RunError: if `paper` is neither a number nor a shape.
    """
    if isinstance(computed, str) or computed is None:
        return paper == computed
    if isinstance(computed, tuple):
        text = re.sub(r"[\[\]\s]", "", paper).replace("×", "x")
        if not re.fullmatch(r"\d+(x\d+)*", text):
            raise RunError(f"expected.toml: {paper!r} is not a shape.")
        if text.count("x") == 1 and len(computed) == 3:
            return text == "x".join(map(str, computed[:2]))
        one, other = (re.sub("^(1x)+", "", x) for x in (text, "x".join(map(str, computed))))
        return one == other
    digits, decimals, suffix, power = _number(paper).groups()
    unit = _SUFFIXES[suffix] * 10 ** int(power or 0)
    # In halves of the last printed digit, so that all is exact.
    printed = int(digits.replace(",", "").replace(".", ""))
    doubled = 2 * computed * 10 ** len(decimals or "")
    return (2 * printed - 1) * unit <= doubled < (2 * printed + 1) * unit


def _number(paper: str) -> re.Match:
    match = _NUMBER.fullmatch(paper.strip())
    if not match:
        raise RunError(f"expected.toml: {paper!r} is not a printed number.")
    return match


def check_table(table: Table, rows: list[LayerRow]) -> list[CellVerdict]:
    """A verdict on each cell of a table of the paper; computed values to the last digit."""
    found = []
    for cell in table.cell:
        value = getattr(find_row(rows, cell.layer), cell.quantity)
        if isinstance(value, tuple):
            text = "x".join(map(str, value)) or "none"
        else:
            text = f"{value:,}" if isinstance(value, int) else str(value or "none")
        found.append(_judge(cell, table.title, cell.row, cell.column, value, text))
    return found


def check_ratio(ratio: Ratio, of: list[LayerRow], to: list[LayerRow]) -> CellVerdict:
    """A verdict on a claim between two networks; two digits more than said."""
    value = Fraction(*(getattr(totals(rows), ratio.quantity) for rows in (of, to)))
    decimals = len(_number(ratio.paper)[2] or "") + 2
    column = f"{ratio.quantity}: {ratio.of} / {ratio.to}"
    return _judge(ratio, RATIOS, ratio.text, column, value, f"{float(value):,.{decimals}f}")


def _judge(
    printed: Cell | Ratio, table: str, row: str, column: str, value: object, computed: str
) -> CellVerdict:
    if agrees(printed.paper, value):
        verdict = NEEDLESS if printed.explanation else AGREES
    else:
        verdict = EXPLAINED if printed.explanation else MISFIT
    return CellVerdict(
        table=table,
        row=row,
        column=column,
        paper=printed.paper,
        computed=computed,
        verdict=verdict,
        explanation=printed.explanation,
    )


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

    First the parameter and MAC counts of each variant, then the tables, then the ratios. Each
    network is built once, at its paper's size, without its weights (see
    common.models.layer_table.without_weights).

    Args:
        folder: The paper's.
        build_model: From a variant's name; of any paper that a ratio names.
        counted: By variant, the layers of networks that need not be built again; those that
            are built are added.
    """
    expected = read_expected(folder)
    counted = {} if counted is None else counted
    for variant in networks(expected):
        if variant not in counted:
            with without_weights():
                model = build_model(variant)
            counted[variant] = layer_table(model)
    verdicts = [v for t in _tables(expected) for v in check_table(t, counted[t.variant])]
    return verdicts + [check_ratio(r, counted[r.of], counted[r.to]) for r in expected.ratio]


def _tables(expected: Expected) -> list[Table]:
    """The paper's, after the counts of [networks]."""
    counts = (
        ("[parameters]", "params", expected.parameters),
        ("[macs]", "macs", expected.macs),
    )
    made = []
    for title, quantity, by_variant in counts:
        for variant, count in by_variant.items():
            told = {"quantity": quantity, "paper": f"{count:,}"}
            cell = Cell(row=variant, column=quantity, layer="total", **told)
            made.append(Table(title=title, variant=variant, source="expected.toml", cell=(cell,)))
    return [*made, *expected.table]
