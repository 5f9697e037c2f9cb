"""What is said to decide an output does: no other token can change it, and each decisive one can."""

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import janiform as jf
from janiform.errors import InputError, MeaningError, ProgramError
from janiform.explain.attribution import explain
from janiform.explain.reasons import alike
from janiform.ir.functions import identity
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from strategies import cases


def value(program: Program, tokens: list[object], position: int, causal: bool, output: str) -> object:
    """The output at one position, or the word for none."""
    try:
        return jf.evaluate(program, [tokens], causal=causal)[output][0][position]
    except MeaningError:
        return "no meaning"


@settings(max_examples=120, deadline=None)
@given(cases(longest=4, largest=8), st.data())
def test_the_fixing_tokens_fix_and_the_decisive_ones_decide(
    case: tuple[Program, Signature], data: st.DataObject
) -> None:
    """On every input that keeps the fixing tokens the output stays; the replacements that change it are exactly those named."""
    program, signature = case
    tokens = data.draw(st.lists(st.sampled_from(signature.vocab), min_size=1, max_size=signature.max_len))
    position = data.draw(st.integers(0, len(tokens) - 1))
    output = data.draw(st.sampled_from(list(program.outputs)))
    found = explain(program, tokens, position, output=output, signature=signature)
    assert alike(found.value, value(program, tokens, position, signature.causal, output))
    assert set(found.read) <= set(found.fixing) and set(found.decisive) <= set(found.fixing)
    choices = [[t] if i in found.fixing else signature.vocab for i, t in enumerate(tokens)]
    inputs = [list(x) for x in product(*choices)]
    for x in (inputs[i] for i in np.random.default_rng(0).permutation(len(inputs))[:200].tolist()):
        now = value(program, x, position, signature.causal, output)
        assert now == "no meaning" or alike(now, found.value), (x, now)
    told = {(d.position, identity(t)) for d in found.replaced for t, _ in d.changes}
    for i, own in enumerate(tokens):
        for t in signature.vocab:
            if identity(t) != identity(own):
                now = value(program, [*tokens[:i], t, *tokens[i + 1 :]], position, signature.causal, output)
                assert ((i, identity(t)) in told) == (now != "no meaning" and not alike(now, found.value))
    assert json.loads(json.dumps(found.as_dict())) == found.as_dict() and str(found)


@pytest.mark.parametrize("name", jf.programs.names())
def test_the_library_is_explained(name: str) -> None:
    """On its example, every program gives the same at the middle on inputs that keep only the fixing tokens."""
    entry, program, rng = jf.programs.entry(name), jf.programs.load(name), np.random.default_rng(0)
    tokens, output = list(entry.example[0]), next(iter(jf.programs.load(name).outputs))
    middle = len(tokens) // 2
    found = explain(program, tokens, middle, output=output, vocab=entry.vocab, causal=entry.causal)
    for _ in range(10):
        drawn = [entry.vocab[c] for c in rng.integers(len(entry.vocab), size=len(tokens))]
        x = [t if i in found.fixing else d for i, (t, d) in enumerate(zip(tokens, drawn, strict=True))]
        now = value(program, x, middle, entry.causal, output)
        assert now == "no meaning" or alike(now, found.value), (x, now)


def test_reverse_rests_on_the_token_it_copies() -> None:
    """The selector looks at places alone, so one token is read, fixes and decides."""
    found = explain(jf.programs.load("reverse"), "hello", 1, vocab="helo")
    assert (found.value, found.read, found.fixing, found.decisive) == ("l", (3,), (3,), (3,))
    head = found.reasons[0]
    assert (head.listed.name, head.at, head.keys) == ("reverse", (1,), ((3,),))
    assert head.reads == ("select(indices, length - 1 - indices, ==)", "tokens")


def test_a_count_reads_what_it_counts_and_is_fixed_by_the_rest_too() -> None:
    """Tokens that differ were not selected, yet the count holds only while they go on differing."""
    found = explain(jf.programs.load("hist"), "aabc", 0)
    assert found.read == (0, 1) and found.fixing == (0, 1, 2, 3) and found.decisive == (1, 2, 3)


def test_arguments_that_cannot_matter_are_left_out() -> None:
    """Of a choice the branch not taken, and of a false 'and' all but one false side, are no reasons."""
    program = jf.parse("""
        last = aggregate(select(indices, length - 1, ==), tokens);
        a, b = tokens == "a", last == "a";
        both = a and b;
        x = both if indices == 0 else tokens == "c";
    """)
    names = {r.listed.name for r in explain(program, "bc", 0, vocab="abc").reasons}
    assert len(names & {"a", "b"}) == 1 and 'tokens == "c"' not in names


def test_the_largest_possible_value_needs_no_more_than_one_key() -> None:
    """One fault is enough to fail, whatever stands elsewhere after it."""
    found = explain(jf.programs.load("dyck1"), "())((", 0, vocab="()")
    assert found.value is False and found.fixing == (0, 1, 2) and found.decisive == ()


def test_equal_positions_need_no_token() -> None:
    """A token always equals itself: that it is selected rests on nothing."""
    found = explain(jf.parse('n = selector_width(best(select(tokens, tokens, ==), "closest"));'), "ab", 1)
    assert found.fixing == ()


def test_an_explanation_reads_from_the_output_down() -> None:
    """Lines, where they mattered, through which keys; then the tokens."""
    assert str(
        explain(jf.parse("prev = aggregate(select(indices, indices - 1, ==), tokens);"), "abb", 1)
    ) == (
        """\
prev at position 1 is a, in a b b
because
  prev = aggregate(select(indices, indices - 1, ==), tokens)
      at 1: a <- key 0
  tokens
      at 0: a
  select(indices, indices - 1, ==)
      at 1: key 0
  indices - 1
      at 1: 0
  indices
      at 0: 0; at 1: 1
tokens read: 0 (a)
tokens that fix it, whatever the others are: 0 (a)
tokens that change it when replaced alone:
  0 (a): b gives b"""
    )


def test_replacements_without_meaning_are_named() -> None:
    """A token with which the program has no meaning is told apart from one that changes the output."""
    found = explain(jf.parse("x = 6 / tokens;"), [2, 3], 0, vocab=[0, 2, 3])
    assert [(d.position, d.changes, d.meaningless) for d in found.replaced] == [
        (0, ((3, 2),), (0,)),
        (1, (), (0,)),
    ]


def test_what_cannot_be_explained_is_refused() -> None:
    """Positions and outputs that are not there, and tokens outside the signature."""
    two = jf.parse("x, y = tokens, indices;")
    with pytest.raises(InputError, match="no position 3"):
        explain(two, "abc", 3, output="x")
    with pytest.raises(ProgramError, match="several outputs; name one of x, y"):
        explain(two, "abc", 0)
    with pytest.raises(ProgramError, match="no output 'z'"):
        explain(two, "abc", 0, output="z")
    with pytest.raises(InputError, match="not in the vocabulary"):
        explain(two, "abc", 0, output="x", signature=Signature("ab", 3))
