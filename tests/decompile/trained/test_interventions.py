"""Laws of interchange interventions: what is put in is what stands there after, and nothing else changes."""

import numpy as np
import pytest
from known import TOMITA2, by_counts, shipped

from janiform.decompile.trained.evidence import agree
from janiform.decompile.trained.features import Feature
from janiform.decompile.trained.interventions import (
    Group,
    everywhere,
    grouped,
    intervene,
    one_alike,
    pairs,
    two_traded,
)
from janiform.decompile.trained.observe import observe
from janiform.decompile.trained.selectors import EVERY, token_is
from janiform.ir.nodes import And, Count
from janiform.model.checkpoints import load_trained
from janiform.tasks import sampler

ONES = Count(token_is("1"))
ZEROS = Count(token_is("0"))


def feature(node, *heads):
    return Feature(node, "count", tuple(heads))


@pytest.mark.parametrize("name", ["D3", "unique_copy", "sort", "aastar"])
def test_pairs_are_of_about_one_length(name):
    """Each input has another beside it that is a row of the same draw, at most three places off in order of length."""
    task = sampler(name)
    base, source = pairs(task, np.random.default_rng(0), 60, 30)
    lengths = (base.tokens != task.pad).sum(1)
    assert (np.diff(lengths) >= 0).all()
    for row, tokens in enumerate(source.tokens):
        near = [i for i in range(row - 3, row + 4) if 0 <= i < 60 and i != row]
        assert any((base.tokens[i] == tokens).all() for i in near)


def test_groups_share_no_head():
    """Features fall into groups by heads that they have in common, directly or through others."""
    several = [
        feature(ONES, (0, 0)),
        feature(ZEROS, (0, 1)),
        feature(Count(EVERY), (0, 1), (0, 2)),
        feature(Count(And(token_is("0"), EVERY)), (0, 2), (1, 0)),
    ]
    groups = grouped(several)
    assert sorted(g.heads for g in groups) == [((0, 0),), ((0, 1), (0, 2), (1, 0))]
    assert sorted(len(g.nodes) for g in groups) == [1, 3]


def test_moves_are_where_they_may_be():
    """One asked position under the same token; two symbols that trade places; every position where tokens are alike."""
    rng = np.random.default_rng(0)
    base, source = pairs(TOMITA2, rng, 80, 20)
    moved, origin = one_alike(base, source, rng)
    assert set(moved.sum(1)) <= {0, 1} and moved.any()
    for row, place in zip(*np.nonzero(moved), strict=True):
        there = origin[row, place]
        assert base.asked[row, place] and source.asked[row, there]
        assert base.tokens[row, place] == source.tokens[row, there]

    task = sampler("unique_copy")
    base, _ = pairs(task, rng, 80, 20)
    moved, origin = two_traded(task, base, rng)
    assert set(moved.sum(1)) == {0, 2}
    for row in np.flatnonzero(moved.any(1)):
        one, other = np.flatnonzero(moved[row])
        assert (origin[row, one], origin[row, other]) == (other, one)
        assert (base.tokens[row, [one, other]] < task.bos).all()
        sep = (base.tokens[row] == task.sep).argmax()
        assert (one < sep) == (other < sep)


def test_putting_in_what_stands_there_already_changes_nothing():
    """An intervention from an input on itself leaves model and interpreter as they were."""
    task, model = sampler("tomita7"), load_trained("tomita7-2l1h16")
    base, _ = pairs(task, np.random.default_rng(0), 40, 30)
    group = Group(((0, 0),), (ONES, ZEROS), False)
    done = intervene(model, task, group, base, base, np.random.default_rng(0))
    assert everywhere(task, base, base)[0].any()
    assert (done.before == done.after)[base.asked].all()
    for node in group.nodes:
        assert done.plain.values(node) == done.changed.values(node)


def test_the_interpreter_reads_what_is_put_in():
    """Where a count is moved, the changed run holds the other input's count, and elsewhere its own."""
    rng = np.random.default_rng(3)
    base, source = pairs(TOMITA2, rng, 60, 20)
    group = Group(((0, 0),), (ONES,), False)
    done = intervene(by_counts(), TOMITA2, group, base, source, np.random.default_rng(5))
    moved, origin = one_alike(base, source, np.random.default_rng(5))
    theirs = (source.tokens == 1).cumsum(1)
    for row, values in enumerate(done.changed.values(ONES)):
        mine = (base.tokens[row] == 1).cumsum()
        for place, value in enumerate(values):
            expected = theirs[row, origin[row, place]] if moved[row, place] else mine[place]
            assert value == expected


def test_a_model_answers_by_what_is_put_in():
    """A model that reads nothing but its head answers, under the intervention, as it does on the other input."""
    model = by_counts()
    base, source = pairs(TOMITA2, np.random.default_rng(3), 60, 20)
    group = Group(((0, 0),), (ONES, ZEROS), False)
    done = intervene(model, TOMITA2, group, base, source, np.random.default_rng(5))
    moved, origin = one_alike(base, source, np.random.default_rng(5))
    there = observe(model, TOMITA2, source, offsets=False).said
    rows, places = np.nonzero(moved)
    assert len(rows) > 20
    assert (done.after[rows, places] == there[rows, origin[rows, places]]).all()
    still = agree(done.before, done.after, base.asked & ~moved)
    assert still.all()


@pytest.mark.parametrize("name", ["D2-1l1h16", "D3-1l1h16", "tomita4-2l2h16", "tomita7-2l1h16"])
def test_interventions_tell_that_programs_are_mechanisms(name):
    """Of interventions that change an answer most change it to what the program says; a wrong program would not."""
    for found in shipped(name).interchanges:
        assert found.n and found.changing > 10
        assert found.agreed >= found.changing_agreed >= 0.85 * found.changing
