"""Facts of Section 4.2 of the ResNet paper, and published weights."""

import dataclasses
import functools

import keras
import numpy as np
import pytest

import reproductions
from common.data.transforms import RandomFlip, RandomShift, SubtractMeanImage
from common.errors import RunError
from common.models.layers import ParameterFreeShortcut
from common.training.optimizers import rates_at
from reproductions.resnet_cifar.weights import from_akamaster

build_model = functools.partial(reproductions.build_model, "resnet_cifar")
RECIPES = reproductions.load("resnet_cifar").RECIPES

RESIDUAL = [20, 32, 44, 56]


def additions(model):
    kinds = (type(layer) for layer in model.layers)
    return sum(kind is keras.layers.Add for kind in kinds)


def rate(variant, step, history=()):
    [found] = rates_at(
        RECIPES[variant], epoch=step // 390, step=step, steps_per_epoch=390, history=list(history)
    )
    return found


@pytest.mark.parametrize("depth", RESIDUAL)
def test_there_are_3n_shortcuts_and_none_has_weights(depth):
    n = (depth - 2) // 6
    residual, plain = (build_model(f"cifar_{kind}{depth}") for kind in ("resnet", "plain"))
    assert additions(residual) == 3 * n
    assert additions(plain) == 0
    assert residual.count_params() == plain.count_params()
    shortcuts = [layer for layer in residual.layers if isinstance(layer, ParameterFreeShortcut)]
    assert [layer.filters for layer in shortcuts] == [32, 64]
    assert not any(layer.weights for layer in shortcuts)


def test_a_shortcut_takes_every_second_pixel_and_adds_zero_maps():
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("float32")
    y = ParameterFreeShortcut(7, 2)(x).numpy()
    np.testing.assert_array_equal(y[..., :3], x[:, ::2, ::2])
    assert y.shape == (2, 3, 3, 7)
    assert not y[..., 3:].any()
    z = ParameterFreeShortcut(7, 2, zeros_before=2)(x).numpy()
    np.testing.assert_array_equal(z[..., 2:5], x[:, ::2, ::2])
    assert not z[..., :2].any() and not z[..., 5:].any()


def test_a_block_whose_residual_is_zero_is_a_relu_of_its_input():
    model = build_model("cifar_resnet20")
    for norm in ("stage1_2_conv2_bn", "stage2_1_conv2_bn"):
        model.get_layer(norm).gamma.assign(np.zeros_like(norm_gamma(model, norm)))
    inside = keras.Model(
        model.input,
        [
            model.get_layer(name).output
            for name in ("stage1_1_relu2", "stage1_2_relu2", "stage1_3_relu2", "stage2_1_relu2")
        ],
    )
    images = np.random.default_rng(0).normal(size=(1, 32, 32, 3))
    before, same, last, halved = (t.numpy() for t in inside(images.astype("float32")))
    np.testing.assert_array_equal(same, before)
    np.testing.assert_array_equal(halved[..., :16], last[:, ::2, ::2])
    assert not halved[..., 16:].any()


def norm_gamma(model, name):
    return model.get_layer(name).gamma.numpy()


def test_the_rate_falls_at_32k_and_48k_and_training_ends_at_64k():
    assert RECIPES["cifar_resnet20"].updates == 64_000
    steps = (0, 31_999, 32_000, 47_999, 48_000, 63_999)
    rates = [rate("cifar_resnet20", step) for step in steps]
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3])


def test_110_layers_are_warmed_up_and_come_back_to_a_tenth():
    # The published ports fail here: theirs stay at 0.01, or never warm up.
    bad, good = {"top1_error": 80.0}, {"top1_error": 79.9}
    assert rate("cifar_resnet110", 0) == pytest.approx(0.01)
    assert rate("cifar_resnet110", 400, [bad]) == pytest.approx(0.01)
    assert rate("cifar_resnet110", 400, [good]) == pytest.approx(0.1)
    assert rate("cifar_resnet110", 1000, [good, bad]) == pytest.approx(0.1)
    assert rate("cifar_resnet110", 32_000, [good]) == pytest.approx(0.01)
    for other in ("cifar_resnet1202", "cifar_plain110"):
        assert rate(other, 0) == pytest.approx(0.01)
        assert rate(other, 1000, [good]) == pytest.approx(0.1)
    assert rate("cifar_resnet56", 0) == pytest.approx(0.1)


def test_images_are_moved_by_up_to_4_pixels_and_mirrored():
    chain = RECIPES["cifar_resnet20"].train_transforms
    assert chain[-2:] == (RandomShift(4), RandomFlip())


def test_recipe_of_the_paper():  # Sec. 4.2
    recipe = RECIPES["cifar_resnet20"]
    assert recipe.global_batch_size == 128
    assert (recipe.optimizer.momentum, recipe.optimizer.nesterov) == (0.9, 0)
    decay = recipe.weight_decay
    assert (decay.rate, decay.variables) == (1e-4, "kernel")
    assert recipe.normalize == SubtractMeanImage()
    assert recipe.views == ("single",)
    # The passes are enough for its split of 45,000, too.
    assert recipe.epochs * (45_000 // 128) >= recipe.updates


def test_all_depths_are_trained_alike_but_for_the_warm_up():
    for variant, recipe in RECIPES.items():
        if variant.startswith("akamaster"):
            continue
        deep = variant.endswith(("110", "1202"))
        same = RECIPES["cifar_resnet110" if deep else "cifar_resnet20"]
        same = dataclasses.replace(same, deviations=recipe.deviations)
        assert recipe == same, variant


def test_akamasters_recipe_is_its_trainers():
    recipe = RECIPES["akamaster_resnet20"]
    assert (recipe.epochs, recipe.updates) == (200, None)
    rates = [
        recipe.schedule.factor(epoch=epoch, step=0, steps_per_epoch=390, history=[])
        for epoch in (99, 100, 149, 150)
    ]
    assert rates == [1.0, 0.1, 0.1, 0.01]
    assert recipe.weight_decay.variables == "."
    assert recipe.normalize.std == (0.229, 0.224, 0.225)


def test_the_variants_deviations_name_the_shortcut_and_the_warm_up():
    def fields(variant):
        wanted = {"model: shortcuts", "schedule: warm-up", "held_out"}
        return wanted & {d.field for d in RECIPES[variant].deviations}

    assert fields("cifar_plain20") == {"held_out"}
    assert fields("cifar_resnet20") == {"held_out", "model: shortcuts"}
    assert fields("cifar_plain110") == {"held_out", "schedule: warm-up"}
    assert len(fields("cifar_resnet1202")) == 3
    assert fields("akamaster_resnet20") == {"model: shortcuts"}


def test_initial_weights_have_the_variance_of_he():
    model = build_model("cifar_resnet56")
    fans_in = {  # where maps grow it is half of the fan-out
        "stage1_5_conv1": 144,
        "stage2_1_conv1": 144,
        "stage3_1_conv1": 288,
        "stage3_5_conv2": 576,
    }
    for name, fan in fans_in.items():
        kernel = model.get_layer(name).kernel.numpy()
        std = np.sqrt(2 / fan)
        assert kernel.std() == pytest.approx(std, rel=0.06)
        assert abs(kernel).max() > 2.3 * std  # not truncated at 2
        assert model.get_layer(name).bias is None
        norm = model.get_layer(f"{name}_bn")
        assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)


def akamaster_state(depth, rng):
    """Its entries, by the names that its resnet.py gives them."""
    state = {"conv1.weight": (16, 3, 3, 3), "linear.weight": (10, 64)}
    state |= {"linear.bias": (10,)} | norm("bn1", 16)
    maps = 16
    for stage, filters in enumerate((16, 32, 64), 1):
        for block in range((depth - 2) // 6):
            for conv in (1, 2):
                prefix = f"layer{stage}.{block}"
                state[f"{prefix}.conv{conv}.weight"] = (filters, maps, 3, 3)
                state |= norm(f"{prefix}.bn{conv}", filters)
                maps = filters
    return {name: rng.uniform(0.5, 1.5, shape).astype("float32") for name, shape in state.items()}


def norm(prefix, size):
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{prefix}.{part}": (size,) for part in parts}


@pytest.mark.parametrize("depth", [20, 44])
def test_published_weights_go_where_their_names_say(depth):
    model = build_model(f"akamaster_resnet{depth}")
    state = akamaster_state(depth, np.random.default_rng(0))
    from_akamaster(state, model)
    kernel = model.get_layer("stage2_3_conv1").kernel.numpy()
    np.testing.assert_array_equal(kernel, state["layer2.2.conv1.weight"].transpose(2, 3, 1, 0))
    mean = model.get_layer("stage3_1_conv2_bn").moving_mean.numpy()
    np.testing.assert_array_equal(mean, state["layer3.0.bn2.running_mean"])


def test_published_weights_are_refused_where_they_would_err_silently():
    state = akamaster_state(20, np.random.default_rng(0))
    with pytest.raises(RunError, match="into akamaster_resnet20"):
        from_akamaster(state, build_model("cifar_resnet20"))
    with pytest.raises(RunError, match="Missing: layer1.3.bn1.bias"):
        from_akamaster(state, build_model("akamaster_resnet32"))
