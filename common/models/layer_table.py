"""What a Keras graph's layers cost, one row a layer.

Multiply-accumulates (MACs) are counted per image: one for each use of a weight of a convolution or
dense layer; biases, pooling, normalisation and activations count nothing. Papers that write "FLOPs"
mostly mean these.
"""

import contextlib
import dataclasses
import math
from collections.abc import Iterator

import keras

from common.errors import RunError

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
        main: The main head, the model's first output, depends on it. Others serve training only.
        output: Shape without the batch.
        params: Trainable parameters.
        weights: Those of them that are no biases, nor a batch norm's.
        macs: Multiply-accumulates for one image, all uses of the layer together.
        volume: Values in the output for one image.
        depth: Layers with a kernel on the longest path from the input up to here, included.
        layers: Layers with a kernel on the longest path through this row alone: 1 or 0 for one
            layer, 2 for an inception module.
        kernel: (height, width, maps in) of a convolution, (height, width) of pooling, else ().
        filters: Kernels of a convolution, units of a dense layer.
        strides: Rows and columns between windows.
        padding: Rows of zeros added, "top+bottom" where they differ.
    """

    name: str
    kind: str
    main: bool
    output: tuple[int, ...]
    params: int
    weights: int
    macs: int
    volume: int
    depth: int
    layers: int
    kernel: tuple[int, ...] = ()
    filters: int | None = None
    strides: int | None = None
    padding: str | None = None


@contextlib.contextmanager
def without_weights() -> Iterator[None]:
    """Networks that are built inside have shapes, but no weights.

    That is all that `layer_table` needs: VGG-16 takes 0.04 s and 1 MB instead of 1.3 s and 1 GB.
    They compute nothing. Keras's session (its automatic names, its dtype policy) is cleared at the
    end.
    """
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:  # else the next network that is built draws these weights too
        keras.utils.clear_session(free_memory=False)


def layer_table(model: keras.Model) -> list[LayerRow]:
    """One row for each layer of a built model, in the graph's order.

    Raises:
        RunError: if a layer has kernels that no rule counts.
    """
    main = {id(node.operation) for node in calls_of(model.outputs[:1])}
    calls = calls_of(model.outputs)
    # Another network may share its layers: they have the shapes of these calls.
    uses: dict[int, list] = {}
    of_call: dict[int, int] = {}
    depths: dict[int, int] = {}
    for node in calls:
        before = max((of_call[id(parent)] for parent in node.parent_nodes), default=0)
        of_call[id(node)] = depth = before + _has_kernel(node.operation)
        depths[id(node.operation)] = max(depth, depths.get(id(node.operation), 0))
        uses.setdefault(id(node.operation), []).append(node)
    return [
        _row(layer, uses[id(layer)], main=id(layer) in main, depth=depths[id(layer)])
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]


def totals(rows: list[LayerRow]) -> LayerRow:
    """The sums over what the main head depends on; the output is its own."""
    return together([row for row in rows if row.main], "total")


def find_row(rows: list[LayerRow], layer: str) -> LayerRow:
    """A layer by name, layers by prefix, or "total" (see `totals`).

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
    return together(several, layer)


def together(rows: list[LayerRow], name: str) -> LayerRow:
    """The sums over some layers; the output is the last one's."""
    depth = max(row.depth for row in rows)
    sums = ("params", "weights", "macs", "volume")
    return LayerRow(
        name=name,
        kind="",
        main=all(row.main for row in rows),
        output=rows[-1].output,
        depth=depth,
        layers=depth - min(row.depth - row.layers for row in rows),
        **{field: sum(getattr(row, field) for row in rows) for field in sums},
    )


def calls_of(outputs: list) -> list:
    """The graph's nodes behind some tensors, each after those it needs."""
    waiting = [
        (operation._inbound_nodes[index], False)
        for operation, index, _ in (tensor._keras_history for tensor in outputs)
    ]
    order, seen = [], set()
    while waiting:  # no recursion: a graph may be thousands of calls deep
        node, parents_done = waiting.pop()
        if parents_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            waiting.append((node, True))
            waiting += [(parent, False) for parent in node.parent_nodes]
    return order


def _has_kernel(operation) -> bool:
    own = hasattr(operation, "macs") and bool(operation.weights)
    return own or isinstance(operation, _WITH_KERNEL)


def _row(layer: keras.layers.Layer, calls: list, *, main: bool, depth: int) -> LayerRow:
    output = tuple(calls[0].outputs[0].shape[1:])
    trainable = layer.trainable_variables
    window = {}
    if isinstance(layer, keras.layers.Conv2D):
        window = {"kernel": tuple(layer.kernel.shape[:3]), "filters": layer.filters}
        size = layer.kernel_size[0]
    elif isinstance(layer, keras.layers.MaxPooling2D | keras.layers.AveragePooling2D):
        window = {"kernel": tuple(layer.pool_size)}
        size = layer.pool_size[0]
    if window:
        window |= {"strides": layer.strides[0], "padding": _padding(layer, size)}
    elif isinstance(layer, keras.layers.Dense):
        window = {"filters": layer.units}
    return LayerRow(
        name=layer.name,
        kind=type(layer).__name__,
        main=main,
        output=output,
        params=sum(math.prod(v.shape) for v in trainable),
        weights=sum(math.prod(v.shape) for v in trainable if v.name not in _NO_WEIGHTS),
        macs=sum(_macs(layer, call) for call in calls),
        volume=math.prod(output),
        depth=depth,
        layers=int(_has_kernel(layer)),
        **window,
    )


def _macs(layer, call) -> int:
    output = tuple(call.outputs[0].shape)
    if hasattr(layer, "macs"):
        return layer.macs(tuple(call.input_tensors[0].shape), output)
    if isinstance(layer, _WITH_KERNEL):
        # Each weight is used once at each place of the output; a kernel is
        # (..., maps in a group, maps out), so groups need no rule of their own.
        return math.prod(layer.kernel.shape) * math.prod(output[1:-1])
    if any(len(v.shape) > 1 for v in layer.trainable_variables):
        raise RunError(
            f"The layer {layer.name} ({type(layer).__name__}) has weights that no rule counts the "
            "uses of. Give it a method macs(input_shape, output_shape), or build it of convolution "
            "and dense layers."
        )
    return 0


def _padding(layer, size: int) -> str:
    """Of one axis; "top+bottom" where they differ."""
    before = layer.input._keras_history.operation
    top, bottom = 0, 0
    if layer.padding == "same":
        top, bottom = (size - 1) // 2, size // 2
    elif isinstance(before, keras.layers.ZeroPadding2D):
        top, bottom = before.padding[0]
    return str(top) if top == bottom else f"{top}+{bottom}"
