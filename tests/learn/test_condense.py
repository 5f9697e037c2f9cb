"""Laws of condensing: the same labels on every input, in no longer text, and the program says them too."""

from functools import cache

import numpy as np
import pytest
from tests.learn.random_drafts import all_inputs, random_draft

from janiform.ir.evaluate import evaluate
from janiform.learn.climb import Climbing, empty, predicted, race
from janiform.learn.condense import condense, round_weights
from janiform.learn.draft import Frame
from janiform.learn.harden import harden
from janiform.tasks import algorithmic
from janiform.tasks.examples import Examples
from janiform.text.standalone import to_python

TASKS = [("hist", 5, 5), ("reverse", 5, 6), ("dyck1", None, 8)]


@cache
def learned(task, vocab_size, length, rounds=4):
    """A draft after a few rounds, right or not, with its data and the inputs to agree on."""
    exercise = algorithmic(task, vocab_size, length)
    data = exercise.data(seed=0, size=2000)
    frame = Frame(len(data.signature.vocab), length, len(data.labels), data.signature.causal)
    settings = Climbing(climbs=1, rounds=rounds, tries=600)
    *_, last = race(data.train, [empty(frame)], settings, seed=0)
    return last.draft, data, exercise.domain()


def text(draft, data):
    program = harden(draft, data.signature, data.labels, "out")
    return program, to_python(program, signature=data.signature)


@pytest.mark.parametrize("task", TASKS)
def test_condensed_drafts_say_the_same_in_no_longer_text(task):
    """On the whole domain the labels are those of the draft, and the program's."""
    draft, data, domain = learned(*task)
    short = condense(draft, domain)
    asked = domain.y >= 0
    said = predicted(short, domain.x)
    assert (said == predicted(draft, domain.x))[asked].all()
    assert all(float(x).is_integer() for w in (*short.weights, short.bias) for x in w.ravel())
    program, written = text(short, data)
    assert len(written) <= len(text(condense(draft, domain, passes=(round_weights,)), data)[1])
    rows = np.random.default_rng(0).choice(len(domain), min(500, len(domain)), replace=False)
    inputs = data.decode(domain.x[rows])
    meant = evaluate(program, inputs, signature=data.signature)["out"]
    for r, values in zip(rows, meant, strict=True):
        assert [data.labels[c] for c in said[r][: len(values)]] == values


@pytest.mark.parametrize("task", TASKS)
def test_condensing_again_makes_it_no_longer(task):
    """What is condensed stays as short."""
    draft, data, domain = learned(*task)
    once = condense(draft, domain)
    assert len(text(condense(once, domain), data)[1]) <= 1.1 * len(text(once, data)[1])


def test_the_same_seed_condenses_to_the_same():
    """Nothing is left to chance but the seed."""
    draft, data, domain = learned(*TASKS[1])
    assert text(condense(draft, domain, seed=3), data)[1] == text(condense(draft, domain, seed=3), data)[1]


def test_weights_are_whole_even_where_no_other_pass_is_tried(monkeypatch):
    """Rounding is no pass to go on without."""
    monkeypatch.setattr("janiform.learn.condense.TRIES", 0)
    draft, _, domain = learned(*TASKS[1])
    short = condense(draft, domain)
    assert all(float(x).is_integer() for w in (*short.weights, short.bias) for x in w.ravel())
    assert (predicted(short, domain.x) == predicted(draft, domain.x))[domain.y >= 0].all()


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_random_drafts_keep_their_labels(seed, pooled):
    """Drafts of any units keep every label that is asked, at each position or one an input."""
    rng = np.random.default_rng(seed)
    draft = random_draft(rng, pooled=pooled)
    x = all_inputs(draft.frame)
    said = predicted(draft, x)
    y = said if pooled else np.where((x >= 0) & (rng.random(x.shape) < 0.7), said, -1)
    short = condense(draft, Examples(x, y))
    assert (predicted(short, x) == y)[y >= 0].all()
    assert len(short.units) <= len(draft.units)
