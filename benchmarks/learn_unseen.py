"""Learn tasks that were made up after the search was as it is, with and without motifs.

The search draws some chains of units whole (``janiform.learn.motifs``). Whether that helps only the tasks that it was
developed on is a fair question; these were written down afterwards and tried once. Accuracy is on every input.

    python benchmarks/learn_unseen.py --rounds 8
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch

from janiform.ir.nodes import Value
from janiform.ir.semantics import Signature
from janiform.learn import grow
from janiform.learn.climb import Climbing, empty, score
from janiform.learn.draft import Frame
from janiform.learn.rounds import Rounds
from janiform.learn.thin import thin
from janiform.tasks.examples import Codes
from janiform.tasks.exercise import START
from janiform.tasks.letters import Letters


def next_greater(w: list[str], i: int) -> str:
    """The nearest larger letter on the right."""
    return next((c for c in w[i + 1 :] if c > w[i]), START)


def sorted_set(w: list[str], i: int) -> str:
    """The distinct letters, the largest first."""
    found = sorted(set(w), reverse=True)
    return found[i] if i < len(found) else START


def leader(w: list[str], i: int) -> str:
    """The most frequent letter of all, everywhere; of several the smallest."""
    return min(set(w), key=lambda c: (-w.count(c), c))


def rarest_first(w: list[str], i: int) -> str:
    """Distinct letters, the least frequent first; of several the one that comes last."""
    found = sorted(set(w), key=lambda c: (w.count(c), -max(j for j, d in enumerate(w) if d == c)))
    return found[i] if i < len(found) else START


def pairs_swapped(w: list[str], i: int) -> str:
    """Each letter in the place of its neighbor, two by two."""
    j = i ^ 1
    return w[j] if j < len(w) else w[i]


def prefix_largest(w: list[str], i: int) -> str:
    """The largest letter so far."""
    return max(w[: i + 1])


TASKS = {
    f.__name__: f for f in (next_greater, sorted_set, leader, rarest_first, pairs_swapped, prefix_largest)
}


@dataclass(frozen=True, slots=True)
class Unseen(Letters):
    """A task on random letters whose rule is one of ``TASKS``."""

    def rule(self, tokens: list[Value]) -> list[Value]:
        letters = [str(t) for t in tokens[1:]]
        return [None, *(TASKS[self.name](letters, i) for i in range(len(letters)))]

    def targets(self, x: Codes) -> Codes:
        known, y = {}, np.full(x.shape, -1, x.dtype)
        for row, codes in enumerate(x.tolist()):
            word = tuple(c for c in codes if c >= 0)
            if word not in known:
                said = self.rule([self.signature.vocab[c] for c in word])
                known[word] = [-1 if s is None else self.labels.index(s) for s in said]
            y[row, : len(word)] = known[word]
        return y


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--letters", type=int, default=5)
    parser.add_argument("--length", type=int, default=7, help="positions, with the one of '<s>'")
    parser.add_argument("--quick", action="store_true", help="one small task, to see that it runs")
    given = parser.parse_args()
    if given.quick:
        given.tasks, given.letters, given.length, given.rounds = ["prefix_largest"], 3, 4, 2
    torch.set_num_threads(1)
    share = grow.MOTIFS
    print(
        "| task | motifs | token accuracy (%) | whole sequences (%) | units | CPU s |\n|---|---|---|---|---|---|"
    )
    for task in given.tasks:
        for motifs in (share, 0.0):
            grow.MOTIFS = motifs
            print(
                line(task, given.letters, given.length, given.rounds, "yes" if motifs else "no"), flush=True
            )


def line(task: str, letters: int, length: int, rounds: int, motifs: str) -> str:
    """Learn one task, and say how well in a row of a table."""
    begun = time.process_time()
    vocab = (*map(str, range(letters)), START)
    exercise = Unseen(task, Signature(vocab, length), vocab, 1)
    data, domain = exercise.data(), exercise.domain()
    search = Rounds(
        data.train, [empty(Frame.of(data))], Climbing(rounds=rounds), oracle=exercise, beyond=domain
    )
    while not search.ended:
        search.advance()
    draft = thin(search.draft, domain)
    token, sequence = score(draft, domain)
    spent = time.process_time() - begun
    return (
        f"| {task} | {motifs} | {100 * token:.2f} | {100 * sequence:.2f} | {len(draft.units)} | {spent:.0f} |"
    )


if __name__ == "__main__":
    main()
