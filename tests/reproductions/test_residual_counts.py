"""Parameters and multiply-accumulates of residual networks, by arithmetic from their tables."""

import pytest

import reproductions
from common.papers.expected import read_expected
from reproductions.wide_resnet.forms import CifarForm

PROJECTED = {  # a block from `maps` to `out`, by the option of its shortcuts
    "": lambda maps, out: False,
    "A": lambda maps, out: False,
    "B": lambda maps, out: maps != out,
    "C": lambda maps, out: True,
}


def residual_counts(
    blocks,
    inner,
    out,
    *,
    bottleneck=True,
    groups=1,
    project=lambda maps, out: maps != out,
    stride_on_3x3=False,
    preactivated=False,
    fair=False,
    cifar_stem=None,
):
    """(parameters, multiply-accumulates) of a residual network, by arithmetic.

    Args:
        inner: Maps of the first stage's 3x3 convolutions; they double.
        out: Maps that its blocks give; a block of two 3x3 has no others.
        project: Whether a block from `maps` to `out` has a projection.
        preactivated: A convolution's input is normalised, not its output; at last, the sum.
        fair: The stem's and the projections' outputs are, too.
        cifar_stem: Maps of the first 3x3, for images of 32x32; or None: ImageNet's 7x7.
    """
    size, maps, side, classes = (3, cifar_stem, 32, 10) if cifar_stem else (7, 64, 112, 1000)
    convs = [(size * size * 3 * maps, maps, side)]  # weights, maps out, side of the output
    norms = [] if preactivated and not fair else [maps]
    for stage, number in enumerate(blocks):
        wide, to = int(inner * 2**stage), int(out * 2**stage)
        after = (32 if cifar_stem else 56) // 2**stage
        for index in range(number):
            before = 2 * after if stage and not index and stride_on_3x3 else after
            if bottleneck:
                branch = [(maps * wide, wide, before), (9 * wide * wide // groups, wide, after)]
                branch.append((wide * to, to, after))
            else:
                branch = [(9 * maps * to, to, after), (9 * to * to, to, after)]
            inputs = [maps, *(o for _, o, _ in branch[:-1])]
            if project(maps, to):
                branch.append((maps * to, to, after))
            convs += branch
            norms += inputs if preactivated else [o for _, o, _ in branch]
            norms += [to] if fair and project(maps, to) else []
            maps = to
    norms += [maps] if preactivated else []
    weights, macs = sum(w for w, _, _ in convs), sum(w * s * s for w, _, s in convs)
    return weights + 2 * sum(norms) + classes * (maps + 1), macs + classes * maps


def counts(paper, form):
    """Of a network of one of the four papers."""
    if paper == "resnet":
        return residual_counts(
            form.blocks,
            64,
            256 if form.bottleneck else 64,
            bottleneck=form.bottleneck,
            project=PROJECTED[form.shortcuts],
            stride_on_3x3=form.stride_on_3x3,
        )
    if paper == "resnext":
        inner, stem = form.cardinality * form.width, 64 if form.small_images else None
        groups = {"groups": form.cardinality, "stride_on_3x3": True, "cifar_stem": stem}
        project = PROJECTED["B" if form.shortcuts else ""]
        return residual_counts(form.blocks, inner, 256, project=project, **groups)
    if paper == "preact_resnet":  # on ImageNet
        out, bottleneck = (256, True) if form.layers == 3 else (64, False)
        kinds = {"stride_on_3x3": form.fair, "preactivated": not form.order.after}
        return residual_counts(form.units, 64, out, bottleneck=bottleneck, fair=form.fair, **kinds)
    if isinstance(form, CifarForm):
        return wide_counts(form.depth, form.width)
    out = 256 if form.bottleneck else 64 * form.width
    on_3x3 = {"bottleneck": form.bottleneck, "stride_on_3x3": True}
    return residual_counts(form.blocks, 64 * form.width, out, **on_3x3)


def wide_counts(depth, width):
    """Of WRN-depth-width for CIFAR, Table 1."""
    maps = 16 * width
    kinds = {"bottleneck": False, "preactivated": True, "cifar_stem": 16}
    return residual_counts(((depth - 4) // 6,) * 3, maps, maps, **kinds)


@pytest.mark.parametrize("paper", ["resnet", "resnext", "wide_resnet", "preact_resnet"])
def test_counts_follow_from_the_tables(paper):
    expected = read_expected(reproductions.folder(paper))
    for variant, recipe in reproductions.load(paper).RECIPES.items():
        if paper != "preact_resnet" or not variant.startswith("cifar"):
            wanted = counts(paper, recipe.network)
            assert (expected.parameters[variant], expected.macs[variant]) == wanted, variant


def test_a_projection_doubles_a_bottleneck_but_not_the_network():  # ResNet, Sec. 4.1
    block = [(1, 256, 64), (3, 64, 64), (1, 64, 256)]
    weights = sum(k * k * i * o for k, i, o in block)
    assert (weights + 256 * 256) / weights == pytest.approx(1.94, abs=0.005)
    with_b, with_c = (residual_counts((3, 4, 6, 3), 64, 256, project=PROJECTED[o]) for o in "BC")
    assert with_c[0] == 40_128_552
    ratios = [c / b for b, c in zip(with_b, with_c, strict=True)]
    assert ratios == pytest.approx([1.57, 1.64], abs=0.005)


@pytest.mark.parametrize("quantity", [0, 1])  # parameters, multiply-accumulates
def test_counts_are_quadratic_in_the_width(quantity):  # wide ResNets, Sec. 2.3
    def count(depth, width):
        return wide_counts(depth, width)[quantity]

    assert count(16, 16) / count(16, 8) == pytest.approx(4, rel=0.01)
    steps = [count(depth, 4) for depth in (16, 22, 28)]
    assert steps[2] - steps[1] == steps[1] - steps[0]  # linear in the depth
