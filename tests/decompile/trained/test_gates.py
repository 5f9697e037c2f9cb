"""Training gates leaves few edges that say what the model says, the same ones from the same seed."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from known import task_of, untrained

from janiform.cli.decompiling import Decompile, edges_kept
from janiform.decompile.trained import lift, run
from janiform.decompile.trained.evidence import batched, draw
from janiform.decompile.trained.gate_training import divergence
from janiform.decompile.trained.gates import Gating, train_gates
from janiform.decompile.trained.masks import Masks
from janiform.decompile.trained.means import measure
from janiform.decompile.trained.pipeline import Settings, decompile
from janiform.decompile.trained.prune import matching
from janiform.errors import InputError
from janiform.model.checkpoints import load_trained
from janiform.tasks import sampler

QUICK = Gating(inputs=120, rounds=1, steps=70, tuning=40, penalties=(0.01, 0.1), least=0.99)
FEW = Gating(rounds=1, inputs=40, short=6, fresh=100, steps=30, tuning=5, rate=0.3)


def short(name):
    """The task that a model is named after, on inputs of at most 30 symbols."""
    return replace(sampler(task_of(name)), longest=30)


def trained(name, **changes):
    return train_gates(load_trained(name), short(name), replace(FEW, **changes))


@cache
def at_all_lengths(name):
    """A model that comes with Janiform, pruned on inputs of all lengths."""
    return train_gates(load_trained(name), sampler(task_of(name)), QUICK)


@pytest.mark.parametrize("name", ["bin_majority-1l1h16", "tomita2-1l1h16"])
def test_few_edges_say_what_the_model_says_at_all_lengths(name):
    model, task = load_trained(name), sampler(task_of(name))
    pruned = at_all_lengths(name)
    assert len(pruned.graph.edges) <= 3
    assert pruned.match.fraction >= 0.99
    again = matching(pruned.graph, batched(model, task, draw(model, task, np.random.default_rng(77), 300)))
    assert again.fraction >= 0.99


def test_the_same_seed_gives_the_same_graph_and_ledger():
    first, second = (trained("tomita2-1l1h16", penalties=(0.1, 1.0), seed=3) for _ in range(2))
    assert first.graph.edges == second.graph.edges
    assert all(torch.equal(m, second.graph.means[name]) for name, m in first.graph.means.items())
    assert [replace(s, seconds=0.0) for s in first.ledger] == [replace(s, seconds=0.0) for s in second.ledger]
    assert first.match == second.match


def test_the_ledger_tells_every_stage_from_the_whole_to_the_result():
    pruned = trained("tomita2-1l1h16", penalties=(0.001, 0.1, 99.0))
    assert [s.what.split()[3] for s in pruned.ledger.steps[:9]] == ["nodes,"] * 3 + ["paths,"] * 3 + [
        "products,"
    ] * 3
    assert {s.level for s in pruned.ledger.steps[9:]} <= {"L2"}
    edges = 20
    for at in range(0, 9, 3):
        stage = pruned.ledger.steps[at : at + 3]
        assert {s.edges_before for s in stage} == {edges}
        for kept in (s for s in stage if s.kept):
            assert kept.match_after >= 0.97
            edges = kept.edges_after
    assert edges == len(pruned.graph.edges) < 20
    assert pruned.ledger.steps[2].edges_after == 0


def test_where_no_penalty_leaves_what_agrees_nothing_is_cut():
    pruned = trained("D2-1l1h16", penalties=(1000.0,))
    assert len(pruned.graph.edges) == 20
    assert pruned.match.fraction == 1
    assert not any(step.kept for step in pruned.ledger if step.level == "L1")


def test_without_time_the_graph_is_the_model():
    pruned = trained("tomita2-1l1h16", seconds=0.0)
    assert pruned.graph.edges == lift(load_trained("tomita2-1l1h16")).edges
    assert pruned.match.fraction == 1
    assert len(pruned.ledger) == 0


def test_paths_of_deep_models_are_taken_apart_between_stages():
    model = untrained("tomita2-1l1h16", 0, n_layers=3, n_heads=2, d_head=8)
    assert "a0.0" in lift(model).variables
    few = replace(FEW, penalties=(0.0002,), least=0.0, steps=20)
    pruned = train_gates(model, short("tomita2"), few)
    [apart] = [step for step in pruned.ledger if step.what == "take paths apart"]
    assert apart.match_after == apart.match_before
    assert "a0.0" not in pruned.graph.variables


def test_where_less_than_asked_agrees_the_published_standard_holds():
    asked = trained("D2-1l1h16", penalties=(0.1,), least=1.01, steps=40)
    agreeing = [s for s in asked.ledger if s.level == "L1" and s.kept]
    assert len(asked.graph.edges) < 20
    assert all(s.match_after >= 0.9 for s in agreeing)


def test_the_search_goes_on_between_penalties_that_will_do_and_those_that_will_not():
    pruned = trained("tomita2-1l1h16", penalties=(0.001, 99.0), rounds=2)
    nodes = [s for s in pruned.ledger if "nodes" in s.what]
    assert [s.what.split()[-1] for s in nodes] == ["0.001", "99", "0.046", "2.1"]


def test_progress_is_told_to_the_end():
    told = []
    model, few = load_trained("tomita2-1l1h16"), replace(FEW, steps=5, tuning=2, penalties=(0.01,))
    train_gates(model, short("tomita2"), few, tick=lambda *t: told.append(t))
    assert told == [(i, 21) for i in range(1, 22)]


@pytest.mark.parametrize("penalties", [(), (0.0, 0.1)])
def test_penalties_that_are_none_are_refused(penalties):
    with pytest.raises(InputError, match="penalties are positive numbers of nats"):
        Gating(penalties=penalties)


def test_means_are_trained_so_that_less_is_lost():
    """With the same cuts the divergence from the model is below that with means as measured."""
    name = "bin_majority-1l1h16"
    model, task = load_trained(name), sampler(task_of(name))
    pruned = at_all_lengths(name)
    calibration = batched(model, task, draw(model, task, np.random.default_rng(0), 120))
    measured = measure(lift(model), calibration, pruned.graph.kinds).keeping(pruned.graph.edges)
    lost = [0.0, 0.0]
    for batch in batched(model, task, draw(model, task, np.random.default_rng(5), 100)):
        wanted = model(batch.tokens, batch.positions).detach()
        for i, graph in enumerate((pruned.graph, measured)):
            logits = run(graph, batch.tokens, batch.positions).logits
            lost[i] += float(divergence(logits, wanted, sets=False)[batch.asked].sum())
    assert lost[0] < 0.8 * lost[1]


# --- as the first step of decompiling ------------------------------------------------------------------------------------


def test_decompiling_says_what_gates_kept_beside_the_program():
    told = []
    settings = Settings(inputs=30, interventions=30, method="gates", gating=replace(FEW, penalties=(0.1,)))
    found = decompile(
        load_trained("tomita2-1l1h16"), short("tomita2"), settings, tick=lambda *t: told.append(t)
    )
    facts = found.facts()
    assert (found.level, facts["pruned"]["method"]) == ("L3", "gates")
    assert facts["pruned"]["edges"] == facts["edges"] < facts["pruned"]["edges_before"] == 20
    assert facts["pruned"]["match"] >= 0.9
    assert facts["pruned"]["seconds"] < facts["seconds"]
    assert facts["pruned"]["primitives"]["replaced"] <= facts["pruned"]["primitives"]["of"]
    assert told[-1] == (105, 105)
    assert found.listing.splitlines()[-1] == "project(op=b)"
    assert [s.level for s in found.ledger].count("L1") == 3


def test_the_command_says_level_edges_agreement_and_seconds_of_the_method():
    answer = Decompile("tomita2-1l1h16", task="tomita2", method="causal", inputs=20, interventions=20)()
    assert re.search(
        r"edges kept +2 of 20 by causal, match 1\.000 \(0\.985-1\.000\), \d+\.\d s$",
        answer.text,
        re.MULTILINE,
    )
    pruned = {"method": "gates", "edges": 6, "edges_before": 20, "match": 1.0, "match_interval": [0.985, 1.0]}
    named = {"replaced": 3, "of": 4, "match": 0.95}
    assert edges_kept({**pruned, "seconds": 10.6, "primitives": named}) == (
        "6 of 20 by gates, match 1.000 (0.985-1.000), 10.6 s; 3 of 4 matrices as primitives, match 0.950"
    )


def test_a_method_that_is_none_is_refused():
    with pytest.raises(InputError, match="there is no method 'gate' of pruning; there are causal, gates"):
        Settings(method="gate")


# --- masks ---------------------------------------------------------------------------------------------------------------


def test_gates_are_open_by_their_chance_on_average():
    masks = Masks([(c,) for c in "abcde"], trainings=1)
    with torch.no_grad():
        masks.logits[:] = torch.tensor([-4.0, -1.0, 0.0, 1.0, 4.0])
    drawn = masks.draw(40_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.mean(1), masks.expected(), atol=0.01, rtol=0)
    between = ((drawn > 0) & (drawn < 1)).float().mean(1)
    torch.testing.assert_close(between, masks.expected() * (1 - masks.expected()), atol=0.01, rtol=0)


def test_the_slope_is_that_of_the_expected_loss():
    """For a loss of two gates whose expectation is known, f = (a - 1)^2 b at gates of 0 and 1."""
    masks = Masks([("a",), ("b",)], trainings=1, dtype=torch.float64)
    with torch.no_grad():
        masks.logits[:] = torch.tensor([0.5, -0.7])
    drawn = masks.draw(400_000, torch.Generator().manual_seed(1))[0]
    a, b = drawn.unbind(-1)
    ((a - 1).square() * b).mean().backward()
    s, t = torch.tensor([0.5, -0.7], dtype=torch.float64).sigmoid()
    # The other gate is seldom in between too, where the square is 1/3 on average and not 1/2.
    w = s * (1 - s)
    closed = w / 3 + (1 - s - w / 2)
    expected = torch.stack([-s * (1 - s) * t, t * (1 - t) * closed])
    torch.testing.assert_close(masks.logits.grad[0], expected, atol=0.003, rtol=0)


def test_an_edge_is_open_where_all_its_gates_are():
    masks = Masks([("a",), ("a", "b"), ("b",), ()], trainings=2)
    with torch.no_grad():
        masks.logits[:] = torch.tensor([[1.0, -1.0], [1.0, 1.0]])
    assert masks.open().tolist() == [[1, 0, 0, 1], [1, 1, 1, 1]]


def test_divergence_is_least_at_the_same_logits():
    draw = torch.Generator().manual_seed(0)
    wanted, other = (torch.randn(5, 4, generator=draw) for _ in range(2))
    for sets in (True, False):
        assert divergence(wanted, wanted, sets=sets).abs().max() < 1e-6
        assert (divergence(other, wanted, sets=sets) > 0).all()
