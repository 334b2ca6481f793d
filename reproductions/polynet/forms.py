"""The networks as data: polynomials, what tells the networks apart, how they grow.

A polynomial is the tuple of its terms beside the identity I, which each of
them has. A term is a product of operators, the last letter applied first:
("F", "GF") is I + F + GF. Equal letters have equal parameters.

Importing this module imports no TensorFlow.
"""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

Polynomial = tuple[str, ...]

POLYNOMIALS: dict[str, Polynomial] = {
    "ir": ("F",),  # the Inception residual unit
    "poly2": ("F", "FF"),
    "mpoly2": ("F", "GF"),
    "way2": ("F", "G"),  # the paper's 2-way
    "poly3": ("F", "FF", "FFF"),
    "mpoly3": ("F", "GF", "HGF"),
    "way3": ("F", "G", "H"),
}


def evaluate_terms(polynomial: Polynomial, x: Any, apply: Callable[[str, Any], Any]) -> list[Any]:
    """The terms' values at x, each product worked out once.

    The paper's cascade, Horner's scheme from the right: I + F + F^2 is
    I + (I + F)F and takes two uses of F, where the sum of paths takes three.
    The operators need not be linear; I + F(I + F) would be another function.

    Args:
        polynomial: Its terms.
        x: What it is applied to.
        apply: `apply(term, y)` is the term's first operator at y, the value of
            the term without it. It is called once for each product, so it may
            also treat the uses of one operator differently.
    """
    values = {"": x}
    for term in polynomial:
        for start in reversed(range(len(term))):
            product = term[start:]
            if product not in values:
                values[product] = apply(product, values[product[1:]])
    return [values[term] for term in polynomial]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """A network: the modules of its three stages, and their constants.

    Attributes:
        stages: Of "a", "b" and "c": a key of POLYNOMIALS for each module.
        scales: Factor on the terms of a module's polynomial beside the
            identity, of the first and of the last module of the network;
            linear between them.
        shared_expansion: Whether a poly-n module has one linear 1x1
            convolution for all orders, as the paper's F, or one for each, as
            the release. Its other convolutions are always one set, and the
            batch normalisations always one for each order.
        initial_gamma: Of the batch normalisation after that convolution.
    """

    stages: dict[str, tuple[str, ...]]
    scales: tuple[float, float]
    shared_expansion: bool
    initial_gamma: float

    def module_scales(self) -> list[float]:
        """One for each module, in the network's order; 6 decimals (release)."""
        first, last = self.scales
        modules = sum(map(len, self.stages.values()))
        step = (last - first) / max(modules - 1, 1)
        return [round(first + step * i, 6) for i in range(modules)]


PATH_WEIGHT = 0.3  # beta of the paper


def first_order(a: int, b: int, c: int) -> Form:
    """IR A-B-C: Inception residual units only."""
    return Form(
        stages={"a": ("ir",) * a, "b": ("ir",) * b, "c": ("ir",) * c},
        scales=(PATH_WEIGHT, PATH_WEIGHT),
        shared_expansion=True,
        initial_gamma=1.0,
    )


def with_stage(form: Form, stage: str, kind: str) -> Form:
    """The form with all modules of a stage replaced."""
    modules = (kind,) * len(form.stages[stage])
    return dataclasses.replace(form, stages=form.stages | {stage: modules})


POLYNET = Form(
    stages={"a": ("way2",) * 10, "b": ("poly3", "way2") * 10, "c": ("poly3", "way2") * 5},
    scales=(1.0, 0.7),  # release
    shared_expansion=False,  # release
    initial_gamma=PATH_WEIGHT,  # the release's scales have no factor beta
)
IR_3_6_3 = first_order(3, 6, 3)

FORMS = {
    "polynet": POLYNET,
    "ir_3_6_3": IR_3_6_3,
    # As many multiplications as ir_3_6_3_poly2_b, of first order.
    "ir_3_12_3": first_order(3, 12, 3),
    **{
        f"ir_3_6_3_{kind}_{stage}": with_stage(IR_3_6_3, stage, kind)
        for stage in IR_3_6_3.stages
        for kind in POLYNOMIALS
        if kind != "ir"
    },
    # What polynet grows from: its first-order terms, and its constants.
    **{
        variant: dataclasses.replace(POLYNET, stages=first_order(*sizes).stages)
        for variant, sizes in {
            "ir_10_20_10": (10, 20, 10),
            "ir_5_10_5": (5, 10, 5),
            "ir_10_20_10_interleaved": (10, 20, 10),
        }.items()
    },
}

_OF_MODULE = re.compile(r"stage_([abc])_(\d+)_(.+)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interleaved:
    """A layer's name in a network of more modules, from its name before.

    Initialisation by insertion: a module of a higher order keeps the layers of its
    first-order term under their names, so InitializeFrom(layers=".*") inserts the new
    paths; more modules are interleaved with the old ones, which get new numbers.

    The old modules are spread evenly and the first stays first: of 3 among 6
    the places are 1, 3 and 5.

    Attributes:
        before: Modules of the smaller network's stages A, B and C.
        after: Of the larger one's; a stage never has fewer.
    """

    before: tuple[int, int, int]
    after: tuple[int, int, int]

    def __call__(self, layer: str) -> str:
        """stage_a_2_f_path1 -> stage_a_3_f_path1; a stem's name stays."""
        match = _OF_MODULE.fullmatch(layer)
        if not match:  # stem, reductions, fc
            return layer
        stage, number, rest = match.groups()
        index = "abc".index(stage)
        before, after = self.before[index], self.after[index]
        place = (int(number) - 1) * after // before + 1
        return f"stage_{stage}_{place}_{rest}"
