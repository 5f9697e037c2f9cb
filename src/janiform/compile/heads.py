"""Scores of heads: how a plan turns a selector into key and query columns, and ranks keys within a level."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from janiform.compile.attention import Head, Mode
from janiform.compile.plan import Plan
from janiform.compile.selectors import Group, Joint, factor, joint
from janiform.compile.variables import Form, Variable
from janiform.errors import CompileError
from janiform.ir.nodes import Best, Indices, Selector, Sequence
from janiform.ir.values import domain_of


def head(
    plan: Plan,
    s: Selector,
    mode: Mode,
    reader: Sequence,
    *,
    rank: Sequence | None = None,
    largest: bool = True,
) -> Head:
    """Return the head that attends to what ``s`` selects; readers with the same selector share it."""
    key = (s, mode, rank, largest if rank is not None else None)
    if key not in plan.heads:
        head = Head(mode, plan.name(reader), plan.facts.nonempty[s], not plan.facts.at_most_one[s])
        plan.heads[key] = head
        if isinstance(s, Best):
            score_best(plan, head, s)
        else:
            score(plan, head, s)
            if rank is not None:
                add_rank(head, *ranks(plan, rank, largest))
    return plan.heads[key]


def score(plan: Plan, head: Head, s: Selector) -> None:
    """Set a head's scores from a selector."""
    groups = plan.conjunction(s)
    if groups is None:
        score_joint(plan, head, joint(plan.facts, s), s)
        return
    head.lowest_level = 0.0
    for g in groups:
        if holds_everywhere(plan, g):
            continue
        score = factor(
            g.table, plain_numbers(plan, g.keys), plain_numbers(plan, g.queries), head.covered, plan.tables
        )
        for k, q in zip(score.keys.T, score.queries.T, strict=True):
            head.keys.append(side(plan, g.keys, k))
            head.queries.append(side(plan, g.queries, q))
        raise_level(head, score.level, partial(side, plan, g.queries))


def holds_everywhere(plan: Plan, g: Group) -> bool:
    """Whether a group holds for every pair that can occur: under causal attention, no key comes after its query."""
    if plan.facts.signature.causal and isinstance(g.keys, Indices) and isinstance(g.queries, Indices):
        keys, queries = (plan.facts.domains[n].numbers for n in (g.keys, g.queries))
        return bool(g.table[keys[:, None] <= queries].all())
    return bool(g.table.all())


def score_joint(plan: Plan, head: Head, j: Joint, s: Selector) -> None:
    """Set a head's scores from a table over joint variables."""
    score = factor(j.table, None, None, head.covered, plan.tables)
    for k, q in zip(score.keys.T, score.queries.T, strict=True):
        head.keys.append(class_feature(plan, (s, "keys"), j.keys, j.key_class, k))
        head.queries.append(class_feature(plan, (s, "queries"), j.queries, j.query_class, q))
    head.lowest_level = 0.0
    raise_level(head, score.level, partial(class_feature, plan, (s, "queries"), j.queries, j.query_class))


def class_feature(
    plan: Plan, key: object, sources: tuple[Sequence, ...], classes: np.ndarray, values: np.ndarray
) -> Form:
    """A function of the joint class of several variables."""
    if not sources:
        return Form({}, float(values[int(classes)]))
    if len(sources) == 1:
        return plan.variable_feature(sources[0], values[classes])
    return joint_variable(plan, key, sources, classes).ask(values)


def raise_level(head: Head, level: np.ndarray, at_query: Callable[[np.ndarray], Form]) -> None:
    """Add a group's level, which is a function of the query, to the head's."""
    head.lowest_level += float(level.min())
    if not head.covered or head.mode == "count":
        head.level = head.level + (Form({}, float(level[0])) if np.ptp(level) == 0 else at_query(level))


def joint_variable(plan: Plan, key: object, sources: tuple[Sequence, ...], classes: np.ndarray) -> Variable:
    """Return the variable that tells the joint classes of several apart."""
    if key not in plan.variables:
        domain = domain_of(range(int(classes.max()) + 1))
        depth = max(plan.depth(s) for s in sources) + 0.5
        v = Variable("steps", "joint of " + ", ".join(plan.name(s) for s in sources), None, domain, depth)
        plan.add(key, v)
        plan.joints[v] = (sources, classes)
    return plan.variables[key]


def side(plan: Plan, n: Sequence | None, values: np.ndarray) -> Form:
    """A function of the variable on one side of a group, or a constant."""
    return Form({}, float(values[0])) if n is None else plan.variable_feature(n, values)


def plain_numbers(plan: Plan, n: Sequence | None) -> np.ndarray | None:
    """The numbers of a variable that is always defined and numeric."""
    if n is None:
        return None
    domain = plan.facts.domains[n]
    return domain.numbers if domain.numeric and not domain.undefined else None


def ranks(plan: Plan, n: Sequence, largest: bool) -> tuple[Form, float]:
    """Rank keys by value from 0 up, undefined above all, as a form and its highest."""
    domain = plan.facts.domains[n]
    if domain.values is None:
        raise CompileError(
            f"the minimum or maximum of {plan.program.where(n)} needs its possible values listed; round it first"
        )
    rank = np.arange(len(domain.values), dtype=float)
    if domain.undefined:
        rank = rank - 1 if largest else rank
    if not largest:
        rank = rank.max() - rank
    if domain.undefined:
        rank[domain.codes[None]] = rank.max() + 1
    return plan.feature(n, rank), float(rank.max())


def add_rank(head: Head, rank: Form, highest: float, query: Form | None = None) -> None:
    """Prefer keys of high rank among those selected: widen the levels and add the rank within one."""
    widen = highest + 1.0
    head.queries = [q.scaled(widen) for q in head.queries]
    head.level, head.lowest_level = head.level.scaled(widen), head.lowest_level * widen
    head.keys.append(rank)
    head.queries.append(query or Form({}, 1.0))
    head.many = False


def score_best(plan: Plan, head: Head, s: Best) -> None:
    """Among the selected keys, rank by position, by nearness or by a score."""
    if isinstance(s.selector, Best):
        raise CompileError("a 'best' of a 'best' is the inner one already; drop the outer")
    score(plan, head, s.selector)
    size = plan.facts.signature.max_len
    where = Indices()
    plan.facts.add(where)
    index = np.arange(size, dtype=float)
    match s.rule:
        case "leftmost" | "rightmost":
            order = index if s.rule == "rightmost" else index[::-1].copy()
            add_rank(head, plan.variable_feature(where, order), float(size - 1))
        case "closest":
            add_nearness(plan, head, where, index)
        case "largest" | "smallest":
            assert s.score is not None
            rank, highest = ranks(plan, s.score, s.rule == "largest")
            combined = rank.scaled(float(size)) + plan.variable_feature(where, index[::-1].copy())
            add_rank(head, combined, highest * size + size - 1)


def add_nearness(plan: Plan, head: Head, where: Sequence, index: np.ndarray) -> None:
    """Rank by -(i - j)^2, a tie going to the left; the term in the query alone is added to the level instead."""
    size = float(len(index))
    scale, highest = size, size * size * size + size
    rank = plan.variable_feature(where, highest - scale * index**2 - index)
    add_rank(head, rank, highest)
    head.keys.append(plan.variable_feature(where, index))
    head.queries.append(plan.variable_feature(where, 2.0 * scale * index))
    if not head.covered:
        head.level = head.level + plan.variable_feature(where, scale * index**2)
