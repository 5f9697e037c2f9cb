"""Readouts in weights: scores are logits, ties go to the first label, and what cannot be compiled is refused by name."""

from __future__ import annotations

import numpy as np
import pytest

import janiform as jf
from janiform.compile import compile_program
from janiform.errors import CompileError
from janiform.ir.semantics import Signature
from janiform.pair import Pair

AB = Signature("ab", 5)
BEFORE = "p = aggregate(select(indices, indices - 1, ==), indices);"
SAME = "h = selector_width(select(tokens, tokens, ==));"


def compiled(text: str, signature: Signature = AB) -> Pair:
    return Pair.of(compile_program(jf.parse(text), signature))


def test_logits_are_scores_and_ties_go_to_the_first_label() -> None:
    """Labels fall back in order, by less than half a step in all."""
    pair = compiled('y = readout(["p", "q", "r"], [1, 1, 0], tokens, {"a": [0, 0, 1], "b": [2, 5, 7]});')
    logits = pair.logits(pair.codec.encode(["ab"]))[0, 1:]
    assert np.array_equal(logits.round(), [[1, 1, 1], [3, 6, 7]])
    assert (np.diff(logits[0]) < 0).all() and logits[0, 0] - logits[0, -1] < 0.5
    assert pair("ab") == "pr"


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        SAME + 'y = readout(["p", "q"], [0, 3], h, [2, 1], tokens, {"b": [0, -1]});',
        SAME + "y = readout([1, True, undefined], [0, 0.5, 0], h, {1: [1, 0, 0], 2: [0, 0, 1]});",
        SAME + 'y = readout_mean(["p", "q"], [0, 1], tokens, {"a": [1, -1]}, h, [1, 1]);',
        SAME + 'y = readout_mean(["q", "p"], [0, 0], h == 1, {True: [3, 1]}, h == 2, {True: [0, 2]});',
        BEFORE
        + SAME
        + 'y = readout(["p", "q"], [0, 0], p, {undefined: [0, 2], 1: [1, 0]}, max(h, 1), [0, 1]);',
        'y = readout(["p", "q"], [0, 1]);',
        'y = readout(["p", "q"], [0, 1], tokens == "a", [3, -1], const("c"), {"c": [0, 1]});',
        SAME + 'r = readout(["p", "q"], [0, 3], h, [2, 1], tokens, {"b": [0, -1]}); x = r == "p"; r, x, h;',
        SAME
        + 'r = readout([0, 2], [0, 3], h, [2, 1]); y = readout(["p", "q"], [0, 1], r, [1, 0], r, {0: [0, 1]});',
        'r = readout(["p", "q"], [0, 3], indices, [2, 1]); y = aggregate(select(r, r, ==), indices);',
    ],
)
def test_weights_agree_on_every_input(text: str, causal: bool) -> None:
    """Terms of all kinds; inside a program a readout is a table."""
    pair = compiled(text, Signature("ab", 5, causal))
    report = pair.check()
    assert report.good and report.exhaustive, report
    assert report.error <= pair.bound.error < pair.bound.margin


def test_each_output_is_held_to_its_own_margin() -> None:
    """A readout whose labels lie close beside a count whose values lie far apart."""
    pair = compiled(
        'y = readout(["p", "q"], [0, 2], tokens, {"a": [3, 0]}, indices, [1, -1]);' + SAME + "y, h;"
    )
    assert pair.check().error <= pair.bound.error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            BEFORE + 'y = readout(["q"], [0], p, [1]);',
            "a term with a slope must be a number",
        ),
        (SAME + 'y = readout(["p", "q"], [0, 0.1], h, {1: [0.3, 0]});', "readout 'y'.* no common step"),
        (
            'r = readout_mean(["p", "q"], [0, 1], tokens, {"a": [2, 0]}); y = r == "p";',
            "readout 'r'.* averages over positions.* make it an output",
        ),
        (
            "m = aggregate(full_s, indices); n = aggregate(select(tokens, tokens, ==), indices);"
            'r = readout(["p", "q"], [0, 1], m, {1: [2, 0]}, n, {2: [0, 1]}, m + n, {3: [1, 0]}); y = r == "p";',
            "readout 'r'.* combinations of values .at most 4,096.*make it an output",
        ),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises((CompileError, jf.MeaningError), match=said):
        compiled(text, Signature("ab", 9))
