"""Weights give back the program: the same canonical form, from as-compiled and from disguised weights, or an explicit failure."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import janiform as jf
from janiform import programs
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.ir.canonical import canonical, canonical_hash
from janiform.ir.program import Program
from janiform.ir.sample import sample_program
from strategies import signatures

SEEDS = st.integers(0, 2**32 - 1)
REVERSE = "reverse = aggregate(select(indices, length - indices - 1, ==), tokens);"
HIST = "hist = selector_width(select(tokens, tokens, ==));"


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, signature=signatures(longest=4), size=st.integers(1, 4), kind=st.integers(0, 3))
def test_what_is_found_is_the_program_or_nothing(seed, signature, size, kind):
    program = sample_program(np.random.default_rng(seed), signature, size)
    pair = program.compile(signature=signature)
    if kind:
        residual = (None, "orthogonal", "invertible")[kind - 1]
        pair = pair.disguise(seed % 1000, residual=residual)
    try:
        found = jf.decompile(pair, limit=400, draws=100)
    except CannotDecompile as e:
        assert str(e)
        return
    assert found.evidence.exact
    assert jf.equivalent(found.program, program, signature, limit=400, draws=100)


@pytest.mark.parametrize("text", [REVERSE, HIST])
@pytest.mark.parametrize("layout", ["separate", "reuse"])
@pytest.mark.parametrize("residual", ["as compiled", None, "orthogonal", "invertible"])
def test_every_layout_and_every_gauge_gives_the_same_program(text, layout, residual):
    program = jf.parse(text)
    pair = program.compile("abc", 4, layout=layout)
    if residual != "as compiled":
        pair = pair.disguise(3, residual=residual)
    found = jf.decompile(pair)
    assert found.program == canonical(program, pair.signature)
    assert found.evidence.exact and found.evidence.exhaustive and found.evidence.checked == 120
    assert found.evidence.weight_distance < 1e-3


@pytest.mark.parametrize("name", ["hist", "reverse", "most_freq", "majority"])
def test_the_library_comes_back(name):
    entry = programs.entry(name)
    signature = jf.Signature(list(entry.vocab)[:4], 4, entry.causal)
    program = programs.load(name)
    found = jf.decompile(program.compile(signature=signature).disguise(1))
    assert canonical_hash(found.program, signature) == canonical_hash(program, signature)


def test_several_outputs_come_back_by_name():
    program = Program({"hist": jf.parse(HIST).output, "reverse": jf.parse(REVERSE).output})
    found = jf.decompile(program.compile("abc", 3))
    assert set(found.program.outputs) == {"hist", "reverse"}
    assert jf.equivalent(found.program, program, found.signature)


def test_causal_weights_give_a_causal_program():
    pair = jf.parse("x = selector_width(select(tokens, tokens, ==));").compile("abc", 4, causal=True)
    found = jf.decompile(pair.model, vocab="abc")
    assert found.signature.causal
    assert found("aab") == [0, 1, 0]


def test_what_is_no_table_is_refused_with_the_residual_error():
    pair = jf.parse(HIST).compile("abc", 4)
    model = jf.Transformer(pair.model.config)
    with pytest.raises(CannotDecompile, match=r"residual error|soft|no table"):
        jf.decompile(model)


def test_a_trained_transformer_is_sent_to_the_other_way():
    config = jf.Config(
        n_layers=1,
        d_model=8,
        n_heads=1,
        d_head=8,
        d_mlp=8,
        d_vocab=5,
        d_vocab_out=5,
        n_ctx=6,
        act_fn="gelu",
        normalization_type="LN",
    )
    with pytest.raises(CannotDecompile, match="--task"):
        jf.decompile(jf.Transformer(config))


def test_weights_that_were_changed_are_not_passed_off_as_a_program():
    """A unit that is scaled away changes what the model computes, and the program is of the changed model or there is none."""
    pair = jf.parse(HIST).compile("abc", 4)
    with torch.no_grad():
        pair.model.blocks[0].mlp.W_out[0] *= 0.37
    try:
        found = jf.decompile(pair)
    except CannotDecompile:
        return
    assert found.evidence.agreed >= 0.99 * found.evidence.checked


def test_what_no_input_meets_confuses_no_head():
    """A query holds two copies that belong together; were they not to, several keys would be level with what is preferred."""
    program = jf.parse(
        "s = select(indices, tokens, ==); x = aggregate(s, tokens);"
        "y = aggregate(select(indices, aggregate(s, x), ==), x) % 10;"
        "never = select(indices, indices, <=) and select(indices, indices, >);"
        "output = y if aggregate(never, x, 1) > 0.5 else 2;"
    )
    pair = program.compile(range(5), 5)
    found = jf.decompile(pair)
    assert found.method == "exact" and found.evidence.exact
    assert canonical_hash(found.program, pair.signature) == canonical_hash(program, pair.signature)
