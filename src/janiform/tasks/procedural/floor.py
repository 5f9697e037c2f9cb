"""The loss that no model is below: the mean entropy of a target given what stands before it, exactly, in nats.

Where what stands before decides every target, it is 0. Brackets are drawn by chains whose states are few: of nested ones the
depth, of crossing ones how many are open of each kind, in no order; of these all are gone through.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from janiform.errors import InputError
from janiform.tasks.procedural.automaton import CellularAutomaton
from janiform.tasks.procedural.brackets import Dyck, ShuffleDyck
from janiform.tasks.procedural.diagnostics import Arithmetic, Haystack
from janiform.tasks.procedural.rows import Procedure
from janiform.tasks.procedural.transductions import Transduction
from janiform.tasks.procedural.twice import Twice

Floats = NDArray[np.float64]
MOST_STATES = 4000


def floor(task: Procedure) -> float:
    """Return the least mean loss on the targets of a task.

    >>> round(floor(Dyck(kinds=16, length=48)), 3), floor(Transduction("set"))
    (1.902, 0.0)

    ``InputError`` where it is not known: of shuffled controls, n-gram look-alikes and mixtures.
    """
    match task:
        case Transduction() | CellularAutomaton() | Haystack() | Arithmetic():
            return 0.0
        case Twice(symbols, length):
            return (length // 2 - 1) * math.log(symbols) / (length - 1)
        case Dyck():
            return _nested(task)
        case ShuffleDyck():
            return _crossing(task)
    raise InputError(
        f"the least loss on {task!r} is not known; it is of tasks that are no mixture and no control"
    )


def _nested(task: Dyck) -> float:
    """Go through the depths: what opens is one of the kinds, what closes is given."""
    deepest = min(task.length if task.deepest is None else task.deepest, task.length // 2)
    depth, total = np.zeros(deepest + 2), 0.0
    depth[0] = 1.0
    for t in range(task.length):
        opens = np.zeros(deepest + 2)
        opens[1 : max(min(task.length - t - 1, deepest), 1)] = task.p_open
        opens[0] = 1.0
        if t:
            total += float(depth @ (_binary(opens) + opens * math.log(task.kinds)))
        opened, closed = depth * opens, depth * (1 - opens)
        depth = np.zeros(deepest + 2)
        depth[1:] += opened[:-1]
        depth[:-1] += closed[1:]
    return total / (task.length - 1)


def _crossing(task: ShuffleDyck) -> float:
    """Go through the numbers of open brackets by kind: what closes is one of the kinds that are open."""
    after_open, after_close, kinds_open, depth = _openings(task.kinds, task.deepest)
    opens = np.where(depth == 0, 1.0, np.where(depth < task.deepest, task.p_open, 0.0))
    closing = np.log(np.maximum(kinds_open, 1))
    entropy = _binary(opens) + opens * math.log(task.kinds) + (1 - opens) * closing
    state, total = np.zeros(len(depth)), 0.0
    state[0] = 1.0
    for t in range(task.length):
        if t:
            total += float(state @ entropy)
        state = (state * opens) @ after_open + (state * (1 - opens)) @ after_close
    return total / (task.length - 1)


@lru_cache(maxsize=4)
def _openings(kinds: int, deepest: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Return where openings and closings lead from each state, how many kinds are open in it, and how many brackets.

    A state is a partition: the numbers of open brackets of the kinds, the largest first.
    """
    states: list[tuple[int, ...]] = [()]
    number: dict[tuple[int, ...], int] = {(): 0}
    moves: list[tuple[int, int, int, float]] = []
    for i, state in enumerate(states):
        for opening, ahead in ((0, _opened(state, kinds, deepest)), (1, _closed(state))):
            for target, share in ahead:
                if target not in number:
                    number[target] = len(states)
                    states.append(target)
                    if len(states) > MOST_STATES:
                        raise InputError(
                            f"{kinds} kinds at most {deepest} deep have more than {MOST_STATES} states to go through"
                        )
                moves.append((opening, i, number[target], share))
    after = np.zeros((2, len(states), len(states)))
    for opening, i, j, share in moves:
        after[opening, i, j] += share
    of_kinds = np.array([len(state) for state in states], float)
    return after[0], after[1], of_kinds, np.array([sum(state) for state in states], float)


def _opened(state: tuple[int, ...], kinds: int, deepest: int) -> list[tuple[tuple[int, ...], float]]:
    if sum(state) >= deepest:
        return []
    grown = [(_sorted(*state[:i], n + 1, *state[i + 1 :]), 1 / kinds) for i, n in enumerate(state)]
    return [*grown, ((*state, 1), (kinds - len(state)) / kinds)] if len(state) < kinds else grown


def _closed(state: tuple[int, ...]) -> list[tuple[tuple[int, ...], float]]:
    return [(_sorted(*state[:i], n - 1, *state[i + 1 :]), 1 / len(state)) for i, n in enumerate(state)]


def _sorted(*counts: int) -> tuple[int, ...]:
    return tuple(sorted((n for n in counts if n), reverse=True))


def _binary(p: Floats) -> Floats:
    """Return the entropy of events of these probabilities."""
    inside = np.clip(p, 1e-300, 1 - 1e-16)
    return np.where((p > 0) & (p < 1), -inside * np.log(inside) - (1 - inside) * np.log1p(-inside), 0.0)
