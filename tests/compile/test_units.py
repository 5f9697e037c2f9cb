"""Units give every column at every point within the bound they state; steps take the noise out of their coordinate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from janiform.compile.precision import UNIT
from janiform.compile.units import Imprecise, Units, dyadic, realize


def at(units: Units, s: np.ndarray, dtype: str = "float64") -> np.ndarray:
    """The columns that units give at coordinates ``s``: an MLP's arithmetic, [coordinate, column]."""
    slope, offset, out, base = (
        np.asarray(x, dtype) for x in (units.slope, units.offset, units.out, units.base)
    )
    return np.maximum(s.astype(dtype)[:, None] * slope + offset, 0) @ out + base


@st.composite
def columns(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Ascending points and some columns of small numbers over them."""
    n, rows = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    gaps = draw(st.lists(st.sampled_from([0.25, 0.3, 1.0, 2.0, 7.0]), min_size=n, max_size=n))
    heights = st.lists(st.sampled_from([-3.0, -1.0, 0.0, 0.1, 1.0, 5.0]), min_size=n, max_size=n)
    points = np.cumsum(gaps) + draw(st.sampled_from([-20.0, 0.0, 0.7]))
    return points, np.array([draw(heights) for _ in range(rows)])


@pytest.mark.parametrize("dtype", list(UNIT))
@given(case=columns())
def test_units_give_the_columns_within_their_bound(dtype, case):
    points, height = case
    units = realize("x", points, height, np.zeros(len(points)), UNIT[dtype])
    inexact = 8 * UNIT[dtype] * np.abs(points).max()  # the points themselves are rounded when they are stored
    steepest = np.abs(np.diff(height) / np.diff(points)).max(initial=0.0) * 2
    error = np.abs(at(units, points, dtype).astype(float) - height.T).max(0)
    assert (error <= units.error + inexact * steepest).all()


def gelu(z: np.ndarray) -> np.ndarray:
    """GPT-2's."""
    return 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))


@pytest.mark.parametrize("dtype", list(UNIT))
@given(case=columns(), seed=st.integers(0, 1000), share=st.floats(1e-6, 0.2))
def test_bent_units_are_gelus_within_the_same_bound(dtype, case, seed, share):
    points, height = case
    noise = np.full(len(points), share * np.diff(points).min(initial=1.0))
    units = realize("x", points, height, noise, UNIT[dtype], bent=True)
    off = np.random.default_rng(seed).uniform(-1, 1, len(points)) * noise
    for push in (0 * noise, noise, -noise, off):
        hidden = gelu(np.outer(points + push, units.slope) + units.offset)
        error = np.abs(hidden @ units.out + units.base - height.T).max(0)
        assert (error <= units.error + 1e-12).all()


@given(case=columns(), seed=st.integers(0, 1000), share=st.floats(0, 0.2))
def test_noise_stays_within_the_bound(case, seed, share):
    points, height = case
    gap = np.diff(points).min(initial=1.0)
    noise = np.full(len(points), share * gap)
    units = realize("x", points, height, noise, UNIT["float64"])
    rng = np.random.default_rng(seed)
    for push in (noise, -noise, rng.uniform(-1, 1, len(points)) * noise):
        error = np.abs(at(units, points + push) - height.T).max(0)
        assert (error <= units.error + 1e-12).all()


@given(case=columns())
def test_steps_absorb_noise_below_a_quarter_of_the_gap(case):
    points, height = case
    gap = np.diff(points).min(initial=1.0)
    noise = np.full(len(points), 0.24 * gap)
    units = realize("x", points, height, noise, UNIT["float64"])
    for push in (noise, -noise):
        assert np.allclose(at(units, points + push), height.T, atol=1e-9)


def test_points_too_close_for_their_noise_are_refused_by_name():
    points, height = np.array([0.0, 1.0, 1.5]), np.array([[0.0, 1.0, 0.0]])
    with pytest.raises(Imprecise, match="width must tell 1 from 1.5, and errs by up to 0.2"):
        realize("width", points, height, np.full(3, 0.2), UNIT["float32"])


def test_points_that_need_not_be_told_apart_may_be_close():
    points, height = np.array([0.0, 1.0, 1.01]), np.array([[0.0, 1.0, 1.0]])
    units = realize("x", points, height, np.full(3, 0.1), UNIT["float32"])
    assert len(units) == 2


def test_a_constant_needs_no_units():
    units = realize("x", np.arange(5.0), np.full((2, 5), 3.0), np.zeros(5), UNIT["float32"])
    assert len(units) == 0 and units.base.tolist() == [3.0, 3.0]


def test_whole_numbers_and_halves_are_exact():
    units = realize("x", np.arange(6.0), np.eye(6), np.zeros(6), UNIT["float32"])
    assert not units.error.any() and (at(units, np.arange(6.0), "float32") == np.eye(6)).all()
    assert dyadic([0.5, -3, 1 / 16], UNIT["float32"]) and not dyadic([0.1], UNIT["float32"])
    assert not dyadic([2.0**24], UNIT["float32"])
