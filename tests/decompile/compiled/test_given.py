"""Everything that may be given: pairs, models, arrays, files, and models in Tracr's form."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import janiform as jf
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.given import subject
from janiform.errors import FileError, InputError
from janiform.interop.tracr import compiling, rasp
from janiform.ir.canonical import canonical_hash

HIST = jf.parse("hist = selector_width(select(tokens, tokens, ==));")


SORT = jf.parse(
    "smaller = selector_width(select(tokens, tokens, <)); sort = aggregate(select(smaller, indices, ==), tokens);"
)


def assembled(unembedding: bool) -> compiling.AssembledTransformerModel:
    """The histogram as a model in Tracr's form, as Tracr keeps it or with the unembedding."""
    same = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ)
    model = compiling.compile_rasp_to_model(rasp.SelectorWidth(same), {"a", "b", "c"}, 4)
    return model if unembedding else bare(model)


def bare(
    model: compiling.AssembledTransformerModel, outputs: object = None
) -> compiling.AssembledTransformerModel:
    """A model without its unembedding, as Tracr keeps it; ``outputs`` name its classes otherwise."""

    class Bare:
        params = {k: v for k, v in model.params.items() if k != "unembed"}
        model_config, input_encoder, output_encoder = (
            model.model_config,
            model.input_encoder,
            outputs or model.output_encoder,
        )

    return Bare()  # type: ignore[return-value]


@pytest.mark.parametrize("unembedding", [True, False])
def test_models_in_the_form_of_tracr(unembedding):
    found = jf.decompile(assembled(unembedding))
    assert found.evidence.exact and found.evidence.exhaustive
    assert found.subject.output == ("unembedding" if unembedding else "last component")
    assert len(set(found("aabc"))) == 2


@pytest.mark.parametrize("named", [("a", "b", "c", "d"), (None, "a", "b", "c", "d")])
def test_where_nothing_is_written_the_output_is_undefined(named):
    """Tracr's ``sort_unique``, whose keys are unique: else a rank may be nobody's, and a rank that is somebody's is copied."""
    smaller = rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.LT))
    by_rank = rasp.Select(smaller, rasp.indices, rasp.Comparison.EQ)
    model = compiling.compile_rasp_to_model(rasp.Aggregate(by_rank, rasp.tokens), set("abcd"), 5)
    found = jf.decompile(bare(model, SimpleNamespace(encoding_map={v: i for i, v in enumerate(named)})))
    assert found.method == "exact" and found.evidence.exact and found.evidence.exhaustive
    assert canonical_hash(found.program, found.signature) == canonical_hash(SORT, found.signature)
    assert found("bab") == ["a", "b", None]


def test_arrays_without_biases_and_mlps_are_completed():
    weights = jf.parse("x = tokens;").compile("abc", 4).model.weights()
    kept = {n: w for n, w in weights.items() if ".b_" not in n and ".mlp." not in n}
    assert jf.decompile(kept).evidence.exact


def test_what_is_given_may_not_run_code(tmp_path):
    np.savez(tmp_path / "x.npz", **{"embed.W_E": np.array([print], dtype=object)})
    with pytest.raises(FileError, match="cannot be read"):
        jf.decompile(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("given", "says"),
    [({}, "embed.W_E is missing"), (3, "got int"), ({"embed.W_E": np.zeros(3)}, "must have 2 axes")],
)
def test_what_is_no_model_is_refused(given, says):
    with pytest.raises(InputError, match=says):
        jf.decompile(given)


def test_attention_is_as_the_model_says():
    with pytest.raises(InputError, match="attention is bidirectional"):
        subject(HIST.compile("abc", 4).model, causal=True)


def test_a_failure_has_its_residual():
    model = jf.Transformer(HIST.compile("abc", 4).model.config)
    with pytest.raises(CannotDecompile) as failure:
        jf.decompile(model)
    assert failure.value.residual is None or failure.value.residual > 0
