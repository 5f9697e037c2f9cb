"""When each variable is written: slots 0 (embedding), 1 (attention of layer 0), 2 (its MLP), 3, 4, ...

Every variable is written at the earliest slot of its writer's kind at which all it reads is there. A head whose values
are ready at different times runs once for each time.
"""

from __future__ import annotations

from dataclasses import dataclass

from janiform.compile.attention import Head
from janiform.compile.plan import Plan
from janiform.compile.variables import Variable


@dataclass(frozen=True, slots=True, eq=False)
class HeadRun:
    """A head at a slot, with the variables it writes there."""

    head: Head
    slot: int
    writes: tuple[Variable, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """Variables in the order in which they are written, and the heads of each attention slot."""

    variables: tuple[Variable, ...]
    runs: tuple[HeadRun, ...]
    n_layers: int
    last_read: dict[Variable, int]


def schedule(plan: Plan) -> Schedule:
    """Set every variable's slot and group what heads write."""
    live = _live(plan)
    for v in sorted(live, key=lambda v: v.depth):
        v.slot = _slot(v)
    runs: dict[tuple[Head, int], list[Variable]] = {}
    for v in live:
        if v.head is not None:
            runs.setdefault((v.head, v.slot), []).append(v)
    ordered = tuple(sorted(live, key=lambda v: (v.slot, v.depth)))
    last = max((v.slot for v in ordered), default=0)
    n_layers = (last + 1) // 2
    end = 2 * n_layers + 1
    last_read = dict.fromkeys(ordered, 0)
    for v in ordered:
        for source in _sources(v):
            last_read[source] = max(last_read[source], v.slot)
    for out in plan.outputs.values():
        for form in out.forms:
            for source in form.variables():
                last_read[source] = end
    return Schedule(
        ordered,
        tuple(HeadRun(h, s, tuple(vs)) for (h, s), vs in sorted(runs.items(), key=lambda r: r[0][1])),
        n_layers,
        last_read,
    )


def _live(plan: Plan) -> list[Variable]:
    """The variables that an output depends on."""
    found: dict[Variable, None] = {}
    stack = [v for out in plan.outputs.values() for f in out.forms for v in f.variables()]
    while stack:
        v = stack.pop()
        if v not in found:
            found[v] = None
            stack.extend(_sources(v))
    return list(found)


def _sources(v: Variable) -> list[Variable]:
    """The variables that ``v``'s writer reads for it."""
    if v.head is not None:
        head = v.head
        forms = [*head.keys, *head.queries, *(head.values[i][0] for i in v.head_columns)]
        if head.needs_level:
            forms.append(head.level)
    elif v.factors is not None:
        forms = [v.factors[0], *(gate for _, gate in v.factors[1])]
    else:
        forms = [v.coordinate] if v.coordinate is not None else []
    return list(dict.fromkeys(source for f in forms for source in f.variables()))


def _slot(v: Variable) -> int:
    if v.kind in ("token", "position"):
        return 0
    ready = max((s.slot for s in _sources(v)), default=0)
    parity = 1 if v.head is not None else 0
    return ready + 1 if (ready + 1) % 2 == parity else ready + 2
