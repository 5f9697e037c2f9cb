"""Algorithmic tasks: array targets are the rule's, domains are whole, samples follow the published distribution."""

import itertools
import time

import numpy as np
import pytest

from janiform.errors import InputError
from janiform.ir.functions import order
from janiform.tasks import NAMES, algorithmic

SMALL = [(name, *sizes) for name in NAMES for sizes in ((8, None), (6, 5), (16, 16), (27, 9))]


def words(exercise, codes, names):
    return [[None if c < 0 else names[c] for c in row] for row in codes.tolist()]


@pytest.mark.parametrize(("name", "vocab_size", "max_len"), SMALL)
def test_targets_are_those_of_the_rule(name, vocab_size, max_len):
    e = algorithmic(name, vocab_size, max_len, 4 if name in ("dyck1", "dyck2", "induction") else None)
    examples = e.sample(np.random.default_rng(1), 2000)
    inputs = e.data(size=10).decode(examples.x)
    padded = [answers + [None] * (e.max_len - len(answers)) for answers in e.solve(inputs)]
    assert words(e, examples.y, e.labels) == padded
    assert list(e.labels) == sorted(set(e.labels), key=order)


@pytest.mark.parametrize(
    ("name", "said", "asked"),
    [
        ("reverse", "<s> 1 2 4 </s>", "- 4 2 1 -"),
        ("sort", "<s> 4 1 4 0 </s>", "- 0 1 4 4 -"),
        ("hist", "<s> 1 4 1", "- 2 1 2"),
        ("double_hist", "<s> 1 4 1 0", "- 1 2 1 2"),
        ("most_freq", "<s> 3 0 1 0 1", "- 0 1 3 <s> <s>"),
        ("dyck1", "<s> ( ( ) ) ( ) ) (", "- P P P T P T F F"),
        ("dyck2", "<s> { ( ) } ( } )", "- P P P T P F F"),
        ("induction", "<s> 2 a 1 b 1 a 1 b", "- - <unk> - <unk> - 1 - 1"),
    ],
)
def test_what_each_task_asks(name, said, asked):
    answers = [None if a == "-" else a for a in asked.split()]
    assert algorithmic(name).solve([said.split()]) == [answers]


@pytest.mark.parametrize("name", NAMES)
def test_a_domain_holds_each_input_once_and_every_sample(name):
    e = algorithmic(name, 5, 6, 4 if name in ("dyck1", "dyck2", "induction") else None)
    domain = e.domain()
    assert len(domain) == e.size
    listed = set(map(tuple, domain.x.tolist()))
    sampled = set(map(tuple, e.sample(np.random.default_rng(0), 20_000).x.tolist()))
    assert len(listed) == e.size
    assert sampled <= listed
    if name in ("reverse", "hist"):
        assert sampled == listed


def test_domains_have_the_published_sizes():
    assert algorithmic("reverse").size == algorithmic("sort").size == 19_530
    assert algorithmic("hist").size == algorithmic("most_freq").size == 335_922
    assert algorithmic("dyck1").size == 2**15
    assert algorithmic("induction", 10).size == len(algorithmic("induction", 10).domain()) == 133_760


def test_a_domain_too_large_is_refused_with_its_size():
    with pytest.raises(InputError, match="1,073,741,824 inputs"):
        algorithmic("dyck2").domain()


def test_lengths_are_uniform():
    x = algorithmic("hist").sample(np.random.default_rng(0), 70_000).x
    lengths = np.bincount((x >= 0).sum(1))
    assert lengths[:2].tolist() == [0, 0]
    assert abs(lengths[2:] / 10_000 - 1).max() < 0.05


def test_half_of_the_brackets_begin_balanced():
    """Of eight steps, cut to fifteen brackets, as published: at least half of the inputs never fail."""
    e = algorithmic("dyck1")
    y = e.sample(np.random.default_rng(0), 20_000).y
    failed = (y == e.labels.index("F")).any(1).mean()
    by_chance = (
        sum(min(itertools.accumulate(walk)) < 0 for walk in itertools.product((1, -1), repeat=15)) / 2**15
    )
    assert abs(failed - by_chance / 2) < 0.02


def test_shorter_beginnings_are_followed_by_random_brackets():
    """Grown in a single step, half of the inputs begin with one pair."""
    e = algorithmic("dyck1", max_len=3, min_len=2)
    pair = e.sample(np.random.default_rng(0), 20_000).y[:, 2] == e.labels.index("T")
    assert abs(pair.mean() - (1 / 2 + 1 / 2 * 1 / 4)) < 0.02


def test_splits_are_81_9_and_10_percent():
    data = algorithmic("sort").data(seed=3)
    assert [len(s) for s in (data.train, data.validation, data.test)] == [16_200, 1_800, 2_000]
    again = algorithmic("sort").data(seed=3)
    assert (data.test.x == again.test.x).all()
    assert (data.test.x != algorithmic("sort").data(seed=4).test.x).any()
    assert not data.pooled


@pytest.mark.parametrize(("name", "size"), [("reverse", 19_530), ("hist", 20_000), ("induction", 8_154)])
def test_distinct_data_shares_no_input_between_sets(name, size):
    """There are as many as asked for, or all that exist."""
    data = algorithmic(name).data(distinct=True)
    rows = np.concatenate([data.train.x, data.validation.x, data.test.x])
    assert len(rows) == len(np.unique(rows, axis=0)) == size


@pytest.mark.parametrize("name", NAMES)
def test_a_hundred_thousand_are_drawn_within_two_seconds(name):
    start = time.process_time()
    algorithmic(name).sample(np.random.default_rng(0), 100_000)
    assert time.process_time() - start < 2


def test_faults_are_named():
    with pytest.raises(InputError, match="'rev'; there are reverse, sort"):
        algorithmic("rev")
    for name in NAMES:
        with pytest.raises(InputError, match="choose|takes"):
            algorithmic(name, max_len=1)
        if name not in ("dyck1", "dyck2"):
            with pytest.raises(InputError, match="tokens"):
                algorithmic(name, 2)
        with pytest.raises(InputError):
            algorithmic(name, min_len=99)
    with pytest.raises(InputError, match="at least 10"):
        algorithmic("hist").data(size=9)
    with pytest.raises(InputError, match="'9' at position 1"):
        algorithmic("hist").solve([["<s>", "9"]])
