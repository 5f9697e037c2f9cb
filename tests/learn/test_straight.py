"""Sums in place of tables: recovered through noise, and written as what they are."""

from __future__ import annotations

import numpy as np
import pytest

from janiform.learn.straight import Straight, straight


def drawn(rng: np.random.Generator) -> Straight:
    """A sum of a multiple of one code and a multiple of, or a set of, the other."""
    n, m = rng.integers(4, 12, size=2)
    rows = int(rng.choice((-3, -1, 1, 2, 8))) * np.arange(n)
    columns = rng.integers(-2, 3) * np.arange(m) if rng.random() < 0.5 else rng.integers(0, 2, size=m)
    out = rng.random(2) < 0.3
    sums = np.add.outer(rows, columns)
    rows = rows - sums.min() + 1
    return Straight(rows, columns, int(np.ptp(sums)) + 2, bool(out[0]), bool(out[1]), 0)


def test_a_sum_is_found_where_some_cells_say_otherwise() -> None:
    """One cell in twenty says something else; now and then that is where little else is known of a row."""
    found = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        cells = drawn(rng).cells()
        noisy, met = cells.copy(), np.ones(cells.shape, bool)
        noisy.ravel()[rng.choice(cells.size, cells.size // 20, replace=False)] = 1
        found += any((s.cells() == cells).all() for s in straight(noisy, met, int(cells.max())))
    assert found >= 54


@pytest.mark.parametrize("seed", range(40))
def test_what_is_written_is_what_is_listed(seed: int) -> None:
    """Over numbers and over names, whatever is left out or ends."""
    rng = np.random.default_rng(seed)
    s = drawn(rng)
    s = Straight(s.rows - 2, s.columns, max(s.top - 4, 1), s.left_out, s.right_out, 0)
    left = range(len(s.rows)) if seed % 2 else [f"l{i}" for i in range(len(s.rows))]
    right = range(len(s.columns)) if seed % 3 else [f"r{i}" for i in range(len(s.columns))]
    f = s.written(left, right)
    assert [[f(a, b) for b in right] for a in left] == s.cells().tolist()


def test_what_is_no_sum_is_left_alone() -> None:
    cells = np.random.default_rng(0).integers(8, size=(8, 8))
    assert not list(straight(cells, cells >= 0, 7))
    assert not list(straight(np.arange(6).reshape(2, 3), np.ones((2, 3), bool), 5))
