"""Laws of decision lists: planted rules are found, what is said is what the rules say, and nothing shorter is missed."""

import numpy as np
import pytest

from janiform.decompile.trained import rules
from janiform.decompile.trained.rules import Rows

SEEDS = range(12)


def situation(seed, literals=30, rows=400, sources=3):
    """Random literals, and bits for them and for sources."""
    rng = np.random.default_rng(seed)
    truth = rng.random((literals, rows)) < rng.uniform(0.2, 0.8, (literals, 1))
    return rng, truth, rng.uniform(4, 12, literals), rng.uniform(1, 8, sources), np.full(rows, 10.0)


def right_of(answers, sources=3):
    """Where each source would be right, if source s answers s."""
    return np.stack([answers == s for s in range(sources)])


def judged(found, literals, right):
    """Where what was found is right, case by case."""
    for i in range(literals.shape[1]):
        for test, source in found.cases:
            each = [literals[j, i] == wanted for j, wanted in test.literals]
            if all(each) if test.every else any(each):
                yield bool(right[source, i])
                break
        else:
            yield bool(right[found.default, i])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_planted_choice_is_found(seed):
    """One literal, or two joined by and or or, that decides between two answers is found again, at no more bits."""
    rng, truth, costs, prices, weight = situation(seed)
    i, j = rng.choice(len(truth), 2, replace=False)
    for test in (
        rules.Test(((i, True),)),
        rules.Test(((i, True), (j, True))),
        rules.Test(((i, True), (j, False))),
        rules.Test(((i, True), (j, True)), every=False),
    ):
        rows = Rows(truth, costs, right_of(np.where(test.truth(truth), 0, 1)), prices, weight)
        found = rows.best()
        assert found.wrong == 0
        assert found.bits <= rows.made(((test, 0),), 1).bits + 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_a_planted_list_is_found(seed):
    """Two cases and a default, each of one literal, are said without a fault."""
    rng, truth, costs, prices, weight = situation(seed)
    i, j = rng.choice(len(truth), 2, replace=False)
    answers = np.where(truth[i], 0, np.where(truth[j], 1, 2))
    rows = Rows(truth, costs, right_of(answers), prices, weight)
    found = rows.best()
    assert found.wrong == 0
    assert (
        found.bits <= rows.made(((rules.Test(((i, True),)), 0), (rules.Test(((j, True),)), 1)), 2).bits + 1e-9
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_what_rules_say_is_what_their_first_case_says(seed):
    """The weight that is wrong is that of rows on which the cases, gone through one by one, are wrong."""
    rng, truth, costs, prices, weight = situation(seed, rows=120)
    right = rng.random((3, 120)) < 0.5
    found = Rows(truth, costs, right, prices, weight).best()
    fair = right.any(0)
    wrong = weight[fair & ~np.fromiter(judged(found, truth, right), bool)].sum()
    assert found.wrong == pytest.approx(wrong)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_rules_cost_more_than_always_the_same(seed):
    """The description is no longer than that of the best constant, and with no literals it is that."""
    rng, truth, costs, prices, weight = situation(seed)
    right = right_of(rng.integers(0, 3, 400))
    rows = Rows(truth, costs, right, prices, weight)
    constants = [rows.made((), s).bits for s in range(3)]
    assert rows.best().bits <= min(constants) + 1e-9
    bare = Rows(truth[:0], costs[:0], right, prices, weight).best()
    assert (bare.cases, bare.bits) == ((), pytest.approx(min(constants)))


def test_rows_on_which_nothing_is_right_are_no_reason_for_rules():
    """They cost nothing and change nothing."""
    _, truth, costs, prices, weight = situation(0)
    answers = np.where(truth[3], 0, 1)
    right = right_of(answers)
    right[:, :50] = False
    found = Rows(truth, costs, right, prices, weight).best()
    assert found.wrong == 0
    assert found.cases == Rows(truth[:, 50:], costs, right[:, 50:], prices, weight[50:]).best().cases


def test_answers_by_chance_get_no_rules():
    """Where no literal bears on the answer, the evidence for one does not pay for its bits."""
    for seed in SEEDS:
        rng, truth, costs, prices, _ = situation(seed, literals=6)
        right = right_of((rng.random(400) < 0.02).astype(int))
        assert Rows(truth, costs, right, prices, np.full(400, 0.1)).best().cases == ()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_source_that_is_seldom_right_is_found_beside_many_that_often_are(seed):
    """A few rows that only one source gives, under one literal, are a case of their own, however many sources tie elsewhere."""
    rng, truth, costs, _, weight = situation(seed)
    seldom = rng.random(truth.shape[1]) < 0.04
    truth[3] = seldom
    right = np.stack([~seldom] * 6 + [seldom])
    right[1:6] &= rng.random((5, len(seldom))) < 0.9
    found = Rows(truth, costs, right, np.full(7, 8.0), weight).best()
    assert found.wrong == 0 and 6 in {found.default, *(source for _, source in found.cases)}
