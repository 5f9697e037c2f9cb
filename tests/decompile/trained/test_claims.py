"""Laws of literals: among them is the one that parts rows where an answer changes, however far out that is."""

import numpy as np
import pytest

from janiform.decompile.trained.features import MARGIN, Feature, claims, parting
from janiform.decompile.trained.selectors import EVERY, token_is
from janiform.ir.nodes import Count


@pytest.mark.parametrize("depth", [3, MARGIN, 12, 20])
def test_a_difference_of_counts_is_compared_with_what_decides(depth):
    """A bracket may open below some depth, which is a constant that no list of constants need hold."""
    rng = np.random.default_rng(depth)
    closed = rng.integers(30, size=400)
    opened = closed + rng.integers(depth + 1, size=400)
    several = [Feature(Count(token_is(t)), "count", (), EVERY) for t in "ab"]
    wanted = opened - closed < depth
    made, truth = claims(several, [opened, closed], (), [(wanted, np.ones(400))])
    assert ((truth == wanted).all(1) | (truth == ~wanted).all(1)).any()
    for claim, holds in zip(made, truth, strict=True):
        for row in range(5):
            numbers = (int((opened, closed)[i][row]) for i in claim.args)
            assert claim.fn(*numbers) == holds[row]


@pytest.mark.parametrize("seed", range(5))
def test_where_an_answer_changes_is_found(seed):
    """Up to a number and beyond it rows answer differently, but for a few."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-20, 60, size=500)
    k = int(rng.integers(-15, 55))
    truth = (x > k) ^ (rng.random(500) < 0.02)
    assert abs(parting(x, truth, np.ones(500)) - k) <= 1
