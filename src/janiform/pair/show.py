"""A program beside its layers, as text: which head, units and dimensions hold which node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from janiform.compile.result import Place
from janiform.ir.nodes import Node, Sequence
from janiform.ir.program import Program
from janiform.text.printer import steps

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

_WIDEST = 72


def facts(pair: Pair) -> dict[str, Any]:
    """Return a pair's sizes and its bound as plain data."""
    c = pair.model.config
    weights = [p.detach() for p in pair.model.parameters()]
    return {
        "outputs": list(pair.program.outputs),
        "vocabulary": len(pair.signature.vocab),
        "max_len": pair.signature.max_len,
        "causal": pair.signature.causal,
        "layers": c.n_layers,
        "heads": c.n_heads,
        "d_head": c.d_head,
        "d_model": c.d_model,
        "coordinates": c.d_model if pair.basis is None else pair.basis.dims,
        "d_mlp": c.d_mlp,
        "parameters": sum(w.numel() for w in weights),
        "nonzero": sum(int(w.count_nonzero()) for w in weights),
        "dtype": c.dtype,
        "layout": pair.layout,
        "error": pair.bound.error,
        "margin": pair.bound.margin,
    }


def data(pair: Pair) -> dict[str, Any]:
    """Return the facts, and where every node lives, as plain data."""
    places = [
        {
            "name": p.name,
            "kind": p.kind,
            "layer": p.layer,
            "heads": list(p.heads),
            "units": list(p.units),
            "dims": list(p.dims),
            "meaning": list(p.meaning),
        }
        for p in pair.places
    ]
    readouts = [
        {"name": r.name, "kind": r.kind, "logits": [r.start, r.stop], "values": list(r.values)}
        for r in pair.readouts
    ]
    return {**facts(pair), "places": places, "readouts": readouts}


def show(pair: Pair) -> str:
    """Return the program beside its layers."""
    return "\n".join(_lines(pair))


def _lines(pair: Pair) -> Iterator[str]:
    f = facts(pair)
    direction = "causal" if f["causal"] else "bidirectional"
    yield str(pair.program).rstrip()
    yield ""
    yield f"{f['vocabulary']} tokens, up to {f['max_len']} of them, {direction}"
    yield f"{f['layers']} layers, {f['heads']} heads of {f['d_head']}, d_model {f['d_model']}, d_mlp {f['d_mlp']}, {f['dtype']}"
    proof = (
        f"error {f['error']:.1e}, margin {f['margin']:.2g}" if pair.bound.error < inf else "nothing is proven"
    )
    yield f"{f['parameters']:,} parameters, {f['nonzero']:,} of them not zero; {proof}"
    if pair.basis is not None:
        yield f"dims are {f['coordinates']} directions of the stream, whose axes are not theirs ({f['layout']})"
    yield ""
    written = steps(pair.program)
    yield from _table("embedding", [p for p in pair.places if p.kind == "embed"], written)
    for layer in range(f["layers"]):
        here = [p for p in pair.places if p.layer == layer]
        yield from _table(f"layer {layer}, attention", [p for p in here if p.kind == "head"], written)
        yield from _table(f"layer {layer}, MLP", [p for p in here if p.kind == "mlp"], written)
    folded = [p for p in pair.places if p.kind == "virtual"]
    yield from _table("folded into those that read them", folded, written)
    yield "read-out"
    for r in pair.readouts:
        values = ", ".join("undefined" if v is None else str(v) for v in r.values)
        logits = f"logits {ranges(range(r.start, r.stop))}"
        yield f"  {r.kind:11} {logits:15} {r.name}: {_short(values)}"


def _table(title: str, places: list[Place], written: Mapping[Node, str]) -> Iterator[str]:
    if not places:
        return
    yield title
    for p in places:
        who = {"head": f"head {ranges(p.heads)}", "mlp": f"units {ranges(p.units)}"}.get(p.kind, "")
        dims = f"dims {ranges(p.dims)}" if p.dims else ""
        yield f"  {who:11} {dims:15} {_short(_text(p.node, written))}"
        if p.meaning and p.meaning != (p.name,):
            yield f"{'':30}{_short(' | '.join(p.meaning))}"


def _text(n: Node, written: Mapping[Node, str]) -> str:
    """Write a node as the program does, or by itself where the compiler made it."""
    if n not in written and isinstance(n, Sequence):
        written = steps(Program({"it": n}))
    return written.get(n, type(n).__name__.lower())


def ranges(numbers: Iterable[int]) -> str:
    """Write whole numbers briefly.

    >>> ranges([0, 1, 2, 5, 7, 8])
    '0-2,5,7-8'
    """
    runs: list[list[int]] = []
    for n in sorted(numbers):
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 4] + " ..."
