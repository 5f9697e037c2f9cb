"""Tracr's library of example programs, for ``tracr.compiler.lib``: the same functions, parameters and values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from janiform.errors import ProgramError
from janiform.interop.tracr import rasp
from janiform.interop.tracr.rasp import Aggregate, Comparison, Select, SelectorWidth, SOp, numerical
from janiform.ir.nodes import Value


def make_length() -> SOp:
    """Return the length of the input, by counting every position.

    >>> make_length()("abc")
    [3, 3, 3]
    """
    everywhere = Select(rasp.tokens, rasp.tokens, Comparison.TRUE).named("all_true_selector")
    return SelectorWidth(everywhere).named("length")


length = make_length()


def make_reverse(sop: SOp) -> SOp:
    """Return ``sop`` from its last position to its first.

    >>> make_reverse(rasp.tokens)("abc")
    ['c', 'b', 'a']
    """
    mirrored = (length - rasp.indices - 1).named("opp_idx-1")
    opposite = Select(rasp.indices, mirrored, Comparison.EQ).named("reverse_selector")
    return Aggregate(opposite, sop).named("reverse")


def make_frac_prevs(bools: SOp) -> SOp:
    """Return at each position the fraction of true values up to it.

    >>> make_frac_prevs(rasp.tokens == "a")("ab")
    [True, 0.5]
    """
    up_to_here = Select(rasp.indices, rasp.indices, Comparison.LEQ)
    return numerical(Aggregate(up_to_here, numerical(bools), default=0)).named("frac_prevs")


def make_pair_balance(sop: SOp, open_token: str, close_token: str) -> SOp:
    """Return at each position the fraction of opening tokens up to it, less that of closing ones.

    >>> make_pair_balance(rasp.tokens, "(", ")")("()")
    [1, 0.0]
    """
    opened = make_frac_prevs((sop == open_token).named("bools_open")).named("opens")
    closed = make_frac_prevs((sop == close_token).named("bools_close")).named("closes")
    return numerical(rasp.LinearSequenceMap(opened, closed, 1, -1)).named("pair_balance")


def make_shuffle_dyck(pairs: list[str]) -> SOp:
    """Return everywhere whether each pair of brackets is balanced by itself, however the pairs interleave.

    >>> make_shuffle_dyck(["()", "[]"])("([)]")
    [True, True, True, True]
    """
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise ProgramError(
            f"pairs are strings of an opening and a closing token, at least one; got {pairs!r}"
        )
    balances = [make_pair_balance(rasp.tokens, *pair).named(f"balance_{pair}") for pair in pairs]
    negative = reduce(lambda x, y: x | y, [balance < 0 for balance in balances])
    closed = reduce(lambda x, y: x & y, [balance == 0 for balance in balances])

    everywhere = Select(rasp.indices, rasp.indices, Comparison.TRUE).named("select_all")
    last = Select(rasp.indices, length - 1, Comparison.EQ).named("select_last")
    ever_negative = numerical(Aggregate(everywhere, numerical(negative).named("any_negative"), default=0))
    closed_at_last = Aggregate(last, closed).named("last_zero")
    return (closed_at_last & (~ever_negative.named("has_neg")).named("not_has_neg")).named("shuffle_dyck")


def make_shuffle_dyck2() -> SOp:
    """Return everywhere whether round and curly brackets are balanced.

    >>> make_shuffle_dyck2()("({)}")
    [True, True, True, True]
    """
    return make_shuffle_dyck(["()", "{}"]).named("shuffle_dyck2")


def make_hist() -> SOp:
    """Return how often each token occurs.

    >>> make_hist()("aba")
    [2, 1, 2]
    """
    return SelectorWidth(Select(rasp.tokens, rasp.tokens, Comparison.EQ).named("same_tok")).named("hist")


def make_sort_unique(vals: SOp, keys: SOp) -> SOp:
    """Return ``vals`` in the order of ``keys``, which must all differ.

    >>> make_sort_unique(rasp.tokens, rasp.tokens)([3, 1, 2])
    [1, 2, 3]
    """
    place = SelectorWidth(Select(keys, keys, Comparison.LT).named("smaller")).named("target_pos")
    return Aggregate(Select(place, rasp.indices, Comparison.EQ), vals).named("sort")


def make_sort(vals: SOp, keys: SOp, *, max_seq_len: int, min_key: float) -> SOp:
    """Return ``vals`` in the order of ``keys``, equal ones in order of position.

    Keys are told apart by adding less than ``min_key``, the smallest difference between two of them.

    >>> make_sort(rasp.tokens, rasp.tokens, max_seq_len=4, min_key=1)([3, 1, 3])
    [1, 3, 3]
    """
    return make_sort_unique(
        vals, rasp.SequenceMap(lambda key, i: key + min_key * i / max_seq_len, keys, rasp.indices)
    )


def make_sort_freq(max_seq_len: int) -> SOp:
    """Return the tokens from the most frequent to the rarest, equal ones in order of position.

    >>> make_sort_freq(4)("aba")
    ['a', 'a', 'b']
    """
    rarity = -1 * make_hist()
    return make_sort(rasp.tokens, rarity, max_seq_len=max_seq_len, min_key=1).named("sort_freq")


def shift_by(offset: int, /, sop: SOp) -> SOp:
    """Return ``sop`` moved ``offset`` positions to the right, undefined where nothing moved to.

    >>> shift_by(1, rasp.tokens)("abc")
    [None, 'a', 'b']
    """
    before = Select(rasp.indices, rasp.indices, lambda key, query: query == key + offset)
    return Aggregate(before, sop, default=None).named(f"shift_by({offset})")


def detect_pattern(sop: SOp, pattern: Sequence[Value]) -> SOp:
    """Return where ``pattern`` ends in ``sop``; undefined where it could not have begun.

    >>> detect_pattern(rasp.tokens, "ab")("cab")
    [None, False, True]
    """
    if len(pattern) < 1:
        raise ValueError(f"a pattern has at least one element, got {pattern!r}")
    last = len(pattern) - 1
    found = [shift_by(last - i, sop == x) if i < last else sop == x for i, x in enumerate(pattern)]
    return reduce(lambda x, y: x & y, found).named(f"detect_pattern({pattern})")


def make_count_less_freq(n: int) -> SOp:
    """Return everywhere how many tokens occur at most ``n`` times.

    >>> make_count_less_freq(1)("aab")
    [1, 1, 1]
    """
    hist = make_hist()
    rare = Select(hist, hist, lambda key, query: key <= n).named("select_less")
    return SelectorWidth(rare).named("count_less_freq")


def make_count(sop: SOp, token: Value) -> SOp:
    """Return everywhere how often ``token`` occurs in ``sop``.

    >>> make_count(rasp.tokens, "a")("aba")
    [2, 2, 2]
    """
    return SelectorWidth(Select(sop, sop, lambda key, query: key == token)).named(f"count_{token}")


def make_nary_sequencemap(f: Callable[..., Any], *sops: SOp) -> SOp:
    """Return ``f`` of any number of sequences, position by position.

    >>> make_nary_sequencemap(max, rasp.tokens, rasp.indices, rasp.Full(1))([0, 0, 0])
    [1, 1, 2]
    """
    return rasp.NaryMap(f, *sops)
