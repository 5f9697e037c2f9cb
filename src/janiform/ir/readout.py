"""How a read-out is computed: scores of labels as sums over terms, and the first of the highest.

Scores are added in float64, term by term in order. Weights that are small whole numbers make every sum exact, so that the
winner is the same wherever it is computed; learned programs have such weights.
"""

from __future__ import annotations

import numpy as np

from janiform.ir.functions import Arg, Fn, Lit, Lookup, canonical, identity, is_number, same
from janiform.ir.nodes import (
    Const,
    Count,
    Indices,
    Map,
    Node,
    Readout,
    Scores,
    Sequence,
    Slope,
    Tokens,
    Value,
)
from janiform.ir.program import Program
from janiform.ir.totality import is_finite, surely_total

LARGEST_SUM = 2**40
"""Whole numbers below this are added without rounding, however many positions they come from."""


def contributions(weights: Scores | Slope, values: list[Value], labels: int) -> tuple[np.ndarray, np.ndarray]:
    """What each of a term's values adds to each label, and which values have no meaning.

    >>> contributions(Scores(("a",), ((1, 2),)), ["a", "b"], 2)[0].tolist()
    [[1.0, 2.0], [0.0, 0.0]]
    """
    if isinstance(weights, Scores):
        rows = {identity(v): row for v, row in zip(weights.values, weights.rows, strict=True)}
        listed = [rows.get(identity(v)) or _close(weights, v) or (0.0,) * labels for v in values]
        added = np.array(listed, float).reshape(-1, labels)
        return added, np.zeros(len(values), bool)
    bad = np.array([not (is_number(v) or isinstance(v, bool)) for v in values])
    numbers = np.array([0.0 if b else float(v) for v, b in zip(values, bad, strict=True)])  # type: ignore[arg-type]
    return numbers[:, None] * np.array(weights.row, float), bad


def _close(weights: Scores, v: Value) -> tuple[int | float, ...] | None:
    """The scores beside a number that ``v`` equals up to the tolerance, as in every table."""
    if not isinstance(v, float):
        return None
    return next((row for k, row in zip(weights.values, weights.rows, strict=True) if same(k, v)), None)


def winners(terms: list[np.ndarray], bias: np.ndarray, seen: np.ndarray | None) -> np.ndarray:
    """The index of the first label with the highest score, [input, position].

    ``terms`` are [input, position, label]; ``seen`` [input, query, key], where given, says which positions to average
    over: sums are compared with as many biases, which needs no division.
    """
    total = np.zeros((1, 1, len(bias)))
    for t in terms:
        total = total + t
    if seen is None:
        return (total + bias).argmax(2)
    widths = seen.sum(2)[:, :, None]
    whole = np.broadcast_to(total, (max(len(seen), len(total)), seen.shape[2], len(bias)))
    return (seen.astype(float) @ whole + widths * bias).argmax(2)


def settle_readouts(program: Program) -> Program:
    """Drop terms of readouts that add nothing, add constant ones to the bias, and choose by a table where one value does."""

    def change(n: Node) -> Node:
        if not isinstance(n, Readout):
            return n
        bias, terms, exact = n.bias, [], _adds_exactly(n)
        for a, w in zip(n.args, map(_sparse, n.weights), strict=True):
            total = _constant_sum(bias, w, a) if exact else None
            if total is not None:
                bias = total
            elif not (_never_fails(a, w) and (len(n.labels) == 1 or not any(map(any, _rows(w))))):
                terms.append((a, w))
        if not terms:
            return Const(canonical(n.labels[bias.index(max(bias))]))
        a, w = terms[0]
        if len(terms) == 1 and isinstance(w, Scores) and not n.pooled:
            return Map(_choice(n.labels, bias, w, a), (a,))
        args, weights = zip(*terms, strict=True)
        return Readout(args, weights, bias, n.labels, n.pooled)

    return program.map(change)


def _rows(w: Scores | Slope) -> tuple[tuple[int | float, ...], ...]:
    return w.rows if isinstance(w, Scores) else (w.row,)


def _sparse(w: Scores | Slope) -> Scores | Slope:
    """Leave out values that add nothing, where no listed number lies within the tolerance of another."""
    if isinstance(w, Slope) or any(isinstance(v, float) for v in w.values):
        return w
    kept = [i for i, row in enumerate(w.rows) if any(row)]
    return Scores(tuple(w.values[i] for i in kept), tuple(w.rows[i] for i in kept))


def _constant_sum(
    bias: tuple[int | float, ...], w: Scores | Slope, a: Sequence
) -> tuple[int | float, ...] | None:
    """The bias with what a constant adds, or None for any other term."""
    if not isinstance(a, Const) or not is_finite(a.value):
        return None
    added, bad = contributions(w, [canonical(a.value)], len(bias))
    total = tuple(int(b + x) for b, x in zip(bias, added[0].tolist(), strict=True))
    return None if bad[0] or not all(abs(x) < LARGEST_SUM for x in total) else total


def _adds_exactly(n: Readout) -> bool:
    """Whether all that is added are whole numbers, so that sums are the same in any order."""
    rows = [n.bias, *(row for w in n.weights for row in _rows(w))]
    slopes = [a for a, w in zip(n.args, n.weights, strict=True) if isinstance(w, Slope)]
    whole = all(
        _is_whole(a.value) if isinstance(a, Const) else isinstance(a, Indices | Count) for a in slopes
    )
    return whole and all(_is_whole(x) for row in rows for x in row)


def _is_whole(x: Value) -> bool:
    return isinstance(x, int | float) and abs(x) < LARGEST_SUM and float(x).is_integer()


def _never_fails(a: Sequence, w: Scores | Slope) -> bool:
    """Whether a term has a meaning on every input."""
    return surely_total(a) and (isinstance(w, Scores) or isinstance(a, Indices | Count))


def _choice(labels: tuple[Value, ...], bias: tuple[int | float, ...], w: Scores, a: Sequence) -> Fn:
    """The winning label as a table of one value."""
    other = labels[bias.index(max(bias))]
    rows = []
    for v, row in zip(w.values, w.rows, strict=True):
        totals = [float(x) + b for x, b in zip(row, bias, strict=True)]
        rows.append(((v,), canonical(labels[totals.index(max(totals))])))
    defined = isinstance(a, Tokens | Indices | Count)
    if not defined and None not in w.values:
        rows.append(((None,), canonical(other)))
    return Lookup((Arg(0),), tuple(rows), Lit(canonical(other)))
