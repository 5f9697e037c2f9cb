"""Laws of plain Python: for known tokens it says what the interpreter says, in fewer lines than the general text."""

import numpy as np
import pytest

from janiform import programs
from janiform.ir.derived import apply
from janiform.ir.evaluate import evaluate
from janiform.ir.nodes import Indices
from janiform.ir.program import Program
from janiform.ir.sample import sample_program
from janiform.ir.semantics import Signature
from janiform.text.plain import to_plain
from janiform.text.rasp import parse
from janiform.text.standalone import to_python


def agree(program, signature, rng, count=12):
    """Whether the plain text exists; where it does, it must give the same."""
    source = to_plain(program, signature, "run")
    if source is None:
        return False
    scope = {}
    exec(compile(source, "run", "exec"), scope)
    lengths = rng.integers(1, signature.max_len + 1, count)
    inputs = [[signature.vocab[c] for c in rng.integers(0, len(signature.vocab), n)] for n in lengths]
    expected = evaluate(program, inputs, signature=signature)
    for i, tokens in enumerate(inputs):
        found = scope["run"](tokens)
        found = found if isinstance(found, dict) else {next(iter(expected)): found}
        for name, values in expected.items():
            assert found[name] == values[i], (source, tokens, found[name], values[i])
            assert list(map(type, found[name])) == list(map(type, values[i])), source
    assert len(source) < len(to_python(program, "run", causal=signature.causal))
    return True


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("vocab", ["abc", (0, 1, 2), ("a", "it's", '", ('), (1, "1")])
def test_random_programs_are_the_same_in_plain_python(vocab, causal):
    """Random programs agree wherever the plain text exists, and often it does."""
    rng = np.random.default_rng(0)
    signature = Signature(vocab, 5, causal)
    plain = sum(agree(sample_program(rng, signature, 6), signature, rng) for _ in range(60))
    assert plain >= 3


def test_the_library_is_the_same_in_plain_python():
    """Library programs agree, and a good part of them has a plain text."""
    rng = np.random.default_rng(0)
    found = [
        agree(programs.load(name), Signature(entry.vocab, min(entry.max_len, 6), entry.causal), rng, 6)
        for name in programs.names()
        for entry in [programs.entry(name)]
        if len(entry.vocab) <= 12
    ]
    assert sum(found) > len(found) / 5


@pytest.mark.parametrize(
    "text",
    [
        "a = selector_width(select(tokens, tokens, ==) and select(indices, indices, <)); a = {0: 2, 3: 1}[a else 0];",
        'out = aggregate(best(select(tokens, tokens, ==), "closest"), indices, 7);',
        'out = aggregate(best(select(tokens, tokens, !=), "rightmost"), tokens, "c");',
        'out = aggregate(best(not select(indices, indices, >=), "leftmost"), tokens, "c");',
        'out = {"a": "it\'s, ", "b": "-"}[tokens else "?"];',
        'out = selector_width(select(tokens, tokens, {("a", "b"): True, ("b", "c"): True}[key, query else False]));',
        'out = selector_width(select(tokens, indices, {("a", 1): True, ("b", 1): True}[key, query else False]));',
        'out = readout(["x", "y"], [1, 0], tokens, {"a": [0, 2], "b": [-1, 0]}, indices, [0, 1]);',
        "p, q = indices * 2 - (3 - indices), tokens;",
        'seen = selector_width(select(tokens, tokens, key == "a")) > 1; out = selector_width(select(seen, tokens, key == True));',
        'out = aggregate(best(select(tokens, tokens, !=), "rightmost"), tokens == "a", True) and tokens != "b";',
        'out = map(not (tokens in ["a", "b"]) or indices > 2);',
        'out = aggregate(best(select(tokens, tokens, not (key in ["a"])), "largest", 2 * indices), tokens, "-");',
        'x = map({"a": -1, "b": -1}[tokens else 7]); out = aggregate(best(select(x, x, >=), "smallest", x), tokens, "-");',
        'out = map({"a": 9}[tokens else 1 if tokens == "b" else 2]);',
        "out = selector_width(select(tokens, tokens, key == key));",
        'out = {"a": "a", "b": "b"}[tokens else "c"];',
        "out = {0: 0, 1: 1, 2: 2, 3: 3}[indices else 4];",
        'out = aggregate(select(indices, tokens, key == (1 if query == "a" else 0 - 1)), tokens, "-");',
        "out = aggregate(select(indices, indices, key == 4 - query), indices, 9);",
        'out = aggregate(select(indices, tokens, ==), tokens, "-");',
        "x = selector_width(select(tokens, tokens, ==)); out = map({-1: 5, 0: 2, 3: 1}[2 * x - indices else 4]);",
    ],
)
def test_forms_are_the_same_in_plain_python(text):
    """Tables, orders of keys, relations and readouts agree in either direction."""
    for causal in (False, True):
        assert agree(parse(text), Signature("abc", 5, causal), np.random.default_rng(1))


def test_words_that_are_parts_of_others_are_told_apart():
    """'ab' is no letter of "ab", and the empty word is in every word."""
    rows = ", ".join(f'"{v}": True' for v in "ab")
    for vocab in (("a", "b", "c", "d", "ab"), ("a", "b", "c", "d", ""), ("a", "b", "c", "d", 5)):
        for text in (
            f"out = {{{rows}}}[tokens else False];",
            'out = {"a": "a", "b": "b"}[tokens else "c"];',
            'out = selector_width(select(tokens, tokens, {("a", "c"): True, ("b", "c"): True}[key, query else False]));',
        ):
            assert agree(parse(text), Signature(vocab, 3), np.random.default_rng(1))


def test_an_output_that_another_reads_is_written_once():
    """Several outputs of which one is made from another."""
    y = apply("+", Indices(), 1)
    program = Program({"y": y, "z": apply("*", y, 2)})
    assert agree(program, Signature("ab", 4), np.random.default_rng(0))
    assert to_plain(program, Signature("ab", 4)).count("i + 1") == 1


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('best(select(indices, indices, <), "closest"), tokens, "-"', "tokens[i - 1] if i > 0 else '-'"),
        ('select(indices, indices + 1, ==), tokens, "-"', "tokens[i + 1] if i + 1 < len(tokens) else '-'"),
        ("select(indices, length - 1 - indices, ==), tokens", "tokens[-1 - i]"),
        ("select(indices, length - 1 - indices, ==), indices * indices", "x[-1 - i]"),
        ('best(full_s, "rightmost"), tokens', "tokens[-1]"),
        ('best(full_s, "leftmost"), tokens', "tokens[0]"),
        ('select(indices, 2, ==), tokens, "-"', "tokens[2] if len(tokens) > 2 else '-'"),
        ('select(indices, indices - 2, ==), tokens, "-"', "tokens[i - 2] if i >= 2 else '-'"),
        (
            'select(indices, selector_width(select(tokens, tokens, ==)), ==), tokens, "-"',
            "tokens[x[i]] if x[i] < len(tokens) else '-'",
        ),
        (
            'select(indices, selector_width(select(tokens, "a", ==)), key == query - 1), tokens, "-"',
            "tokens[x[i] - 1] if 0 <= x[i] - 1 < len(tokens) else '-'",
        ),
        (
            'select(indices, selector_width(select(tokens, "a", ==)) - 1, ==), tokens, "-"',
            "tokens[x2[i]] if 0 <= x2[i] < len(tokens) else '-'",
        ),
    ],
)
def test_what_stands_at_one_place_is_read_there(text, written):
    """A head that takes one key whose position is known is an index in Python; in one direction it agrees too."""
    program = parse(f"out = aggregate({text});")
    signature = Signature("abc", 5)
    assert agree(program, signature, np.random.default_rng(1), 40)
    assert f"[{written} for i in span]" in to_plain(program, signature)
    agree(program, Signature("abc", 5, causal=True), np.random.default_rng(1), 40)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("selector_width(select(tokens, tokens, ==))", "tokens.count(tokens[i])"),
        ('selector_width(select(tokens, "b", ==))', "tokens.count('b')"),
        ('selector_width(select(tokens, tokens, key == "b"))', "tokens.count('b')"),
        (
            "selector_width(select(tokens, tokens, ==) and select(indices, indices, <))",
            "tokens[:i].count(tokens[i])",
        ),
        (
            "selector_width(select(indices, indices, >) and select(tokens, tokens, ==))",
            "tokens[i + 1 :].count(tokens[i])",
        ),
        (
            "selector_width(select(indices, indices, !=) and select(tokens, tokens, ==))",
            "tokens.count(tokens[i]) - 1",
        ),
        (
            'selector_width(select(indices, indices, !=) and select(tokens, tokens, key == "b"))',
            "sum(j != i and tokens[j] == 'b' for j in span)",
        ),
        ("selector_width(select(indices, indices, >))", "len(tokens) - 1 - i"),
        ("length + indices - indices", "len(tokens)"),
        ("(indices + 7) % 2 + indices - (indices + 1) % 2 + 3", "i + 3"),
    ],
)
def test_counts_and_places_are_written_in_pythons_words(text, written):
    """What Python has a word for is said in it, and in one direction it agrees too."""
    program = parse(f"out = {text};")
    assert agree(program, Signature("abc", 5), np.random.default_rng(1), 40)
    assert f"[{written} for i in span]" in to_plain(program, Signature("abc", 5))
    agree(program, Signature("abc", 5, causal=True), np.random.default_rng(1), 40)


def test_what_could_fail_or_be_undefined_keeps_the_general_text():
    """A fraction, an undefined value or a failing operation has no plain text."""
    for text in (
        "out = indices / 2;",
        "out = aggregate(select(indices, indices, <), tokens);",
        "out = tokens + 1;",
    ):
        assert to_plain(parse(text), Signature("ab", 3)) is None


def test_a_relation_that_is_the_same_for_all_queries_that_occur_needs_no_table():
    text = (
        "x = {0: 0, 1: 5}[indices else 5]; out = selector_width(select(x, tokens, "
        '{(5, "a"): True, (5, "b"): True, (0, "z"): True}[key, query else False]));'
    )
    assert agree(parse(text), Signature("ab", 4), np.random.default_rng(0))
    assert "sum(x[j] > 0 for j in span)" in to_plain(parse(text), Signature("ab", 4))


def test_long_tables_are_broken_into_lines():
    """No line is longer than 100 columns."""
    rows = ", ".join(f'("{a}", {i}): {i % 7}' for a in "abcdef" for i in range(30))
    source = to_plain(parse(f"out = {{{rows}}}[tokens, indices else 0];"), Signature("abcdef", 30))
    assert max(map(len, source.splitlines())) <= 100
