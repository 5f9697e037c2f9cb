"""Laws of reading heads: what a head follows is found again, and the overlap is the attention that it explains."""

import numpy as np
import pytest
from known import TOMITA2, by_counts, by_previous

from janiform.decompile.trained.evidence import draw
from janiform.decompile.trained.extract import read
from janiform.decompile.trained.features import copied
from janiform.decompile.trained.heads import read_head
from janiform.decompile.trained.observe import Observed, observe
from janiform.decompile.trained.selectors import (
    EVERY,
    SMALL,
    among,
    first_of,
    offset,
    restarting,
    symbols,
    token_is,
    under,
    whatever,
)
from janiform.ir.functions import Apply, Arg
from janiform.ir.nodes import And, Best, Select, Tokens
from janiform.model.checkpoints import load_trained, names
from janiform.tasks import sampler


def following(task, selectors, n=24, longest=20):
    """Inputs of a task, and attention spread evenly over what a priority list takes."""
    shape = load_trained("bin_majority-1l1h16")
    batch = draw(shape, task, np.random.default_rng(0), n, longest=longest, short=n // 4)
    seen = Observed(task, batch, batch.wanted)
    pairs = seen.run().pairs_selected(first_of(selectors))
    seen.patterns[0, 0] = (pairs / np.maximum(pairs.sum(2, keepdims=True), 1)).astype(np.float32)
    return seen, pairs


@pytest.mark.parametrize("name", ["bin_majority", "unique_copy", "tomita4", "most_recent_x", "max"])
@pytest.mark.parametrize(
    "listed",
    [
        lambda task: [EVERY],
        lambda task: [offset(1), EVERY],
        lambda task: [token_is("<sep>"), offset(1), EVERY],
        lambda task: [offset(2), offset(1), EVERY],
        lambda task: [Best(symbols(task), "leftmost"), EVERY],
        lambda task: [symbols(task), EVERY],
        lambda task: [token_is("<bos>")],
    ],
)
def test_a_head_that_follows_a_list_is_read_as_it(name, listed):
    """Where attention is a priority list, the reading explains all of it and takes the same keys."""
    task = sampler(name)
    seen, pairs = following(task, listed(task))
    found = read_head(seen, seen.run(), 0, 0, [], last=False)
    assert found.overlap > 0.98
    taken = seen.run().pairs_selected(first_of(found.selectors))
    assert (taken == pairs).all(2)[seen.counted].mean() > 0.97


LIKE = Select(Apply("==", (Arg(0), Arg(1))), Tokens(), Tokens())


def test_a_head_that_looks_elsewhere_under_some_tokens_is_read_as_it():
    """Under letters at like ones, else at digits: the list says under which, and the set has digits that are rare."""
    task = sampler("histogram")
    digits = among((*"0123456789", "<bos>", "<sep>"))
    seen, pairs = following(task, [under("abcd", LIKE), digits])
    found = read_head(seen, seen.run(), 0, 0, [], last=True)
    assert len(task.symbols) <= SMALL and found.overlap > 0.99
    taken = seen.run().pairs_selected(first_of(found.selectors))
    assert (taken == pairs).all(2)[seen.batch.asked].mean() > 0.99
    assert {whatever(s) for s in found.selectors} == {LIKE, digits}


def test_heads_that_share_two_copies_are_read_as_both():
    """Two heads look half at each of the two tokens before; a later one looks where both are the query's two last."""
    task = sampler("unique_bigram_copy")
    last, first = (copied(offset(by), Tokens()) for by in (1, 2))
    same = Apply("==", (Arg(0), Arg(1)))
    both = And(Select(same, last, restarting(task, Tokens())), Select(same, first, restarting(task, last)))
    seen, pairs = following(task, [both, EVERY], longest=40)
    seen.patterns[1, 0] = seen.patterns[0, 0]
    halves = [seen.run().pairs_selected(offset(by)) / 2 for by in (1, 2)]
    seen.patterns[0, 0] = seen.patterns[0, 1] = sum(halves).astype(np.float32)
    reading = read(seen, 2, [(0, 0), (0, 1), (1, 0)])[-1]
    assert reading.overlap > 0.98
    taken = seen.run().pairs_selected(first_of(reading.selectors))
    assert (taken == pairs).all(2)[seen.batch.asked].mean() > 0.97


@pytest.mark.parametrize("name", names())
def test_overlap_is_the_attention_that_the_list_explains(name):
    """Recomputed from the list alone it is the same, a share, and no less than that of looking at everything."""
    task, model = sampler(name.split("-")[0]), load_trained(name)
    seen = observe(
        model, task, draw(model, task, np.random.default_rng(1), 12, longest=30, short=12 // 4), patterns=True
    )
    run = seen.run()
    for (layer, head), pattern in seen.patterns.items():
        found = read_head(seen, run, layer, head, [], last=False)
        pattern = pattern[:, : run.width, : run.width]
        assert found.overlap == pytest.approx(explained(pattern, run, seen, found.selectors), abs=1e-5)
        assert 0 < found.overlap <= 1 + 1e-5
        assert found.overlap >= explained(pattern, run, seen, [EVERY]) - 0.01


def explained(pattern, run, seen, selectors):
    """The share of attention that lies where a list says."""
    pairs = run.pairs_selected(first_of(selectors))
    even = pairs / np.maximum(pairs.sum(2, keepdims=True), 1)
    return np.minimum(pattern, even).sum(2)[seen.counted[:, : run.width]].mean()


def test_heads_made_by_hand_are_read_as_they_are_made():
    """Averaging is read as everything, and copying from one back as that alone, with its offset."""
    for model, selector, offsets, single in (
        (by_counts(), EVERY, (), False),
        (by_previous(), offset(1), (1,), True),
    ):
        batch = draw(model, TOMITA2, np.random.default_rng(0), 16, longest=60, short=16 // 4)
        seen = observe(model, TOMITA2, batch, patterns=True)
        found = read_head(seen, seen.run(), 0, 0, [], last=True)
        assert found.selectors[0] is selector
        assert (found.offsets, found.single) == (offsets, single)
        assert found.overlap > 0.999
