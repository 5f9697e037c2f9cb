"""Programs in Tracr's language, by name: (expression, vocabulary, maximum length); some of them Tracr refuses."""

import math

from janiform.interop.tracr import lib, rasp
from janiform.interop.tracr.rasp import Aggregate, Comparison, Full, Map, Select, SelectorWidth, SequenceMap

tokens, indices = rasp.tokens, rasp.indices
everywhere = Select(tokens, tokens, Comparison.TRUE)
same = Select(tokens, tokens, Comparison.EQ)
before = Select(indices, indices, Comparison.LT)
shifted = lib.shift_by(1, tokens)


def diamonds(depth: int) -> rasp.SOp:
    x = tokens
    for _ in range(depth):
        x = SequenceMap(lambda a, b: (a + b) % 5, x, Map(lambda a: -a, x))
    return x


def copies(depth: int) -> rasp.SOp:
    """The tokens, read again and again from those equal to them."""
    x = tokens
    for _ in range(depth):
        x = Aggregate(Select(x, x, Comparison.EQ), x)
    return x


def pairs() -> rasp.SOp:
    """The pair of this token and the one before it, and then what is first in it."""
    both = SequenceMap(lambda a, b: (a, b), shifted, tokens)
    return Map(lambda p: p[0] + p[1], both, simplify=False)


LIBRARY = {
    "length": (lib.make_length(), "abc", 4),
    "reverse": (lib.make_reverse(tokens), "abc", 4),
    "pair balance": (lib.make_pair_balance(tokens, "(", ")"), "()a", 4),
    "shuffle dyck": (lib.make_shuffle_dyck(["()", "[]"]), "()[]", 3),
    "shuffle dyck 2": (lib.make_shuffle_dyck2(), "(){}", 3),
    "hist": (lib.make_hist(), "abc", 4),
    "sort unique": (lib.make_sort_unique(tokens, 1 - indices), "abc", 4),
    "sort": (lib.make_sort(tokens, tokens, max_seq_len=4, min_key=1), [1, 2, 3], 4),
    "sort by frequency": (lib.make_sort_freq(4), [1, 2, 3], 4),
    "fraction of previous": (lib.make_frac_prevs(tokens == "a"), "abc", 4),
    "shift": (lib.shift_by(2, tokens), "abc", 4),
    "shift to the left": (lib.shift_by(-1, tokens), "abc", 4),
    "pattern": (lib.detect_pattern(tokens, "aba"), "ab", 4),
    "pattern of numbers": (lib.detect_pattern(tokens, [1, 2]), [1, 2], 4),
    "count less frequent": (lib.make_count_less_freq(1), "abc", 4),
    "count": (lib.make_count(tokens, "a"), "abc", 4),
    "map of three": (
        lib.make_nary_sequencemap(lambda x, y, z: x * y / z, indices, indices, tokens),
        [1, 2],
        4,
    ),
}

ODD = {
    "identity": (tokens, "abc", 3),
    "positions": (indices, "abc", 3),
    "length primitive": (rasp.length, "ab", 4),
    "constant": (Full(7), "ab", 3),
    "constant plus position": (Full(0.5) + indices, "ab", 3),
    "constant sequence": (rasp.ConstantSOp([3, 1, 2]) * 2, "ab", 3),
    "constant selector": (
        Aggregate(rasp.ConstantSelector([[1, 1, 0], [0, 1, 0], [1, 1, 1]]), tokens),  # type: ignore[list-item]
        [0, 1],
        3,
    ),
    "mean of numbers": (Aggregate(everywhere, tokens), [0, 1, 5], 3),
    "mean of means": (
        Aggregate(Select(indices, indices, Comparison.LEQ), Aggregate(same, indices, default=1)),
        [0, 1, 2],
        4,
    ),
    "mean of quarters": (Aggregate(Select(indices, indices, Comparison.LEQ), tokens / 4), [0, 1, 2, 3], 3),
    "mean of numbers beside strings": (
        Aggregate(Select(indices, Full(2), Comparison.LT), Map(lambda x: "two" if x > 1 else x, indices)),
        "ab",
        3,
    ),
    "either of two constants": (
        Aggregate(
            rasp.SelectorOr(Select(tokens, Full(0), Comparison.GT), Select(indices, Full(0), Comparison.GEQ)),
            tokens,
        ),
        [0, 1],
        3,
    ),
    "truths with a number for default": (Aggregate(before, tokens == "a", default=0) * 2, "ab", 4),
    "mean of positions": (Aggregate(same, indices), "ab", 4),
    "numerical mean": (rasp.numerical(Aggregate(before, rasp.numerical(tokens * 3), default=0)), [1, 2], 4),
    "default of another kind": (Aggregate(before, tokens, default="none"), "a", 3),
    "default one": (
        Aggregate(Select(indices, indices, lambda k, q: k == q + 1), tokens, default=1),
        [1, 2],
        3,
    ),
    "both selectors": (SelectorWidth(rasp.SelectorAnd(same, before)), "ab", 4),
    "either selector": (SelectorWidth(rasp.SelectorOr(same, before)), "ab", 4),
    "no selector": (SelectorWidth(rasp.SelectorNot(rasp.SelectorAnd(same, before))), "ab", 4),
    "selector operators": (
        SelectorWidth(~(same & before) | Select(tokens, Full("a"), Comparison.EQ)),
        "ab",
        4,
    ),
    "has previous": (Aggregate(rasp.SelectorAnd(same, before), Full(1), default=0) > 0, "abc", 4),
    "numerical map of two": (
        rasp.numerical(SequenceMap(lambda x, y: x * y + 1, rasp.numerical(tokens * 2), indices)),
        [1, 2],
        3,
    ),
    "numbers as keys": (SelectorWidth(Select(rasp.numerical(tokens + 0), indices, Comparison.LT)), [0, 2], 4),
    "all comparisons": (
        sum((SelectorWidth(Select(tokens, indices, c)) for c in Comparison), Full(0)),
        [0, 1, 2],
        3,
    ),
    "logic": (~((tokens > 1) & (indices < 2) | (tokens == 3)), [1, 2, 3], 3),
    "value of and": (tokens & indices, [0, 1, 2], 3),
    "reflected operators": ((10 - tokens) / (1 + 2 * tokens) + 6 / (tokens + 1), [1, 2], 3),
    "branches": (Map(lambda x: "big" if x > 2 else "odd" if x in (1, 3) else x, tokens), [0, 1, 2, 3], 2),
    "rounding": (
        Map(lambda x: round(abs(x) / 3) + math.floor(x / 2) + math.ceil(x / 2), tokens),
        [-3, 0, 4],
        2,
    ),
    "extremes": (SequenceMap(min, tokens, indices) + SequenceMap(max, tokens, indices), [0, 1, 2], 3),
    "dictionary": (Map(lambda x: {"a": 1, "b": 2}.get(x, 0), tokens), "abc", 3),
    "string methods": (Map(lambda x: x.upper() + "!", tokens), "ab", 3),
    "formatted": (SequenceMap(lambda x, i: f"{x}{i}", tokens, indices), "ab", 3),
    "types": (Map(lambda x: isinstance(x, str), tokens), ["a", 1], 3),
    "type and identity": (Map(lambda x: type(x) is int and x is not None, tokens), ["a", 1], 3),
    "swallowed error": (Map(lambda x: _inverse(x), tokens), [0, 1, 2], 3),
    "chain": (Map(lambda x: x, ((tokens + 1) * 2 - 3) / 4), [1, 2], 3),
    "undefined in map": (Map(lambda x: 1, shifted), "ab", 3),
    "undefined in map of two": (SequenceMap(lambda x, y: x if x == "a" else y, tokens, shifted), "ab", 3),
    "undefined seen by predicate": (SelectorWidth(Select(shifted, shifted, lambda k, q: k == q)), "ab", 4),
    "undefined seen by query": (
        SelectorWidth(Select(tokens, shifted, lambda k, q: q is None or k == q)),
        "ab",
        4,
    ),
    "undefined moved": (lib.shift_by(1, shifted), "ab", 4),
    "map to undefined": (Map(lambda x: x if x == "a" else None, tokens), "ab", 3),
    "truth of a predicate": (SelectorWidth(Select(tokens, tokens, lambda k, q: k and q)), [0, 1, 2], 3),
    "no function of tokens": (Map(lambda x: 3, tokens), "ab", 3),
    "pairs by hand": (pairs(), "ab", 3),
    "pairs out": (SequenceMap(lambda a, b: (a, b), tokens, indices), "ab", 3),
    "copies of equals": (copies(12), [0, 1, 5], 3),
    "diamonds": (diamonds(12), [0, 1, 2, 3, 4], 2),
}


def _inverse(x: float) -> float:
    try:
        return 1 / x
    except ZeroDivisionError:
        return -1


PROGRAMS = {**LIBRARY, **ODD}
