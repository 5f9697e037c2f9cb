"""The interpreter agrees with its definition, and says where a program has no meaning."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from oracle import values

import janiform as jf
from janiform.errors import InputError, MeaningError
from janiform.ir.evaluate import Run, evaluate
from janiform.ir.functions import identity
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from strategies import cases


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cases(longest=5, largest=7))
def test_it_agrees_with_plain_loops(case: tuple[Program, Signature]) -> None:
    program, s = case
    draw = random.Random(0)
    inputs = [
        [draw.choice(s.vocab) for _ in range(n)] for n in (0, 1, s.max_len, s.max_len, max(1, s.max_len - 1))
    ]
    found = evaluate(program, inputs, causal=s.causal)["output"]
    for x, row in zip(inputs, found, strict=True):
        expected = values(program.output, x, s.causal)
        assert list(map(identity, row)) == list(map(identity, expected))


@pytest.mark.parametrize(
    ("text", "x", "expected"),
    [
        ("y = aggregate(select(indices, indices - 1, ==), tokens);", "ab", [None, "a"]),
        ("y = aggregate(select(indices, indices - 1, ==), tokens, 0);", "ab", [0, "a"]),
        ("p = aggregate(select(indices, indices - 1, ==), indices); y = p + 1;", "ab", [None, 1]),
        ("p = aggregate(select(indices, indices - 1, ==), indices); y = defined(p);", "ab", [False, True]),
        (
            "p = aggregate(select(indices, indices - 1, ==), tokens); y = selector_width(select(p, p, ==));",
            "aa",
            [0, 1],
        ),
        (
            "p = aggregate(select(indices, indices - 1, ==), tokens); y = selector_width(not select(p, p, ==));",
            "aa",
            [2, 1],
        ),
        (
            "p = aggregate(select(indices, indices - 1, ==), indices); y = aggregate(full_s, p);",
            "aaa",
            [None] * 3,
        ),
        ("y = aggregate(full_s, indices);", "abcd", [1.5] * 4),
        ('y = aggregate(full_s, tokens == "a");', "aa", [True, True]),
        ("y = aggregate(select(tokens, tokens, ==), tokens);", "aba", ["a", "b", "a"]),
        ("y = indices / 2;", "abc", [0, 0.5, 1]),
        ('y = readout(["p", "q"], [1, 0], tokens, {"b": [0, 1], "c": [0, 2]});', "abc", ["p", "p", "q"]),
        ('y = readout(["p", "q"], [0, 1], tokens == "a", [3, 1]);', "ab", ["p", "q"]),
        ('y = readout_mean(["p", "q"], [1, 0], tokens, {"b": [0, 2]});', "abb", ["q", "q", "q"]),
        (
            'p = aggregate(select(indices, indices - 1, ==), tokens); y = readout(["p", "q"], [0, 0], p, {undefined: [0, 1]});',
            "ab",
            ["q", "p"],
        ),
        ('y = readout(["p", "q"], [0, 0], 0.1 + indices / 5, {0.3: [0, 1]});', "ab", ["p", "q"]),
        ("y = 0.1 + indices / 5 == 0.3;", "ab", [False, True]),
        ("y = length;", "", []),
    ],
)
def test_its_rules(text: str, x: str, expected: list[object]) -> None:
    found = evaluate(jf.parse(text), [x])["y"][0]
    assert list(map(identity, found)) == list(map(identity, expected))  # type: ignore[arg-type]


def test_inputs_may_differ_in_length() -> None:
    assert evaluate(jf.parse("y = length;"), ["a", "", "abc"])["y"] == [[1], [], [3, 3, 3]]


def test_a_causal_query_sees_no_later_key() -> None:
    not_equal = jf.parse("y = selector_width(not select(tokens, tokens, ==));")
    assert evaluate(not_equal, ["abab"], causal=True)["y"] == [[0, 1, 1, 2]]


def test_a_meaningless_input_is_named_with_node_and_line() -> None:
    program = jf.parse("x = tokens;\ny = aggregate(select(indices, indices, <=), x);")
    with pytest.raises(MeaningError, match=r"'y' \(line 2\).*\['a', 'b'\] at position 1"):
        evaluate(program, ["aa", "ab"])


def test_faults_that_never_occur_are_none() -> None:
    assert evaluate(jf.parse("y = 1 / tokens;"), [[1, 2]])["y"] == [[1, 0.5]]


def test_inputs_outside_the_signature_are_refused() -> None:
    s = Signature("ab", 3)
    with pytest.raises(InputError, match="'c' at position 1"):
        evaluate(jf.parse("y = tokens;"), ["ac"], signature=s)
    with pytest.raises(InputError, match="longer than the maximum length 3"):
        evaluate(jf.parse("y = tokens;"), ["abab"], signature=s)
    with pytest.raises(InputError, match="list"):
        evaluate(jf.parse("y = tokens;"), [[["a"]]])  # type: ignore[list-item]


def test_patterns_are_booleans_by_query_and_key() -> None:
    selector = jf.parse("y = selector_width(select(indices, indices, <));").output.inputs[0]
    assert Run(["abc"]).pattern(selector)[0].tolist() == [  # type: ignore[arg-type]
        [False, False, False],
        [True, False, False],
        [True, True, False],
    ]
