"""The canonical form means what the program means, is its own canonical form, and does not see how a program is written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rewritten import WAYS, rewritten

from janiform.errors import CompileError
from janiform.ir.canonical import behavior_hash, canonical, canonical_hash
from janiform.ir.canonical.abstract import abstract
from janiform.ir.canonical.concrete import concrete, length, written
from janiform.ir.canonical.form import normal_form
from janiform.ir.canonical.normal import normalize
from janiform.ir.program import Program
from janiform.ir.rewrite import equivalent
from janiform.ir.sample import sample_program
from janiform.ir.semantics import Signature
from janiform.text.rasp import parse
from strategies import signatures

SEEDS = st.integers(0, 2**32 - 1)
ABC = Signature("abc", 4)


def drawn(seed: int, signature: Signature, size: int) -> Program:
    return sample_program(np.random.default_rng(seed), signature, size)


@given(SEEDS, signatures(longest=5), st.integers(1, 8))
def test_the_canonical_form_means_the_same(seed, signature, size):
    p = drawn(seed, signature, size)
    assert equivalent(p, canonical(p, signature), signature, limit=2_000, draws=500)


@given(SEEDS, signatures(longest=5), st.integers(1, 8))
def test_the_canonical_form_is_its_own(seed, signature, size):
    c = canonical(drawn(seed, signature, size), signature)
    assert canonical(c, signature) == c


@given(SEEDS, signatures(longest=5), st.integers(1, 8))
def test_it_does_not_see_how_a_program_is_written(seed, signature, size):
    p = drawn(seed, signature, size)
    other = rewritten(p, signature, np.random.default_rng(seed))
    assert canonical(p, signature) == canonical(other, signature)
    assert canonical_hash(p, signature) == canonical_hash(other, signature)


@pytest.mark.parametrize("way", WAYS, ids=lambda w: w.__name__)
@settings(max_examples=10)
@given(seed=SEEDS)
def test_no_single_way_of_writing_is_seen(way, seed):
    signature = Signature(range(5), 5)
    p = drawn(seed, signature, 6)
    assert canonical_hash(p, signature) == canonical_hash(way(p, signature), signature)


@given(SEEDS, SEEDS, signatures(longest=4))
def test_equal_forms_have_equal_hashes_and_these_equal_behavior(one, other, signature):
    p, q = drawn(one, signature, 1), drawn(other, signature, 1)
    same = canonical_hash(p, signature) == canonical_hash(q, signature)
    assert same or canonical(p, signature) != canonical(q, signature)
    if same:
        assert behavior_hash(p, signature) == behavior_hash(q, signature)


@settings(max_examples=20)
@given(SEEDS, signatures(longest=4), st.integers(1, 8))
def test_what_inputs_show_of_a_program_means_the_same(seed, signature, size):
    p = drawn(seed, signature, size)
    assert equivalent(p, concrete(normal_form(p, signature)), signature, limit=2_000, draws=500)


@given(SEEDS, signatures(longest=5), st.integers(1, 8))
def test_leaving_out_what_no_input_meets_makes_no_form_longer_and_another_program_of_none(
    seed, signature, size
):
    p = drawn(seed, signature, size)
    c = canonical(p, signature)
    every_cell, _ = written(normalize(abstract(p, signature)))
    assert length(c) <= length(every_cell)
    assert c == every_cell or canonical_hash(c, signature) == canonical_hash(p, signature)


@given(SEEDS, signatures(longest=4))
def test_the_hash_of_behavior_is_of_behavior_alone(seed, signature):
    p = drawn(seed, signature, 4)
    c = canonical(p, signature)
    assert behavior_hash(p, signature) == behavior_hash(c, signature)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1 < indices;", "y = not (indices <= 1);"),
        (
            "x = selector_width(select(tokens, tokens, !=));",
            "x = selector_width(not select(tokens, tokens, ==));",
        ),
        ("x = selector_width(select(indices, indices, <=));", "x = indices + 1;"),
        ("x = aggregate(select(indices, indices, ==), tokens);", "x = tokens;"),
        (
            'x = aggregate(select(indices, indices + 1, ==), tokens, "b") == "a";',
            'x = aggregate(select(indices - 1, indices, ==), tokens == "a", 0 == 1);',
        ),
        (
            'x = aggregate(select(tokens, "a", ==), indices * 2) > 3;',
            'y = aggregate(select(tokens, "a", ==) and select("a", tokens != "b", !=), indices) > 1.5;',
        ),
    ],
)
def test_what_is_one_mechanism(one, other):
    forms = [canonical(parse(t), ABC) for t in (one, other)]
    assert forms[0].output == forms[1].output


COUNT = "n = selector_width(select(tokens, tokens, ==)); m = selector_width(select(tokens, 0, ==)); "
BEFORE = "s = select(indices, indices, <) and select(tokens, tokens, ==); "
DIGITS = Signature(range(4), 4)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (COUNT + "x = n - m;", COUNT + "x = 9 if n > 3 and m == 2 else n - m;"),
        (COUNT + "x = tokens;", COUNT + "x = 0 if n > 3 and m == 2 else tokens;"),
        (
            "x = aggregate(select(indices, indices, ==) or select(tokens, tokens, >), tokens > 0, 1 == 1);",
            "x = aggregate(select(indices, indices, ==) or select(tokens, tokens, >), tokens > 0, 1 == 0);",
        ),
        (
            BEFORE + "f = aggregate(s, tokens == 0, 0 == 1); x = 3 if indices == 0 else 1 if f else 0;",
            BEFORE
            + "f = aggregate(s, tokens == 0, 0 == 0); x = 3 if indices == 0 else 1 if f and selector_width(s) > 0 else 0;",
        ),
        (
            BEFORE + "x = selector_width(s or select(indices, indices, >));",
            BEFORE + "x = selector_width(s) + length - 1 - indices;",
        ),
    ],
    ids=["cells", "variables", "defaults", "selected or not", "pairs"],
)
def test_what_no_input_shows_is_no_part_of_the_hash(one, other):
    assert canonical_hash(parse(one), DIGITS) == canonical_hash(parse(other), DIGITS)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (
            COUNT + "x = 9 if n > 3 and m == 2 else n + m;",
            "x = selector_width(select(tokens, indices, key == 0)) + selector_width(select(tokens, tokens, ==));",
        ),
        (
            COUNT + "x = 3 if n > 3 and m == 2 else m;",
            "x = selector_width(select(tokens, indices, key == 0));",
        ),
        (
            "s = aggregate_sum(select(indices, indices, <) and select(tokens, tokens, <), tokens); x = s % 7;",
            "x = aggregate_sum(select(indices, indices, <) and select(tokens, tokens, <), tokens);",
        ),
    ],
    ids=["counts that do not meet", "a variable that only such cells read", "sums that no input has"],
)
def test_a_form_does_not_say_what_no_input_meets(text, form):
    p = parse(text)
    c = canonical(p, DIGITS)
    assert c == canonical(parse(form), DIGITS) == parse(form)
    assert length(c) < length(written(normalize(abstract(p, DIGITS)))[0])
    assert equivalent(p, c, DIGITS)
    assert canonical_hash(p, DIGITS) == canonical_hash(c, DIGITS)


def test_where_inputs_cannot_be_listed_every_cell_is_said():
    p = parse(COUNT + "x = (n + m) % 59;")
    wide = Signature(range(4), 30)
    assert canonical(p, wide) == written(normalize(abstract(p, wide)))[0]
    assert "%" in str(canonical(p, wide))


def test_where_inputs_cannot_be_listed_every_cell_counts():
    one, other = (parse(COUNT + t) for t in ("x = tokens;", "x = 0 if n > 29 and m == 2 else tokens;"))
    assert canonical_hash(one, Signature(range(4), 30)) != canonical_hash(other, Signature(range(4), 30))


def test_other_mechanisms_of_one_behavior_stay_apart():
    """Whether a token occurs again can be seen by counting or by looking; the behavior is one, the programs are two."""
    counted = parse("x = selector_width(select(tokens, tokens, ==)) > 1;")
    looked = parse(
        "other = select(tokens, tokens, ==) and select(indices, indices, !=);"
        "x = aggregate(other, indices >= 0, 0 == 1);"
    )
    assert behavior_hash(counted, ABC) == behavior_hash(looked, ABC)
    assert canonical_hash(counted, ABC) != canonical_hash(looked, ABC)


def test_the_signature_is_part_of_the_hash():
    p = parse("x = indices == 3;")
    assert canonical_hash(p, ABC) != canonical_hash(p, Signature("abc", 5))


def test_what_cannot_be_written_out_is_refused():
    p = parse(
        "x = aggregate(select(indices, indices, <=), tokens) ; y = aggregate(select(indices, indices, <=), x);"
    )
    with pytest.raises(CompileError, match="listed|values"):
        canonical(p, Signature([0.1234567, 1, 2.7182818], 12))
