"""The papers' losses against a NumPy reading of their formulas."""

import numpy as np
import pytest
import tensorflow as tf

from common.recipes.losses import (
    SmoothedCrossEntropy,
    SoftmaxCrossEntropy,
    WithAuxiliary,
    of_labels,
    plain,
)
from common.training.steps import repeat_bit_for_bit

LABELS = np.array([2, 0, 4, 4])


def logits(scale=3.0):
    draws = np.random.default_rng(0).normal(0, scale, (len(LABELS), 5))
    return draws.astype("float32")


def by_definition(outputs, labels, smoothing):
    """-sum of q' log p, q' = (1 - s) one-hot + s / K (Inception-v3, Sec. 7)."""
    outputs = outputs.astype("float64")
    classes = outputs.shape[1]
    p = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    q = (1 - smoothing) * np.eye(classes)[labels] + smoothing / classes
    return -(q * np.log(p)).sum(1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 1.0])
def test_smoothed_labels_are_the_papers(smoothing):
    found = SmoothedCrossEntropy(smoothing=smoothing)(tf.constant(logits()), tf.constant(LABELS))
    assert found.dtype == "float32"
    wanted = by_definition(logits(), LABELS, smoothing)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_the_gradient_is_that_of_the_smoothed_labels():
    outputs = tf.constant(logits())
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        loss = SmoothedCrossEntropy(smoothing=0.1)(outputs, LABELS)
    q = 0.9 * np.eye(5)[LABELS] + 0.1 / 5
    np.testing.assert_allclose(
        tape.gradient(loss, outputs), tf.nn.softmax(outputs).numpy() - q, atol=1e-6
    )


def test_each_head_is_smoothed():
    main, aux = logits(), logits(1.0)
    loss = WithAuxiliary(main=SmoothedCrossEntropy(smoothing=0.1), weight=0.4, heads=1)
    found = loss([tf.constant(main), tf.constant(aux)], tf.constant(LABELS))
    alone = by_definition(main, LABELS, 0.1)
    wanted = alone + 0.4 * by_definition(aux, LABELS, 0.1)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    tested = loss(tf.constant(main), tf.constant(LABELS))  # of scores, which have one head
    np.testing.assert_allclose(tested, alone, rtol=1e-5)


def test_what_is_recorded_beside_it_is_the_main_heads_cross_entropy():
    both = [tf.constant(logits()), tf.constant(logits(1.0))]
    smooth = SmoothedCrossEntropy(smoothing=0.1)
    wanted = by_definition(logits(), LABELS, 0.0)
    for main in (smooth, SoftmaxCrossEntropy()):
        found = plain(main, both[0], LABELS)
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
        loss = WithAuxiliary(main=main, weight=0.4, heads=1)
        for outputs in (both, both[0]):
            found = plain(loss, outputs, LABELS)
            np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_bfloat16_outputs_are_summed_in_float32():
    outputs = tf.cast(np.random.default_rng(0).normal(size=(1, 1000)), "bfloat16")
    found = SmoothedCrossEntropy(smoothing=0.1)(outputs, [5])
    wanted = by_definition(tf.cast(outputs, tf.float32).numpy(), [5], 0.1)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_the_labels_values_and_their_gradient_are_those_of_gather():
    values, labels = tf.constant(logits()), tf.constant(LABELS)
    found = []
    for choose in (of_labels, lambda v, i: tf.gather(v, i, batch_dims=1)):
        with tf.GradientTape() as tape:
            tape.watch(values)
            chosen = choose(values, labels)
            total = tf.reduce_sum(chosen * [1.0, 2.0, 3.0, 4.0])
        found.append((chosen, tape.gradient(total, values)))
    for mine, gathers in zip(*found, strict=True):
        np.testing.assert_array_equal(mine, tf.convert_to_tensor(gathers))


def test_a_label_of_no_class_has_no_loss():
    found = SoftmaxCrossEntropy()(tf.constant(logits()), np.array([2, -1, 5, 0]))
    np.testing.assert_array_equal(np.isnan(found), [False, True, True, False])


def test_no_gradient_of_a_loss_is_scattered():
    """XLA on a GPU would add up one image after the other."""

    @tf.function(jit_compile=True)
    def gradient(outputs):
        return tf.gradients(SmoothedCrossEntropy(smoothing=0.1)(outputs, LABELS), outputs)

    repeat_bit_for_bit()
    tf.random.set_seed(0)  # asking for the text draws a number
    text = gradient.experimental_get_compiler_ir(tf.constant(logits()))(
        stage="hlo", platform_name="GPU"
    )
    assert "exponential(" in text and "scatter" not in text
