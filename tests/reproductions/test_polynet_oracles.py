"""The released weights' layout gives the logits of an independent network.

537 convolutions under random weights turn the roundings of float32 into
differences of 0.8 % of the largest logit, and those of the image alone into
0.2 % (measured); what the network computes shows in float64.
"""

import functools

import keras
import numpy as np
import pytest

import reproductions
from common.errors import RunError
from reproductions.polynet.forms import FORMS, first_order
from reproductions.polynet.model import network
from reproductions.polynet.weights import LAYOUTS, from_cadene
from tests import golden

build_model = functools.partial(reproductions.build_model, "polynet")

ORACLE = "cadene_polynet"


@pytest.mark.full
@pytest.mark.parametrize("policy,tolerance", [("float64", 1e-6), ("float32", 0.02)])
def test_logits_are_those_of_the_port(policy, tolerance):
    keras.config.set_dtype_policy(policy)
    try:
        model = build_model("polynet")
    finally:
        keras.config.set_dtype_policy("float32")
    from_cadene(golden.state(ORACLE), model)
    found = model(golden.image(ORACLE)).numpy()
    assert golden.difference(found, ORACLE) < tolerance
    if policy == "float64":  # no float32 network can be within 1e-4
        moved = model(golden.rounded(ORACLE)).numpy()
        assert golden.difference(moved, ORACLE) > 1e-4
    best = golden.logits(ORACLE).argmax(-1)
    np.testing.assert_array_equal(found.argmax(-1), best)


def test_the_layout_has_a_name():
    assert LAYOUTS == {"cadene": from_cadene}


@pytest.mark.parametrize("variant", ["ir_3_6_3", "ir_10_20_10"])
def test_other_variants_are_refused(variant):
    assert variant in FORMS
    model = network(first_order(1, 1, 1), 75, 2, name=variant)
    with pytest.raises(RunError, match=f"{variant} would not.*into polynet"):
        from_cadene({}, model)


def test_weights_of_another_network_are_refused():
    model = network(first_order(1, 1, 1), 75, 2, name="polynet")
    with pytest.raises(RunError, match="not the weights of polynet. Missing"):
        from_cadene({"conv1.weight": np.zeros((1, 1, 1, 1))}, model)
