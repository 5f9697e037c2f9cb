"""A coordinate reads every possible combination of its table, with few steps where the table has structure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from janiform.compile.coordinate import NEAR, Coordinate, find, row_classes
from janiform.ir.domains import IMPOSSIBLE
from janiform.ir.functions import Apply, Arg, Fn, Lit

A, B, C = Arg(0), Arg(1), Arg(2)
TABLES = arrays.arrays(
    np.int32, arrays.array_shapes(min_dims=1, max_dims=3, max_side=5), elements=st.integers(IMPOSSIBLE, 3)
)


def reads(found: Coordinate, codes: np.ndarray) -> bool:
    """Whether the point nearest to each combination's sum carries that combination's code."""
    total = sum(
        p.reshape([-1 if j == i else 1 for j in range(codes.ndim)]) for i, p in enumerate(found.parts)
    )
    possible = codes != IMPOSSIBLE
    if not possible.any():
        return True
    s = np.broadcast_to(total, codes.shape)[possible]
    nearest = np.abs(s[:, None] - found.points).argmin(1)
    near = np.abs(s - found.points[nearest]) <= 4 * NEAR * max(1.0, np.abs(s).max())
    return bool((found.codes[nearest] == codes[possible]).all() and near.all())


def table(f: Fn, *sides: list[float]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The codes of a function's results over its arguments' numbers."""
    grids = np.meshgrid(*sides, indexing="ij")
    results = [float(f(*map(float, cell))) for cell in zip(*(g.ravel() for g in grids), strict=True)]
    codes = np.unique(results, return_inverse=True)[1].reshape(grids[0].shape)
    return codes.astype(np.int32), [np.array(s, float) for s in sides]


@given(codes=TABLES)
def test_every_table_is_read(codes):
    free = [None] * codes.ndim
    found = find(codes, free, free, None)
    assert found is not None and reads(found, codes)
    assert (np.diff(found.points) > 0).all()


@given(codes=TABLES, side=st.integers(0, 2))
def test_a_fixed_argument_stays_as_it_is_up_to_scale(codes, side):
    side %= codes.ndim
    only = np.arange(codes.shape[side], dtype=float) ** 2
    free = [None] * codes.ndim
    fixed = [only if i == side else None for i in range(codes.ndim)]
    found = find(codes, fixed, free, None)
    assert found is not None and reads(found, codes)
    part = found.parts[side] - found.parts[side][0]
    scale = part[-1] / only[-1] if only[-1] else 0.0
    assert np.allclose(part, scale * only)


@pytest.mark.parametrize(
    ("f", "most"),
    [
        (Apply("+", (A, B)), 18),
        (Apply("-", (A, B)), 18),
        (Apply("-", (Apply("*", (A, Lit(2))), B)), 27),
        (Apply("<", (A, B)), 1),
        (Apply("==", (A, B)), 2),
        (Apply("==", (Apply("+", (A, B)), Lit(7))), 2),
        (Apply("*", (A, B)), 36),
    ],
    ids=str,
)
def test_structure_is_found(f, most):
    codes, numbers = table(f, *[list(range(10))] * 2)
    found = find(codes, [None, None], numbers, f)
    assert found is not None and reads(found, codes) and found.changes <= most


def test_a_sum_of_three_needs_a_step_for_each_value():
    f = Apply("+", (Apply("+", (A, B)), C))
    codes, numbers = table(f, *[list(range(4))] * 3)
    found = find(codes, [None] * 3, numbers, f)
    assert found is not None and reads(found, codes) and found.changes == 9


def test_two_fixed_arguments_that_no_sum_tells_apart_have_no_coordinate():
    both = np.array([0.0, 1.0])
    assert find(np.array([[0, 1], [2, 3]], np.int32), [both, both], [both, both], None) is None
    codes = np.array([[0, 1], [2, 0]], np.int32)
    found = find(codes, [both, both], [both, both], None)
    assert found is not None and reads(found, codes)


def test_equal_rows_are_merged():
    rows, which = row_classes(np.array([[1, 2], [3, 4], [1, 2]]))
    assert rows.tolist() == [[1, 2], [3, 4]] and which.tolist() == [0, 1, 0]


def test_strain_is_the_range_over_the_least_gap_that_matters():
    found = Coordinate((), np.array([0.0, 1.0, 1.5, 4.0]), np.array([0, 0, 1, 2]))
    assert found.changes == 2 and found.strain == 8.0
