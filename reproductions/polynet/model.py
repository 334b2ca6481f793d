"""PolyNet.

Zhang, Li, Loy and Lin, "PolyNet: A Pursuit of Structural Diversity in Very
Deep Networks", CVPR 2017. https://arxiv.org/abs/1611.05725

Built from the network that the authors released for Caffe, as R. Cadene's
port has it ("release"), from the paper's Figures 3 and 5, and from what others
wrote about the paper, whose own text was not at hand.

Differences from the paper, in the release:
    * A poly-3 module shares the convolutions of its paths and nothing else:
      each order has batch normalisations and a linear 1x1 of its own. In the
      `ir_3_6_3_poly*` networks the linear 1x1 is shared too.
    * ReLU before an operator is applied to another's output; Figure 3 draws
      none.
    * The scale of the residual terms falls from 1 to 0.7 through the network;
      the paper's path weight is 0.3.
    * The linear 1x1 has batch normalisation and no bias.
Not in the paper:
    * Batch normalisation: epsilon 1e-5 (release), moving averages that keep
      0.9 (ours). All initial weights: ours.
    * Reduction B's 2048 maps and dropout of 20 % before fc (release).
    * Average pooling over the whole last map: the release's is 9x9, which is
      the same for images of 331 pixels.
"""

import functools

import keras

from common.errors import UsageError
from common.models.deep_graphs import recursion_limit
from common.models.layers import Dropout
from reproductions.polynet.forms import FORMS, Form
from reproductions.polynet.paths import PathSum
from reproductions.polynet.polynomials import POLYNOMIALS, evaluate
from reproductions.polynet.recipe import RECIPES, STOCHASTIC_PATHS_FROM
from reproductions.polynet.units import (
    BLOCKS,
    REDUCTIONS,
    Operator,
    reduction,
    stem,
)

SMALLEST = 75  # pixels: the last map is 1x1


def build_model(
    variant: str,
    *,
    image_size: int | None = None,
    num_classes: int | None = None,
) -> keras.Model:
    """(batch, S, S, 3) images -> (batch, num_classes) logits.

    Logits are float32 under any dtype policy.

    Args:
        variant: A key of RECIPES.
        image_size: S; None is the recipe's.
        num_classes: None is the recipe's.

    Raises:
        UsageError: if the image is too small for the network.
    """
    recipe = RECIPES[variant]
    size = image_size or recipe.image_size
    if size < SMALLEST:
        raise UsageError(
            f"{variant} needs images of at least {SMALLEST}x{SMALLEST} pixels: "
            f"from {size}x{size} nothing is left for its second reduction."
        )
    return network(
        FORMS[variant],
        size,
        num_classes or recipe.num_classes,
        name=variant,
        stochastic_from=STOCHASTIC_PATHS_FROM.get(variant),
    )


def network(
    form: Form,
    image_size: int,
    num_classes: int,
    *,
    name: str,
    stochastic_from: int | None = None,
) -> keras.Model:
    """A network of any form; see `build_model` and PathSum.

    The comments' sizes are for 331 pixels.
    """
    image = keras.Input((image_size, image_size, 3), name="image")
    x = stem(image)  # 39x39x384
    scales = iter(form.module_scales())
    for stage, kinds in form.stages.items():
        for number, kind in enumerate(kinds, 1):
            add = functools.partial(PathSum, next(scales), stochastic_from=stochastic_from)
            x = module(x, form, stage, kind, add, f"stage_{stage}_{number}")
        if stage in REDUCTIONS:  # 19x19x1152, 9x9x2048
            x = reduction(x, REDUCTIONS[stage], f"reduction_{stage}")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = Dropout(0.2, name="dropout")(x)
    logits = keras.layers.Dense(
        num_classes,
        kernel_initializer=keras.initializers.RandomNormal(0.0, 0.01),
        name="fc",
        dtype="float32",
    )(x)
    modules = sum(map(len, form.stages.values()))
    with recursion_limit(1000 + 200 * modules):
        return keras.Model(image, logits, name=name)


def module(x, form, stage, kind, add, name):
    """A PolyInception module: its polynomial at x, then ReLU.

    Layers are called after the product that they belong to: NAME_gf_path0_1
    is of GF. Convolutions that several uses share have the first one's name.
    (batch, H, W, C) -> the same shape.

    Args:
        stage: "a", "b" or "c".
        kind: A key of POLYNOMIALS.
        add: `add(name=...)` is the layer that adds the terms to x.
    """
    polynomial = POLYNOMIALS[kind]
    first_uses = {term[0]: term for term in reversed(polynomial)}
    operators = {
        letter: Operator(
            BLOCKS[stage],
            f"{name}_{term.lower()}",
            shared_expansion=form.shared_expansion,
            gamma=form.initial_gamma,
        )
        for letter, term in first_uses.items()
    }

    def apply(product, y):
        use = f"{name}_{product.lower()}"
        if len(product) > 1:  # release
            y = keras.layers.ReLU(name=f"{use}_input")(y)
        return operators[product[0]](y, use)

    total = add(name=f"{name}_sum")
    x = evaluate(polynomial, x, apply, lambda x, terms: total([x, *terms]))
    return keras.layers.ReLU(name=f"{name}_relu")(x)
