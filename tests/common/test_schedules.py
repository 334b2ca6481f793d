"""The papers' learning-rate schedules."""

import pytest

from common.schedules import ByEpoch, Constant, DivideOnPlateau


def factors(schedule, epochs, history=()):
    return [
        schedule.factor(
            epoch=epoch, step=0, steps_per_epoch=1, history=list(history)
        )
        for epoch in epochs
    ]


def plateau(**changes):
    fields = dict(
        divisor=10.0, patience=2, max_drops=3, metric="error", min_delta=0.0
    )
    return DivideOnPlateau(**(fields | changes))


def test_by_epoch_is_lenets_table():
    schedule = ByEpoch(
        starts=(0, 2, 5, 8, 12), factors=(1, 0.4, 0.2, 0.1, 0.02)
    )
    rates = [5e-4 * f for f in factors(schedule, range(20))]
    papers = [5e-4] * 2 + [2e-4] * 3 + [1e-4] * 3 + [5e-5] * 4 + [1e-5] * 8
    assert rates == pytest.approx(papers)


def test_constant_is_constant():
    assert factors(Constant(value=2.0), (0, 50)) == [2.0, 2.0]


@pytest.mark.parametrize(
    "starts, values",
    [((1, 2), (1, 0.1)), ((0, 2, 2), (1, 0.1, 0.01)), ((0, 2), (1,))],
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
    assert factors(plateau(), [len(errors)], history) == [
        pytest.approx(10.0**-drops)
    ]


def test_plateau_ignores_improvements_within_min_delta():
    slow = [90.0, 89.95, 89.9, 89.85]
    assert plateau(min_delta=0.0).drops(slow) == 0
    assert plateau(min_delta=0.5).drops(slow) == 1
