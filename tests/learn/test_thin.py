"""Fewer variables that say as much: what a right draft no longer needs goes, and it stays right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.learn.random_drafts import all_inputs, random_draft

from janiform.learn.climb import empty, predicted, score
from janiform.learn.draft import Bench, Frame, Tally
from janiform.learn.output import fit_output
from janiform.learn.thin import thin
from janiform.tasks.examples import Examples


@pytest.mark.parametrize("seed", range(12))
def test_a_draft_that_is_right_stays_right(seed: int) -> None:
    draft = random_draft(np.random.default_rng(seed), units=7)
    x = all_inputs(draft.frame)
    said = predicted(draft, x)
    data = Examples(x, said if draft.frame.pooled else np.where(x >= 0, said, -1))
    thinned = thin(draft, data)
    assert score(thinned, data)[0] == 1.0
    assert len(thinned.units) <= len(draft.units)


def test_what_was_an_approximation_goes() -> None:
    """Counts before and after each token, and then the count of all, which decides alone."""
    frame = Frame(3, 5, 5)
    same = np.eye(3, dtype=bool)
    zeros = tuple(np.zeros((6, 5)) for _ in range(3))
    draft = empty(frame)
    units = tuple(Tally(0, 0, same, mask) for mask in ("before", "after", "all"))
    draft = replace(draft, units=units, weights=(*draft.weights, *zeros))
    x = all_inputs(frame)
    values = Bench(frame, x).run(draft)
    data = Examples(x, np.where(x >= 0, values[-1] - 1, -1))
    fitted = fit_output(draft, values, data.y)
    assert len(fitted.pruned().units) == 3 and score(fitted, data)[0] == 1.0
    assert thin(fitted, data).units == (units[2],)
