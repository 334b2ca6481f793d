"""What the networks are made of: modules of branches, and how they are named.

A branch is a chain of convolutions and poolings; a pair at its end stands side
by side. networks.py has the networks as tables of these.
"""

import dataclasses
from collections.abc import Iterator


@dataclasses.dataclass(frozen=True)
class Convolution:
    """With batch normalisation and a ReLU.

    Attributes:
        padded: With zeros, to keep the grid; the figures mark the others "V".
    """

    filters: int
    height: int
    width: int
    strides: int = 1
    padded: bool = True


@dataclasses.dataclass(frozen=True)
class Pooling:
    """Of `height` x `height` places.

    Attributes:
        kind: "max", or "avg", which leaves out the zeros around the map.
    """

    kind: str
    height: int
    strides: int
    padded: bool


@dataclasses.dataclass(frozen=True)
class Residual:
    """x + scale * (a linear 1x1 convolution of the joined branches) (Fig. 20).

    Attributes:
        scale: The factor (Sec. 3.3).
        relu: Whether a ReLU follows the sum.
    """

    scale: float
    relu: bool = True


Layer = Convolution | Pooling


@dataclasses.dataclass(frozen=True, kw_only=True)
class Module:
    """Branches side by side, their maps joined in this order.

    Attributes:
        branches: Name -> chain. A chain without a name is one layer alone.
        residual: Or None: the joined maps are the output.
    """

    branches: dict[str, tuple]
    residual: Residual | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """A network up to its last average pooling.

    Attributes:
        modules: By name, in order.
        initial: Scale, mode and distribution of the initial kernels, as
            keras.initializers.VarianceScaling takes them.
        aux_after: The module that an auxiliary head stands on, or None.
    """

    modules: dict[str, Module]
    initial: tuple[float, str, str]
    aux_after: str | None = None


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
    layer: Layer


MAX = Pooling("max", 3, 2, padded=False)
AVERAGE = Pooling("avg", 3, 1, padded=True)
HE = (2.0, "fan_in", "truncated_normal")
XAVIER = (1.0, "fan_avg", "uniform")


def conv(filters: int, height: int, width: int) -> Convolution:
    """Keeps the grid."""
    return Convolution(filters, height, width)


def valid(filters: int, side: int, strides: int = 1) -> Convolution:
    """Without padding: "V" in the figures."""
    return Convolution(filters, side, side, strides, padded=False)


def alone(layer: Layer) -> Module:
    """One layer."""
    return Module(branches={"": (layer,)})


def repeated(name: str, module: Module, times: int) -> dict[str, Module]:
    """NAME_1, NAME_2 ..."""
    return {f"{name}_{i}": module for i in range(1, times + 1)}


def places(name: str, module: Module) -> Iterator[Place]:
    """The layers of a module's branches, in order.

    A convolution is called NAME_BRANCH, or NAME_BRANCH_1, _2 ... if there are
    several, _3a and _3b in a pair; a pooling NAME_maxpool or NAME_avgpool; a
    layer alone NAME.
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
                    label = f"{layer.kind}pool"
                side = side if len(pair) > 1 else ""
                full = f"{name}_{label}{side}" if branch else name
                yield Place(full, number, index, side, layer)


def convolutions(form: Form) -> Iterator[tuple[str, Place]]:
    """(module, place) of all that are batch-normalised, in order."""
    for name, module in form.modules.items():
        for place in places(name, module):
            if isinstance(place.layer, Convolution):
                yield name, place
