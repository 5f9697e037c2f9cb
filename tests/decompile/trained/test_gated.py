"""A graph with gates is the graph of the open edges where gates are 0 or 1, and linear in between where scores and outputs are."""

import random

import pytest
import torch
from test_cuts import batches, measured, random_model

from janiform.decompile.trained import Edge, run
from janiform.decompile.trained.gated import Gated


def opened(gated, kept):
    return torch.tensor([float(e in kept) for e in gated.edges], dtype=torch.float64)


def on(gated, gates, batch):
    means = {name: mean.expand(len(gates), -1, -1) for name, mean in gated.graph.means.items()}
    return gated.logits(gates, means, batch.tokens, batch.positions)


@pytest.mark.parametrize("paths", [True, False])
@pytest.mark.parametrize("norm", ["LN", None])
@pytest.mark.parametrize("seed", range(5))
def test_gates_of_0_and_1_give_the_graph_of_the_open_edges_in_every_row(paths, norm, seed):
    model = random_model(norm=norm)
    batch = batches(model)[0]
    gated, order = Gated(measured(model, paths)), random.Random(seed)
    some = [order.sample(gated.edges, order.randrange(1, len(gated.edges))) for _ in batch.tokens]
    graphs = [gated.graph.without(cut) for cut in some]
    found = on(gated, torch.stack([opened(gated, g.edges) for g in graphs]), batch)
    for row, graph in enumerate(graphs):
        torch.testing.assert_close(found[row], run(graph, batch.tokens, batch.positions).logits[row])


def test_a_graph_that_was_cut_before_may_be_cut_further():
    model = random_model()
    graph, batch = measured(model), batches(model)[0]
    part = graph.without(random.Random(3).sample(sorted(graph.edges), 60))
    less = part.without(random.Random(4).sample(sorted(part.edges), 20))
    gates = opened(gated := Gated(part), less.edges).expand(len(batch), -1)
    torch.testing.assert_close(on(gated, gates, batch), run(less, batch.tokens, batch.positions).logits)


def test_without_norms_a_half_open_edge_to_the_output_gives_the_middle():
    model = random_model(norm=None)
    gated, batch = Gated(measured(model)), batches(model)[0]
    gates = torch.ones(len(batch), len(gated.edges), dtype=torch.float64)
    place = gated.places(Edge.out(2, "a0.0.tok"))
    half, closed = gates.clone(), gates.clone()
    half[:, place], closed[:, place] = 0.5, 0
    middle = (on(gated, gates, batch) + on(gated, closed, batch)) / 2
    torch.testing.assert_close(on(gated, half, batch), middle)


def test_gates_and_means_have_gradients():
    model = random_model()
    gated, batch = Gated(measured(model)), batches(model)[0]
    gates = torch.full((len(batch), len(gated.edges)), 0.5, dtype=torch.float64, requires_grad=True)
    means = {
        name: m.expand(len(batch), -1, -1).clone().requires_grad_() for name, m in gated.graph.means.items()
    }
    gated.logits(gates, means, batch.tokens, batch.positions).square().sum().backward()
    assert (gates.grad != 0).all()
    assert all((mean.grad != 0).any() for mean in means.values())
