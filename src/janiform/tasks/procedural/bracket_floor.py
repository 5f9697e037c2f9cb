"""The least loss on rows of brackets: chains whose states are few, gone through one after another.

Of nested brackets the state is the depth, of crossing ones how many are open of each kind, in no order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from janiform.errors import InputError
from janiform.tasks.procedural.brackets import Dyck, ShuffleDyck

Floats = NDArray[np.float64]
MOST_STATES = 4000


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """States of a row of brackets, the empty one first: where opening and closing lead from each (states, states), and of
    each how many brackets may close and how many are open."""

    after_open: Floats
    after_close: Floats
    closing: Floats
    depth: Floats

    def floor(self, kinds: int, length: int, opens_at: Callable[[int], Floats]) -> float:
        """Return the mean entropy of a row's tokens but the first; ``opens_at(t)`` is how likely token t opens in each state."""
        state, total = np.zeros(len(self.depth)), 0.0
        state[0] = 1.0
        closing = np.log(np.maximum(self.closing, 1))
        for t in range(length):
            opens = opens_at(t)
            if t:
                total += float(state @ (binary(opens) + opens * math.log(kinds) + (1 - opens) * closing))
            state = (state * opens) @ self.after_open + (state * (1 - opens)) @ self.after_close
        return total / (length - 1)


def openings(task: Dyck | ShuffleDyck, closing: Floats, depth: Floats) -> Callable[[int], Floats]:
    """Return how likely a token opens, by its number, in states of which so many brackets may close and are open."""

    def opens_at(t: int) -> Floats:
        may = depth < deepest_at(task, t)
        return np.where(closing == 0, 1.0, np.where(may, task.p_open, 0.0))

    return opens_at


def deepest_at(task: Dyck | ShuffleDyck, t: int) -> int:
    """Return with how many open brackets no further one may open as token t: nested ones are all closed at the end."""
    if isinstance(task, ShuffleDyck):
        return task.deepest
    return min(task.length if task.deepest is None else task.deepest, task.length - t - 1)


def nested(task: Dyck) -> float:
    """Go through the depths: what opens is one of the kinds, what closes is given."""
    deepest = min(task.length if task.deepest is None else task.deepest, task.length // 2)
    depth, total = np.zeros(deepest + 2), 0.0
    depth[0] = 1.0
    for t in range(task.length):
        opens = np.zeros(deepest + 2)
        opens[1 : max(min(task.length - t - 1, deepest), 1)] = task.p_open
        opens[0] = 1.0
        if t:
            total += float(depth @ (binary(opens) + opens * math.log(task.kinds)))
        opened, closed = depth * opens, depth * (1 - opens)
        depth = np.zeros(deepest + 2)
        depth[1:] += opened[:-1]
        depth[:-1] += closed[1:]
    return total / (task.length - 1)


def crossing(task: ShuffleDyck) -> float:
    """Go through the numbers of open brackets by kind: what closes is one of the kinds that are open."""
    chain = _chain(task.kinds, task.deepest)
    return chain.floor(task.kinds, task.length, openings(task, chain.closing, chain.depth))


@lru_cache(maxsize=4)
def _chain(kinds: int, deepest: int) -> Chain:
    """Return the chain of crossing brackets. A state is a partition: the numbers of open brackets of the kinds, the largest first."""
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
    return Chain(after[0], after[1], of_kinds, np.array([sum(state) for state in states], float))


def _opened(state: tuple[int, ...], kinds: int, deepest: int) -> list[tuple[tuple[int, ...], float]]:
    if sum(state) >= deepest:
        return []
    grown = [(_sorted(*state[:i], n + 1, *state[i + 1 :]), 1 / kinds) for i, n in enumerate(state)]
    return [*grown, ((*state, 1), (kinds - len(state)) / kinds)] if len(state) < kinds else grown


def _closed(state: tuple[int, ...]) -> list[tuple[tuple[int, ...], float]]:
    return [(_sorted(*state[:i], n - 1, *state[i + 1 :]), 1 / len(state)) for i, n in enumerate(state)]


def _sorted(*counts: int) -> tuple[int, ...]:
    return tuple(sorted((n for n in counts if n), reverse=True))


def binary(p: Floats) -> Floats:
    """Return the entropy of events of these probabilities."""
    inside = np.clip(p, 1e-300, 1 - 1e-16)
    return np.where((p > 0) & (p < 1), -inside * np.log(inside) - (1 - inside) * np.log1p(-inside), 0.0)
