"""A paper's structural tables, recomputed from the Keras graph.

Multiply-accumulates (MACs) are counted per image: one for each use of a weight
of a convolution or dense layer; biases, pooling, normalisation and
activations count nothing. Papers that write "FLOPs" mostly mean these.
"""

import dataclasses
import gc
import math
import pathlib
import re
from collections.abc import Callable

import keras

from common.errors import RunError
from common.paper import Cell, Expected, Table, read_expected

AGREES, EXPLAINED = "agrees", "explained"
MISFIT = "MISFIT"  # differs, and nobody has said why
NEEDLESS = "NEEDLESS EXPLANATION"  # agrees, and yet somebody has said why not

_SUFFIXES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}
_NUMBER = re.compile(r"([\d,]*\d(?:\.(\d+))?) *([KMGB]?)(?: *[x×] *10\^(\d+))?")
_NO_WEIGHTS = ("bias", "gamma", "beta")
_WITH_KERNEL = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.Dense,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One layer, or several taken together.

    Attributes:
        kind: The layer's class.
        output: Shape without the batch.
        params: Trainable parameters.
        weights: Those of them that are no biases, nor a batch norm's.
        macs: Multiply-accumulates for one image.
        volume: Values in the output for one image.
        kernel: (height, width, maps in) of a convolution, (height, width) of
            pooling, else ().
        filters: Kernels of a convolution, units of a dense layer.
        strides: Rows and columns between windows.
        padding: Rows of zeros added, "top+bottom" where they differ.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    params: int
    weights: int
    macs: int
    volume: int
    kernel: tuple[int, ...] = ()
    filters: int | None = None
    strides: int | None = None
    padding: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class CellVerdict:
    """A printed number beside the computed one."""

    table: str
    row: str
    column: str
    paper: str
    computed: str
    verdict: str
    explanation: str | None


def layer_table(model: keras.Model) -> list[LayerRow]:
    """One row for each layer of a built model, in the graph's order."""
    return [
        _row(layer)
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]


def totals(rows: list[LayerRow], name: str = "total") -> LayerRow:
    """The sums over layers; the output is the last one's."""
    return LayerRow(
        name=name,
        kind="",
        output=rows[-1].output,
        params=sum(row.params for row in rows),
        weights=sum(row.weights for row in rows),
        macs=sum(row.macs for row in rows),
        volume=sum(row.volume for row in rows),
    )


def _row(layer: keras.layers.Layer) -> LayerRow:
    output = tuple(layer.output.shape[1:])
    trainable = layer.trainable_variables
    return LayerRow(
        name=layer.name,
        kind=type(layer).__name__,
        output=output,
        params=sum(math.prod(v.shape) for v in trainable),
        weights=sum(
            math.prod(v.shape) for v in trainable if v.name not in _NO_WEIGHTS
        ),
        macs=_macs(layer, output),
        volume=math.prod(output),
        **_window(layer),
    )


def _macs(layer, output: tuple[int, ...]) -> int:
    if hasattr(layer, "macs"):
        return layer.macs(tuple(layer.input.shape), tuple(layer.output.shape))
    if not isinstance(layer, _WITH_KERNEL):
        return 0
    # Each weight is used once at each place of the output; a kernel is
    # (..., maps in a group, maps out), so groups need no rule of their own.
    return math.prod(layer.kernel.shape) * math.prod(output[:-1])


def _window(layer) -> dict:
    if isinstance(layer, keras.layers.Conv2D):
        return {
            "kernel": tuple(layer.kernel.shape[:3]),
            "filters": layer.filters,
            "strides": layer.strides[0],
            "padding": _padding(layer, layer.kernel_size[0]),
        }
    if isinstance(
        layer, keras.layers.MaxPooling2D | keras.layers.AveragePooling2D
    ):
        return {
            "kernel": tuple(layer.pool_size),
            "strides": layer.strides[0],
            "padding": _padding(layer, layer.pool_size[0]),
        }
    if isinstance(layer, keras.layers.Dense):
        return {"filters": layer.units}
    return {}


def _padding(layer, size: int) -> str:
    if layer.padding == "same":
        return _sides((size - 1) // 2, size // 2)
    before = layer.input._keras_history.operation
    if isinstance(before, keras.layers.ZeroPadding2D):
        return _sides(*before.padding[0])
    return "0"


def _sides(top: int, bottom: int) -> str:
    return str(top) if top == bottom else f"{top}+{bottom}"


def find_row(rows: list[LayerRow], layer: str) -> LayerRow:
    """A layer by name, layers by prefix, or "total".

    Raises:
        RunError: if no layer is called or begins like that.
    """
    if layer == "total":
        return totals(rows)
    for row in rows:
        if row.name == layer:
            return row
    several = [row for row in rows if row.name.startswith(f"{layer}_")]
    if not several:
        raise RunError(f"expected.toml names a layer {layer!r}; there is none.")
    return totals(several, layer)


def agrees(paper: str, computed: int | str | tuple[int, ...] | None) -> bool:
    """Whether a computed value would be printed like that.

    A number agrees if it rounds to the printed one: "35K" is 34,500 up to but
    not including 35,500. Shapes agree whatever the number of leading 1s, and
    "56x56" agrees with every number of maps.

    Raises:
        RunError: if `paper` is neither a number nor a shape.
    """
    if isinstance(computed, tuple):
        return _shapes_agree(paper, computed)
    if isinstance(computed, str) or computed is None:
        return paper == computed
    match = _NUMBER.fullmatch(paper.strip())
    if not match:
        raise RunError(f"expected.toml: {paper!r} is not a printed number.")
    digits, decimals, suffix, power = match.groups()
    unit = _SUFFIXES[suffix] * 10 ** int(power or 0)
    # In halves of the last printed digit, so that all is whole numbers.
    scale = 10 ** len(decimals or "")
    printed = int(digits.replace(",", "").replace(".", ""))
    doubled = 2 * computed * scale
    return (2 * printed - 1) * unit <= doubled < (2 * printed + 1) * unit


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
    if agrees(cell.paper, computed):
        verdict = NEEDLESS if cell.explanation else AGREES
    else:
        verdict = EXPLAINED if cell.explanation else MISFIT
    return CellVerdict(
        table=title,
        row=cell.row,
        column=cell.column,
        paper=cell.paper,
        computed=as_text(computed),
        verdict=verdict,
        explanation=cell.explanation,
    )


def audit_paper(
    folder: pathlib.Path, build_model: Callable[[str], keras.Model]
) -> list[CellVerdict]:
    """A verdict on every structural number in a paper's expected.toml.

    First the parameter and MAC counts of each variant, then the tables. Each
    network is built once, at its paper's size, and dropped.
    """
    expected = read_expected(folder)
    tables = [*_count_tables(expected), *expected.table]
    by_variant = {
        variant: _rows_of(build_model, variant)
        for variant in dict.fromkeys(table.variant for table in tables)
    }
    return [
        verdict
        for table in tables
        for verdict in check_table(table, by_variant[table.variant])
    ]


def _rows_of(build_model: Callable, variant: str) -> list[LayerRow]:
    rows = layer_table(build_model(variant))
    gc.collect()  # a Keras model is a cycle of references, and 240 MB
    return rows


def _count_tables(expected: Expected) -> list[Table]:
    counts = (("params", expected.parameters), ("macs", expected.macs))
    return [
        Table(
            title="[parameters]" if quantity == "params" else "[macs]",
            variant=variant,
            source="expected.toml",
            cell=(
                Cell(
                    row=variant,
                    column=quantity,
                    layer="total",
                    quantity=quantity,
                    paper=f"{count:,}",
                ),
            ),
        )
        for quantity, by_variant in counts
        for variant, count in by_variant.items()
    ]
