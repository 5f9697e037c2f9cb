"""Where compilers of RASP have been wrong: each case gives the interpreter's answer from weights, or a named refusal."""

from __future__ import annotations

import time

import pytest

import janiform as jf
from janiform.compile import compile_program
from janiform.errors import CompileError, MeaningError
from janiform.ir.derived import length
from janiform.ir.functions import Apply, Arg
from janiform.ir.nodes import Map, Tokens
from janiform.ir.program import program
from janiform.ir.semantics import Signature


def right(text: str, vocab: object, max_len: int, **options: object) -> jf.Pair:
    """Compile a text and require that no input is answered wrongly."""
    pair = jf.parse(text).compile(vocab=vocab, max_len=max_len, **options)  # type: ignore[arg-type]
    report = pair.check(limit=3_000, draws=600)
    assert not report.mismatches, str(report)
    return pair


@pytest.mark.parametrize("max_len", [10, 50, 100])
@pytest.mark.parametrize("text", ["y = length;", "y = histogram(tokens);"])
def test_long_counts_are_right(text: str, max_len: int) -> None:
    right(text, "ab", max_len)


@pytest.mark.slow
def test_counts_up_to_a_thousand_are_right() -> None:
    pair = jf.parse("y = length;").compile(vocab="ab", max_len=1_000)
    for n in (1, 2, 499, 998, 1_000):
        assert pair("ab" * (n // 2) + "a" * (n % 2)) == [n] * n


def test_averages_do_not_leak_at_length_two_hundred() -> None:
    pair = right('y = aggregate(select(indices, 0, ==), 1 if tokens == "a" else 0);', "ab", 200)
    assert pair("a" + "b" * 199) == [1] * 200


def test_categories_become_negative_and_fractional_numbers() -> None:
    pair = right('y = {"a": -2, "b": 0.5, "c": 3}[tokens];', "abc", 4)
    assert pair("abc") == [-2, 0.5, 3]


@pytest.mark.parametrize("threshold", ["1/3", "0.5", "2/3", "0.4"])
@pytest.mark.parametrize("op", [">", ">=", "==", "<"])
def test_thresholds_on_fractions_of_counts_are_right(op: str, threshold: str) -> None:
    right(f'y = aggregate(select(indices, indices, <=), indicator(tokens == "a")) {op} {threshold};', "ab", 9)


@pytest.mark.parametrize(
    "selector",
    [
        "select(tokens, tokens, ==) and select(indices, indices, <)",
        "select(tokens, tokens, ==) or select(indices, indices, <)",
        "not select(tokens, tokens, ==)",
        'not (select(tokens, "a", ==) and select(indices, indices, <=)) or select(indices, 0, ==)',
        'select(tokens, "a", ==) or (select(tokens, tokens, ==) and not select(indices, indices, ==))',
    ],
)
@pytest.mark.parametrize("causal", [False, True])
def test_composite_selectors_compile(selector: str, causal: bool) -> None:
    right(
        f"s = {selector}; w = selector_width(s); m = aggregate(s, indices, -1); w, m;",
        "abc",
        5,
        causal=causal,
    )


@pytest.mark.parametrize(
    "text",
    [
        "y = length;",
        "y = selector_width(full_s);",
        "y = const(7);",
        'y = const("word");',
        "y = tokens;",
        "y = indices;",
        "y = 2 * indices + 1;",
        "y = aggregate(select(indices, indices + 1, ==), tokens, 5);",
        "y = aggregate(select(indices, indices + 1, ==), tokens, -2.5);",
        "y = aggregate(select(indices, indices, <=), tokens);",
        "y = aggregate(full_s, 10 * tokens - 7);",
        'y = aggregate(full_s, tokens, reduce="sum");',
        'y = aggregate(select(tokens, tokens, <), tokens, reduce="max");',
        'y = aggregate(select(tokens, tokens, <), tokens, 9, reduce="min");',
        "y = tokens * indices;",
        "y = aggregate(full_s, tokens) - aggregate(select(indices, 0, ==), tokens);",
        "a = tokens + 1; b = length; a, b;",
    ],
)
def test_the_whole_language_compiles(text: str) -> None:
    right(text, [0, 1, 3], 6)


def test_more_values_than_keys_is_no_crash() -> None:
    right("y = aggregate(select(indices, 0, ==), tokens * 7 + indices * 11);", range(6), 4)


def test_undefined_is_a_value_of_its_own() -> None:
    pair = right("y = aggregate(select(indices, indices - 1, ==), tokens);", range(3), 5)
    assert pair([2, 1]) == [None, 2]
    words = right("y = aggregate(select(indices, indices - 1, ==), tokens);", "ab", 5)
    assert words("ba") == [None, "b"]


def test_padding_is_not_attended() -> None:
    pair = right(
        'n = selector_width(full_s); m = aggregate(full_s, indicator(tokens == "a")); n, m;', "ab", 8
    )
    assert pair.run(["ab", "abababab"])["n"][0] == [2, 2]
    assert pair.run(["ab", "abababab"])["m"][0] == [0.5, 0.5]


def test_true_and_one_are_two_tokens() -> None:
    pair = program(Tokens()).compile(vocab=[True, 1], max_len=3)
    assert [type(v) for v in pair([True, 1])] == [bool, int]


def test_causal_means_the_same_to_both_faces() -> None:
    pair = right("y = length;", "ab", 6, causal=True)
    assert pair("abab") == [1, 2, 3, 4] == jf.parse("y = length;")("abab", causal=True)


def test_tokens_can_be_compared_with_indices() -> None:
    assert right("y = tokens == indices;", range(4), 4)([0, 2, 2, 1]) == [True, False, True, False]


@pytest.mark.parametrize(
    "expression",
    ["-tokens", "tokens % 3", "tokens // 2", "tokens ^ 2", "abs(tokens - 2)", "round(tokens / 2)"],
)
def test_arithmetic_compiles(expression: str) -> None:
    right(f"y = {expression};", range(-3, 5), 3)


def test_nodes_of_one_name_are_kept_apart() -> None:
    pair = right("x = tokens + 1; y = x; x = tokens + 2; z = x; y, z;", range(3), 3)
    assert pair([0]) == {"y": [1], "z": [2]}


def test_sharing_costs_nothing() -> None:
    x: object = Tokens()
    for _ in range(40):
        x = Map(Apply("max", (Arg(0), Arg(1))), (x, x))  # type: ignore[arg-type]
    start = time.process_time()
    pair = program(x).compile(vocab=range(3), max_len=3)  # type: ignore[arg-type]
    assert pair([0, 2]) == [0, 2] and time.process_time() - start < 2


def test_several_different_strings_are_refused_by_both_faces() -> None:
    text = "y = aggregate(select(indices, indices, <=), tokens);"
    with pytest.raises(MeaningError, match="line 1"):
        jf.parse(text)("ab")
    with pytest.raises(MeaningError, match="'y'.*line 1"):
        jf.parse(text).compile(vocab="ab", max_len=3)


def test_a_function_without_a_value_is_refused_by_both_faces() -> None:
    with pytest.raises(MeaningError, match="undefined on"):
        jf.parse("y = 1 / tokens;")([0])
    with pytest.raises(MeaningError, match="undefined on"):
        jf.parse("y = 1 / tokens;").compile(vocab=range(3), max_len=3)


def test_what_is_too_large_is_refused_with_its_size_before_anything_is_made() -> None:
    start = time.process_time()
    with pytest.raises(CompileError, match=r"[\d,]{7,}.*smaller"):
        jf.parse('y = (tokens + "x") == (tokens + "y");').compile(vocab="ab", max_len=10**9)
    with pytest.raises(CompileError, match=r"[\d,]{7,}.*smaller"):
        jf.parse(
            "a = aggregate(select(indices, indices, <=), tokens); y = a * a * length % 7 == indices;"
        ).compile(vocab=range(50), max_len=60)
    assert time.process_time() - start < 20


def test_too_little_precision_is_refused_by_name() -> None:
    with pytest.raises(CompileError, match="float32.*float64"):
        jf.programs.load("hyperbolic_tangent").compile(vocab=range(10), max_len=5, dtype="float32")


def test_unknown_options_say_which_are_known() -> None:
    with pytest.raises(CompileError, match="separate or reuse"):
        compile_program(program(length()), Signature("ab", 3), layout="tight")  # type: ignore[arg-type]
    with pytest.raises(CompileError, match="float32 or float64"):
        compile_program(program(length()), Signature("ab", 3), dtype="float16")  # type: ignore[arg-type]


def test_a_prefix_is_everything_under_causal_attention() -> None:
    """What is seen is selected, so no score, and no position, is needed."""
    pair = right("y = aggregate(select(indices, indices, <=), tokens == 1);", (0, 1), 6, causal=True)
    assert not pair.model.pos_embed.W_pos.any()
