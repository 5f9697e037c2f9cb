"""Laws of the causal test of readings: what a head really follows can stand in its place, and refitted weights are the planted ones."""

import numpy as np
import pytest
from known import TOMITA2, by_counts, by_previous, shipped, task_of

from janiform.decompile.trained.extract import extract
from janiform.decompile.trained.heads import Reading
from janiform.decompile.trained.selectors import EVERY, offset
from janiform.decompile.trained.swap import likeliest, swap
from janiform.model.checkpoints import load_trained, names
from janiform.tasks import sampler


@pytest.mark.parametrize("model", [by_counts(), by_previous()])
def test_readings_of_known_heads_stand_in_their_place(model):
    """Heads that were made to follow a selector lose nothing where it is put there."""
    readings = extract(model, TOMITA2).readings
    assert readings
    done = swap(model, TOMITA2, readings, np.random.default_rng(0), n=60)
    assert done.together == done.refitted == 1 and set(done.alone.values()) == {1}


def test_what_a_head_does_not_follow_is_told():
    """A head that looks at the token before does not do what it did when it looks at everything, or two back.

    Looking at everything, but only at ones under zeros and the other way round, tells the same in a string of both in turn.
    """
    for selector, mended in ((EVERY, True), (offset(2), False)):
        wrong = Reading(0, 0, (selector,), 1.0, selector is not EVERY)
        done = swap(by_previous(), TOMITA2, [wrong], np.random.default_rng(0), n=60)
        assert done.together < 0.5 and (done.refitted > 0.5) == mended


@pytest.mark.parametrize("name", [n for n in names() if not n.startswith("tomita7")])
def test_shipped_models_are_their_readings_with_weights_by_token(name):
    """Lists with a weight for each token say what the models say; tomita7's second layer weighs by what the first writes."""
    readings = shipped(name).extraction.readings
    done = swap(load_trained(name), sampler(task_of(name)), readings, np.random.default_rng(1), n=60)
    assert done.refitted >= 0.9


@pytest.mark.parametrize("seed", range(4))
def test_planted_weights_are_found(seed):
    """Patterns over selected keys, by a weight for each token under each token at each distance, give these weights again."""
    rng = np.random.default_rng(seed)
    tokens, planted = rng.integers(3, size=(40, 16)), rng.uniform(0.2, 5, (3, 3, 2))
    taken = np.tri(16, dtype=bool) & (rng.random((40, 16, 16)) < 0.8)
    apart = np.abs(np.arange(16)[:, None] - np.arange(16)) % 2
    pattern = taken * planted[tokens[:, :, None], tokens[:, None, :], apart]
    pattern = pattern / np.maximum(pattern.sum(2, keepdims=True), 1e-9)
    found = likeliest(pattern, taken, tokens, apart, 3)
    assert found / found[:, :1, :1] == pytest.approx(planted / planted[:, :1, :1], rel=1e-3)
