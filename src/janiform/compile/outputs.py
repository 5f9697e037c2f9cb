"""Read-outs: how an output is read from the residual stream as logits or as a number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np

from janiform.compile.variables import Form
from janiform.errors import CompileError
from janiform.ir.derived import select_all
from janiform.ir.functions import Apply, Arg, Fn, Lit, Lookup, canonical
from janiform.ir.inside import refuse_slopes
from janiform.ir.nodes import Aggregate, Map, Readout, Scores, Sequence, Slope, Value
from janiform.ir.readout import contributions

if TYPE_CHECKING:
    from janiform.compile.plan import Plan


@dataclass(frozen=True, slots=True)
class Output:
    """How one output is read.

    With ``nearest``, the one form's distance to each of ``numbers`` gives a class's logit, ``c x - c^2 / 2`` about
    ``middle``; else each form is a column of the logits. ``gap`` is the least distance between two values.
    """

    kind: Literal["category", "scores", "number"]
    forms: tuple[Form, ...]
    values: tuple[Value, ...]
    gap: float
    nearest: bool
    numbers: tuple[float, ...] = ()
    middle: float = 0.0

    @property
    def width(self) -> int:
        """How many columns of the logits it takes."""
        return len(self.numbers) if self.nearest else len(self.forms)


def read_output(plan: Plan, n: Sequence) -> Output:
    """Choose the read-out of an output: the nearest of few numbers, a number as it is, or one class for each value."""
    if isinstance(n, Readout):
        return read_scores(plan, n)
    domain = plan.facts.domains[n]
    if domain.values is None:
        raise CompileError(
            f"the possible values of {plan.program.where(n)}, between {domain.low:g} and {domain.high:g}, are too many to list; "
            "average numbers with a common step (round them first), or use a smaller vocabulary or maximum length"
        )
    numeric = [float(v) for v in domain.values if isinstance(v, int | float)]
    twins = len(set(numeric)) < len(numeric)  # True and 1 are one number, but two values
    if not domain.numeric or not numeric or twins:
        size = len(domain.values)
        logits = [
            Form({}, 0.5) if v is None else plan.feature(n, np.eye(size)[i])
            for i, v in enumerate(domain.values)
        ]
        return Output("category", tuple(logits), domain.values, 1.0, False)
    defined = sorted({float(v): v for v in reversed(domain.values) if isinstance(v, int | float)}.items())
    numbers = np.array([x for x, _ in defined])
    values: tuple[Value, ...] = tuple(v for _, v in defined)
    gap = float(np.diff(numbers).min()) if len(numbers) > 1 else 1.0
    if domain.undefined:
        if plan.facts.variable(n) is n and isinstance(n, Aggregate) and n.reduce == "mean" and plan.is_raw(n):
            whole = (
                2.0 * plan.facts.signature.max_len
            )  # an undefined value takes 1 / n or more from the second column
            defined_ = Form({(plan.raw(n), 1): whole}, 1.0 - whole)
            return Output("number", (plan.number(n), defined_), values, min(gap, 1.0), False)
        level = float(np.floor(numbers[0])) - 1.0
        codes = domain.numbers.copy()
        codes[domain.codes[None]] = level
        form = plan.feature(n, codes)
        numbers, values, gap = np.array([level, *numbers]), (None, *values), min(gap, 1.0)
        if not _resolvable(numbers, gap):
            columns = plan.feature(n, domain.numbers), plan.is_defined(n)
            return Output("number", columns, values[1:], gap, False)
    else:
        form = plan.number(n)
        if not _resolvable(numbers, gap):
            return Output("number", (form,), values, gap, False)
    middle = float(np.round(numbers.mean()))
    return Output("category", (form,), values, gap, True, tuple(float(x) for x in numbers), middle)


def read_scores(plan: Plan, n: Readout) -> Output:
    """Read the scores of a read-out as logits, each label a little behind those before it, so that no two are equal.

    All labels together fall back by less than half a step, and each by a power of two, which rounds nothing.
    """
    refuse_slopes(n, plan.facts, plan.program)
    scores = [Form({}, float(b)) for b in n.bias]
    for a, weights in zip(n.args, n.weights, strict=True):
        domain = plan.facts.domains[a]
        if isinstance(weights, Scores) and domain.values is None:
            raise CompileError(
                f"the possible values of {plan.program.where(a)}, which {plan.program.where(n)} gives scores, cannot be "
                "listed; round its numbers, or use a smaller vocabulary or maximum length"
            )
        for j in range(len(n.labels)):
            if n.pooled:
                mean = Aggregate(select_all(), Map(_added(weights, j), (a,)), None, "mean")
                plan.facts.add(mean)
                scores[j] = scores[j] + plan.number(mean)
            elif isinstance(weights, Slope):
                scores[j] = scores[j] + plan.number(a).scaled(float(weights.row[j]))
            else:
                assert domain.values is not None
                added = contributions(weights, list(domain.values), len(n.labels))[0][:, j]
                scores[j] = scores[j] + plan.feature(a, added)
    gap = math.ldexp(0.5, math.frexp(_step(plan, n) / (2 * len(n.labels)))[1])
    forms = tuple(s + Form({}, -j * gap) for j, s in enumerate(scores))
    return Output("scores", forms, tuple(map(canonical, n.labels)), gap, False)


def _added(weights: Scores | Slope, j: int) -> Fn:
    """What a term adds to label ``j``, as a function of its value."""
    if isinstance(weights, Slope):
        return Apply("*", (Arg(0), Lit(weights.row[j])))
    rows = tuple(((v,), row[j]) for v, row in zip(weights.values, weights.rows, strict=True))
    undefined = () if None in weights.values else (((None,), 0),)
    return Lookup((Arg(0),), (*undefined, *rows), Lit(0))


def _step(plan: Plan, n: Readout) -> float:
    """A number that every difference of two scores is a multiple of."""
    parts = [Fraction(b) for b in n.bias]
    for a, w in zip(n.args, n.weights, strict=True):
        numbers: list[Fraction] = [Fraction(1)]
        if isinstance(w, Slope):
            numbers = [Fraction(v) for v in plan.facts.domains[a].values or () if isinstance(v, int | float)]
            if not numbers:
                raise CompileError(
                    f"the values of {plan.program.where(a)}, a term of a readout, cannot be listed"
                )
        rows = w.rows if isinstance(w, Scores) else (w.row,)
        parts += [Fraction(x) * v for x in {x for row in rows for x in row} for v in numbers]
    step = Fraction(math.gcd(*(p.numerator for p in parts)) or 1, math.lcm(*(p.denominator for p in parts)))
    if step < Fraction(1, 1 << 24):
        raise CompileError(
            f"the scores of {plan.program.where(n)} have no common step; round its weights, and numbers under a slope, "
            "to whole numbers or few binary places"
        )
    return float(step) / (plan.facts.signature.max_len if n.pooled else 1)


def _resolvable(numbers: np.ndarray, gap: float) -> bool:
    """Whether float32 scores ``c x - c^2 / 2`` tell neighbors apart with room to spare."""
    reach = float(np.abs(numbers - np.round(numbers.mean())).max())
    return len(numbers) <= 512 and 64 * reach * reach * 2.0**-24 < gap * gap / 4
