"""Controls keep what they promise to keep, and mixtures their ratios."""

import numpy as np
import pytest

from janiform.errors import InputError
from janiform.tasks.procedural import Mixture, NGram, Shuffled, Transduction, read, rows
from janiform.tasks.procedural.draws import row_keys, stream

KEYS = row_keys(stream("controls"), np.arange(3000, dtype=np.uint64))


def filled(task):
    tokens = np.empty((len(KEYS), task.width), np.uint16)
    begin, end = task.fill(KEYS, tokens)
    return tokens, np.broadcast_to(begin, len(KEYS)), np.broadcast_to(end, len(KEYS))


@pytest.mark.parametrize(
    "text",
    ["set(longest=9)", "stack(longest=9, shortest=3)", "haystack(pairs=4, symbols=20)", "dyck(length=20)"],
)
def test_a_shuffled_row_has_the_tokens_and_targets_of_its_task(text):
    """Row by row the same multiset of tokens, the same padding, the same places of targets."""
    task = read(text)
    plain, *span = filled(task)
    shuffled, *same = filled(Shuffled(task))
    assert all((a == b).all() for a, b in zip(span, same))
    assert (np.sort(plain, axis=1) == np.sort(shuffled, axis=1)).all()
    assert ((plain == task.pad) == (shuffled == task.pad)).all()
    assert (plain != shuffled).any(axis=1).mean() > 0.9


def test_every_order_comes_as_often():
    """The separator of a shuffled row is anywhere with equal chance."""
    tokens, *_ = filled(Shuffled(Transduction("identity", 9, 4)))
    found = np.bincount((tokens == 9).argmax(axis=1), minlength=9)
    assert np.abs(found - len(KEYS) / 9).max() < 5 * (len(KEYS) / 9) ** 0.5


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "text",
    ["reverse(symbols=5, longest=4)", "set(symbols=6, longest=5, shortest=2)", "dyck(kinds=2, length=12)"],
)
def test_a_look_alike_has_the_n_grams_of_its_task(text, n):
    """No n-gram is new, and each is about as frequent as in the task."""
    task = read(text)

    def grams(tokens):
        """n-grams before the padding, their place left out, with those that begin a row marked as such."""
        marked = np.concatenate([np.full((len(tokens), n - 1), 999), tokens.astype(int)], axis=1)
        windows = np.lib.stride_tricks.sliding_window_view(marked, n, axis=1)
        windows = windows[windows[..., -1] != task.pad]
        kinds, counts = np.unique(windows, axis=0, return_counts=True)
        return dict(zip(map(tuple, kinds.tolist()), (counts / counts.sum()).tolist()))

    wanted = grams(rows(task, 0, 20_000).tokens)
    found = grams(filled(NGram(task, n, 20_000 * task.width))[0])
    lost = sum(share for gram, share in found.items() if gram not in wanted)
    assert lost < (0.05 if n > 1 else 1e-9)  # a chain goes on anew where rows of the task would have ended
    assert sum(abs(found.get(g, 0) - share) for g, share in wanted.items()) < 0.35
    if n == 2:
        far = grams(filled(NGram(task, 1, 20_000 * task.width))[0])
        distances = [sum(abs(some.get(g, 0) - share) for g, share in wanted.items()) for some in (found, far)]
        assert distances[0] < distances[1] / 2


def test_a_chain_of_enough_tokens_is_the_task():
    """With n beyond the length of a row, look-alikes are rows of the task."""
    task = read("sort(symbols=4, longest=3)")
    known = {tuple(r) for r in rows(task, 0, 3000).tokens.tolist()}
    assert {tuple(r) for r in filled(NGram(task, 8))[0].tolist()} <= known


def test_targets_of_a_look_alike_are_those_of_its_task():
    task = read("set(longest=9, shortest=2)")
    _, *span = filled(task)
    tokens, *same = filled(NGram(task))
    assert all((a == b).all() for a, b in zip(span, same))
    assert ((tokens != task.pad).sum(axis=1) == span[1]).all()


def test_a_mixture_keeps_its_ratios():
    """Each part is drawn with its share, and its rows are as they are alone."""
    parts = [Transduction("sort", 9, n) for n in (3, 4, 5)]
    mixed = Mixture(tuple(parts), (6, 3, 1))
    tokens, begin, end = filled(mixed)
    found = np.bincount(begin)[4:]
    for share, count in zip((0.6, 0.3, 0.1), found):
        assert abs(count - share * len(KEYS)) < 5 * (share * len(KEYS)) ** 0.5
    for row, b, e in zip(tokens.tolist(), begin, end):
        assert row[b:e] == sorted(row[: b - 1]) and set(row[e:]) <= {mixed.pad}


def test_parts_kept_apart_share_no_token_but_padding():
    """Ids of a part follow those of the part before, and one padding comes last."""
    task = read("apart(haystack(pairs=2, symbols=8) + eca(cells=4, states=2) + set(symbols=5, longest=3))")
    tokens, *_ = filled(task)
    assert task.d_vocab == 8 + 3 + 7 + 1 and task.pad == 18
    kinds = [set(r) - {18} for r in map(set, tokens.tolist())]
    ranges = [set(range(8)), set(range(8, 11)), set(range(11, 18))]
    which = [next(i for i, r in enumerate(ranges) if k <= r) for k in kinds]
    assert set(which) == {0, 1, 2}
    second = tokens[np.array(which) == 1][:, :8] - 8
    above = second[:, :4].astype(int)
    wanted = 110 >> (4 * np.roll(above, 1, 1) + 2 * above + np.roll(above, -1, 1)) & 1
    assert (second[:, 4:] == wanted).all()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: NGram(read("set"), 20), "n from 1 to 10, got 20"),
        (lambda: NGram(read("set"), 2, 5), "a row of 129 tokens or more"),
        (lambda: Mixture((), ()), "each task has a ratio"),
        (lambda: Mixture((read("set"),), (-1,)), "positive"),
        (lambda: Mixture((read("set"), read("set(symbols=50)")), (1, 1)), "keep their tokens apart"),
    ],
)
def test_settings_without_meaning_are_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()
