"""Rewrites keep the meaning of programs, where they have none too; equivalence finds what differs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

import janiform as jf
from drawn import programs as graphs
from janiform.errors import InputError, ProgramError
from janiform.ir.functions import Apply, Arg, Lit
from janiform.ir.nodes import Aggregate, And, Const, Count, Indices, Map, Not, Or, Select, Tokens
from janiform.ir.program import Program, program
from janiform.ir.rewrite import PASSES, equivalent, simplify
from janiform.ir.semantics import Signature
from janiform.text import parse, print_program
from strategies import cases

SAME = Apply("==", (Arg(0), Arg(1)))
ALL, NONE = Select(SAME, Const(1), Const(1)), Select(SAME, Const(1), Const(2))
SOME = Select(SAME, Tokens(), Tokens())


def function_size(p: Program) -> int:
    def size(f):
        return 1 + sum(map(size, f.parts))

    return sum(size(n.fn) for n in p.nodes() if isinstance(n, Map))


@settings(max_examples=150, derandomize=True)
@given(cases(longest=4))
def test_simplifying_keeps_the_meaning_and_never_grows(case):
    p, s = case
    q = simplify(p)
    assert equivalent(p, q, s, limit=800, draws=300), f"{p}\n{q}"
    assert len(q.nodes()) <= len(p.nodes()) and simplify(q) == q
    assert parse(print_program(q)) == q


@settings(max_examples=200, derandomize=True)
@given(graphs())
def test_any_graph_keeps_its_meaning_or_lack_of_it(p):
    q = simplify(p)
    assert all(equivalent(p, q, Signature(vocab, 2)) for vocab in ([0, 1], ["a", 2])), f"{p}\n{q}"
    assert len(q.nodes()) <= len(p.nodes())


@pytest.mark.parametrize("rewrite", PASSES, ids=lambda f: f.__name__)
@settings(max_examples=40, derandomize=True)
@given(cases(longest=3))
def test_each_pass_keeps_the_meaning(rewrite, case):
    p, s = case
    assert equivalent(p, rewrite(p), s, limit=300, draws=100)


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("y = tokens + (1 + 2);", "y = tokens + 3;"),
        ("y = (tokens + 1) * 2;", "y = (tokens + 1) * 2;"),
        ("y = tokens if 1 < 2 else indices;", "y = tokens;"),
        ("y = selector_width(not not select(tokens, tokens, ==));", "y = histogram(tokens);"),
        ("y = selector_width(select(1, 1, ==) and select(tokens, tokens, ==));", "y = histogram(tokens);"),
        ("y = selector_width(select(1, 2, ==) or select(tokens, tokens, ==));", "y = histogram(tokens);"),
        ("y = selector_width(not select(1, 1, ==));", "y = const(0);"),
        ("y = aggregate(select(1, 2, ==), tokens, 5);", "y = const(5);"),
    ],
)
def test_named_simplifications(text, simple):
    assert simplify(parse(text)) == simplify(parse(simple))


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (Map(Apply("neg", (Arg(0),)), (Const(2.0),)), Const(-2)),
        (Map(Arg(1), (Indices(), Tokens())), Tokens()),
        (Map(Apply("neg", (Arg(0),)), (Map(Apply("neg", (Arg(0),)), (Tokens(),)),)),
         Map(Apply("neg", (Apply("neg", (Arg(0),)),)), (Tokens(),))),
        (Count(And(SOME, SOME)), Count(SOME)),
        (Count(Or(SOME, ALL)), Count(ALL)),
        (Count(And(NONE, SOME)), Const(0)),
        (Count(Not(Not(Not(SOME)))), Count(Not(SOME))),
        (Aggregate(NONE, Indices()), Const(None)),
    ],
)  # fmt: skip
def test_named_nodes(node, expected):
    assert simplify(program(node)).output is expected


@pytest.mark.parametrize(
    "text",
    [
        "y = selector_width(select(1, 2, ==) and select(1 / tokens, 1, ==));",
        "x = 1 / tokens; y = 5 if tokens == 0 else x;",
        "x = 1 / tokens; y = aggregate(select(1, 2, ==), x, 3);",
    ],
)
def test_what_has_no_meaning_keeps_having_none(text):
    p = parse(text)
    assert equivalent(p, simplify(p), Signature([0, 1], 3))
    assert not equivalent(p, program(Const(0)), Signature([0, 1], 3))


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        (
            'y = readout(["p", "q"], [1, 0], tokens, {"a": [0, 2]}, indices, [1, 0], tokens, {"b": [0, 0]});',
            'y = readout(["p", "q"], [1, 0], tokens, {"a": [0, 2]}, indices, [1, 0]);',
        ),
        (
            'y = readout_mean(["p", "q"], [1, 0], 2, [1, 3], tokens, {"a": [1, 2], "b": [0, 0]}, "b", {"b": [0, 4]});',
            'y = readout_mean(["p", "q"], [3, 10], tokens, {"a": [1, 2]});',
        ),
        ('y = readout(["p"], [1], tokens, {"a": [3]}, indices, [1]);', 'y = const("p");'),
        ('y = readout_mean(["p", "q"], [1, 3], tokens, {"a": [0, 0]}, indices, [0, 0]);', 'y = const("q");'),
        (
            'y = readout(["p", "q"], [1, 0], tokens, {"a": [0, 2], "b": [0, 1]});',
            'y = {"a": "q", "b": "p"}[tokens else "p"];',
        ),
        (
            'y = readout(["p", "q"], [1, 0], aggregate(select(indices, 1, ==), tokens), {"a": [0, 2]});',
            'y = {"a": "q", undefined: "p"}[aggregate(select(indices, 1, ==), tokens) else "p"];',
        ),
    ],
)
def test_readouts_keep_the_terms_that_matter(text, simple):
    assert simplify(parse(text)) == parse(simple)
    assert equivalent(parse(text), parse(simple), Signature("abc", 4))


@pytest.mark.parametrize(
    "text",
    [
        'y = readout(["p", "q"], [0, 0], tokens, {1: [0.1, 0.6]}, 0.2, [1, 0], 0.3, [1, 0]);',
        'y = readout(["p"], [0], tokens, [1]);',
        'y = readout(["p", "q"], [0, 1], aggregate(select(indices, indices - 1, ==), indices), [0, 0]);',
    ],
)
def test_what_rounds_or_may_fail_stays_in_a_readout(text):
    assert simplify(parse(text)) == parse(text)


def test_a_map_that_others_read_is_not_repeated():
    shared = Map(Apply("*", (Arg(0), Arg(0))), (Tokens(),))
    p = Program({"a": Map(Apply("+", (Arg(0), Lit(1))), (shared,)), "b": shared})
    assert simplify(p) == p


def test_forty_diamonds_stay_small():
    x = Tokens()
    for _ in range(40):
        x = Map(Apply("+", (Arg(0), Arg(1))), (x, x))
    assert function_size(simplify(program(x))) <= function_size(program(x))


def test_a_difference_is_found_and_named():
    found = equivalent(parse("y = tokens;"), parse("y = tokens if indices < 2 else 0;"), Signature([0, 1], 3))
    assert not found and found.counterexample == (0, 0, 1) and found.exhaustive


def test_kinds_of_values_differ():
    a, b = program(Const(1)), program(Const(True))
    assert not equivalent(a, b, Signature("a", 1))


def test_large_domains_are_drawn_from():
    found = equivalent(parse("y = tokens;"), parse("y = tokens;"), Signature(range(10), 20), draws=50, seed=3)
    assert found == jf.ir.rewrite.Equivalence(True, False, 50)
    other = parse("y = tokens if indices < 19 else tokens + 1;")
    assert not equivalent(parse("y = tokens;"), other, Signature(range(10), 20), draws=500)


def test_the_direction_counts():
    a, b = parse("y = length;"), parse("y = selector_width(select(indices, indices, <=));")
    assert equivalent(a, b, Signature("ab", 4, causal=True)) and not equivalent(a, b, Signature("ab", 4))


def test_outputs_are_compared_by_name():
    two, other = parse("a = tokens; b = indices; a, b;"), parse("a = tokens; c = indices; a, c;")
    assert equivalent(two, parse("b = indices; a = tokens; b, a;"), Signature("ab", 3))
    with pytest.raises(ProgramError, match="a, b and a, c"):
        equivalent(two, other, Signature("ab", 3))
    with pytest.raises(InputError, match="negative"):
        equivalent(two, two, Signature("ab", 3), limit=-1)


def test_public_names():
    assert jf.simplify is simplify and jf.equivalent is equivalent
