"""Write a graph as a D-RASP listing, one operation a line, in the order in which they are computed.

``select`` gives the scores of one product, or of keys alone; ``aggregate`` adds scores, takes their softmax and averages a
variable; ``element_wise_op`` is an MLP; ``project`` adds to the logits. ``scale`` is the factor of a norm that is not one number,
by which everything that is read there is multiplied; ``class`` is the class of a token, ``b``, ``A`` and ``U`` are weights.
Source: Huang et al. 2026, arXiv 2602.08857, section 3; ``scale`` and ``class`` are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from janiform.decompile.trained.graph import CLASS, Edge, Graph
from janiform.decompile.trained.plan import Plan


def listing(graph: Graph, ops: Mapping[Edge, str] = MappingProxyType({})) -> str:
    """Return a graph as text; ``ops`` says what stands for the weights of an edge.

    >>> from janiform.decompile.trained import Edge, lift
    >>> from janiform.model import Config, Transformer
    >>> shape = Config(n_layers=1, d_model=8, n_heads=1, d_head=4, d_mlp=9, d_vocab=5, d_vocab_out=5, n_ctx=6)
    >>> kept = [Edge.score(0, 0, "tok", "pos"), Edge.value(0, 0, "tok"), Edge.mlp(0, "a0.0.tok"), Edge.out(1, "m0")]
    >>> print(listing(lift(Transformer(shape)).keeping(kept)))
    s1 = select(q=tok, k=pos, op=A)
    a0.0.tok = aggregate(s=s1, v=tok)
    m0 = element_wise_op(a0.0.tok)
    project(inp=m0, op=U)
    project(op=b)
    """
    return "\n".join(_lines(graph, ops))


def count_lines(graph: Graph) -> int:
    """Return how many lines the listing has."""
    return sum(1 for _ in _lines(graph, {}))


def _lines(graph: Graph, ops: Mapping[Edge, str]) -> Iterator[str]:
    plan, selected = Plan(graph), 0
    for layer in graph.layers:
        yield from _scale(plan, f"a{layer}")
        for head in range(graph.weights.heads):
            if (layer, head) not in plan.values:
                continue
            terms = []
            for query, key in plan.scores.get((layer, head), ()):
                selected += 1
                terms.append(f"s{selected}")
                only_keys = query == CLASS and key != CLASS
                op = ops.get(Edge.score(layer, head, query, key), "b" if only_keys else "A")
                operands = f"k={key}, op={op}" if only_keys else f"q={query}, k={key}, op={op}"
                yield f"s{selected} = select({operands})"
            name = f"a{layer}.{head}"
            scores = "+".join(terms) or "0"
            if name in graph.variables:
                yield f"{name} = aggregate(s={scores}, v={'+'.join(plan.values[layer, head])})"
                continue
            for read in plan.values[layer, head]:
                yield f"{name}.{read} = aggregate(s={scores}, v={read})"
        if inputs := plan.inputs.get(f"m{layer}"):
            yield from _scale(plan, f"m{layer}")
            yield f"m{layer} = element_wise_op({', '.join(inputs)})"
    yield from _scale(plan, "out")
    for name in plan.inputs.get("out", ()):
        yield f"project(inp={name}, op={ops.get(Edge.out(len(graph.layers), name), 'U')})"
    yield "project(op=b)"


def _scale(plan: Plan, site: str) -> Iterator[str]:
    if plan.graph.weights.norm is None or site not in plan.inputs:
        return
    table = plan.graph.scales.get(site)
    if table is None:
        yield f"n_{site} = scale({', '.join(plan.inputs[site])})"
    elif bool((table != table[0]).any()):
        yield f"n_{site} = scale(tok)"
