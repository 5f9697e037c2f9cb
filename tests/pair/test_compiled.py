"""Compiled pairs: the whole way from text to weights, circuits and files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import janiform as jf
from janiform import programs
from janiform.errors import CompileError, InputError
from janiform.ir.sample import sample_program
from janiform.ir.semantics import Signature
from janiform.pair import Pair
from janiform.pair.ablate import replacements, run_without

NAMES = ("reverse", "sort", "hist", "hist2", "dyck1", "has_seen", "length")


def small(name: str) -> Pair:
    entry = programs.entry(name)
    return programs.load(name).compile(entry.vocab[:4], 5, entry.causal)


def words(pair: Pair) -> list:
    v, longest = pair.signature.vocab, pair.signature.max_len
    patterns = ([0, 1, 0, 1, 2], [1, 1, 2, 0], [2, 0, 1], [0], [1, 2, 2, 1, 0], [0, 0, 0, 0, 0])
    return [[v[i % len(v)] for i in p[:longest]] for p in patterns]


def outputs_without(pair: Pair, edges, ablation: str):
    ids = pair.encode(*words(pair), pad_to=pair.signature.max_len)
    instead = replacements(pair, ablation, ids.roll(1, 0))
    return pair.decode(run_without(pair, ids, edges, instead), list(map(len, words(pair))))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ablation", ["resample", "zero", "mean"])
def test_the_circuit_of_a_compiled_pair_is_enough(name, ablation):
    """Cutting all edges outside it together changes no output."""
    pair = small(name)
    assert outputs_without(pair, pair.circuit(ablation, "qkv").absent, ablation) == pair.run(words(pair))


@pytest.mark.parametrize("name", ["reverse", "hist", "sort"])
@pytest.mark.parametrize("ablation", ["resample", "zero"])
def test_no_edge_outside_the_circuit_of_a_compiled_pair_matters(name, ablation):
    """Cutting one edge outside it, alone, changes no output either."""
    pair = small(name)
    for e in pair.circuit(ablation).absent:
        assert outputs_without(pair, [e], ablation) == pair.run(words(pair)), str(e)


@pytest.mark.parametrize("name", NAMES)
def test_every_edge_of_a_circuit_leads_from_the_input_to_the_logits(name):
    """Each component that is heard also hears, and the other way round."""
    edges = small(name).circuit().edges
    writers, readers = {e.writer for e in edges}, {e.reader for e in edges}
    assert writers - readers <= {"input"} and readers - writers <= {"logits"}


def test_components_that_hold_nodes_are_those_of_the_circuit():
    circuit = small("sort").circuit()
    assert set(circuit.labels) == set(circuit.components) - {"logits"}


@pytest.mark.parametrize("name", NAMES)
def test_a_compiled_pair_survives_its_file(name, tmp_path):
    pair, path = small(name), tmp_path / "pair.safetensors"
    pair.save(path)
    again = jf.load(path)
    assert again.program == pair.program and again.places == pair.places
    assert again.run(words(pair)) == pair.run(words(pair))
    assert again.show() == pair.show()
    assert again.check(limit=2000).good


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    size=st.integers(2, 7),
    causal=st.booleans(),
    layout=st.sampled_from(["separate", "reuse"]),
)
def test_random_pairs_obey_law_2_and_their_circuits(seed, size, causal, layout, tmp_path_factory):
    signature = Signature("abc", 4, causal)
    program = sample_program(np.random.default_rng(seed), signature, size)
    try:
        pair = program.compile(signature=signature, layout=layout)
    except CompileError:
        return
    report = pair.check()
    assert report.mismatches == 0 and report.error <= max(report.bound.error, 1e-6), str(report)
    absent = pair.circuit("resample", "qkv").absent
    assert outputs_without(pair, absent, "resample") == pair.run(words(pair))
    path = tmp_path_factory.mktemp("pairs") / "pair.safetensors"
    pair.save(path)
    assert jf.load(path).run(words(pair)) == pair.run(words(pair))


def test_a_signature_is_given_once():
    reverse = programs.load("reverse")
    with pytest.raises(InputError, match='compile\\(vocab="abc", max_len=5\\)'):
        reverse.compile("abc")
    with pytest.raises(InputError, match="not both"):
        reverse.compile("abc", 5, signature=Signature("abc", 5))
