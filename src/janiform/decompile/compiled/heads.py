"""Heads as selections: which keys a query attends to, from the products of what queries and keys read.

Scores are a table over what stands at the key, what stands at the query and the pair of places. Attention of a compiled head is
hard: scores are equal or far apart. BOS, which every query can attend to, says what counts as selected: keys above it
are averaged, keys level with it are counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.compiled.fields import Field, added, alike, tidy
from janiform.decompile.compiled.levels import leveled
from janiform.decompile.compiled.network import Layer
from janiform.decompile.compiled.rules import Scores, preference
from janiform.decompile.compiled.stream import Average, Stream
from janiform.ir.canonical.attend import attend
from janiform.ir.canonical.mechanism import PAIR, PLACE, Grid
from janiform.ir.canonical.reach import alike as alike_keys
from janiform.ir.canonical.reach import feasible, reach
from janiform.ir.canonical.shown import occurring, one_value
from janiform.ir.quotient import Quotient, first_seen, reduced

TIE = 1.0
"""Scores closer than this are equal."""

UNMET = 1e3
"""So far below BOS is put what no input meets."""

MAX_SCORES = 1 << 22
"""The largest table of scores that is written out."""


def read_heads(stream: Stream, layer: Layer, g: Grid) -> None:
    """Add to the stream what the heads of a layer write."""
    found = [read_head(stream, head, g) for head in layer.heads]
    stream.constant = stream.constant + layer.b_O
    stream.bos = stream.bos + layer.b_O
    for f, average, at_bos in found:
        if average is not None:
            stream.averages.append(average)
            stream.bos = stream.bos + at_bos
        elif f is not None:
            stream.write(f, at_bos)


def read_head(
    stream: Stream, head: tuple[np.ndarray, ...], g: Grid
) -> tuple[Field | None, Average | None, np.ndarray]:
    """Return what a head writes: a field, or the mean of vectors, and what it writes at BOS."""
    W_Q, b_Q, W_K, b_K, W_V, b_V, W_O = head
    out, bias = W_V @ W_O, b_V @ W_O
    offered = stream.at_bos(out, bias)
    parts, constant = stream.read(out, bias)
    if not parts and np.abs(constant - offered).max(initial=0.0) <= stream.tolerance * np.abs(out).max(
        initial=0.0
    ):
        return Field.constant(constant), None, offered
    scores = read_scores(stream, W_Q, b_Q, W_K, b_K, g)
    held = tidy_value(parts, constant, offered, stream.tolerance)
    value, vectors = coded(held)
    try:
        found = preference(scores, value, g)
    except CannotDecompile:
        met = as_met(scores, stream.tokens, g)
        if met is None:
            raise
        found = preference(met, value, g)
    names = tuple(f"value {i}" for i in range(len(vectors)))
    if found.counted:
        if len(vectors) > 1:
            raise CannotDecompile(
                "a head averages its values together with BOS", float(np.ptp(vectors, 0).max())
            )
        view = attend(found.selection, None, (), None, "count", g)
        if set(found.selection.relation.keys) <= {PAIR}:
            stream.placed.append(found.selection.relation)
        weights = np.array([1.0 / (1.0 + float(w)) for w in view.values])  # type: ignore[arg-type]
        return Field.of(view.function, vectors[0] + weights[:, None] * (offered - vectors[0])), None, offered
    selection = replace(found.selection, relation=feasible(found.selection.relation, g))
    single = selection.rule is not None or not found.left or reach(selection.relation, g).high <= 1
    single = single or alike_keys(selection.relation, value, g)
    if not single and _apart(vectors):
        single = stream.lenient or one_value(selection.relation, value, g, stream.tokens)
    if single:
        view = attend(selection, value, names, "offered", "mean", g, single=single)
        rows = [offered if v == "offered" else vectors[names.index(str(v))] for v in view.values]
        return Field.of(view.function, np.array(rows)), None, offered
    return None, Average(selection, value, vectors, offered, g, stream.tolerance, stream.averaged), offered


def as_met(scores: Scores, tokens: int, g: Grid) -> Scores | None:
    """Return scores in which what no input meets is not selected; None where inputs cannot be listed, or meet everything."""
    cells = Quotient(scores.keys, scores.maps, np.zeros(scores.shape, np.int64))
    met = occurring(cells, g, tokens)
    if met is None or met.table.all():
        return None
    there = met.table.reshape(scores.table.shape).astype(bool)
    return replace(scores, table=np.where(there, scores.table, scores.bos[:, None, :] - UNMET))


def _apart(vectors: np.ndarray) -> bool:
    """Whether three or more vectors lie in as many directions as they can, as codes of values do and numbers do not."""
    steps = vectors[1:] - vectors[0]
    return len(steps) > 1 and int(np.linalg.matrix_rank(steps, tol=1e-3 * np.abs(steps).max())) == len(steps)


def tidy_value(parts: list[Field], constant: np.ndarray, offered: np.ndarray, tolerance: float) -> Field:
    """What keys hold, as one field."""
    whole = added(parts).plus(constant) if parts else Field.constant(constant)
    size = max(float(np.abs(whole.table - offered).max(initial=0.0)), 1e-30)
    return tidy(whole, tolerance * size)


def coded(f: Field) -> tuple[Quotient, np.ndarray]:
    """A field as a function with codes, and the vector of each code."""
    rows = f.rows()
    size = float(np.ptp(rows, axis=0).max(initial=0.0))
    which = alike(rows, 1e-3 * size) if len(rows) > 1 else np.zeros(len(rows), np.int64)
    first, _ = first_seen(which)
    return reduced(f.keys, f.maps, which.reshape(f.table.shape[:-1])), rows[first]


def read_scores(
    stream: Stream, W_Q: np.ndarray, b_Q: np.ndarray, W_K: np.ndarray, b_K: np.ndarray, g: Grid
) -> Scores:
    """Return scores in units of logits, as far as keys and queries see each other."""
    scale = 1.0 / math.sqrt(W_Q.shape[1])
    k_parts, k_const = stream.read(W_K, b_K)
    q_parts, q_const = stream.read(W_Q * scale, b_Q * scale)
    k_bos = stream.at_bos(W_K, b_K)
    q_bos = stream.at_bos(W_Q * scale, b_Q * scale)
    seen_by_query = _span([q_const, q_bos, *(f.rows() for f in q_parts)])
    K = _seen(k_parts, k_const, seen_by_query, stream.tolerance)
    k_bos = k_bos @ seen_by_query
    Q = _seen(q_parts, q_const, _span([k_bos, K.rows()]), stream.tolerance)
    key, query = _Side.of(K, "key", g), _Side.of(Q, "query", g)
    joint = key.places[g.keys] * query.count + query.places[g.queries]
    first, pair = first_seen(joint)
    at_key, at_query = key.table[key.places[g.keys[first]]], query.table[query.places[g.queries[first]]]
    if len(first) * key.table.shape[1] * query.table.shape[1] > MAX_SCORES:
        raise CannotDecompile(
            f"a head compares {key.table.shape[1]:,} with {query.table.shape[1]:,} combinations of values"
        )
    scores = np.einsum("pkr,pqr->pkq", at_key, at_query)
    bos = np.einsum("pqr,r->pq", at_query, k_bos)
    at_bos = float(np.max(key.table @ q_bos, initial=-math.inf)) - float(k_bos @ q_bos)
    if not g.causal and at_bos > -TIE:
        raise CannotDecompile("BOS attends to tokens, so what it holds depends on the input", at_bos)
    if stream.noisy:
        scores, bos, noise = leveled(scores, bos, query.places[g.queries[first]], stream.tolerance)
        stream.noise = max(stream.noise, noise)
    keys, maps, shape = [], [], []
    if int(pair.max()):
        keys.append(PAIR)
        maps.append(pair)
        shape.append(len(first))
    for side in (key, query):
        keys += side.keys
        maps += side.maps
        shape += side.shape
    return Scores(tuple(keys), tuple(maps), tuple(shape), scores, bos, pair)


def _span(rows: list[np.ndarray]) -> Float[np.ndarray, "d_head d_head"]:
    """The projection onto what vectors span."""
    stack = np.concatenate([np.atleast_2d(r) for r in rows])
    size = np.linalg.norm(stack, axis=1)
    stack = stack[size > 0] / size[size > 0][:, None]
    if not len(stack):
        return np.zeros((rows[0].shape[-1],) * 2)
    _, s, v = np.linalg.svd(stack, full_matrices=False)
    basis = v[s > 1e-6 * s[0]]
    return basis.T @ basis


def _seen(parts: list[Field], constant: np.ndarray, onto: np.ndarray, tolerance: float) -> Field:
    """What one side holds, as far as the other side sees it."""
    seen = [f.read(onto) for f in parts]
    size = max((float(np.abs(f.table).max(initial=0.0)) for f in seen), default=0.0)
    seen = [t for f in seen if (t := tidy(f, tolerance * size)).keys]
    whole = added(seen) if seen else Field.constant(np.zeros(len(constant)))
    rest = sum(
        (f.rows()[0] @ onto for f in parts if not tidy(f.read(onto), tolerance * size).keys), constant @ onto
    )
    return tidy(whole.plus(rest), tolerance * max(size, 1e-30))


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """What stands at one side: vectors by class of place and by classes of the other sources, flattened."""

    keys: list[Any]
    maps: list[np.ndarray]
    shape: list[int]
    places: np.ndarray
    table: Float[np.ndarray, "places others d_head"]

    @property
    def count(self) -> int:
        """How many classes of places there are."""
        return len(self.table)

    @classmethod
    def of(cls, f: Field, side: str, g: Grid) -> _Side:
        table, places = f.table, np.zeros(len(g), np.int64)
        keys, maps = list(f.keys), list(f.maps)
        if PLACE in keys:
            axis = keys.index(PLACE)
            table, places = np.moveaxis(table, axis, 0), maps[axis]
            keys.pop(axis)
            maps.pop(axis)
        else:
            table = table[None]
        shape = list(table.shape[1:-1])
        return cls(
            [(side, k) for k in keys], maps, shape, places, table.reshape(len(table), -1, table.shape[-1])
        )
