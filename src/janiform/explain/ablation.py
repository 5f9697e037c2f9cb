"""Runs of a program in which one node holds something else than it computes.

*Mode*: the value that it holds most often over the inputs; for a selector, of each pair the more frequent bit. *Resample*:
the values that it has on another input, one at least as long. What does not depend on the node is computed once for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Sized
from typing import Literal, get_args

import numpy as np

from janiform.errors import InputError, MeaningError
from janiform.ir.evaluate import Column, Run
from janiform.ir.functions import order
from janiform.ir.nodes import Node, Selector, Sequence, Value, walk
from janiform.ir.program import Program

Ablation = Literal["mode", "resample"]

MAX_CELLS = 1 << 26
"""Pairs of positions of all inputs together, which a selector holds at once."""


class Ablations:
    """One output of a program on a batch of inputs, without any one of its nodes.

    >>> import janiform as jf
    >>> p = jf.programs.load("hist")
    >>> column, kept = Ablations(p, ["aab", "ccc"], p.output, "mode").without(p.output)
    >>> [column.values[c] for c in column.codes[0]], kept
    ([3, 3, 3], [0, 1])
    """

    def __init__(
        self,
        program: Program,
        inputs: list[Sized[Value]],
        output: Sequence,
        ablation: Ablation,
        causal: bool = False,
        seed: int = 0,
    ) -> None:
        if ablation not in get_args(Ablation):
            raise InputError(f"unknown ablation {ablation!r}: {' or '.join(get_args(Ablation))}")
        cells = len(inputs) * max(map(len, inputs), default=0) ** 2
        if cells > MAX_CELLS:
            raise InputError(
                f"{len(inputs)} inputs are {cells:,} pairs of positions, more than {MAX_CELLS:,}; give fewer at once"
            )
        self.output, self.ablation = output, ablation
        self.run = Run(inputs, causal=causal, program=program)
        self.donors = _donors(self.run.lengths, np.random.default_rng(seed))

    def without(self, n: Node) -> tuple[Column, list[int]]:
        """Return the output without ``n``, and the examples on which it still has a meaning."""
        above = _readers(n, self.output)
        held = [m for m in walk(self.output) if m not in above]
        columns: dict[Sequence, Column] = {m: self.run.column(m) for m in held if isinstance(m, Sequence)}
        patterns = {m: self.run.pairs_selected(m) for m in held if isinstance(m, Selector)}
        if isinstance(n, Selector):
            patterns[n] = self._pattern_instead(n)
        elif isinstance(n, Sequence):
            columns[n] = self._column_instead(n)
        left = list(range(len(self.run.inputs)))
        while left:
            run = _Held([self.run.inputs[i] for i in left], causal=self.run.causal)
            run.hold(
                {m: rows_of(c, left) for m, c in columns.items()}, {m: p[left] for m, p in patterns.items()}
            )
            try:
                return run.column(self.output), left
            except MeaningError as e:
                faulty = set(e.rows)
                left = [i for j, i in enumerate(left) if j not in faulty]
        return Column(np.zeros((0, self.run.width), np.int64), [None]), left

    def _column_instead(self, n: Sequence) -> Column:
        column = self.run.column(n)
        if self.ablation == "resample":
            return rows_of(column, self.donors)
        counts = np.bincount(
            column.codes[np.broadcast_to(self.run.valid, column.codes.shape)], minlength=len(column.values)
        )
        most = [v for v, c in zip(column.values, counts.tolist(), strict=True) if c == counts.max()]
        return Column(np.zeros_like(column.codes), [min(most, key=order)])

    def _pattern_instead(self, s: Selector) -> np.ndarray:
        pattern = self.run.pairs_selected(s)
        pairs = np.broadcast_to(self.run.pairs, pattern.shape)
        if self.ablation == "resample":
            return pattern[self.donors] & pairs
        return (2 * pattern.sum(0) > pairs.sum(0)) & pairs


class _Held(Run):
    """A run in which some nodes are given."""

    def hold(self, columns: Mapping[Sequence, Column], patterns: Mapping[Selector, np.ndarray]) -> None:
        """Take these values and selections for the nodes' own."""
        self._columns.update(columns)
        self._patterns.update(patterns)


def _donors(lengths: np.ndarray, rng: np.random.Generator) -> list[int]:
    """For each example another at least as long, or itself where there is none."""
    ranked = np.argsort(-lengths, kind="stable")
    donors = np.arange(len(lengths))
    for i in range(len(lengths)):
        others = int((lengths >= lengths[i]).sum())
        choices = ranked[:others]
        if others > 1:
            choices = choices[choices != i]
            donors[i] = choices[rng.integers(len(choices))]
    return donors.tolist()


def _readers(n: Node, root: Node) -> set[Node]:
    """``n`` and every node under ``root`` that depends on it."""
    found = {n}
    for m in walk(root):
        if found.intersection(m.inputs):
            found.add(m)
    return found


def rows_of(column: Column, rows: list[int]) -> Column:
    """Return a column on some of its inputs.

    >>> rows_of(Column(np.array([[0], [1]]), ["a", "b"]), [1]).codes.tolist()
    [[1]]
    """
    return Column(column.codes[rows], column.values)
