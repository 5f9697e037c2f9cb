"""For which examples a line is responsible: those whose output changes when the line is ablated.

*Mode* ablation puts in its place the value that it holds most often over the examples (for a selector, each pair's more
frequent bit); *resample* ablation the values that it has on another example, at least as long. What does not depend on
the line is computed once for all lines. An example on which the ablated program has no meaning counts as changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Sized
from dataclasses import dataclass
from typing import Any

import numpy as np

from janiform.errors import InputError
from janiform.explain.ablation import Ablation, Ablations, rows_of
from janiform.explain.listing import Listed, chosen_output, find, listing
from janiform.explain.reasons import alike
from janiform.ir.evaluate import Column
from janiform.ir.functions import identity
from janiform.ir.nodes import Node, Value
from janiform.ir.program import Program
from janiform.ir.semantics import Signature

SHOWN = 8
"""Examples that are written out; the data holds all."""


@dataclass(frozen=True, slots=True)
class Responsibility:
    """What changes without a line: positions by example, and how many of them were right before and are after.

    ``broken`` positions are right with the line and wrong without it, ``fixed`` ones the other way round; both are None
    where no targets were given. ``meaningless`` are the examples on which the program has no meaning without the line.
    """

    listed: Listed
    output: str
    ablation: Ablation
    examples: int
    positions: int
    changes: Mapping[int, tuple[int, ...]]
    meaningless: tuple[int, ...] = ()
    broken: int | None = None
    fixed: int | None = None

    @property
    def changed(self) -> int:
        """How many positions change."""
        return sum(map(len, self.changes.values()))

    def __str__(self) -> str:
        rows = [
            str(self.listed),
            f"  {self.ablation} ablation changes {self.changed} of {self.positions} positions of {self.output}, "
            f"in {len(self.changes)} of {self.examples} examples",
        ]
        if self.broken is not None:
            rows.append(
                f"  {self.broken} were right and become wrong, {self.fixed} were wrong and become right"
            )
        for i, at in list(self.changes.items())[:SHOWN]:
            lost = " (no meaning)" if i in self.meaningless else ""
            rows.append(f"  example {i}: at {', '.join(map(str, at))}{lost}")
        more = len(self.changes) - SHOWN
        return "\n".join([*rows, *([f"  .. {more} more"] if more > 0 else [])])

    def as_dict(self) -> dict[str, Any]:
        """The responsibility as plain data."""
        about = {"name": self.listed.name, "text": self.listed.text, "kind": self.listed.kind}
        how = {"output": self.output, "ablation": self.ablation}
        sizes = {"examples": self.examples, "positions": self.positions, "changed": self.changed}
        changes = [{"example": i, "positions": list(at)} for i, at in self.changes.items()]
        found = {"changes": changes, "meaningless": list(self.meaningless)}
        return about | how | sizes | found | {"broken": self.broken, "fixed": self.fixed}


@dataclass(frozen=True, slots=True)
class Responsibilities:
    """Every line that reads another, those that change most first."""

    rows: tuple[Responsibility, ...]

    def __str__(self) -> str:
        judged = any(r.broken is not None for r in self.rows)
        table = [("changed", "examples", *(("broken", "fixed") if judged else ()), "line")]
        for r in self.rows:
            right = (str(r.broken), str(r.fixed)) if judged else ()
            table.append((str(r.changed), str(len(r.changes)), *right, str(r.listed)))
        widths = [max(map(len, column)) for column in zip(*table)][:-1]
        return "\n".join("  ".join([*(c.rjust(w) for c, w in zip(row, widths)), row[-1]]) for row in table)

    def as_dict(self) -> dict[str, Any]:
        """The table as plain data."""
        return {"lines": [r.as_dict() for r in self.rows]}


def responsible(
    program: Program,
    inputs: Iterable[Sized[Value]],
    targets: Iterable[Sized[Value]] | None = None,
    *,
    node: str | Node,
    output: str | None = None,
    ablation: Ablation = "mode",
    causal: bool = False,
    signature: Signature | None = None,
    seed: int = 0,
) -> Responsibility:
    """Say which examples change, and which get better or worse, without one line.

    >>> import janiform as jf
    >>> caps = jf.parse('first = indices == 0; x = "A" if first else tokens;')
    >>> print(responsible(caps, ["ab", "bb"], ["Ab", "bb"], node="first"))
    first = indices == 0
      mode ablation changes 2 of 4 positions of x, in 2 of 2 examples
      1 were right and become wrong, 1 were wrong and become right
      example 0: at 0
      example 1: at 0
    """
    examples = _Examples(program, inputs, targets, output, ablation, causal, signature, seed)
    lines = listing(program)
    if isinstance(node, str):
        return examples.without(find(program, node))
    if node not in lines:
        raise InputError(f"the program has no line for this {type(node).__name__}; name one as it is printed")
    return examples.without(lines[node])


def responsibilities(
    program: Program,
    inputs: Iterable[Sized[Value]],
    targets: Iterable[Sized[Value]] | None = None,
    *,
    output: str | None = None,
    ablation: Ablation = "mode",
    causal: bool = False,
    signature: Signature | None = None,
    seed: int = 0,
) -> Responsibilities:
    """Say for every line which examples it is responsible for.

    >>> import janiform as jf
    >>> print(responsibilities(jf.parse("a = indices + 1; b = a * 2; x = b - a;"), ["ab", "abb"]))
    changed  examples  line
          3         2  a = indices + 1
          3         2  b = a * 2
          3         2  x = b - a
    """
    examples = _Examples(program, inputs, targets, output, ablation, causal, signature, seed)
    rows = [examples.without(line) for line in listing(program).values() if line.kind != "input"]
    return Responsibilities(tuple(sorted(rows, key=lambda r: -r.changed)))


class _Examples:
    """A program's run on the examples, from which runs without one line are made."""

    def __init__(
        self,
        program: Program,
        inputs: Iterable[Sized[Value]],
        targets: Iterable[Sized[Value]] | None,
        output: str | None,
        ablation: Ablation,
        causal: bool,
        signature: Signature | None,
        seed: int,
    ) -> None:
        self.inputs = list(inputs)
        if signature is not None:
            signature.validate(self.inputs)
            causal = signature.causal
        self.name = chosen_output(program, output)
        self.ablations = Ablations(program, self.inputs, program.outputs[self.name], ablation, causal, seed)
        self.run = self.ablations.run
        shape = (len(self.inputs), self.run.width)
        self.valid = np.broadcast_to(self.run.valid, shape)
        self.before = self.run.column(self.ablations.output)
        self.target = None if targets is None else self._read(list(targets))

    def without(self, line: Listed) -> Responsibility:
        """Run without ``line`` and compare."""
        after, kept = self.ablations.without(line.node)
        differs = self.valid.copy()
        differs[kept] &= ~_equal(rows_of(self.before, kept), after)
        broken = fixed = None
        if self.target is not None:
            right, now = _equal(self.before, self.target) & self.valid, np.zeros_like(self.valid)
            now[kept] = _equal(after, rows_of(self.target, kept)) & self.valid[kept]
            broken, fixed = int((right & ~now).sum()), int((~right & now).sum())
        changes = {
            i: tuple(np.flatnonzero(differs[i]).tolist()) for i in np.flatnonzero(differs.any(1)).tolist()
        }
        lost = tuple(sorted(set(range(len(self.inputs))).difference(kept)))
        sizes = len(self.inputs), int(self.valid.sum())
        return Responsibility(line, self.name, self.ablations.ablation, *sizes, changes, lost, broken, fixed)

    def _read(self, targets: list[Sized[Value]]) -> Column:
        lengths = list(map(len, targets))
        if lengths != self.run.lengths.tolist():
            n = next(
                (i for i, k in enumerate(map(len, self.inputs)) if [k] != lengths[i : i + 1]),
                len(self.inputs),
            )
            raise InputError(
                f"example {n}: the target is as long as the input; there are {len(self.inputs)} inputs and "
                f"{len(targets)} targets"
            )
        known: dict[object, int] = {}
        values: list[Value] = []
        codes = np.zeros(self.valid.shape, np.int64)
        for i, row in enumerate(targets):
            for j, v in enumerate(row):
                codes[i, j] = known.setdefault(identity(v), len(known))
                if len(values) < len(known):
                    values.append(v)
        return Column(codes, values or [None])


def _equal(a: Column, b: Column) -> np.ndarray:
    """Where two columns hold equal values; each pair of values is compared once."""
    joint = a.codes * len(b.values) + b.codes
    pairs, inverse = np.unique(joint, return_inverse=True)
    same = np.array(
        [alike(a.values[p // len(b.values)], b.values[p % len(b.values)]) for p in pairs.tolist()], bool
    )
    return same[inverse].reshape(joint.shape)
