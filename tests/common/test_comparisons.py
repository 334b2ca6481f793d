"""Intervals of differences, against published values and SciPy."""

import math

import pytest
from scipy import stats

from common.evaluation.comparisons import paired, student, unpaired


def test_students_quantiles_are_scipys():
    for freedom in (*range(1, 33), 40, 101):
        assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom))


# Newcombe 1998, Table II, method 10.
@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ],
)
def test_unpaired_intervals_are_newcombes(first, second, low, high):
    assert unpaired(first, second) == pytest.approx((low, high), abs=5e-5)


def test_paired_differences_have_students_interval():
    low, high = paired([1.0, 2.0, 6.0])
    reach = stats.t.ppf(0.975, 2) * math.sqrt(7 / 3)
    assert (low, high) == pytest.approx((3 - reach, 3 + reach))
