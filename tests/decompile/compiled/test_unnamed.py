"""Without a codec: BOS, PAD and the output variable are told from weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import janiform as jf
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.compiled.roles import roles_of
from janiform.errors import InputError
from janiform.ir.canonical import canonical
from janiform.model import Transformer

REVERSE = jf.parse("reverse = aggregate(select(indices, length - indices - 1, ==), tokens);")
HIST = jf.parse("hist = selector_width(select(tokens, tokens, ==));")
PREVIOUS = jf.parse("previous = aggregate(select(indices, indices - 1, ==), tokens);")


def shuffled(model: Transformer, seed: int) -> tuple[Transformer, list[int]]:
    """The model with its ids numbered otherwise, and the old id of each new one."""
    weights, order = model.weights(), np.random.default_rng(seed).permutation(model.config.d_vocab)
    weights["embed.W_E"] = np.ascontiguousarray(weights["embed.W_E"][order])
    return Transformer.from_weights(model.config, weights), order.tolist()


def with_unembedding(model: Transformer, W_U: np.ndarray) -> Transformer:
    """The model with another unembedding."""
    weights = model.weights() | {"unembed.W_U": W_U, "unembed.b_U": np.zeros(W_U.shape[1])}
    return Transformer.from_weights(replace(model.config, d_vocab_out=W_U.shape[1]), weights)


@settings(max_examples=8, deadline=None)
@given(
    st.sampled_from([HIST, REVERSE, PREVIOUS]), st.integers(0, 10**6), st.sampled_from([None, "orthogonal"])
)
def test_roles_do_not_depend_on_the_numbering_of_ids(program, seed, residual):
    pair = program.compile("abc", 4)
    if residual:
        pair = pair.disguise(seed, residual=residual)
    model, order = shuffled(pair.model, seed)
    roles = roles_of(model)
    assert (order[roles.bos], order[roles.pad]) == (pair.codec.bos, pair.codec.pad)


def test_without_attention_roles_are_those_of_convention():
    roles = roles_of(jf.parse('x = tokens == "a";').compile("abc", 4).model)
    assert (roles.tokens, roles.bos, roles.pad, roles.told) == ((0, 1, 2), 3, 4, "convention")


@pytest.mark.parametrize("seed", range(3))
def test_a_model_of_shuffled_ids_is_decompiled_under_its_own_names(seed):
    pair = REVERSE.compile("abc", 4)
    model, order = shuffled(pair.model, seed)
    names = [pair.signature.vocab[i] for i in order if i < 3]
    found = jf.decompile(model, vocab=names, classes=pair.readouts[0].values)
    assert found.evidence.exact and found("abca") == "acba"


@pytest.mark.parametrize("program", [HIST, REVERSE, PREVIOUS])
@pytest.mark.parametrize("kind", ["missing", "wrong"])
def test_the_output_is_found_where_the_unembedding_is_no_good(program, kind):
    pair = program.compile("abc", 4)
    width = pair.model.config.d_model
    W_U = np.zeros((width, 1)) if kind == "missing" else np.eye(width)[:, :4]
    found = jf.decompile(with_unembedding(pair.model, W_U), vocab="abc")
    assert found.subject.output == "last component"
    plain = jf.decompile(pair.model, vocab="abc")
    for x in ("a", "ab", "abca", "ccba"):
        theirs, ours = plain(x), found(x)
        assert len(set(map(str, zip(theirs, ours)))) == len(set(map(str, theirs)))


def test_a_missing_unembedding_of_arrays_is_found_too():
    weights = REVERSE.compile("abc", 4).model.weights()
    del weights["unembed.W_U"], weights["unembed.b_U"]
    found = jf.decompile(weights, vocab="abc")
    assert (
        found.program.outputs["output"] == canonical(REVERSE, found.signature).output or found.evidence.exact
    )


def test_a_model_that_writes_nothing_has_no_output_variable():
    model = jf.parse("x = tokens;").compile("abc", 4).model
    with pytest.raises(CannotDecompile, match="no component writes"):
        jf.decompile(with_unembedding(model, np.zeros((model.config.d_model, 2))))


def test_names_have_to_fit():
    model = HIST.compile("abc", 4).model
    with pytest.raises(InputError, match="2 names for the 3 tokens"):
        jf.decompile(model, vocab="ab")
    with pytest.raises(InputError, match="names for the 4 classes"):
        jf.decompile(model, classes=[1, 2])
    with pytest.raises(InputError, match="names of its own"):
        jf.decompile(HIST.compile("abc", 4), vocab="abc")
