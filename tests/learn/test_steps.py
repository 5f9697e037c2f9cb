"""Numerical MLPs as functions: the same category for all numbers, in the words that fit."""

from __future__ import annotations

import numpy as np
import pytest

from janiform.ir.functions import Apply, Arg, Fn, Lookup
from janiform.learn.draft import Steps
from janiform.learn.steps import Range, stepped
from janiform.text.printer import ATOM, formula

COUNT = Range(0, 8)


def written(slopes: tuple[float, float], edges: tuple[float, ...], cells: list[int], right: int = 1) -> str:
    u = Steps(0, right, slopes, edges, np.array(cells), max(cells) + 1)
    f, _ = stepped(u, [COUNT, COUNT])
    return formula(f, [("x", ATOM), ("y", ATOM)])[0]


@pytest.mark.parametrize("seed", range(200))
def test_the_function_is_the_mlp_on_all_numbers(seed: int) -> None:
    """Any slopes, edges and categories, of whole numbers and of others, of two variables or of one twice."""
    rng = np.random.default_rng(seed)
    edges = tuple(sorted({float(e) / 2 for e in rng.integers(-12, 20, size=int(rng.integers(0, 9)))}))
    if rng.random() < 0.3:
        edges = tuple(float(edges[0] + i) for i in range(len(edges))) if edges else ()
    cells = rng.integers(3, size=len(edges) + 1) if rng.random() < 0.7 else np.arange(len(edges) + 1)
    slopes = (float(rng.integers(-2, 3)), float(rng.choice([0, 1, -1, 2, 0.5])))
    u = Steps(0, int(rng.integers(2)), slopes, edges, cells, int(cells.max()) + 1)
    numbers = np.arange(-3, 9) if rng.random() < 0.5 else np.arange(-6, 9) / 2
    whole = bool((numbers % 1 == 0).all())
    reach = Range(float(numbers[0]), float(numbers[-1]), whole)
    f, reads = stepped(u, [reach, reach])
    for x in numbers.tolist():
        for y in numbers.tolist():
            both = [int(v) if whole else v for v in (x, y)]
            values = [both[v] for v in u.reads]
            said = u.cells[u.step(np.array(values[0]), np.array(values[1]))]
            assert f(*(both[v] for v in reads)) == said


def test_each_form_is_written_as_people_write_it() -> None:
    assert written((1, 0), (2.5,), [0, 1]) == "indicator(x >= 3)"
    assert written((-1, 0), (-2.5,), [0, 2]) == "2 if x <= 2 else 0"
    assert written((1, -1), (0.5,), [0, 1]) == "indicator(x >= y + 1)"
    assert written((1, -2), (-0.5, 0.5), [2, 5, 2]) == "5 if x == 2 * y else 2"
    assert written((1, 1), (2, 3, 4), [0, 1, 2, 3]) == "min(max(x + y - 1, 0), 3)"
    assert written((1, 0), tuple(range(1, 9)), list(range(9))) == "x"
    assert written((1, -1), tuple(range(-7, 9)), list(range(17))) == "x - y + 8"
    assert written((1, 0), (2, 5), [1, 0, 1]) == "0 if x >= 2 and x < 5 else 1"
    assert written((1, 0), (2, 5), [1, 0, 2]) == "2 if x >= 5 else 0 if x >= 2 else 1"
    assert written((-1, 0), (-4, -1), [1, 0, 1]) == "0 if x <= 4 and x > 1 else 1"
    assert written((1, 1), (9, 30), [1, 0, 2]) == "0 if x + y >= 9 else 1"
    assert written((1, 1), (3, 4), [1, 1, 1]) == "1"
    assert written((1, 1), (3,), [0, 1], right=0) == "indicator(2 * x >= 3)"


def test_many_steps_are_a_table_of_the_sum() -> None:
    u = Steps(0, 1, (1, 1), tuple(map(float, range(1, 16))), np.arange(16) % 2, 2)
    f, _ = stepped(u, [COUNT, COUNT])
    assert isinstance(f, Lookup) and f.args == (Apply("+", (Arg(0), Arg(1))),)
    assert isinstance(f, Fn) and f(3, 4) == 1
