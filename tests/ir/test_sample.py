"""Sampled programs have a meaning on every input, the size asked for, and no part that nothing reads."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from janiform.ir.evaluate import evaluate
from janiform.ir.functions import Apply, Arg
from janiform.ir.nodes import Aggregate, Best, Count, Map, Not, Select, Tokens
from janiform.ir.program import program
from janiform.ir.sample import sample_program, size_of
from janiform.ir.semantics import Signature
from strategies import signatures

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int, signature: Signature, size: int):
    return sample_program(np.random.default_rng(seed), signature, size)


@given(SEEDS, signatures(), st.integers(1, 16))
def test_every_input_has_a_meaning(seed, signature, size):
    p = drawn(seed, signature, size)
    rng = np.random.default_rng(seed)
    lengths = [*range(signature.max_len + 1), *[signature.max_len] * 20]
    inputs = [[signature.vocab[i] for i in rng.integers(len(signature.vocab), size=n)] for n in lengths]
    found = evaluate(p, inputs, signature=signature)["output"]
    assert [len(row) for row in found] == lengths


@given(SEEDS, signatures(), st.integers(1, 16))
def test_programs_have_the_size_asked_for(seed, signature, size):
    p = drawn(seed, signature, size)
    assert size <= size_of(p) <= 3 * size + 12
    assert len(p.outputs) == 1


@given(SEEDS, st.integers(1, 12))
def test_a_seed_draws_one_program(seed, size):
    signature = Signature("abc", 5)
    assert drawn(seed, signature, size) == drawn(seed, signature, size)


def test_seeds_draw_different_programs():
    signature = Signature("abc", 5)
    assert len({drawn(seed, signature, 6) for seed in range(100)}) > 90


def test_every_kind_of_node_is_drawn():
    signature = Signature("abc", 5)
    met = {type(n) for seed in range(100) for n in drawn(seed, signature, 8).nodes()}
    assert {Tokens, Map, Select, Aggregate, Count, Best, Not} <= met


def test_size_counts_shared_operations_once():
    x = Map(Apply("not", (Arg(0),)), (Tokens(),))
    assert size_of(program(Map(Apply("and", (Arg(0), Arg(1))), (x, x)))) == 2
    assert size_of(program(Tokens())) == 0
