"""PolyNet's algebra, its modules, stochastic paths, growth by insertion."""

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.distribution.batch_slice import batch_slice
from common.models.weight_import import copy_layers
from reproductions.polynet.forms import (
    POLYNET,
    POLYNOMIALS,
    Interleaved,
    evaluate_terms,
    first_order,
    with_stage,
)
from reproductions.polynet.model import PathSum, module
from tests.reproductions.graphs import draws, randomize

# The algebra.

F, G, H = (draws(5, 5, seed=seed).astype("float64") for seed in range(3))
IDENTITY = np.eye(5)
MATRICES = {  # Fig. 3 and the third-order forms
    "ir": F,
    "poly2": F + F @ F,
    "mpoly2": F + G @ F,
    "way2": F + G,
    "poly3": F + F @ F + F @ F @ F,
    "mpoly3": F + G @ F + H @ G @ F,
    "way3": F + G + H,
}


@pytest.mark.parametrize("kind", POLYNOMIALS)
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_of_linear_operators_it_is_the_matrix_polynomial(kind, scale):
    operators, x = {"F": F, "G": G, "H": H}, draws(5, 3)
    terms = evaluate_terms(POLYNOMIALS[kind], x, lambda product, y: operators[product[0]] @ y)
    found = x + scale * sum(terms)
    wanted = (IDENTITY + scale * MATRICES[kind]) @ x
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_of_operators_that_are_not_linear_it_is_the_sum_of_their_products():
    f, g = (lambda x: np.tanh(F @ x + 1)), (lambda x: np.tanh(G @ x - 1))
    x, operators = draws(5), {"F": f, "G": g}
    found = {
        kind: x
        + sum(evaluate_terms(POLYNOMIALS[kind], x, lambda product, y: operators[product[0]](y)))
        for kind in ("poly3", "mpoly2", "way2")
    }
    np.testing.assert_allclose(found["poly3"], x + f(x) + f(f(x)) + f(f(f(x))))
    np.testing.assert_allclose(found["mpoly2"], x + f(x) + g(f(x)))
    np.testing.assert_allclose(found["way2"], x + f(x) + g(x))
    assert abs(f(x + f(x)) - f(x) - f(f(x))).max() > 0.01  # not Horner's


@pytest.mark.parametrize(
    "polynomial,uses",
    [
        (POLYNOMIALS["poly2"], ["F", "FF"]),  # the naive form has three
        (POLYNOMIALS["mpoly3"], ["F", "GF", "HGF"]),  # six
        (("GF",), ["F", "GF"]),  # I + GF
        (("HGF", "F"), ["F", "GF", "HGF"]),
    ],
)
def test_each_product_is_worked_out_once(polynomial, uses):
    seen = []
    evaluate_terms(polynomial, 1.0, lambda product, y: seen.append(product) or y)
    assert seen == uses


def test_the_gradient_of_shared_weights_is_the_sum_over_the_orders():
    x = tf.constant(draws(5, 1), tf.float64)

    def gradients(kind, operators):
        with tf.GradientTape() as tape:
            terms = evaluate_terms(
                POLYNOMIALS[kind], x, lambda product, y: tf.tanh(operators[product[0]] @ y)
            )
            total = x + 0.3 * sum(terms)
        return tape.gradient(total, list(operators.values()))

    (one,) = gradients("poly3", {"F": tf.Variable(F)})
    parts = gradients("mpoly3", {name: tf.Variable(F) for name in "FGH"})
    assert all(tf.reduce_max(abs(part)) > 0.01 for part in parts)
    np.testing.assert_allclose(one, sum(parts))


# A module, against the loops of the port.


@functools.lru_cache
def built(kind, *, shared=False, scale=0.3, gamma=1.0):
    """A module of stage A on maps of 5x5, each batch norm with its own."""
    keras.utils.set_random_seed(0)
    x = keras.Input((5, 5, 384))
    form = dataclasses.replace(POLYNET, shared_expansion=shared, initial_gamma=gamma)
    add = functools.partial(PathSum, scale)
    model = keras.Model(x, module(x, form, "a", kind, add, "m"))
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            if not layer.name.endswith("expand_bn"):
                layer.gamma.assign(rng.uniform(0.5, 1.5, size))
                layer.beta.assign(rng.normal(0, 0.3, size))
            layer.moving_variance.assign(rng.uniform(0.5, 1.5, size))
    return model


def inception(model, x, use, first, expansion):
    """F of stage A with the layers of `model`: paths, joined, linear 1x1."""

    def layer(x, part, kernels, relu=True):
        x = model.get_layer(f"m_{kernels}_{part}")(x)
        x = model.get_layer(f"m_{use}_{part}_bn")(x)
        return np.maximum(x, 0) if relu else x.numpy()

    ends = []
    for path, length in (("path0", 3), ("path1", 2), ("path2", 1)):
        y = x
        for i in range(1, length + 1):
            y = layer(y, f"{path}_{i}" if length > 1 else path, first)
        ends.append(y)
    return layer(np.concatenate(ends, -1), "expand", expansion, relu=False)


@pytest.mark.parametrize("shared", [False, True])
def test_poly_3_is_the_ports(shared):
    model = built("poly3", shared=shared)
    x = out = np.maximum(draws(2, 5, 5, 384), 0)
    image = x
    for use in ("f", "ff", "fff"):
        x = inception(model, x, use, "f", "f" if shared else use)
        out = out + np.float32(0.3) * x
        x = np.maximum(x, 0)
    wanted = np.maximum(out, 0)
    np.testing.assert_allclose(model(image), wanted, rtol=1e-4, atol=1e-5)


def test_3_way_is_the_ports_and_mpoly_3_chains():
    image = np.maximum(draws(2, 5, 5, 384), 0)
    for kind, uses in (("way3", "f g h"), ("mpoly3", "f gf hgf")):
        model, x, out = built(kind), image, image
        for use in uses.split():
            value = inception(model, x, use, use, use)
            out = out + np.float32(0.3) * value
            x = np.maximum(value, 0) if kind == "mpoly3" else image
        wanted = np.maximum(out, 0)
        np.testing.assert_allclose(model(image), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["ir", "poly2", "mpoly2"])
def test_a_module_of_scale_zero_is_relu(kind):
    x = draws(2, 5, 5, 384)
    np.testing.assert_array_equal(built(kind, scale=0.0)(x), np.maximum(x, 0))


def test_a_path_weight_can_be_part_of_gamma_in_n_way_only():
    x = draws(2, 5, 5, 384)
    for kind, same in (("way2", True), ("poly2", False), ("mpoly2", False)):
        weighted = built(kind, scale=0.3, gamma=1.0)(x).numpy()
        folded = built(kind, scale=1.0, gamma=0.3)(x).numpy()
        assert (abs(weighted - folded).max() < 1e-4) == same


# Stochastic paths.

TERMS, KEEP, START = 64, 0.8, 100


def chosen(step, *, seed=1, name="sum", start=0, batch=2):
    """Which of the terms a training step keeps, (TERMS,) of 0, 1 or KEEP."""
    layer = PathSum(KEEP, stochastic_from=START, name=name)
    units = np.eye(TERMS, dtype="float32")
    terms = [np.tile(unit, (batch, 1, 1, 1)) for unit in units]
    x = np.zeros_like(terms[0])
    where = {"seed": seed, "step": tf.constant(step, tf.int64)}
    with batch_slice(**where, start=start, size=8):
        found = layer([x, *terms], training=True).numpy()
    np.testing.assert_array_equal(found, np.broadcast_to(found[:1], x.shape))
    return found[0, 0, 0]


def test_paths_are_chosen_from_their_first_update_on():
    np.testing.assert_array_equal(chosen(START - 1), np.float32(KEEP))
    assert set(chosen(START)) == {0.0, 1.0}


def test_each_path_is_kept_as_often_as_it_is_scaled_in_tests():
    masks = np.stack([chosen(START + step) for step in range(100)])
    assert abs(masks.mean() - KEEP) < 4 * np.sqrt(0.16 / masks.size)
    spread = 4 * np.sqrt(0.16 / len(masks))
    assert abs(masks.mean(0) - KEEP).max() < 1.25 * spread  # of 64 paths
    pairs = np.corrcoef(masks.T)[np.triu_indices(TERMS, 1)]
    assert abs(pairs.mean()) < 0.02  # each for itself


def test_choices_depend_on_seed_step_and_name_and_not_on_the_device():
    first = chosen(START)
    np.testing.assert_array_equal(first, chosen(START))
    np.testing.assert_array_equal(first, chosen(START, start=4, batch=4))
    for other in (chosen(START + 1), chosen(START, seed=2), chosen(START, name="other")):
        assert (first != other).any()


def test_elsewhere_all_paths_are_scaled():
    layer = PathSum(KEEP, stochastic_from=0)
    x, terms = draws(2, 3, 3, 4), [draws(2, 3, 3, 4, seed=s) for s in (1, 2)]
    wanted = x + np.float32(KEEP) * terms[0] + np.float32(KEEP) * terms[1]
    np.testing.assert_allclose(layer([x, *terms]), wanted, rtol=1e-6)
    np.testing.assert_allclose(layer([x, *terms], training=True), wanted)
    step = tf.constant(5, tf.int64)
    with batch_slice(seed=0, step=step, start=0, size=2):
        np.testing.assert_allclose(layer([x, *terms], training=False), wanted)
        never = PathSum(KEEP)([x, *terms], training=True)
    np.testing.assert_allclose(never, wanted)


# Growth.


def small(form):
    keras.utils.set_random_seed(0)
    sizes = {"image_size": 75, "num_classes": 5}
    return reproductions.build_model("polynet", "ir_3_6_3", network=form, **sizes)


@pytest.fixture(scope="module")
def parent():
    """IR 1-1-1 with statistics of its own, and images' logits."""
    model = randomize(small(first_order(1, 1, 1)))
    images = draws(2, 75, 75, 3)
    return model, images, model(images).numpy()


def silence(model, layers):
    """The paths that end in these layers give zeros."""
    for name in layers:
        if name.endswith("_expand_bn"):
            model.get_layer(name).gamma.assign(np.zeros(model.get_layer(name).gamma.shape))


def test_inserted_paths_of_gamma_zero_change_nothing(parent):
    source, images, wanted = parent
    form = first_order(1, 1, 1)
    for stage, kind in {"a": "poly2", "b": "mpoly3", "c": "way2"}.items():
        form = with_stage(form, stage, kind)
    model = small(form)
    copied = copy_layers(source, model, ".*")
    new = {x.name for x in model.layers if x.weights} - set(copied)
    assert new and len(copied) == sum(bool(x.weights) for x in source.layers)
    assert abs(model(images).numpy() - wanted).max() > 1e-4
    silence(model, new)
    np.testing.assert_array_equal(model(images), wanted)


def test_interleaved_modules_of_gamma_zero_change_nothing(parent):
    source, images, wanted = parent
    model = small(first_order(2, 3, 1))
    renamed = Interleaved(before=(1, 1, 1), after=(2, 3, 1))
    copied = copy_layers(source, model, ".*", renamed)
    new = {x.name for x in model.layers if x.weights} - set(copied)
    assert {name.split("_f_")[0] for name in new} == {"stage_a_2", "stage_b_2", "stage_b_3"}
    assert abs(model(images).numpy() - wanted).max() > 1e-4
    silence(model, new)
    np.testing.assert_array_equal(model(images), wanted)


@pytest.mark.parametrize(
    "before,after,places",
    [
        (3, 6, (1, 3, 5)),
        (5, 10, (1, 3, 5, 7, 9)),
        (3, 3, (1, 2, 3)),
        (4, 6, (1, 2, 4, 5)),
        (1, 3, (1,)),
    ],
)
def test_old_modules_are_spread_among_the_new(before, after, places):
    renamed = Interleaved(before=(before, 1, 1), after=(after, 1, 1))
    names = [renamed(f"stage_a_{i + 1}_f_expand") for i in range(before)]
    assert names == [f"stage_a_{place}_f_expand" for place in places]
