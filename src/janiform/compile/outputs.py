"""Read-outs: how an output is read from the residual stream as logits or as a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from janiform.compile.variables import Form
from janiform.errors import CompileError
from janiform.ir.nodes import Aggregate, Sequence, Value

if TYPE_CHECKING:
    from janiform.compile.plan import Plan


@dataclass(frozen=True, slots=True)
class Output:
    """How one output is read.

    With ``nearest``, the one form's distance to each of ``numbers`` gives a class's logit, ``c x - c^2 / 2`` about
    ``middle``; else each form is a column of the logits. ``gap`` is the least distance between two values.
    """

    kind: Literal["category", "number"]
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


def _resolvable(numbers: np.ndarray, gap: float) -> bool:
    """Whether float32 scores ``c x - c^2 / 2`` tell neighbors apart with room to spare."""
    reach = float(np.abs(numbers - np.round(numbers.mean())).max())
    return len(numbers) <= 512 and 64 * reach * reach * 2.0**-24 < gap * gap / 4
