"""What stands where: normalisation behind convolutions, heads beside the trunk."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.recipes.losses import SmoothedCrossEntropy
from tests.reproductions.helpers import draws, graph_of


@pytest.mark.parametrize(
    ("paper", "variant", "unactivated", "unnormalised"),
    [
        ("bn_inception", "bn_inception", (), ()),  # Sec. 3.2
        ("inception_v3", "inception_v3", (), ()),
        ("inception_v4", "inception_v4", (), ()),
        # Sec. 3.2 of Inception-v4's paper: convolutions without activation.
        ("inception_v4", "inception_resnet_v1", (), ("_linear",)),
        ("inception_v4", "inception_resnet_v2", (), ("_linear",)),
        ("inception_v4", "inception_v4_released", (), ()),
        ("inception_v4", "inception_resnet_v2_released", (), ("_linear",)),
        ("resnext", "resnext50_32x4d", ("_c", "_shortcut"), ()),  # the sum is
    ],
)
def test_every_convolution_is_normalised_and_then_activated(
    paper, variant, unactivated, unnormalised
):
    model = graph_of(paper, variant)
    names = {layer.name for layer in model.layers}
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert convolutions
    for layer in convolutions:
        assert layer.activation is keras.activations.linear
        if layer.name.endswith(unnormalised):
            assert layer.use_bias and layer.kernel_size == (1, 1)
            continue
        assert not layer.use_bias  # beta takes its place
        norm = model.get_layer(f"{layer.name}_bn")
        assert norm.input is layer.output
        assert [node.operation for node in layer._outbound_nodes] == [norm]
        if layer.name.endswith(unactivated):
            assert f"{layer.name}_relu" not in names
        else:
            assert model.get_layer(f"{layer.name}_relu").input is norm.output


def cross_entropy(logits, labels):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


@pytest.mark.parametrize(
    ("paper", "size", "main_loss", "weight", "heads", "last"),
    [
        (  # Sec. 5
            "googlenet",
            65,
            cross_entropy,
            0.3,
            [[f"aux{i}_{part}" for part in ("conv", "fc", "classifier")] for i in (1, 2)],
            "inception_5b_1x1",
        ),
        (
            "inception_v3",
            107,
            SmoothedCrossEntropy(smoothing=0.1),
            0.4,
            [["aux_conv0", "aux_conv1", "aux_logits"]],
            "mixed_7c_branch1x1",
        ),
    ],
)
def test_auxiliary_losses_count_a_part(paper, size, main_loss, weight, heads, last):
    keras.utils.set_random_seed(0)
    model = reproductions.build_model(paper, paper, image_size=size, num_classes=10)
    loss, labels = reproductions.load(paper).RECIPES[paper].loss, tf.constant([3, 7])
    with tf.GradientTape(persistent=True) as tape:
        outputs = model(draws(2, size, size, 3, scale=50), training=True)
        main, *others = (main_loss(output, labels) for output in outputs)
        total = loss(outputs, labels)
    np.testing.assert_allclose(total, main + weight * sum(others), rtol=1e-6)
    for part, layers in zip(others, heads, strict=True):
        kernels = [model.get_layer(layer).kernel for layer in layers]
        gradients = tape.gradient(total, kernels), tape.gradient(part, kernels)
        for found, wanted in zip(*gradients, strict=True):
            assert tf.reduce_max(abs(found)) > 0
            np.testing.assert_allclose(found, weight * wanted, rtol=1e-4, atol=1e-6)
        assert tape.gradient(part, model.get_layer(last).kernel) is None
    assert loss.guessing(1000) == pytest.approx((1 + weight * len(heads)) * np.log(1000))
