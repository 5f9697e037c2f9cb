"""Planning, from the outputs back: readers ask variables for columns; a variable is settled when all its readers have been.

Settling chooses the basis in which a variable lives and asks the variables that it is made of for what that takes. The order
is by depth in the graph, so that nobody asks too late.
"""

from __future__ import annotations

import heapq

import numpy as np

from janiform.compile.heads import head
from janiform.compile.mlps import settle_joint, settle_steps
from janiform.compile.outputs import read_output
from janiform.compile.plan import Plan
from janiform.compile.variables import Form, Variable
from janiform.errors import CompileError
from janiform.ir.domains import Facts
from janiform.ir.functions import canonical, identity
from janiform.ir.nodes import Aggregate, Count, Value
from janiform.ir.program import Program

MAX_COLUMNS = 2_048
"""The widest a single variable may become."""


def plan_program(program: Program, facts: Facts, *, tables: bool = False) -> Plan:
    """Plan every output of a lowered program and settle all that it needs."""
    plan = Plan(facts, program, tables)
    for name, n in program.outputs.items():
        plan.outputs[name] = read_output(plan, n)
    while plan.queue:
        _, _, v = heapq.heappop(plan.queue)
        settle(plan, v)
        if len(v.basis) > MAX_COLUMNS:
            raise CompileError(
                f"{v.name} takes {len(v.basis):,} residual dimensions, more than {MAX_COLUMNS:,}; "
                "use a smaller vocabulary or maximum length, or reduce it first (compare, round, or clip it)"
            )
    return plan


def settle(plan: Plan, v: Variable) -> None:
    """Choose a variable's basis, and ask its sources for what it takes."""
    match v.kind:
        case "raw":
            settle_raw(plan, v)
        case "product":
            settle_product(plan, v)
        case _:
            v.settle()
    if v.kind == "copy":
        settle_copy(plan, v)
    elif v.kind == "steps" and v.node is not None:
        settle_steps(plan, v, v.node)
    elif v.kind == "steps" and v.columns:
        settle_joint(plan, v, *plan.joints[v], None)


def settle_copy(plan: Plan, v: Variable) -> None:
    n = v.node
    assert isinstance(n, Aggregate)
    ranked = n.values if n.reduce in ("min", "max") else None
    v.head = head(plan, n.selector, "mean", n, rank=ranked, largest=n.reduce == "max")
    source = plan.facts.domains[n.values]
    assert source.values is not None
    summed = n.reduce == "sum"
    kinds = [x + 0 if summed and isinstance(x, bool) else x for x in source.values]
    to = np.array(
        [v.domain.codes.get(_code_key(x), 0) for x in kinds]
    )  # what is not in the domain is never selected
    offered = v.domain.codes.get(_code_key(n.default))
    for basis in v.basis:
        default = 0.0 if offered is None else float(basis[offered])
        give(plan, v, plan.feature(n.values, basis[to]), default)


def settle_raw(plan: Plan, v: Variable) -> None:
    n = v.node
    v.settled = True
    if isinstance(n, Count):
        v.head = head(plan, n.selector, "count", n)
        give(plan, v, Form(), 1.0)
        assert v.domain.values is not None
        v.points = 1.0 / (v.domain.numbers + 1.0)
        v.basis, v.labels = v.points[None, :], (f"1 / ({v.name} + 1)",)
    else:
        assert isinstance(n, Aggregate)
        v.head = head(plan, n.selector, "mean", n)
        default = n.default if isinstance(n.default, int | float) else None
        give(plan, v, plan.number_or_zero(n.values), float(default or 0.0))
        v.labels = (v.name,)
        if v.domain.undefined:
            give(plan, v, plan.is_defined(n.values), float(default is not None))
            v.labels = (v.name, f"{v.name} is defined")
        lay_mean(plan, v)
    v.expand = np.eye(len(v.labels))


def lay_mean(plan: Plan, v: Variable) -> None:
    """Set the points of a mean or sum: its numbers; where undefined, the second column is not 1."""
    if v.domain.values is None:
        v.basis = np.array([[v.domain.low, v.domain.high]])
        return
    numbers = v.domain.numbers
    v.points, v.basis = numbers, numbers[None, :]
    if v.domain.undefined:
        defined = np.array([x is not None for x in v.domain.values], float)
        v.basis = np.stack([numbers, defined])


def settle_product(plan: Plan, v: Variable) -> None:
    """Plan a sum as mean times count: one unit for each count, open only at that count."""
    n = v.node
    assert isinstance(n, Aggregate)
    v.settled = True
    mean, count = plan.factors(n)
    widths = plan.facts.domains[count].numbers
    gates = [(w, plan.feature(count, np.eye(len(widths))[i])) for i, w in enumerate(widths) if w]
    lowest = plan.lowest(n)
    v.factors = (plan.number(mean), gates, lowest)
    v.labels = (f"{v.name} - {lowest:g} * width" if lowest else v.name,)
    size = 1 if v.domain.values is None else len(v.domain)
    v.basis, v.expand = np.zeros((1, size)), np.eye(1)


def give(plan: Plan, v: Variable, form: Form, at_bos: float) -> None:
    """Add a value column to the variable's head."""
    assert v.head is not None
    v.head_columns.append(len(v.head.values))
    v.head.values.append((form, at_bos))


def _code_key(v: Value) -> object:
    """The key under which a domain lists a value."""
    return identity(canonical(v))
