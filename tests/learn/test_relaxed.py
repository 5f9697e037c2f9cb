"""Relaxed programs: with hard choices they are their drafts, and training is fixed by its seed."""

import numpy as np
import pytest
import torch

from janiform.errors import InputError
from janiform.learn.anneal import Annealing, Frozen, Heat
from janiform.learn.draft import Bench, Draft, Frame, accuracy, logits
from janiform.learn.relaxed import Relaxation, relax
from janiform.learn.template import Shape, Template
from janiform.tasks.algorithmic import algorithmic

SHAPES = [
    Shape(layers=2, copies=2, tallies=1, tables=2),
    Shape(layers=3, copies=1, tallies=1, tables=1, relations="one"),
    Shape(layers=2, copies=1, tallies=0, tables=1, sums=2, numbers=2),
    Shape(layers=1, copies=2, tallies=1, tables=1, embeddings=3, size=4),
    Shape(layers=2, copies=1, tallies=2, tables=1, numerical=2),
    Shape(layers=2, copies=1, tallies=1, tables=0, numerical=1, edges=3, sums=1, numbers=2),
    Shape(layers=1, copies=0, tallies=2, tables=0),
    Shape(layers=1, copies=0, tallies=0, tables=2),
]
FRAMES = [
    Frame(tokens=6, length=5, labels=3),
    Frame(tokens=3, length=6, labels=4, causal=True),
    Frame(tokens=7, length=4, labels=2, pooled=True),
]


def drawn_inputs(frame: Frame, n: int, seed: int) -> np.ndarray:
    """Inputs of every length up to the longest."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, frame.tokens, (n, frame.length))
    return np.where(np.arange(frame.length) < rng.integers(1, frame.length + 1, (n, 1)), x, -1)


def scores(draft: Draft, x: np.ndarray) -> np.ndarray:
    """What the integer interpreter says, pooled where the draft pools."""
    bench = Bench(draft.frame, x)
    at = logits(draft, bench.run(draft))
    if not draft.frame.pooled:
        return at
    return ((at * bench.valid[..., None]).sum(1) / bench.valid.sum(1)[:, None])[:, None]


@pytest.mark.parametrize("frame", FRAMES, ids=["all", "causal", "pooled"])
@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_a_relaxed_program_with_hard_choices_is_its_draft(frame: Frame, shape: Shape) -> None:
    """On every drawn input and every restart, the argmaxed model scores as the interpreter of the draft does."""
    model = Template(frame, shape, 5, torch.Generator().manual_seed(3))
    x = drawn_inputs(frame, 100, seed=4)
    hard = model.frozen(torch.from_numpy(x)).numpy()
    asked = slice(None) if frame.pooled else x >= 0
    for restart in range(5):
        exact = scores(model.draft(restart), x)
        np.testing.assert_allclose(hard[restart][asked], exact[asked], atol=1e-4)


def test_cooling_ends_at_the_hard_program() -> None:
    """A model that is almost cold and without noise scores as the hard one."""
    frame = FRAMES[0]
    model = Template(frame, SHAPES[0], 3, torch.Generator().manual_seed(0))
    x = torch.from_numpy(drawn_inputs(frame, 50, seed=1))
    with torch.enable_grad():
        cold = model.logits(x, [Heat(1e-6, 1e-6)] * 2).detach()
    torch.testing.assert_close(cold[:, x >= 0], model.frozen(x)[:, x >= 0], atol=1e-3, rtol=0)


def test_lower_layers_cool_first() -> None:
    heats = Annealing().heats(0.5, layers=3)
    assert [h.weights for h in heats] == sorted(h.weights for h in heats)
    assert [h.noise for h in Annealing().heats(1.0, layers=3)] == [0, 0, 0]


def test_choices_are_distributions() -> None:
    w = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    for heat in (Frozen(), Heat(0.7, 0.3), Heat(0.7, 0.3, 1.0, torch.Generator().manual_seed(1))):
        for chosen in (heat.one(w), heat.one_key(w)):
            torch.testing.assert_close(chosen.sum(-1), torch.ones(2, 3))
        assert ((heat.some(w) >= 0) & (heat.some(w) <= 1)).all()


def test_the_same_seed_trains_the_same_program() -> None:
    data = algorithmic("hist", vocab_size=4, max_len=4).data(size=300)
    settings = Relaxation(Shape(layers=1, copies=1, tallies=1, tables=1), restarts=4, steps=12)
    a, b, c = (relax(data, settings, seed=s) for s in (0, 0, 1))
    assert all(repr(p) == repr(q) for p, q in zip(a, b, strict=True))
    assert repr(a) != repr(c)


def test_counting_is_learned() -> None:
    """hist, the easiest published task, comes out exact or nearly so."""
    data = algorithmic("hist", vocab_size=5, max_len=5).data(size=1000)
    settings = Relaxation(Shape(layers=1, copies=0, tallies=2, tables=0), restarts=8, steps=150)
    best = relax(data, settings)[0]
    found = accuracy(scores(best, data.test.x).argmax(2), data.test.y)
    assert found[0] > 0.99


def test_halving_leaves_the_better_restarts() -> None:
    data = algorithmic("hist", vocab_size=4, max_len=4).data(size=300)
    left: list[int] = []
    settings = Relaxation(Shape(layers=1, copies=0, tallies=1, tables=0), restarts=8, steps=9)
    drafts = relax(data, settings, log=lambda p: left.append(p.restarts))
    assert left == [8, 8, 8, 4, 4, 4, 2, 2, 2]
    rights = [accuracy(scores(d, data.validation.x).argmax(2), data.validation.y)[0] for d in drafts]
    assert rights == sorted(rights, reverse=True)


def test_vectors_start_embeddings() -> None:
    """Tokens of equal vectors start in the same categories."""
    frame, shape = FRAMES[0], SHAPES[3]
    vectors = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1], [1, 0], [-1, 0]])
    draft = Template(frame, shape, 2, torch.Generator().manual_seed(0), vectors).draft(0)
    for unit in draft.units[: shape.embeddings]:
        assert unit.cells[0] == unit.cells[2] == unit.cells[4] and unit.cells[1] == unit.cells[3]


def test_faulty_settings_say_what_would_work() -> None:
    with pytest.raises(InputError, match="'sets' or 'one'"):
        Shape(relations="many")
    with pytest.raises(InputError, match="set numbers"):
        Shape(sums=1)
    with pytest.raises(InputError, match="numbers or tallies"):
        Shape(tallies=0, numerical=1)
    with pytest.raises(InputError, match="at least 1"):
        Relaxation(steps=0)
