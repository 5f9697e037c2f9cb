"""Readouts that other nodes read: no rows of logits, but tables over the values of their terms, or refused."""

from __future__ import annotations

import itertools
import math

import numpy as np

from janiform.errors import CompileError
from janiform.ir.domains import Facts, infer
from janiform.ir.functions import Arg, Lookup, canonical
from janiform.ir.nodes import Const, Map, Node, Readout, Sequence, Slope
from janiform.ir.program import Program
from janiform.ir.readout import contributions, winners

MAX_ROWS = 4_096
"""The longest table that a readout becomes."""


def readouts_inside(program: Program, facts: Facts) -> tuple[Program, Facts]:
    """Give those that read a readout a table in its place; as an output it stays what it is."""
    while inside := {i for n in program.nodes() for i in n.inputs if isinstance(i, Readout)}:
        lowest = next(n for n in program.nodes() if n in inside)
        assert isinstance(lowest, Readout)
        written = as_table(lowest, facts, program)

        def change(n: Node, old: Node = lowest, new: Node = written) -> Node:
            return n.with_inputs(tuple(new if i is old else i for i in n.inputs)) if old in n.inputs else n

        program = program.map(change)
        facts = infer(program, facts.signature)
    return program, facts


def as_table(n: Readout, facts: Facts, program: Program) -> Sequence:
    """Write a readout of few values as a map; raise CompileError where it has too many, or averages over positions."""
    args = tuple(dict.fromkeys(n.args))
    refuse_slopes(n, facts, program)
    sizes = [0 if facts.domains[a].values is None else len(facts.domains[a]) for a in args]
    many = " x ".join(f"{size:,}" if size else "unlisted" for size in sizes)
    fault = (
        "averages over positions" if n.pooled else f"has {many} combinations of values (at most {MAX_ROWS:,})"
    )
    if n.pooled or 0 in sizes or math.prod(sizes) > MAX_ROWS:
        raise CompileError(
            f"{program.where(n)} is read by other nodes and {fault}, so no table can stand for it; "
            "make it an output, or let the others read its terms instead"
        )
    if not args:
        return Const(canonical(n.labels[n.bias.index(max(n.bias))]))
    cells = list(itertools.product(*(facts.domains[a].values or () for a in args)))
    columns = dict(zip(args, map(list, zip(*cells, strict=True)), strict=True))
    added = [
        contributions(w, columns[a], len(n.labels))[0][None] for a, w in zip(n.args, n.weights, strict=True)
    ]
    labels = [canonical(n.labels[j]) for j in winners(added, np.array(n.bias, float), None)[0].tolist()]
    return Map(Lookup(tuple(map(Arg, range(len(args)))), tuple(zip(cells, labels, strict=True))), args)


def refuse_slopes(n: Readout, facts: Facts, program: Program) -> None:
    """Refuse a readout with a slope on what is not always a number."""
    for a, w in zip(n.args, n.weights, strict=True):
        domain = facts.domains[a]
        if isinstance(w, Slope) and (domain.undefined or not domain.numeric):
            raise CompileError(
                f"{program.where(a)} has a slope in {program.where(n)}, so it must always be a number"
            )
