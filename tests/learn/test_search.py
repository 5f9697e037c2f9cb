"""The search: changes are judged by what they truly do, and growing finds what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from tests.learn.random_drafts import all_inputs, random_draft

from janiform.learn.climb import Climbing, empty, predicted, race, score, wrong_rows
from janiform.learn.draft import Bench, Frame, Tally, logits
from janiform.learn.grow import Growth
from janiform.learn.output import fit_output
from janiform.learn.search import Search
from janiform.tasks import algorithmic


@pytest.mark.parametrize("seed", range(8))
def test_a_changed_state_is_the_state_of_the_changed_draft(seed: int):
    """What is computed again after a change gives the loss that the whole would."""
    rng = np.random.default_rng(seed)
    draft = random_draft(rng, units=4, numbers=False)
    x = all_inputs(draft.frame)
    y = np.where(x >= 0, rng.integers(3, size=x.shape), -1)
    search = Search(Bench(draft.frame, x), y, rng)
    at = search.state(draft)
    for i in range(len(draft.units)):
        for unit in list(search.variants(draft, i))[:10]:
            new = search.changed(at, i, unit)
            assert new.loss == pytest.approx(search.state(draft.with_unit(i, unit)).loss)


@pytest.mark.parametrize("seed", range(4))
def test_a_sweep_never_raises_the_loss(seed: int):
    rng = np.random.default_rng(seed)
    draft = random_draft(rng, units=4, numbers=False)
    x = all_inputs(draft.frame)
    y = np.where(x >= 0, rng.integers(3, size=x.shape), -1)
    search = Search(Bench(draft.frame, x), y, rng)
    at = search.state(draft)
    assert search.sweep(at, range(4)).loss <= at.loss


def test_a_fitted_output_is_right_where_a_variable_tells_the_label():
    """hist from the one count that decides it."""
    exercise = algorithmic("hist", 5, 5)
    data = exercise.domain()
    frame = Frame(len(exercise.signature.vocab), 5, len(exercise.labels))
    draft = empty(frame)
    same = Tally(0, 0, np.eye(frame.tokens, dtype=bool), "all")
    draft = type(draft)(frame, (same,), (*draft.weights, np.zeros((6, frame.labels))), draft.bias)
    fitted = fit_output(draft, Bench(frame, data.x).run(draft), data.y)
    assert score(fitted, data) == (1.0, 1.0)


def test_growing_finds_the_head_that_decides():
    exercise = algorithmic("hist", 6, 6)
    data = exercise.sample(np.random.default_rng(0), 400)
    frame = Frame(len(exercise.signature.vocab), 6, len(exercise.labels))
    rng = np.random.default_rng(1)
    bench = Bench(frame, data.x)
    at = Search(bench, data.y, rng).state(empty(frame))
    growth = Growth(at, bench, data.y, np.ones(len(data)), rng)
    best = growth.best(800)
    assert best is not None
    grown = growth.grown(best)
    fitted = fit_output(grown, bench.run(grown), data.y)
    assert score(fitted, data)[0] == 1.0


def test_a_race_is_the_same_from_the_same_seed():
    exercise = algorithmic("sort", 5, 5)
    data = exercise.data(size=2000).train
    frame = Frame(len(exercise.signature.vocab), 5, len(exercise.labels))
    ends = []
    for _ in range(2):
        *_, last = race(data, [empty(frame)], Climbing(climbs=2, rounds=3, tries=300), seed=7)
        ends.append(logits(last.draft, Bench(frame, data.x).run(last.draft)))
    assert (ends[0] == ends[1]).all()


def test_wrong_rows_are_those_with_a_wrong_label():
    exercise = algorithmic("reverse", 5, 5)
    data = exercise.domain()
    draft = empty(Frame(len(exercise.signature.vocab), 5, len(exercise.labels)))
    wrong = ((predicted(draft, data.x) != data.y) & (data.y >= 0)).any(1)
    assert wrong_rows(draft, data).tolist() == np.flatnonzero(wrong).tolist()
