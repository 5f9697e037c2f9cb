"""What is printed parses back to the very same nodes, and reads well."""

from pathlib import Path

import pytest
from hypothesis import given, settings

from drawn import programs
from janiform import programs as library
from janiform.errors import ProgramError
from janiform.ir.functions import Apply, Arg, Lit, Lookup
from janiform.ir.nodes import Const, Indices, Map, Tokens
from janiform.ir.program import Program, program
from janiform.text import parse, print_program

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.rasp"))
LIBRARY = sorted(Path(library.__file__).parent.glob("*.rasp"))


@settings(max_examples=300)
@given(programs())
def test_printed_programs_parse_back_to_the_same_nodes(program):
    """The first law, on graphs that no author would write."""
    text = print_program(program)
    assert parse(text) == program, text
    assert list(parse(text).outputs) == list(program.outputs)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_printed_forms_are_the_golden_ones(path):
    """Text in, text out; the printed form is its own printed form."""
    given = parse(path.read_text(encoding="utf-8"), filename=path)
    text = print_program(given)
    assert text == path.with_suffix(".printed").read_text(encoding="utf-8")
    assert parse(text) == given
    assert print_program(parse(text)) == text


def test_library_programs_print_and_parse():
    """Every program that is shipped."""
    for path in LIBRARY:
        given = parse(path.read_text(encoding="utf-8"), filename=path)
        assert parse(print_program(given)) == given, path.stem


@pytest.mark.parametrize(
    "text",
    [
        "x = length - indices - 1;",
        "x = length - (indices - 1);",
        "x = -(indices ^ 2);",
        "x = (-indices) ^ 2;",
        "x = (2 ^ indices) ^ 2 ^ indices;",
        "x = (indices * 2) % 3;",
        "x = not (indices == 1) and not (indices > 2 or indices < 1);",
        'x = tokens in ["a", "b"];',
        "x = 1 if indices == 0 else 2 if indices == 1 else 3;",
        "x = (1 if indices == 0 else 2) + 1;",
        "x = map(indices * 2 + 1);",
        "x = map(x * 2 + 1 where x = indices + 1);",
        'x = {"a": 1}[tokens else -1];',
        'x = {(1, "a"): True}[indices, tokens];',
        "x = const(3) + indices;",
        "x = aggregate_sum(full_s, indices, 0);",
        'x = aggregate(best(full_s, "largest", -indices), tokens, "\\"\\n\\\\");',
        "s = select(indices, indices, <);\nx = selector_width(select(tokens, 1, ==) and not (full_s or s));",
        "x = selector_width(select(tokens, tokens, key == query and key != 1));",
        "a, b = tokens, indices + 1;",
        '"odd name", indices2 = tokens, indices;',
        "x = indices + 1;\ny = x * x;",
        "x = tokens_int + 1;",
    ],
)
def test_these_texts_are_their_own_printed_form(text):
    """No parenthesis too many or too few, and names stay."""
    assert print_program(parse(text)) == f"{text}\n"


def test_a_program_shows_its_text():
    """str and repr are the text; it parses back."""
    given = parse("x = indices + 1;")
    assert str(given) == "x = indices + 1;\n" and repr(given) == "x = indices + 1;"


def test_long_statements_are_broken_between_words():
    """Lines stay below a width and strings stay whole."""
    rows = ", ".join(f'"a b {i}": {i}' for i in range(60))
    given = parse(f"x = {{{rows}}}[tokens];")
    text = print_program(given)
    assert max(map(len, text.splitlines())) <= 110 and parse(text) == given


def test_what_has_no_text_is_refused():
    """Infinity is not a value; an unknown node is a TypeError that names it."""
    with pytest.raises(ProgramError, match="finite"):
        print_program(program(Const(float("inf"))))
    assert parse(print_program(Program({"a": Const(None), "b": Const(-0.5)}))).outputs == {
        "a": Const(None),
        "b": Const(-0.5),
    }


TWICE = Apply("*", (Arg(1), Lit(2)))


@pytest.mark.parametrize(
    "fn",
    [
        Apply("+", (Arg(0), TWICE)),
        Apply("min", (Arg(0), TWICE)),
        Apply("if", (Arg(0), TWICE, Arg(0))),
        Apply("if", (Arg(0), Lit(1), TWICE)),
        Apply("if", (TWICE, Arg(0), Lit(1))),
        Lookup((Arg(0),), (((0,), 2),), TWICE),
    ],
    ids=str,
)
def test_arguments_keep_their_places(fn):
    """The parser numbers what an operand reads inside before what the operation itself reads."""
    p = program(Map(fn, (Indices(), Tokens())))
    assert parse(print_program(p)) == p
