"""The terms kept hold the winner of a readout, whatever the others are, and none of them could be left out too."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import janiform as jf
from janiform.explain.attribution import explain
from janiform.explain.margins import deciding_terms
from janiform.ir.nodes import Readout, Scores, Sequence, Slope
from janiform.ir.program import Program, program


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 0.1]))
def test_free_terms_never_change_the_winner_and_kept_ones_could(seed: int, step: float) -> None:
    """Every choice of values for the free terms has the same winner; freeing one more term lets a rival win."""
    rng = np.random.default_rng(seed)
    n, labels = rng.integers(1, 5), rng.integers(1, 4)
    possible = [step * rng.integers(-4, 5, (rng.integers(1, 4), labels)) for _ in range(n)]
    bias = step * rng.integers(-2, 3, labels)
    held = [p[0] for p in possible]
    winner = int((bias + np.sum(held, axis=0)).argmax())
    kept = deciding_terms(held, possible, bias, [False] * n)

    def winners(fixed: set[int]) -> set[int]:
        choices = [[p[0]] if i in fixed else p for i, p in enumerate(possible)]
        return {int((bias + np.sum(rows, axis=0)).argmax()) for rows in product(*choices)}

    assert winners(set(kept)) == {winner}
    if step == 1.0:
        assert all(winners(set(kept) - {i}) != {winner} for i in kept)


def variables() -> dict[str, Sequence]:
    """Categories and numbers of all kinds to read out."""
    texts = {
        "token": "x = tokens;",
        "place": "x = indices;",
        "before": "x = aggregate(select(indices, indices - 1, ==), tokens);",
        "many": "x = selector_width(select(tokens, tokens, ==));",
        "share": 'x = aggregate(select(indices, indices, <=), indicator(tokens == "a"));',
    }
    return {name: jf.parse(text).output for name, text in texts.items()}


def drawn(rng: np.random.Generator, pooled: bool) -> Program:
    """A readout of some of the variables with small whole weights."""
    found = variables()
    args, weights = [], []
    for name in rng.permutation(list(found))[: rng.integers(1, 6)].tolist():
        args.append(found[name])
        if name in ("many", "share") and rng.integers(2):
            weights.append(Slope(tuple(rng.integers(-3, 4, 3).tolist())))
        else:
            values = {"token": "abc", "before": (None, *"abc")}.get(name, (0, 1, 2, 3))
            rows = tuple(tuple(r) for r in rng.integers(-4, 5, (len(values), 3)).tolist())
            weights.append(Scores(tuple(values), rows))
    bias = tuple(rng.integers(-2, 3, 3).tolist())
    return program(Readout(tuple(args), tuple(weights), bias, ("x", "y", "z"), pooled))


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_a_readout_is_fixed_by_the_tokens_said_to_fix_it(seed: int, pooled: bool) -> None:
    """On all inputs of the length that keep the fixing tokens, the label is the same."""
    rng = np.random.default_rng(seed)
    read = drawn(rng, pooled)
    tokens = ["abc"[c] for c in rng.integers(3, size=4)]
    found = explain(read, tokens, 2, vocab="abc")
    choices = [t if i in found.fixing else "abc" for i, t in enumerate(tokens)]
    outputs = jf.evaluate(read, [list(x) for x in product(*choices)])["output"]
    assert {row[2] for row in outputs} == {found.value}
    assert set(found.read) <= set(found.fixing) and set(found.decisive) <= set(found.fixing)


def test_a_term_too_weak_to_matter_is_no_reason() -> None:
    """The label rests on the token; the place could never outweigh it."""
    token, place = variables()["token"], variables()["place"]
    strong = Scores(("a", "b"), ((9, 0), (0, 9)))
    read = program(Readout((token, place), (strong, Slope((1, 0))), (0, 0), ("x", "y")))
    names = [r.listed.name for r in explain(read, "abab", 1).reasons]
    assert names == ["output", "tokens"]
