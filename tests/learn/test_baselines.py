"""Baselines: scores count what they say, and each baseline learns what it can and no more."""

import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from janiform.errors import InputError
from janiform.ir.semantics import Signature
from janiform.learn.baselines import (
    Standard,
    bag_of_words,
    class_accuracy,
    iob2_f1,
    sequence_accuracy,
    standard,
    token_accuracy,
    unigram,
)
from janiform.tasks.examples import Data, Examples

TAGS = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")


def codes(*rows: str) -> np.ndarray:
    """Write sentences of tags as padded codes."""
    width = max(len(r.split()) for r in rows)
    found = np.full((len(rows), width), -1)
    for i, row in enumerate(rows):
        found[i, : len(row.split())] = [TAGS.index(t) for t in row.split()]
    return found


def test_scores_leave_out_what_is_not_asked() -> None:
    """Positions of target -1 change no score, whatever is predicted there."""
    y = np.array([[0, 1, -1], [1, 1, 1], [-1, -1, -1]])
    for rest in (0, 1, -1):
        predicted = np.array([[0, 0, rest], [1, 1, 1], [rest] * 3])
        assert token_accuracy(y, predicted) == 0.8
        assert sequence_accuracy(y, predicted) == 0.5


def test_scores_refuse_other_shapes_and_empty_targets() -> None:
    with pytest.raises(InputError, match=r"shape \[n, max_len\], got \[2, 3\] and \[2, 2\]"):
        token_accuracy(np.zeros((2, 3), int), np.zeros((2, 2), int))
    with pytest.raises(InputError, match=r"shape \[n\], got \[2, 3\]"):
        class_accuracy(np.zeros((2, 3), int), np.zeros((2, 3), int))
    with pytest.raises(InputError, match="nothing is asked"):
        sequence_accuracy(np.full((2, 3), -1), np.zeros((2, 3), int))


def test_entities_are_scored_strictly() -> None:
    """An entity counts where beginning, end and type agree; one that does not begin with B- is none."""
    pytest.importorskip("seqeval", reason="the extra janiform[text] is not installed")
    y = codes("B-LOC I-LOC O B-PER", "B-PER O")
    for predicted, right, said in (
        (y, 3, 3),
        (codes("B-LOC I-LOC O I-PER", "B-PER O"), 2, 2),  # no B-: no entity
        (codes("B-LOC O O B-LOC", "B-PER O"), 1, 3),  # a wrong end, a wrong type
        (codes("O O O O", "O O"), 0, 0),
    ):
        score = iob2_f1(TAGS, y, predicted, y)
        precision, recall = right / said if said else 0, right / 3
        assert score[:2] == pytest.approx((precision, recall))
        assert score.f1 == pytest.approx(2 * right / (said + 3))


def test_entities_need_tags() -> None:
    pytest.importorskip("seqeval", reason="the extra janiform[text] is not installed")
    with pytest.raises(InputError, match="'LOC' is no IOB2 tag"):
        iob2_f1(("LOC",), np.zeros((1, 1), int), np.zeros((1, 1), int), np.zeros((1, 1), int))


def drawn(
    answer: Callable[[np.ndarray], np.ndarray],
    pooled: bool,
    n: int = 600,
    letters: str = "abcdef",
    **signature: bool,
) -> Data:
    """Make data of up to 8 letters, labeled by ``answer`` on codes that are -1 past the end."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, len(letters), (n, 8))
    x[np.arange(8) >= rng.integers(2, 9, n)[:, None]] = -1
    whole = Examples(x, answer(x))
    train, validation, test = (
        whole.take(slice(*ends)) for ends in ((0, n - 200), (n - 200, n - 100), (n - 100, n))
    )
    labels = tuple(range(int(whole.y.max()) + 1))
    return Data("toy", Signature(letters, 8, **signature), labels, pooled, train, validation, test)


def previous(x: np.ndarray) -> np.ndarray:
    """Ask each token for the one before it, and nothing of the first."""
    y = np.where(x >= 0, np.roll(x, 1, axis=1), -1)
    y[:, 0] = -1
    return y


def parity_of_letter(x: np.ndarray) -> np.ndarray:
    return np.where(x >= 0, x % 2, -1)


def has_a(x: np.ndarray) -> np.ndarray:
    return (x == 0).any(1).astype(int)


def test_unigram_solves_what_one_token_tells() -> None:
    """A label that the token decides is always right; one that the neighbor decides is right about by chance."""
    data = drawn(parity_of_letter, pooled=False)
    assert token_accuracy(data.test.y, unigram(data).predict(data.test.x)) == 1
    data = drawn(previous, pooled=False)
    assert token_accuracy(data.test.y, unigram(data).predict(data.test.x)) < 0.3


def test_unigram_gives_unseen_tokens_the_leading_label() -> None:
    """A token that training never shows, and '<unk>' always, get the label that leads overall."""
    part = Examples(np.array([[0, 1, 1, 1]]), np.array([[1, 0, 0, 0]]))
    data = Data("toy", Signature(["<unk>", "a", "b"], 4), ("x", "y"), False, part, part, part)
    assert unigram(data).predict(np.array([[0, 1, 2, -1]])).tolist() == [[0, 0, 0, -1]]


def test_each_baseline_refuses_the_other_kind_of_data() -> None:
    with pytest.raises(InputError, match="one label a sequence.*Use bag_of_words"):
        unigram(drawn(has_a, pooled=True))
    with pytest.raises(InputError, match="a label for each token.*Use unigram"):
        bag_of_words(drawn(previous, pooled=False))


def test_bag_of_words_learns_presence_and_is_blind_to_order() -> None:
    """Whether a letter occurs is learned, and no reordering of a sequence changes what is predicted."""
    pytest.importorskip("sklearn", reason="the extra janiform[text] is not installed")
    data = drawn(has_a, pooled=True)
    bag, x = bag_of_words(data), data.test.x
    assert class_accuracy(data.test.y, bag.predict(x)) == 1
    shuffled = np.random.default_rng(1).permuted(x, axis=1)
    assert np.array_equal(bag.predict(x), bag.predict(shuffled))


def test_bag_of_words_counts_where_counts_tell() -> None:
    """Repeated tokens count repeatedly when that is better on the validation part."""
    pytest.importorskip("sklearn", reason="the extra janiform[text] is not installed")
    data = drawn(lambda x: ((x == 0).sum(1) > (x == 1).sum(1)).astype(int), pooled=True, letters="ab")
    bag = bag_of_words(data)
    assert bag.counts and class_accuracy(data.test.y, bag.predict(data.test.x)) > 0.95


@pytest.fixture(scope="module")
def tagger() -> tuple[Data, Standard]:
    data = drawn(previous, pooled=False, n=1200)
    return data, standard(data, layers=1, heads=2, width=32, epochs=25, rate=5e-3, dropout=0.0, patience=25)


def test_standard_learns_from_neighbors(tagger: tuple[Data, Standard]) -> None:
    """Attention finds the token before, where a unigram cannot."""
    data, model = tagger
    assert token_accuracy(data.test.y, model.predict(data.test.x)) > 0.95
    assert model.parameters == sum(w.size for w in model.model.weights().values())


@pytest.mark.parametrize("pooled", [False, True])
def test_padding_never_matters(pooled: bool) -> None:
    """A sequence gets the same answer alone, among longer ones, and cut to its own length."""
    data = drawn(has_a if pooled else previous, pooled)
    model = standard(data, layers=2, heads=2, width=16, epochs=1)
    x = data.test.x[:20]
    together = model.predict(x)
    for row, answer in zip(x, together):
        length = int((row >= 0).sum())
        assert np.array_equal(model.predict(row[None])[0], answer)
        alone = model.predict(row[None, :length])[0]
        assert np.array_equal(alone, answer if pooled else answer[:length])


def test_causal_data_trains_a_causal_model() -> None:
    """What comes later changes no earlier answer."""
    data = drawn(previous, pooled=False, causal=True)
    model = standard(data, layers=1, heads=2, width=16, epochs=1)
    x = data.test.x[(data.test.x >= 0).all(1)]
    changed = x.copy()
    changed[:, 4:] = (x[:, 4:] + 1) % 6
    assert np.array_equal(model.predict(x)[:, :4], model.predict(changed)[:, :4])


def test_same_seed_same_weights() -> None:
    """Drawing, dropout and order follow the seed."""
    data = drawn(has_a, pooled=True)
    torch.manual_seed(7)
    a, b, c = (standard(data, heads=2, width=16, epochs=1, seed=s).model.weights() for s in (3, 3, 4))
    assert all(np.array_equal(a[n], b[n]) for n in a)
    assert not np.array_equal(a["unembed.W_U"], c["unembed.W_U"])


def test_the_best_epoch_is_kept() -> None:
    """Training stops after ``patience`` epochs without a better score, and returns the weights of the best."""
    data, rows = drawn(has_a, pooled=True), []
    scores = iter([0.5, 0.9, 0.6, 0.7])
    short = standard(
        data, heads=2, width=16, epochs=10, patience=2, measure=lambda y, p: next(scores), log=rows.append
    )
    assert (short.epochs, short.validation) == (4, 0.9)
    assert [r["validation"] for r in rows] == [0.5, 0.9, 0.6, 0.7]
    scores = iter([0.5, 0.9, 0.6, 0.7])
    seen = []
    standard(
        data, heads=2, width=16, epochs=10, patience=2, measure=lambda y, p: seen.append(p) or next(scores)
    )
    assert np.array_equal(short.predict(data.validation.x), seen[1])


def test_vectors_start_the_embedding() -> None:
    """With a rate of 0 the embedding is the given vectors, scaled, and the drawn dimensions after them."""
    data, vectors = drawn(has_a, pooled=True), np.arange(24.0).reshape(6, 4)
    W_E = standard(data, heads=2, width=16, epochs=1, rate=0.0, vectors=vectors).model.weights()["embed.W_E"]
    assert np.corrcoef(W_E[:, :4].ravel(), vectors.ravel())[0, 1] == pytest.approx(1)
    for wrong in (np.zeros((5, 4)), np.zeros((6, 17)), np.zeros(6)):
        with pytest.raises(InputError, match=r"shape \[6, at most 16\]"):
            standard(data, heads=2, width=16, vectors=wrong)


def test_settings_that_cannot_be_are_refused() -> None:
    data = drawn(has_a, pooled=True)
    with pytest.raises(InputError, match="a width of 20 cannot be shared by 8 heads"):
        standard(data, width=20)
    with pytest.raises(InputError, match="no token '<unk>'"):
        standard(data, unknown=0.1)
    with pytest.raises(InputError, match="at least one epoch"):
        standard(data, epochs=0)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("sklearn.linear_model", "seqeval.metrics"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"scikit-learn: install the extra janiform\[text\]"):
        bag_of_words(drawn(has_a, pooled=True))
    with pytest.raises(InputError, match=r"seqeval: install the extra janiform\[text\]"):
        iob2_f1(TAGS, codes("O"), codes("O"), codes("O"))
