"""The papers' learning-rate schedules."""

import pytest

from common.recipes.schedules import (
    ByEpoch,
    ByStep,
    Constant,
    DivideOnPlateau,
    EveryEpochs,
    Scaled,
    WarmUp,
)


def factors(schedule, epochs, history=()):
    return [
        schedule.factor(epoch=epoch, step=0, steps_per_epoch=1, history=list(history))
        for epoch in epochs
    ]


def plateau(**changes):
    fields = dict(divisor=10.0, patience=2, max_drops=3, metric="error", min_delta=0.0)
    return DivideOnPlateau(**(fields | changes))


def test_by_epoch_is_lenets_table():
    schedule = ByEpoch(starts=(0, 2, 5, 8, 12), factors=(1, 0.4, 0.2, 0.1, 0.02))
    rates = [5e-4 * f for f in factors(schedule, range(20))]
    papers = [5e-4] * 2 + [2e-4] * 3 + [1e-4] * 3 + [5e-5] * 4 + [1e-5] * 8
    assert rates == pytest.approx(papers)


def test_another_schedule_times_a_constant():
    stairs = ByEpoch(starts=(0, 2), factors=(1.0, 0.5))
    assert factors(Scaled(times=0.1, schedule=stairs), (0, 3)) == [0.1, 0.05]


@pytest.mark.parametrize(
    "starts, values", [((1, 2), (1, 0.1)), ((0, 2, 2), (1, 0.1, 0.01)), ((0, 2), (1,))]
)
def test_by_epoch_refuses_a_table_that_is_no_staircase(starts, values):
    with pytest.raises(ValueError, match="ascending starts from 0"):
        ByEpoch(starts=starts, factors=values)


@pytest.mark.parametrize(
    "errors, drops",
    [
        ([], 0),
        ([90, 80, 70, 60], 0),
        ([90, 80, 80, 81], 1),  # two epochs without a new best
        ([90, 80, 80, 79, 80, 80], 1),  # the 79 starts the count anew
        ([90, 80, 80, 81, 85, 85, 85], 2),  # bests are counted from the drop
        ([50] * 30, 3),  # no more than max_drops
    ],
)
def test_plateau_drops_when_the_error_stops_falling(errors, drops):
    history = [{"error": e} for e in errors]
    assert factors(plateau(), [len(errors)], history) == [pytest.approx(10.0**-drops)]


def test_plateau_ignores_improvements_within_min_delta():
    slow = [90.0, 89.95, 89.9, 89.85]
    assert plateau(min_delta=0.0).drops(slow) == 0
    assert plateau(min_delta=0.5).drops(slow) == 1


def test_by_step_is_the_residual_networks_staircase():
    schedule = ByStep(starts=(0, 32_000, 48_000), factors=(1.0, 0.1, 0.01))
    steps = (0, 31_999, 32_000, 47_999, 48_000, 63_999)
    where = {"epoch": 0, "steps_per_epoch": 390, "history": []}
    found = [schedule.factor(step=step, **where) for step in steps]
    assert found == [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    with pytest.raises(ValueError, match="staircase"):
        ByStep(starts=(10, 20), factors=(1.0, 0.1))


def test_every_eight_epochs_four_percent_are_taken_off():
    # Szegedy et al. 2014, Sec. 6: after 250 epochs 0.28 of the rate is left.
    schedule = EveryEpochs(epochs=8, times=0.96)
    assert factors(schedule, [0, 7]) == [1.0, 1.0]
    assert factors(schedule, [8, 16]) == pytest.approx([0.96, 0.96**2])
    assert factors(schedule, [249]) == pytest.approx([0.28], abs=0.005)


def test_a_warm_up_ends_once_and_for_all():
    warm = WarmUp(factor_before=0.1, metric="error", below=80.0, then=Constant(value=1.0))
    above, below = {"error": 80.0}, {"error": 79.9}
    histories = ([], [above], [above, below], [above, below, above])
    found = [factors(warm, [1], history) for history in histories]
    assert found == [[0.1], [0.1], [1.0], [1.0]]
