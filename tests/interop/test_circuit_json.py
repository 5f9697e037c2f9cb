"""Circuits in the shape of EAP-IG and MIB: the model's whole graph, and of it what the pair says."""

import json

import pytest

from janiform import programs
from janiform.interop.circuit_json import circuit_data, save_circuit

BY_THEIR_READER = ("cfg", "nodes", "edges")


def graph(layers: int, heads: int) -> tuple[list[str], list[str]]:
    """Every node and edge of a model, as EAP-IG builds its graph: a reader sees whatever was written before it."""
    written, edges = ["input"], []
    for i in range(layers):
        attention = [f"a{i}.h{h}" for h in range(heads)]
        edges += [f"{w}->{a}<{letter}>" for a in attention for letter in "qkv" for w in written]
        written += attention
        edges += [f"{w}->m{i}" for w in written]
        written.append(f"m{i}")
    return [*written, "logits"], edges + [f"{w}->logits" for w in written]


@pytest.mark.parametrize("ablation", ["resample", "mean", "zero"])
def test_nodes_and_edges_are_theirs_and_scores_say_the_circuit(name, ablation):
    pair = programs.load(name).compile(signature=programs.entry(name).signature)
    found = circuit_data(pair, ablation, limit=100)
    nodes, edges = graph(found["cfg"]["n_layers"], found["cfg"]["n_heads"])
    assert list(found["nodes"]) == nodes
    assert sorted(found["edges"]) == sorted(edges)
    truth = {str(e) for e in pair.circuit(ablation, "qkv", limit=100).edges}
    assert {e for e, v in found["edges"].items() if v["in_graph"]} == truth
    assert all(v["score"] == float(v["in_graph"]) for v in found["edges"].values())
    ends = {end.partition("<")[0] for e in truth for end in e.split("->")}
    assert {n for n, v in found["nodes"].items() if v["in_graph"]} == ends


def test_a_gpt2_has_the_circuit_of_what_it_was_made_from():
    pair = programs.load("majority").compile(range(2), 4, causal=True).to_gpt2()
    found = circuit_data(pair)
    assert found["cfg"]["d_model"] == pair.model.config.d_model
    kept = {e for e, v in found["edges"].items() if v["in_graph"]}
    assert kept == {str(e) for e in pair.origin.pair.circuit("resample", "qkv").edges}


def test_the_file_is_json_that_their_reader_takes(tmp_path):
    pair = programs.load("hist").compile("ab", 3)
    found = json.loads(save_circuit(pair, tmp_path / "hist.json").read_text())
    assert all(k in found for k in BY_THEIR_READER)
    assert found["janiform"]["labels"]["a0.h0"] and found["janiform"]["exhaustive"]
