"""Simpler units with the same labels: relations as comparisons, tables as functions of one variable, arithmetic or numerical MLPs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from janiform.learn.draft import Copy, Draft, Number, Recode, Table, Tally, Unit
from janiform.learn.grow import arithmetic
from janiform.learn.search import forms
from janiform.learn.stepping import step_table
from janiform.learn.straight import straight
from janiform.learn.trial import Trial, in_parts

MERGED = 3
"""Into how many other codes merging one is tried."""

SMALL = 400
"""A table or relation of no more cells than this is thinned out cell by cell."""


def follow_one(trial: Trial) -> None:
    """Write what is a function of one earlier variable as that, simplest variables first."""
    valid = trial.bench.valid
    for i, u in enumerate(trial.draft.units):
        sizes, v = trial.draft.sizes(), i + trial.draft.inputs
        if isinstance(u, Number | Recode) or not sizes[v]:
            continue
        for a in range(v):
            if not sizes[a] or not trial.draft.stands_in(a, v):
                continue
            pairs = np.zeros((sizes[a], sizes[v]), bool)
            pairs[trial.values[a][valid], trial.values[v][valid]] = True
            if (pairs.sum(1) <= 1).all():
                common = int(trial.met(v).argmax())
                cells = np.where(pairs.any(1), pairs.argmax(1), common)
                if sizes[a] == sizes[v] and (cells == np.arange(sizes[a]))[pairs.any(1)].all():
                    trial.units(redirected(trial.draft, v, a), i)
                elif not isinstance(u, Copy | Tally) or a < trial.draft.inputs:
                    trial.unit(i, Recode(a, cells.astype(np.intp), sizes[v]))
                break
    trial.accept(trial.draft.pruned())


def redirected(draft: Draft, old: int, new: int) -> Draft:
    """Return the draft in which all that reads variable ``old`` reads ``new``."""
    units = tuple(_reading(u, old, new) for u in draft.units)
    weights = list(draft.weights)
    weights[new] = weights[new] + weights[old]
    weights[old] = np.zeros_like(weights[old])
    return replace(draft, units=units, weights=tuple(weights))


def _reading(u: Unit, old: int, new: int) -> Unit:
    fields = ("key", "query", "value", "amounts", "left", "right", "of")
    changes = {f: new for f in fields if getattr(u, f, None) == old}
    return replace(u, **changes) if changes else u  # type: ignore[arg-type]


def simplify_relations(trial: Trial) -> None:
    """Give heads the simplest mask and relation that serve, and else the fewest pairs."""
    for i in range(len(trial.draft.units)):
        u = trial.draft.units[i]
        if not isinstance(u, Copy | Tally):
            continue
        if u.mask != "all" and trial.unit(i, replace(u, mask="all")):
            u = replace(u, mask="all")
        for relation in _simplest(u):
            if (relation == u.relation).all() or trial.unit(i, replace(u, relation=relation)):
                break
        else:
            met = (trial.met(u.query) > 0)[:, None] & (trial.met(u.key) > 0)[None, :]
            trial.unit(i, replace(u, relation=u.relation & met))
            thin_relation(trial, i)
        ask_nothing(trial, i)


def _simplest(u: Copy | Tally) -> Iterator[np.ndarray]:
    """Relations from the simplest: all, comparisons of both, comparisons of one with a constant."""
    queries, keys = u.relation.shape
    yield np.ones_like(u.relation)
    yield from forms(queries, keys)
    apart = np.arange(keys)[None, :] - np.arange(queries)[:, None]
    for c in range(-max(queries, keys), max(queries, keys)):
        yield apart == c
        yield apart <= c
        yield apart >= c
    common = u.relation.mean(0) > 0.5
    yield np.broadcast_to(common, u.relation.shape).copy()
    for c in range(keys):
        yield np.broadcast_to(np.arange(keys) >= c, apart.shape).copy()
        yield np.broadcast_to(np.arange(keys) != c, apart.shape).copy()


def ask_nothing(trial: Trial, i: int) -> None:
    """Let a head whose keys are the same for every query that occurs read no query but the token."""
    u = trial.draft.units[i]
    assert isinstance(u, Copy | Tally)
    rows = u.relation[trial.met(u.query) > 0]
    if u.query and len(rows) and (rows == rows[0]).all():
        queries = trial.draft.sizes()[0]
        trial.unit(i, replace(u, query=0, relation=np.broadcast_to(rows[0], (queries, len(rows[0]))).copy()))


def thin_relation(trial: Trial, i: int) -> None:
    """Make rows of a relation alike where that serves, then drop pairs."""
    u = trial.draft.units[i]
    assert isinstance(u, Copy | Tally)
    if u.relation.size > SMALL:
        return
    for row in range(len(u.relation)):
        for other in (
            np.zeros_like(u.relation[row]),
            *(u.relation[r] for r in (row - 1, row + 1) if 0 <= r < len(u.relation)),
        ):
            if u.relation[row].any() and (other != u.relation[row]).any():
                relation = u.relation.copy()
                relation[row] = other
                if trial.unit(i, replace(u, relation=relation)):
                    u = replace(u, relation=relation)
                    break
    in_parts(np.argwhere(u.relation), lambda pairs: trial.unit(i, without(trial.draft.units[i], pairs)))


def without(u: Unit, pairs: np.ndarray) -> Unit:
    """A head that no longer relates some pairs of codes."""
    assert isinstance(u, Copy | Tally)
    relation = u.relation.copy()
    relation[tuple(pairs.T)] = False
    return replace(u, relation=relation)


def simplify_tables(trial: Trial) -> None:
    """Write tables as arithmetic where that serves; else forget cells that never occur and what decides nothing."""
    for i in range(len(trial.draft.units)):
        u = trial.draft.units[i]
        if isinstance(u, Table) and not any(trial.unit(i, replace(u, cells=c)) for c in _written(u)):
            valid = trial.bench.valid
            met = np.zeros(u.cells.shape, int)
            np.add.at(met, (trial.values[u.left][valid], trial.values[u.right][valid]), 1)
            if any(
                trial.unit(i, replace(u, cells=s.cells())) for s in straight(u.cells, met > 0, u.size - 1)
            ):
                continue
            common = int(np.bincount(u.cells.ravel(), (met > 0).ravel()).argmax())
            trial.unit(i, replace(u, cells=np.where(met > 0, u.cells, common)))
            merge_codes(trial, i)
            if not step_table(trial, i):
                thin_table(trial, i)
                step_table(trial, i)


def _written(u: Table) -> Iterator[np.ndarray]:
    for cells in arithmetic(*u.cells.shape):
        if cells.max() < u.size:
            yield cells.astype(np.intp)


def merge_codes(trial: Trial, i: int) -> None:
    """Let a table write fewer different codes, each as one of the most frequent."""
    u = trial.draft.units[i]
    assert isinstance(u, Table)
    counts = np.bincount(u.cells.ravel())
    for a in sorted(np.flatnonzero(counts), key=lambda c: counts[c]):
        for b in np.argsort(-np.bincount(u.cells.ravel()), kind="stable")[:MERGED]:
            merged = replace(u, cells=np.where(u.cells == a, b, u.cells))
            if a != b and trial.unit(i, merged):
                u = merged
                break


def thin_table(trial: Trial, i: int) -> None:
    """Give cells the most frequent code where that serves."""
    u = trial.draft.units[i]
    assert isinstance(u, Table)
    common = int(np.bincount(u.cells.ravel()).argmax())
    if u.cells.size > SMALL:
        return
    in_parts(
        np.argwhere(u.cells != common),
        lambda cells: trial.unit(i, given(trial.draft.units[i], cells, common)),
    )


def given(u: Unit, places: np.ndarray, code: int) -> Unit:
    """A table that has the same code in some cells."""
    assert isinstance(u, Table)
    cells = u.cells.copy()
    cells[tuple(places.T)] = code
    return replace(u, cells=cells)
