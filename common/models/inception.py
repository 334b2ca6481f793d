"""Inception modules as tables, and how they are built and named: Inception-v3 and v4.

A branch is a chain of convolutions and poolings; a pair at its end stands side by side.
Average pooling divides by what there is of its window, unless zeros count.
"""

import dataclasses
from collections.abc import Callable, Iterator

import keras

from common.models.layers import BatchNormalization

Initial = Callable[[], keras.initializers.Initializer]  # of the kernels


@dataclasses.dataclass(frozen=True)
class Convolution:
    """With batch normalisation and a ReLU.

    Attributes:
        padded: With zeros, to keep the grid; figures mark the others "V".
    """

    filters: int
    height: int
    width: int
    strides: int = 1
    padded: bool = True


@dataclasses.dataclass(frozen=True)
class Pooling:
    """Of `side` x `side` places.

    Attributes:
        kind: "max" or "avg".
        label: What it is called behind its module's name.
        zeros_count: Whether an average divides by `side` ** 2 at the border, too.
    """

    kind: str
    side: int
    strides: int
    padded: bool
    label: str
    zeros_count: bool = False


@dataclasses.dataclass(frozen=True)
class Residual:
    """x + scale * (a linear 1x1 convolution of the joined branches); v4, Fig. 20.

    Attributes:
        scale: The factor (v4, Sec. 3.3).
        relu: Whether a ReLU follows the sum.
    """

    scale: float
    relu: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Module:
    """Branches side by side, their maps joined in this order.

    Attributes:
        branches: Name -> chain. A chain without a name is one layer alone.
        residual: Or None: the joined maps are the output.
    """

    branches: dict[str, tuple]
    residual: Residual | None = None


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a layer stands: in which chain, in which step of it.

    Attributes:
        name: The layer's.
        branch: The number of the branch, from 0.
        step: The number of the step in its chain, from 0.
        side: "a" or "b" of a pair, else "".
    """

    name: str
    branch: int
    step: int
    side: str
    layer: Convolution | Pooling


def conv(filters: int, height: int, width: int) -> Convolution:
    """Keeps the grid."""
    return Convolution(filters, height, width)


def valid(filters: int, side: int, strides: int = 1) -> Convolution:
    """Without padding: "V" in the figures."""
    return Convolution(filters, side, side, strides, padded=False)


def alone(layer: Convolution | Pooling) -> Module:
    """One layer."""
    return Module(branches={"": (layer,)})


def repeated(name: str, module: Module, times: int) -> dict[str, Module]:
    """NAME_1, NAME_2 ..."""
    return {f"{name}_{i}": module for i in range(1, times + 1)}


def places(name: str, module: Module) -> Iterator[Place]:
    """The layers of a module's branches, in order.

    A convolution is called NAME_BRANCH, or NAME_BRANCH_1, _2 ... if there are
    several, _3a and _3b in a pair; a pooling NAME_LABEL; a layer alone NAME.
    """
    for number, (branch, chain) in enumerate(module.branches.items()):
        several = sum(not isinstance(step, Pooling) for step in chain) > 1
        count = 0
        for index, step in enumerate(chain):
            count += not isinstance(step, Pooling)
            pair = step if isinstance(step, tuple) else (step,)
            for layer, side in zip(pair, ("a", "b"), strict=False):
                label = f"{branch}_{count}" if several else branch
                if isinstance(layer, Pooling):
                    label = layer.label
                side = side if len(pair) > 1 else ""
                full = f"{name}_{label}{side}" if branch else name
                yield Place(full, number, index, side, layer)


def convolutions(modules: dict[str, Module]) -> Iterator[tuple[str, Place]]:
    """(module, place) of all that are batch-normalised, in order."""
    for name, module in modules.items():
        for place in places(name, module):
            if isinstance(place.layer, Convolution):
                yield name, place


def inception(x, name: str, module: Module, initial: Initial):
    """A module: its branches, joined, and its residual connection."""
    branches: dict[int, list] = {}  # the one or two ends of each
    for place in places(name, module):
        if place.side != "b":  # which stands beside "a", on the same maps
            y = branches[place.branch][0] if place.step else x
            branches[place.branch] = []
        build = pool if isinstance(place.layer, Pooling) else convolve
        branches[place.branch].append(build(y, place.layer, place.name, initial))
    ends = [end for branch in branches.values() for end in branch]
    if len(ends) == 1:
        return ends[0]
    joined = "output" if module.residual is None else "mixed"
    mixed = keras.layers.Concatenate(name=f"{name}_{joined}")(ends)
    if module.residual is None:
        return mixed
    # v4, Fig. 20: the sum x + scale * (1x1 convolution to x's number of maps)
    up = keras.layers.Conv2D(x.shape[-1], 1, kernel_initializer=initial(), name=f"{name}_linear")(
        mixed
    )
    up = keras.layers.Rescaling(module.residual.scale, name=f"{name}_scale")(up)
    relu = module.residual.relu
    x = keras.layers.Add(name=f"{name}_sum" if relu else f"{name}_output")([x, up])
    return keras.layers.ReLU(name=f"{name}_output")(x) if relu else x


def convolve(x, form: Convolution, name: str, initial: Initial):
    """Convolution, batch normalisation as TensorFlow's releases have it, ReLU."""
    x = keras.layers.Conv2D(
        form.filters,
        (form.height, form.width),
        form.strides,
        "same" if form.padded else "valid",
        use_bias=False,
        kernel_initializer=initial(),
        name=name,
    )(x)
    x = BatchNormalization(momentum=0.9997, epsilon=1e-3, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def pool(x, form: Pooling, name: str, _: Initial):
    """The pooling; what follows a ReLU can be padded with zeros."""
    padding = "same" if form.padded else "valid"
    if form.zeros_count:
        x = keras.layers.ZeroPadding2D(form.side // 2, name=f"{name}_pad")(x)
        padding = "valid"
    kinds = {"max": keras.layers.MaxPooling2D, "avg": keras.layers.AveragePooling2D}
    return kinds[form.kind](form.side, form.strides, padding, name=name)(x)
