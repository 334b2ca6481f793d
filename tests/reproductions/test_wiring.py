"""What stands where: normalisation behind convolutions, heads beside the trunk."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import reproductions
from common.recipes.losses import SmoothedCrossEntropy, SoftmaxCrossEntropy
from tests.reproductions.graphs import draws, graph_of


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


def ancestors(tensor):
    """The names of the layers that a tensor is computed from."""
    found, waiting = set(), [tensor]
    while waiting:
        operation = waiting.pop()._keras_history.operation
        if operation.name not in found:
            found.add(operation.name)
            waiting += operation._inbound_nodes[0].input_tensors
    return found


@pytest.mark.parametrize(
    ("paper", "main_loss", "weight", "heads", "last"),
    [
        (  # Sec. 5
            "googlenet",
            SoftmaxCrossEntropy(),
            0.3,
            [{f"aux{i}_{part}" for part in ("conv", "fc", "classifier")} for i in (1, 2)],
            "inception_5b_1x1",
        ),
        (
            "inception_v3",
            SmoothedCrossEntropy(smoothing=0.1),
            0.4,
            [{"aux_conv0", "aux_conv1", "aux_logits"}],
            "mixed_7c_branch1x1",
        ),
    ],
)
def test_auxiliary_losses_count_a_part(paper, main_loss, weight, heads, last):
    trunk, *others = map(ancestors, graph_of(paper, paper).outputs)
    assert last in trunk and not trunk & set.union(*heads)
    for found, layers in zip(others, heads, strict=True):
        assert layers <= found and last not in found
    loss, labels = reproductions.load(paper).RECIPES[paper].loss, tf.constant([3, 7])
    outputs = [tf.constant(draws(2, 10, scale=3, seed=i)) for i in range(1 + len(heads))]
    main, *rest = (main_loss(output, labels) for output in outputs)
    np.testing.assert_allclose(loss(outputs, labels), main + weight * sum(rest), rtol=1e-6)
    assert loss.guessing(1000) == pytest.approx((1 + weight * len(heads)) * np.log(1000))
