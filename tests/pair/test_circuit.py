"""The circuit: known edges of hand-made weights, and cutting what is no edge never changes an output."""

import pytest
import torch
from handmade import ALL, fraction, identity, previous, through_mlp

from janiform.errors import InputError
from janiform.pair import Edge
from janiform.pair.ablate import replacements, run_without


def edges(pair, *args, **options) -> set[str]:
    return {str(e) for e in pair.circuit(*args, **options).edges}


def test_resampling_finds_what_carries_the_tokens():
    """Positions never vary, so the keys and queries of a head that looks one back carry nothing to be found."""
    assert edges(previous(), granularity="qkv") == {"input->a0.h0<v>", "a0.h0->logits"}
    assert edges(previous(), "mean", "qkv") == edges(previous(), "resample", "qkv")


def test_zero_ablation_finds_constants_too():
    assert edges(previous(), "zero", "qkv", embeddings="split") == {
        "pos->a0.h0<q>",
        "pos->a0.h0<k>",
        "tok->a0.h0<v>",
        "a0.h0->logits",
    }


def test_components_merge_what_a_head_reads():
    assert edges(previous(), "zero") == {"input->a0.h0", "a0.h0->logits"}


def test_a_model_without_layers_has_one_edge():
    assert edges(identity()) == {"input->logits"}


def test_what_nobody_reads_is_no_part_of_the_circuit():
    found = through_mlp().circuit()
    assert {str(e) for e in found.edges} == {"input->m0", "m0->logits"}
    assert found.components == ("input", "m0", "logits")
    assert {str(e) for e in found.absent} == {"input->a0.h0", "input->logits", "a0.h0->m0", "a0.h0->logits"}


def test_keys_that_tell_padding_from_tokens_are_an_edge():
    assert "input->a0.h0<k>" not in edges(fraction(), granularity="qkv", inputs=["aaab", "bbab", "abba"])
    assert "input->a0.h0<k>" in edges(fraction(), "zero", granularity="qkv")


def test_edges_can_be_told_apart_by_position():
    found = edges(previous(), granularity="qkv", positions=True)
    assert found == {
        *(f"input->a0.h0<v>@{p}" for p in range(1, 5)),
        *(f"a0.h0->logits@{p}" for p in range(2, 5)),
    }


def test_given_inputs_decide_which_positions_count():
    found = edges(previous(), positions=True, inputs=["ab", "ba"])
    assert "a0.h0->logits@2" in found and "a0.h0->logits@3" not in found


def test_components_are_labeled_with_the_nodes_they_hold():
    circuit = previous().circuit()
    assert circuit.labels == {"input": ("tokens", "indices"), "a0.h0": ("prev",)}
    assert circuit.where["prev"] == ("a0.h0",)
    assert previous().circuit(embeddings="split").labels["pos"] == ("indices",)
    assert "a0.h0    prev" in str(circuit)


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("ablation", ["resample", "zero", "mean"])
@pytest.mark.parametrize("granularity", ["component", "qkv"])
def test_cutting_what_is_no_edge_changes_no_output(make, ablation, granularity):
    pair = make()
    words = ["abab", "ba", "aabb", "b", "bbba", "aaab"]
    words = [w[: pair.signature.max_len] for w in words]
    ids = pair.encode(*words, pad_to=pair.signature.max_len)
    instead = replacements(pair, ablation, ids.roll(1, 0))
    circuit = pair.circuit(ablation, granularity)
    right = pair.run(words)
    for e in circuit.absent:
        assert pair.decode(run_without(pair, ids, [e], instead), list(map(len, words))) == right, str(e)
    assert pair.decode(run_without(pair, ids, circuit.absent, instead), list(map(len, words))) == right


@pytest.mark.parametrize("make", ALL)
def test_cutting_an_edge_of_these_circuits_changes_an_output(make):
    pair = make()
    words = [w[: pair.signature.max_len] for w in ("abab", "baba", "aabb", "bbaa")]
    ids = pair.encode(*words)
    instead = replacements(pair, "resample", ids.roll(1, 0))
    lengths = list(map(len, words))
    for e in pair.circuit(inputs=words).edges:
        assert pair.decode(run_without(pair, ids, [e], instead), lengths) != pair.run(words), str(e)


def test_cutting_nothing_changes_nothing():
    pair = previous()
    ids = pair.encode("abca")
    torch.testing.assert_close(run_without(pair, ids, [], {}).float(), pair.model(ids))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ablation": "noise"}, "resample, mean, zero"),
        ({"granularity": "neuron"}, "qkv"),
        ({"embeddings": "x"}, "joint"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        identity().circuit(**options)


def test_an_edge_that_cannot_be_is_refused():
    pair = previous()
    with pytest.raises(InputError, match="no edge m0->a0.h0"):
        run_without(pair, pair.encode("ab"), [Edge("m0", "a0.h0")], replacements(pair, "zero"))
    with pytest.raises(InputError, match="needs other inputs"):
        replacements(pair, "mean")
