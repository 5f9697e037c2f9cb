"""Coordinates of MLP variables: through which one number each map, count or mean is read by the units that compute it."""

from __future__ import annotations

import numpy as np

from janiform.compile.coordinate import find
from janiform.compile.plan import Plan
from janiform.compile.variables import Form, Variable
from janiform.ir.functions import Fn
from janiform.ir.nodes import Aggregate, Count, Map, Sequence
from janiform.ir.values import Domain

MAX_STRAIN = 400.0
"""Counts and means are read again through steps of their own before they are combined on a finer coordinate than this."""


def settle_steps(plan: Plan, v: Variable, n: Sequence) -> None:
    """Choose the coordinate through which an MLP computes ``n``."""
    table = plan.facts.joint.get(n)
    if table is not None:
        settle_joint(plan, v, table.variables, table.codes, n.fn if isinstance(n, Map) else None)
    elif plan.is_raw(n):
        settle_refined(plan, v, n)
    else:
        numbers = v.domain.numbers
        v.coordinate, v.points, v.codes = plan.number(n), numbers, np.arange(len(numbers))


def settle_refined(plan: Plan, v: Variable, n: Sequence) -> None:
    """Read a count or mean again through steps, so that any function of it can be had."""
    raw = plan.raw(n)
    numbers = v.domain.numbers
    codes = np.arange(len(numbers))
    if isinstance(n, Count):
        points = 1.0 / (numbers + 1.0)
        v.coordinate = Form({(raw, 0): 1.0})
    elif isinstance(n, Aggregate) and n.reduce == "sum":
        v.coordinate, points = sum_coordinate(plan, n, v.domain)
    else:
        v.coordinate, points = Form({(raw, 0): 1.0}), numbers
        if v.undefined is not None:
            v.coordinate, points, codes = lifted(plan, raw, v.domain)
    order = np.argsort(points, kind="stable")
    v.points, v.codes = points[order], codes[order]


def lifted(plan: Plan, raw: Variable, domain: Domain) -> tuple[Form, np.ndarray, np.ndarray]:
    """Lift the numbers above everything a partly or wholly undefined mean can be."""
    numbers, nothing = domain.numbers, domain.codes[None]
    low, high = min(0.0, float(numbers.min())), max(0.0, float(numbers.max()))
    count = plan.facts.signature.max_len
    lift = count * 2.0 * (high - low + 1.0)
    points = numbers + lift
    points[nothing] = low
    points = np.append(points, lift * (1 - 1 / count) + high)
    return Form({(raw, 0): 1.0, (raw, 1): lift}), points, np.append(np.arange(len(numbers)), nothing)


def sum_coordinate(plan: Plan, n: Aggregate, domain: Domain) -> tuple[Form, np.ndarray]:
    """The sum itself; where nothing is selected, the default, below all numbers if that is undefined."""
    numbers = domain.numbers
    points = numbers.copy()
    if domain.undefined:
        points[domain.codes[None]] = min(0.0, float(numbers.min())) - 1.0
    return plan.sum_form(n, points[domain.codes[None]] if domain.undefined else 0.0), points


def settle_joint(
    plan: Plan, v: Variable, sources: tuple[Sequence, ...], codes: np.ndarray, fn: Fn | None
) -> None:
    """Find one coordinate for several variables, refining those that come as bare counts or means where need be."""
    domains = [plan.facts.domains[s] for s in sources]
    fixed: list[np.ndarray | None] = []
    for s, d in zip(sources, domains, strict=True):
        plain = plan.is_raw(s) and not d.undefined and not (isinstance(s, Aggregate) and s.reduce == "sum")
        fixed.append((1.0 / (d.numbers + 1.0) if isinstance(s, Count) else d.numbers) if plain else None)
    numbers = [np.where(d.holes(), np.nan, d.numbers) if d.numeric else None for d in domains]
    inner = fn if fn is not None and v.node is not None and direct(plan, v.node, sources) else None
    found = find(codes, fixed, numbers, inner)
    if found is None or (found.strain > MAX_STRAIN and any(f is not None for f in fixed)):
        fixed = [None] * len(sources)
        found = find(codes, fixed, numbers, inner)
    assert found is not None
    total = Form()
    for s, f, part in zip(sources, fixed, found.parts, strict=True):
        if f is None:
            total = total + plan.variable_feature(s, part)
        else:
            at, to = int(f.argmin()), int(f.argmax())
            slope = (part[to] - part[at]) / (f[to] - f[at]) if f[to] != f[at] else 0.0
            total = total + Form({(plan.raw(s), 0): float(slope)}, float(part[at] - slope * f[at]))
    v.coordinate, v.points, v.codes = total, found.points, found.codes


def direct(plan: Plan, n: Sequence, sources: tuple[Sequence, ...]) -> bool:
    """Whether the arguments of a map are its variables themselves, so that its expression speaks of them."""
    return isinstance(n, Map) and tuple(n.args) == sources
