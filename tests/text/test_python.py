"""The embedded language: what it builds, what it shows, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest

import janiform as jf
from janiform import indices, key, length, query, select, tokens, where
from janiform.errors import ProgramError
from janiform.text.trace import TraceError


def test_it_builds_the_nodes_that_the_text_builds() -> None:
    reverse = select(key(indices) == query(length - 1 - indices)).value(tokens)
    text = "reverse = aggregate(select(indices, length - 1 - indices, ==), tokens);"
    assert reverse.program().outputs["output"] is jf.parse(text).output


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (select(key(tokens) == query(tokens)).count(), [1, 1, 2, 2, 1]),
        (select((key(tokens) == query(tokens)) & (key(indices) < query(indices))).count(), [0, 0, 0, 1, 0]),
        (select(~(key(tokens) == query(tokens))).count(), [4, 4, 3, 3, 4]),
        (select((key(indices) == 0) | (query(indices) == 1)).count(), [1, 5, 1, 1, 1]),
        (select(key(indices) + 1 == query(indices)).value(tokens, "-"), ["-", "h", "e", "l", "l"]),
        (select(2 <= key(indices)).max(indices), [4] * 5),
        (select(query(indices) >= key(indices)).sum(indices * 2), [0, 2, 6, 12, 20]),
        (select(key(indices) <= query(indices)).best("leftmost").value(tokens), ["h"] * 5),
        (where((tokens == "l") & ~(indices == 2), "L", tokens), ["h", "e", "l", "L", "o"]),
        (10 - indices % 2, [10, 9, 10, 9, 10]),
        (-(abs(indices - 2) ** 2) // 3, [-2, -1, 0, -1, -2]),
        (round(indices / 2), [0, 0, 1, 2, 2]),
        (jf.map(lambda x, y: x * y if x > 1 else -y, indices, indices), [0, -1, 4, 9, 16]),
        (jf.const(3) + tokens.isin("lo"), [3, 3, 4, 4, 4]),
    ],
)
def test_it_says_what_it_reads(series: jf.Series, expected: list[object]) -> None:
    assert series("hello") == (
        expected if not all(isinstance(v, str) for v in expected) else "".join(map(str, expected))
    )
    assert repr(series) == repr(expected)


def test_it_compiles() -> None:
    pair = select(key(tokens) == query(tokens)).count().compile("abc", 5)
    assert pair.check().good and pair("aba") == [2, 1, 2]


@pytest.mark.parametrize(
    ("mistake", "mend"),
    [
        (lambda: 1 if tokens == "a" else 2, "where"),
        (lambda: "a" in tokens, "call it on an input"),
        (lambda: select(key(tokens) == key(tokens)), "relates a key to a query"),
        (lambda: key(tokens) == tokens, r"query\(\.\.\)"),
        (lambda: key(indices) + query(indices), "two sides of a comparison"),
        (lambda: select(tokens == "a"), r"key\(\.\.\) == query"),
        (lambda: select(key(tokens) == query(tokens)) + 1, "unsupported"),
        (lambda: tokens + select(key(tokens) == query(tokens)), "count"),
        (lambda: tokens + key(tokens), "outside a selection"),
        (lambda: key(tokens) + indices, "put it inside"),
        (lambda: jf.const([1]), "a list stands where a value is due"),
        (lambda: tokens + [1], "a list stands where a value is due"),
        (lambda: select(key == query).value(tokens, default=indices), "a series stands where a value"),
        (lambda: 1 if select(key(tokens) == "a") else 2, "& | ~"),
    ],
)
def test_a_mistake_is_told_with_its_mend(mistake: object, mend: str) -> None:
    with pytest.raises((ProgramError, TypeError), match=mend):
        mistake()  # type: ignore[operator]


def test_what_cannot_be_traced_takes_a_table() -> None:
    with pytest.raises(TraceError):
        jf.map(lambda t: {"a": 1}[t], tokens)
    assert jf.map(lambda t: {"a": 1, "b": 2}[t], tokens, over="ab")("ba") == [2, 1]


def test_bare_sides_are_the_tokens() -> None:
    assert select(key == query).node is select(key(tokens) == query(tokens)).node


def test_values_of_numpy_are_plain() -> None:
    assert select(key(tokens) == np.str_("l")).node is select(key(tokens) == "l").node
    assert (indices + np.int64(1)).node is (indices + 1).node
    assert math.floor(indices / 2)("abc") == [0, 0, 1] and math.ceil(indices / 2)("abc") == [0, 1, 1]


def test_functions_never_see_undefined() -> None:
    before = select(key(indices) == query(indices) - 1).value(tokens)
    for made in (jf.map(lambda t: 3, before), jf.map(lambda t: 3, before, over="ab")):
        assert made("ab") == [None, 3]
