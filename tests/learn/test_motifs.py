"""Motifs: what each computes, with every part that is left open, and that varied ones still fit their variables."""

from __future__ import annotations

import numpy as np
import pytest
from tests.learn.random_drafts import random_draft

from janiform.learn.draft import Bench, Frame, Unit
from janiform.learn.motifs import Balance, Ground, Match, Order, drawn, laid, varied

FRAME = Frame(5, 9, 3)


def last(units: tuple[Unit, ...], x: np.ndarray) -> np.ndarray:
    """What the last of the units computes."""
    bench = Bench(FRAME, x)
    values = list(bench.inputs)
    for u in units:
        values.append(bench.unit(u, values))
    return values[-1]


def inputs(seed: int) -> np.ndarray:
    """Random inputs of every length, -1 past their ends."""
    rng = np.random.default_rng(seed)
    x = rng.integers(FRAME.tokens, size=(200, FRAME.length))
    return np.where(np.arange(FRAME.length) < rng.integers(1, FRAME.length + 1, size=(200, 1)), x, -1)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("skip", [False, True])
def test_order_sorts_as_python_does(up: bool, late: bool, skip: bool) -> None:
    """Positions are copied, so ties tell."""
    x = inputs(0)
    order = Order(0, up, late, None, None, skip, value=1, behind=0 if skip else 1, default=0)
    found = last(order.units(Ground(FRAME, [5, 9])), x)
    for row, got in zip(x, found, strict=True):
        places = list(range(int(skip), int((row >= 0).sum())))
        places.sort(key=lambda i: (row[i] if up else -row[i], -i if late else i))
        first = int(skip)
        assert got[first : first + len(places)].tolist() == places


def test_order_leaves_out_what_came_before() -> None:
    """Each letter after the first place once, the largest first; nothing beyond the last."""
    x = inputs(1)
    x[:, 0] = 4
    x[:, 1:] = np.where(x[:, 1:] == 4, 3, x[:, 1:])
    order = Order(0, False, False, zero=0, counted="before", skip=True, value=0, behind=0, default=4)
    for row, got in zip(x, last(order.units(Ground(FRAME, [5, 9])), x), strict=True):
        letters = row[1:][row[1:] >= 0].tolist()
        kept = sorted(set(letters), reverse=True)
        assert got[1 : len(letters) + 1].tolist() == (kept + [4] * 9)[: len(letters)]


def test_a_match_is_the_bracket_that_is_closed() -> None:
    """Of two kinds of brackets, over all prefixes that are balanced so far."""
    side = np.array([0, 1, 0, 1, 2])
    match = Match(side, 0, "all", "before", value=1, default=0)
    causal = Frame(5, 9, 3, causal=True)
    bench = Bench(causal, np.array([[0, 2, 3, 0, 1, 1, 2, 3, 4]]))
    values = list(bench.inputs)
    for u in match.units(Ground(causal, [5, 9])):
        values.append(bench.unit(u, values))
    assert [int(values[-1][0, i]) for i in (2, 4, 5, 7)] == [1, 3, 0, 6]


def test_a_balance_is_a_difference_of_counts() -> None:
    x = inputs(2)
    balance = Balance(np.array([0, 0, 1, 2, 1]), "all")
    found = last(balance.units(Ground(FRAME, [5, 9])), x) - FRAME.length
    more = ((x == 0) | (x == 1)).sum(1) - ((x == 2) | (x == 4)).sum(1)
    assert (found == more[:, None]).all()


def test_drawn_and_varied_motifs_run_on_any_draft() -> None:
    """Every relation and table fits what it reads, whatever variables there are, in every direction."""
    rng, laid_out = np.random.default_rng(3), 0
    for _ in range(150):
        draft = random_draft(rng)
        ground = Ground(draft.frame, draft.sizes())
        motif = drawn(ground, rng)
        while motif is not None and rng.random() < 0.8:
            motif = varied(motif, ground, rng)
        bench = Bench(draft.frame, rng.integers(-1, draft.frame.tokens, size=(20, draft.frame.length)))
        values = bench.run(draft)
        for u in laid(motif, ground) if motif is not None else ():
            values.append(bench.unit(u, values))
            laid_out += 1
    assert laid_out > 300
