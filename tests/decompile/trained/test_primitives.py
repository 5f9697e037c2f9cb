"""Primitives stand for weights where the answers stay; a matrix over bases says what the weights say."""

from functools import cache

import numpy as np
import pytest
import torch
from known import by_previous, task_of

from janiform.decompile.trained import CLASS, Edge, lift, listing, run
from janiform.decompile.trained.bases import BasisRun, Primitive, basis, matching
from janiform.decompile.trained.evidence import batched, draw
from janiform.decompile.trained.means import measure, token_classes
from janiform.decompile.trained.plan import Plan
from janiform.decompile.trained.primitives import _has_matrix, _weights, substitute, templates
from janiform.model.checkpoints import load_trained
from janiform.tasks import sampler


@cache
def measured(name):
    """The lift of a model with its means, and inputs."""
    model, task = load_trained(name), sampler(task_of(name))
    batches = batched(model, task, draw(model, task, np.random.default_rng(1), 30, 1, 30))
    return measure(lift(model), batches, token_classes(task, len(task.vocab))), task, batches


def kept(graph, *edges):
    return graph.keeping(e for e in graph.edges if e.kind != "score" or e in edges)


@pytest.mark.parametrize("name", ["D2-1l1h16", "tomita7-2l1h16"])
def test_the_matrix_of_a_product_or_projection_says_what_its_weights_say(name):
    graph, _, batches = measured(name)
    runs = [(b, BasisRun(Plan(graph), (), b)) for b in batches]
    edges = [e for e in sorted(graph.edges) if _has_matrix(graph, e) and e.query != CLASS]
    assert len(edges) >= 8
    for edge in edges:
        matrix = _weights(graph, edge, runs)
        for _, done in runs:
            carried = done.carried(edge)
            torch.testing.assert_close(
                done.shown(edge, matrix), carried, atol=1e-4 * float(carried.abs().max()) + 1e-6, rtol=1e-3
            )


def test_a_graph_without_primitives_is_itself_and_with_its_own_matrices_too():
    graph, _, batches = measured("tomita7-2l1h16")
    runs = [(b, BasisRun(Plan(graph), (), b)) for b in batches]
    edges = [e for e in sorted(graph.edges) if _has_matrix(graph, e) and e.query != CLASS]
    own = [Primitive(e, "own", _weights(graph, e, runs)) for e in edges]
    for batch in batches:
        whole = run(graph, batch.tokens, batch.positions).logits
        for primitives in ((), own):
            found = BasisRun(Plan(graph), primitives, batch).logits()
            torch.testing.assert_close(found, whole, atol=0.01 * float(whole.abs().max()), rtol=0)


def test_what_class_carries_as_the_query_is_what_cutting_it_loses():
    """Where norms have one factor, so that a cut changes nothing else."""
    graph, _, batches = measured("D2-1l1h16")
    flat = {at: torch.ones(len(graph.kinds)) for at in ("a0", "m0", "out")}
    graph = graph.__class__(
        graph.weights, graph.variables, graph.edges, graph.constants, graph.kinds, graph.means, flat
    )
    for keep in ([], [Edge.score(0, 0, CLASS, CLASS)], [Edge.score(0, 0, "pos", CLASS)]):
        edge = Edge.score(0, 0, CLASS, "tok")
        whole = kept(graph, edge, *keep)
        for batch in batches:
            done = BasisRun(Plan(whole), (), batch)
            before = run(whole, batch.tokens, batch.positions).scores(0, 0)
            after = run(whole.without([edge]), batch.tokens, batch.positions).scores(0, 0)
            lost = before - (0 if after is None else after)
            torch.testing.assert_close(done.carried(edge), lost, atol=1e-4, rtol=1e-4)


def test_variables_have_the_basis_of_what_is_averaged():
    graph, _, batches = measured("tomita7-2l1h16")
    assert [basis(graph, v) for v in ("a0.0.tok", "a1.0.a0.0.pos", "m0", "a1.0.m0")] == [
        "tok",
        "pos",
        None,
        None,
    ]
    done = BasisRun(Plan(graph), (), batches[0])
    told = done.activation("a0.0.tok")
    assert told.shape[-1] == len(graph.kinds)
    pattern, scale = run(graph, batches[0].tokens, batches[0].positions).pattern(0, 0), done.done.scale("a0")
    torch.testing.assert_close(told.sum(-1), (pattern @ scale).squeeze(-1))


def test_templates_are_what_their_names_say():
    graph, task, _ = measured("tomita7-2l1h16")
    found = dict(templates(graph, Edge.score(0, 0, "pos", "pos"), task))
    assert list(found) == ["first", "last", "k==q", "k==q-1", "k==q-2", "every 2nd", "every 3rd"]
    at = {name: found[name][7].argmax().item() for name in ("first", "last", "k==q", "k==q-1", "k==q-2")}
    assert at == {"first": 0, "last": 151, "k==q": 7, "k==q-1": 6, "k==q-2": 5}
    assert found["every 3rd"][7].nonzero()[:3, 0].tolist() == [1, 4, 7]
    on_tokens = dict(templates(graph, Edge.score(0, 0, CLASS, "tok"), task))
    assert {name: m[0].argmax().item() for name, m in on_tokens.items()} == {
        "k==BOS": task.bos,
        "k==SEP": task.sep,
    }


def test_the_previous_token_is_found_by_name():
    """A head made by hand that attends to the position before its own."""
    model, task = by_previous(), sampler("tomita2")
    batches = batched(model, task, draw(model, task, np.random.default_rng(0), 40, 2, 12))
    graph = measure(lift(model), batches, token_classes(task, len(task.vocab)))
    few = graph.keeping([Edge.score(0, 0, "pos", "pos"), Edge.value(0, 0, "tok"), Edge.out(1, "a0.0.tok")])
    assert matching(few, (), batches).fraction == 1
    found = substitute(few, task, batches, batches)
    assert found.match.fraction >= 0.9
    assert found.ops[Edge.score(0, 0, "pos", "pos")].endswith("*(k==q-1)")
    assert "(k==q-1)" in listing(few, found.ops)
    assert [s.kept for s in found.steps].count(True) == len(found.primitives)


def test_without_time_nothing_is_tried():
    graph, task, batches = measured("D2-1l1h16")
    found = substitute(graph, task, batches, batches, until=0.0)
    assert (found.primitives, found.steps, found.match.fraction) == ((), (), 1.0)
