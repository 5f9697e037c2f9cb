"""The least loss on a task as its program has it: the entropy of what the program lets follow, under the task's law of drawing.

A program that says the token to come leaves nothing open. One that says which brackets may close is asked about words of open
brackets, and words after which everything can be closed alike are one state of a chain: it is found from the program's answers
alone. One that knows the members of a language is asked about every row there is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from janiform import programs
from janiform.errors import InputError
from janiform.ir.evaluate import evaluate
from janiform.ir.nodes import Value
from janiform.ir.semantics import Signature
from janiform.tasks.procedural.automaton import CellularAutomaton
from janiform.tasks.procedural.bracket_floor import Chain, deepest_at, openings
from janiform.tasks.procedural.brackets import Dyck, ShuffleDyck
from janiform.tasks.procedural.known import Known, known
from janiform.tasks.procedural.rows import Procedure, rows
from janiform.tasks.procedural.twice import Twice

MOST_ROWS = 2**16
"""Of a language whose members are counted out."""
CELLS = 2**21
"""About how many pairs of places the rows on which a program is run have together."""

Word = tuple[int, ...]


def program_floor(task: Procedure, found: Known | None = None) -> float:
    """Return the least mean loss on the targets of a task as the program behind it says, or another one that is given.

    >>> from janiform.tasks.procedural import floor, read
    >>> task = read("dyck(kinds=3, length=24)")
    >>> round(program_floor(task), 6) == round(floor(task), 6)
    True

    Infinity if the program excludes a target that occurs. ``InputError`` where a task has no program, or too many rows to ask a
    program about that only tells members.
    """
    found = found or known(task)
    if found is None:
        raise InputError(
            f"no program of the library is behind {task!r}; brackets have one up to three kinds, automata for rule 110"
        )
    match task:
        case Dyck() | ShuffleDyck():
            return _brackets(task, found)
        case Twice():
            return _members(task, found)
    return _decided(task, found)


def _said(found: Known, inputs: Iterable[Iterable[int]], causal: bool = True) -> list[list[Value]]:
    """Return what a program gives on rows of ids."""
    spelled = [found.spell(np.array(list(row))) for row in inputs]
    vocab = tuple(t for t in found.tokens if t is not None)
    signature = Signature(vocab, max(map(len, spelled)), causal)
    return next(iter(evaluate(programs.load(found.program), spelled, signature=signature).values()))


def _decided(task: Procedure, found: Known) -> float:
    """Return the mean over targets of the logarithm of how many tokens may stand there: the one that the program says."""
    some = rows(task, 0, max(4, min(200, CELLS // task.width**2)))
    if isinstance(task, CellularAutomaton):
        states = some.tokens.reshape(-1, task.states, task.cells)
        before, after = states[:, :-1].reshape(-1, task.cells), states[:, 1:].reshape(-1, task.cells)
        right = [said == found.spell(row) for said, row in zip(_said(found, before, causal=False), after)]
    else:
        answers = zip(_said(found, some.tokens), some.tokens, some.begin.tolist(), some.end.tolist())
        right = [
            said[begin - 1 : end - 1] == found.spell(row)[begin:end] for said, row, begin, end in answers
        ]
    return 0.0 if all(right) else math.inf


def _members(task: Twice, found: Known) -> float:
    """Count rows that the program accepts, of which any is as likely; the first token is no target."""
    if task.symbols**task.length > MOST_ROWS:
        raise InputError(
            f"{found.program} only tells members, and {task!r} has {task.symbols}**{task.length} rows to ask it about; "
            "ww(symbols=2, length=8) has few enough"
        )
    every = list(product(range(task.symbols), repeat=task.length))
    members = [row for row, said in zip(every, _said(found, every, causal=False)) if said[0]]
    firsts = np.array(list(Counter(row[0] for row in members).values())) / len(members)
    return (math.log(len(members)) + float(firsts @ np.log(firsts))) / (task.length - 1)


# --- brackets ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Words:
    """Words of open brackets, and of each its state: what can be closed after it, and what then, and so on to the end."""

    task: Dyck | ShuffleDyck
    found: Known
    states: dict[tuple[int, ...], int] = field(default_factory=dict)
    """By the states that are reached when any one bracket is closed."""
    of: dict[Word, int] = field(default_factory=dict)
    after_closing: list[tuple[int, ...]] = field(default_factory=list)
    shown: list[Word] = field(default_factory=list)
    """A word for each state."""

    def learn(self, words: Iterable[Word]) -> None:
        """Find the states of words, all of one length."""
        new = [word for word in dict.fromkeys(words) if word not in self.of]
        if not new:
            return
        closed = [[_without(word, kind) for kind in self.closing(said)] for word, said in self.ask(new)]
        self.learn(word for several in closed for word in several)
        for word, several in zip(new, closed):
            reached = tuple(sorted(self.of[w] for w in several))
            state = self.states.setdefault(reached, len(self.states))
            if state == len(self.shown):
                self.shown.append(word)
                self.after_closing.append(reached)
            self.of[word] = state

    def ask(self, words: list[Word]) -> list[tuple[Word, Value]]:
        """Return words with what the program says behind them; before the first token it says nothing."""
        if not words[0]:
            return [(word, None) for word in words]
        return [(word, said[-1]) for word, said in zip(words, _said(self.found, words))]

    def closing(self, said: Value) -> list[int]:
        """Return the kinds that may close."""
        names = self.found.tokens[self.task.kinds : 2 * self.task.kinds]
        return [i for i, name in enumerate(names) if said is not None and str(name) in str(said)]


def _without(word: Word, kind: int) -> Word:
    """Return a word without its last bracket of a kind, which has been closed."""
    at = len(word) - 1 - word[::-1].index(kind)
    return word[:at] + word[at + 1 :]


def _brackets(task: Dyck | ShuffleDyck, found: Known) -> float:
    """Find the chain from what the program lets close, from words of no bracket up to the deepest, and go through it."""
    words = _Words(task, found)
    words.learn([()])
    opened: list[list[int]] = []
    depth = [0]
    for word in words.shown:  # which grows
        if len(word) < max(deepest_at(task, t) for t in range(task.length)):
            further = [(*word, kind) for kind in range(task.kinds)]
            words.learn(further)
            opened.append([words.of[w] for w in further])
            depth += [len(w) for w in words.shown[len(depth) :]]
        else:
            opened.append([])
    after = np.zeros((2, len(depth), len(depth)))
    for state, both in enumerate(zip(opened, words.after_closing)):
        for which, several in enumerate(both):
            for one in several:
                after[which, state, one] += 1 / len(several)
    closing = np.array([len(several) for several in words.after_closing], float)
    chain = Chain(after[0], after[1], closing, np.array(depth, float))
    return chain.floor(task.kinds, task.length, openings(task, chain.closing, chain.depth))
