"""What tells the networks apart, as data."""

import dataclasses

from reproductions.polynet.polynomials import POLYNOMIALS


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
    stages={
        "a": ("way2",) * 10,
        "b": ("poly3", "way2") * 10,
        "c": ("poly3", "way2") * 5,
    },
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
