"""Pruning finds the few edges that models of known mechanism need, and says so in its ledger."""

import numpy as np
import pytest
import torch

from janiform.decompile.trained import Ledger, Pruning, count_lines, lift, listing, prune, run
from janiform.decompile.trained.evidence import Match, batched, draw, match
from janiform.errors import FileError, InputError
from janiform.model import Config, Transformer, checkpoints, read_model
from janiform.tasks import sampler


def fresh_match(model, task, graph, n=200, longest=None):
    batches = batched(model, task, draw(model, task, np.random.default_rng(77), n, longest=longest))
    return match(lambda b: run(graph, b.tokens, b.positions).logits, batches).fraction


@pytest.mark.parametrize(
    ("name", "most"),
    [("bin_majority-1l1h16", 3), ("tomita2-1l1h16", 3), ("D2-1l1h16", 9), ("tomita7-2l1h16", 12)],
)
def test_few_edges_of_our_own_models_are_needed(name, most):
    model, task = checkpoints.load_trained(name), sampler(name.split("-")[0])
    pruned = prune(model, task)
    assert len(pruned.graph.edges) <= most
    assert pruned.match.fraction >= 0.95
    assert fresh_match(model, task, pruned.graph) >= 0.95
    assert pruned.ledger.seconds < 5


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("bin_majority-1l1h16", 2),
        ("tomita2-1l1h16", 2),
        ("D2-1l1h16", 7),
        ("aastar-1l2h16", 8),
        ("tomita7-2l1h16", 9),
    ],
)
def test_few_edges_of_models_by_others_are_needed(shared_data, name, most):
    model, task = read_model(shared_data / "trained_models" / name), sampler(name.split("-")[0])
    pruned = prune(model, task)
    assert len(pruned.graph.edges) <= most
    assert fresh_match(model, task, pruned.graph) >= 0.95


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize(("name", "most"), [("sort-1l1h256", 7), ("unique_copy-2l1h64", 22)])
def test_few_edges_of_larger_models_are_needed(shared_data, name, most):
    model, task = read_model(shared_data / "trained_models" / name), sampler(name.split("-")[0])
    pruned = prune(model, task)
    assert len(pruned.graph.edges) <= most
    assert fresh_match(model, task, pruned.graph) >= 0.95


def random_model(task, **changes):
    size = len(task.vocab)
    shape = {
        "n_layers": 1,
        "d_model": 8,
        "n_heads": 2,
        "d_head": 4,
        "d_mlp": 9,
        "n_ctx": 60,
        "attention_dir": "causal",
    }
    return Transformer(
        Config(**{**shape, "normalization_type": "LN", **changes}, d_vocab=size, d_vocab_out=size)
    )


def test_the_ledger_tells_every_step_from_the_whole_to_the_result():
    task = sampler("tomita2")
    pruned = prune(random_model(task), task, Pruning(fresh=32))
    edges = len(lift(random_model(task)).edges)
    for step in pruned.ledger:
        assert step.edges_before == edges
        edges = step.edges_after if step.kept else edges
    assert edges == len(pruned.graph.edges)
    assert any(not step.kept for step in pruned.ledger)
    cuts = [step for step in pruned.ledger if step.kept and step.what.startswith("cut")]
    assert all(step.match_after >= min(0.97, step.match_before) for step in cuts)
    assert Ledger.from_json(pruned.ledger.to_json()) == pruned.ledger


def test_the_same_seed_gives_the_same_graph():
    task = sampler("aastar")
    found = [prune(random_model(task), task, Pruning(fresh=32, seed=3)).graph.edges for _ in range(2)]
    assert found[0] == found[1]


def test_without_time_the_graph_is_the_model():
    task = sampler("bin_majority")
    model = random_model(task)
    pruned = prune(model, task, Pruning(seconds=0, fresh=32))
    assert pruned.graph.edges == lift(model).edges
    assert pruned.match.fraction == 1
    assert len(pruned.ledger) == 0


def test_paths_that_stood_together_are_taken_apart_when_few_are_left():
    """A deep model is lifted with its paths together, and ends with names that say what was aggregated."""
    task = sampler("tomita2")
    model = random_model(task, n_layers=3)
    with torch.no_grad():
        for block in model.blocks[1:]:
            block.attn.W_O.zero_()
            block.mlp.W_out.zero_()
        model.blocks[0].attn.W_O.mul_(5)
        model.pos_embed.W_pos.mul_(0)
    assert "a0.0" in lift(model).variables
    pruned = prune(model, task, Pruning(fresh=32))
    assert any(step.what == "take paths apart" for step in pruned.ledger)
    assert "a0.0" not in pruned.graph.variables
    assert pruned.match.fraction >= 0.9


def test_a_model_of_another_task_is_refused():
    with pytest.raises(
        InputError, match="unique_copy has 154 tokens, the model 6: it is a model of another task"
    ):
        prune(random_model(sampler("tomita2")), sampler("unique_copy"))


def test_a_model_too_short_for_every_input_is_refused():
    task = sampler("bin_majority")
    with pytest.raises(InputError, match="fits the model's 2 positions"):
        prune(random_model(task, n_ctx=2), task)


def test_inputs_end_with_the_last_asked_position_and_fit_the_model():
    task = sampler("bin_majority")
    model = random_model(task)
    for batch in batched(model, task, draw(model, task, np.random.default_rng(0), 100)):
        assert batch.asked[:, -1].any()
        assert batch.positions.max() < 60
        assert not batch.wrong(model(batch.tokens, batch.positions)).any()
        assert (batch.counted.sum(1) == batch.asked.int().argmax(1) + 1).all()


def test_wilsons_interval_is_the_published_one():
    low, high = Match(8, 10).interval
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert Match(0, 0).interval == (0, 1)
    assert Match(10, 10).interval[1] == pytest.approx(1)


def test_a_listing_has_a_line_for_every_operation():
    graph = lift(random_model(sampler("tomita2")))
    text = listing(graph)
    assert count_lines(graph) == text.count("\n") + 1
    assert text.count("select(") == sum(e.kind == "score" for e in graph.edges)
    assert text.count("aggregate(") == 4
    assert text.count("scale(") == 3
    assert "s1 = select(q=class, k=class, op=A)" in text
    assert "m0 = element_wise_op(tok, pos, a0.0.tok, a0.0.pos, a0.1.tok, a0.1.pos)" in text


def test_what_is_no_ledger_is_refused():
    with pytest.raises(FileError, match="this is no ledger"):
        Ledger.from_json('[{"what": 1}]')
