"""The loss that no model is below: the mean entropy of a target given what stands before it, in nats.

Where what stands before decides every target, it is 0; brackets are drawn by chains whose states are few, and so are n-gram
look-alikes. Of a shuffled row it is what is left for a model that is told which tokens the row holds, and of a mixture for one
that is told of which task a row is: no model is better, and where rows do not tell this by themselves, none is as good.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from janiform.tasks.procedural.automaton import CellularAutomaton
from janiform.tasks.procedural.bracket_floor import crossing, nested
from janiform.tasks.procedural.brackets import Dyck, ShuffleDyck
from janiform.tasks.procedural.controls import NGram, Shuffled, chain
from janiform.tasks.procedural.diagnostics import Arithmetic, Haystack
from janiform.tasks.procedural.mixture import Mixture
from janiform.tasks.procedural.rows import Procedure, Rows, rows
from janiform.tasks.procedural.transductions import Transduction
from janiform.tasks.procedural.twice import Twice

SAMPLE = 4096
"""On how many rows means over rows are taken."""


def floor(task: Procedure) -> float:
    """Return the least mean loss on the targets of a task.

    >>> round(floor(Dyck(kinds=16, length=48)), 3), floor(Transduction("set"))
    (1.902, 0.0)

    Where ``reached(task)``, the model that knows the rule has this loss. Where targets of look-alikes and mixtures stand, and
    what shuffled rows hold, is seen on 4,096 rows. ``InputError`` where crossing brackets have too many states.
    """
    match task:
        case Twice(symbols, length):
            return (length // 2 - 1) * math.log(symbols) / (length - 1)
        case Dyck():
            return nested(task)
        case ShuffleDyck():
            return crossing(task)
        case NGram():
            return _look_alike(task)
        case Shuffled():
            return _shuffled(task)
        case Mixture(tasks, ratios):
            weights = [ratio * _targets(part) for part, ratio in zip(tasks, ratios)]
            return sum(w * floor(part) for part, w in zip(tasks, weights)) / sum(weights)
    assert isinstance(task, (Transduction, CellularAutomaton, Haystack, Arithmetic)), task
    return 0.0


def reached(task: Procedure) -> bool:
    """Whether the floor of a task is the loss of a model that knows its rule, and not only below it.

    >>> reached(Transduction("set")), reached(Shuffled(Transduction("set")))
    (True, False)
    """
    match task:
        case Shuffled():
            return False
        case Mixture(tasks, _, apart):  # the first token tells the task where each has tokens of its own
            return len(tasks) == 1 or apart and all(map(reached, tasks))
    return True


def _look_alike(gram: NGram) -> float:
    """Go through the chain from token to token: the state is what stands before, and targets do not depend on it."""
    first, count, token, after = chain(gram)
    states = len(first)
    of = np.repeat(np.arange(states), count.astype(np.int64))  # the state of each occurrence
    pairs, times = np.unique(of * gram.d_vocab + token, return_counts=True)
    share = times / count[pairs // gram.d_vocab]
    entropy = np.bincount(pairs // gram.d_vocab, -share * np.log(share), states)
    state: NDArray[np.float64] = np.zeros(states)
    state[0] = 1.0
    asked, total = _asked(rows(gram.task, 0, SAMPLE)).mean(axis=0), 0.0
    for t in range(gram.width):
        total += asked[t] * float(state @ entropy)
        state = np.bincount(after, (state / count)[of], states).astype(np.float64)
    return float(total / asked.sum())


def _shuffled(task: Shuffled) -> float:
    """Go through rows from their ends: the next token is any of those that are left, each as likely."""
    some = rows(task, 0, SAMPLE)
    asked, each = _asked(some), np.arange(len(some))
    left = np.zeros((len(some), task.d_vocab))
    several = np.zeros(len(some))  # the sum of n log n over how often each token is left
    total = 0.0
    for t in reversed(range(task.width)):
        here = each[some.tokens[:, t] != task.pad]
        token = some.tokens[here, t]
        n = left[here, token]
        several[here] += (n + 1) * np.log(n + 1) - n * np.log(np.maximum(n, 1))
        left[here, token] += 1
        at = each[asked[:, t]]
        size = left[at].sum(axis=1)
        total += float((np.log(size) - several[at] / size).sum())
    return float(total / asked.sum())


def _asked(some: Rows) -> NDArray[np.bool_]:
    """Return which tokens of rows are targets."""
    place = np.arange(some.tokens.shape[1])
    return (place >= some.begin[:, None]) & (place < some.end[:, None])


def _targets(task: Procedure) -> float:
    """Return how many targets a row has in the mean."""
    return float(_asked(rows(task, 0, SAMPLE)).sum()) / SAMPLE
