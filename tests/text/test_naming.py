"""Names change no program, are unique and are what stands in the text; idioms have the names that people give them."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings

from drawn import programs as graphs
from janiform.ir import derived
from janiform.ir.evaluate import Run
from janiform.ir.functions import Apply, Arg, Lit
from janiform.ir.nodes import (
    Aggregate,
    And,
    Best,
    Count,
    Indices,
    Node,
    Select,
    Selector,
    Sequence,
    Tokens,
)
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.text.choices import Choices
from janiform.text.names import Names
from janiform.text.naming import WIDEST, name_of, named
from janiform.text.printer import print_program, reserved, stated
from janiform.text.rasp import parse
from strategies import cases

QUICK = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
KEY, QUERY = Arg(0), Arg(1)


def lawful(program: Program, signature: Signature) -> None:
    """What must hold of any program and its names."""
    again = named(program, signature)
    assert again == program
    assert len(set(again.names.values())) == len(again.names)
    taken = reserved() | Names([]).taken | set(program.outputs)
    assert all(re.fullmatch(r"[A-Za-z_]\w*", n, re.ASCII) and n not in taken for n in again.names.values())
    written = stated(again)
    outputs = set(program.outputs.values())
    assert all(written[n] == again.names[n] for n in written.keys() & again.names.keys() - outputs)
    back = parse(print_program(again))
    assert back == program
    assert all(back.names[n] == name for n, name in written.items())


@QUICK
@given(cases())
def test_named_programs_are_the_programs_they_were(case: tuple[Program, Signature]) -> None:
    lawful(*case)


@QUICK
@given(graphs())
def test_any_graph_with_any_names_is_named_lawfully(program: Program) -> None:
    lawful(program, Signature("ab", 3))


def select(op: str, keys: Sequence, queries: Sequence, by: int = 0) -> Select:
    """Keys that compare with the query so, ``by`` more or less."""
    other = QUERY if not by else Apply("+", (QUERY, Lit(by)))
    return Select(Apply(op, (KEY, other)), keys, queries)


T, I = Tokens(), Indices()
BEFORE, AFTER, OTHERS = (select(op, I, I) for op in ("<", ">", "!="))
SAME = select("==", T, T)
PREVIOUS = Aggregate(Best(BEFORE, "closest"), T, "a")
AFTER_IT = Count(AFTER)


def is_token(v: str) -> Select:
    return Select(Apply("==", (KEY, Lit(v))), T, T)


@pytest.mark.parametrize(
    ("node", "name"),
    [
        (PREVIOUS, "previous_token"),
        (Aggregate(select("==", I, I, -1), T), "previous_token"),
        (Aggregate(Best(BEFORE, "rightmost"), T), "previous_token"),
        (Aggregate(select("==", I, I, 1), T), "next_token"),
        (Aggregate(Best(BEFORE, "leftmost"), T), None),
        (Aggregate(Best(select(">=", I, I), "rightmost"), T), "last_token"),
        (Aggregate(select("==", I, I, -2), T), "token_2_back"),
        (derived.load(T, 0), "first_token"),
        (derived.load(T, 3), "token_at_3"),
        (derived.reverse(), "mirror_token"),
        (Aggregate(select("==", I, AFTER_IT), T), "mirror_token"),
        (derived.histogram(), "count_of_token"),
        (Count(And(SAME, BEFORE)), "count_of_token_before"),
        (Count(And(OTHERS, SAME)), "token_repeats"),
        (Count(BEFORE), "position"),
        (AFTER_IT, "mirror_position"),
        (derived.length(), "sequence_length"),
        (derived.apply("%", I, 2), "position_parity"),
        (derived.apply("==", I, 0), "is_first"),
        (Count(is_token("(")), "count_of_left_paren"),
        (Count(And(is_token("b"), AFTER)), "count_of_b_after"),
        (Count(select("<", T, T)), "count_of_smaller_token"),
        (Aggregate(Best(is_token("b"), "closest"), I), "nearest_b_position"),
        (Aggregate(Best(And(SAME, BEFORE), "closest"), I), "previous_same_token_position"),
        (Aggregate(Best(select(">", T, T), "closest"), T), "nearest_larger_token"),
        (Aggregate(Best(And(SAME, BEFORE), "rightmost"), T), "previous_same_token"),
        (Aggregate(Best(derived.select_all(), "largest", T), T), "largest_token"),
        (Aggregate(Best(derived.select_all(), "largest", T), I), "position_of_largest_token"),
        (Aggregate(BEFORE, I, 0, "sum"), "sum_of_position_before"),
        (SAME, "same_token"),
        (is_token("b"), "token_is_b"),
        (And(SAME, BEFORE), "same_token_before"),
        (BEFORE, "before"),
        (Best(BEFORE, "closest"), "previous"),
        (Count(Select(Apply("%", (KEY, QUERY)), T, T)), None),
    ],
)
def test_a_node_is_called_by_what_it_does(node: Node, name: str | None) -> None:
    assert name_of(node, Choices(Signature("ab()", 6))) == name


def test_names_of_parts_go_into_names_of_the_whole() -> None:
    matching = Best(select("==", PREVIOUS, T), "closest")
    count = Count(select("==", PREVIOUS, PREVIOUS))
    position = Count(select("<", T, T))
    there = Aggregate(Best(select("==", I, position), "closest"), T)
    parts = {
        "a": Aggregate(matching, T),
        "b": count,
        "c": Aggregate(Best(matching, "leftmost"), I),
        "d": there,
    }
    outputs = {k: derived.apply("defined", v) for k, v in parts.items()}
    nodes = [PREVIOUS, position, *parts.values()]
    names = named(Program(outputs, {n: f"unit{i}" for i, n in enumerate(nodes)}), Signature("ab", 5)).names
    assert [names[n] for n in nodes] == [
        "previous_token",
        "count_of_smaller_token",
        "token_after_same_token",
        "count_of_previous_token",
        "unit4",
        "unit5",
    ]


def test_in_one_direction_keys_are_those_so_far() -> None:
    choices = Choices(Signature("ab", 5, causal=True))
    assert name_of(derived.length(), choices) == "prefix_length"
    assert name_of(Count(OTHERS), choices) == "position"
    assert name_of(Aggregate(Best(is_token("b"), "closest"), I), choices) == "latest_b_position"
    assert name_of(AFTER_IT, choices) is None


def test_two_nodes_that_do_the_same_have_two_names() -> None:
    other = Aggregate(Best(BEFORE, "closest"), T, "b")
    p = Program({"same": derived.apply("==", PREVIOUS, other)}, {PREVIOUS: "copy1", other: "copy2"})
    names = named(p, Signature("ab", 4)).names
    assert [names[PREVIOUS], names[other]] == ["previous_token", "previous_token2"]


def test_a_place_is_called_so_only_where_it_is_so_on_every_length() -> None:
    """Of the fourth position the mirror is the third on inputs of seven alone."""
    third = Select(Apply("==", (KEY, Lit(3))), I, I)
    choices = Choices(Signature("ab", 9))
    assert choices.place(third).name == "at_3"
    odd = Select(Apply("==", (Apply("+", (KEY, QUERY)), Lit(6))), I, I)
    assert choices.place(odd) is None


@QUICK
@given(cases())
def test_names_are_short_and_places_true(case: tuple[Program, Signature]) -> None:
    """What is called previous takes the key before the query and no other."""
    program, signature = case
    choices = Choices(signature)
    run = Run([[signature.vocab[0]] * n for n in range(1, signature.max_len + 1)], causal=signature.causal)
    for n in program.nodes():
        if isinstance(n, Selector) and choices.positional(n) and (place := choices.place(n)):
            if place.name == "previous":
                taken = run.pattern(n)
                assert all((p.nonzero()[1] == p.nonzero()[0] - 1).all() for p in taken)
                assert all(p.sum() == len(p) - 1 for p in taken)
        found = name_of(n, choices)
        assert found is None or re.fullmatch(r"[a-z]\w*", found)
    assert all(len(n) <= WIDEST + 3 for n in named(*case).names.values())
