"""Variables of the residual stream, and linear forms that read them.

A *variable* is a part of the residual stream that one component writes: an embedding, a head or an MLP. Its *columns* are
real functions of its value; readers ask for the columns they need, and get back a *form*, a linear combination of columns
and a constant. Only what is asked for takes up room: a variable that is only ever compared with zero is one dimension wide.
When readers want as many columns as there are values, the columns become one-hot.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from janiform.compile.units import Units
from janiform.ir.nodes import Sequence
from janiform.ir.values import Domain

if TYPE_CHECKING:
    from janiform.compile.attention import Head

Kind = Literal["token", "position", "copy", "raw", "steps", "product"]
"""Who writes a variable: the two embeddings, a head that copies, a head whose output is a number (a mean or a count),
an MLP that reads a coordinate through steps, an MLP that multiplies a mean by a count."""


FEW = 6
"""How many columns a new one is compared with, lest it be a multiple of one of them."""


@dataclass(slots=True)
class Form:
    """A linear combination of columns, plus a constant."""

    terms: dict[tuple[Variable, int], float] = field(default_factory=dict)
    const: float = 0.0

    def __add__(self, other: Form) -> Form:
        terms = dict(self.terms)
        for key, c in other.terms.items():
            terms[key] = terms.get(key, 0.0) + c
        return Form({k: c for k, c in terms.items() if c}, self.const + other.const)

    def scaled(self, by: float) -> Form:
        """Return the form multiplied by a number."""
        return Form({k: c * by for k, c in self.terms.items()} if by else {}, self.const * by)

    def variables(self) -> list[Variable]:
        """The variables read, each once."""
        return list(dict.fromkeys(v for v, _ in self.terms))


@dataclass(eq=False, slots=True)
class Variable:
    """One variable and the columns asked of it so far.

    ``columns[j]`` is a function of the domain's codes; for a raw variable the columns are fixed by its writer and
    ``points`` says where each code lies on the coordinate. ``basis`` and ``expand`` are set when it is settled: column
    ``j`` is ``sum_r expand[j, r] * basis_r``, and ``basis_r`` is one residual dimension.
    """

    kind: Kind
    name: str
    node: Sequence | None
    domain: Domain
    depth: float
    columns: list[np.ndarray] = field(default_factory=list)
    asked: dict[bytes, int] = field(default_factory=dict)
    settled: bool = False
    basis: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    expand: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    labels: tuple[str, ...] = ()
    # how it is written
    head: Head | None = None
    head_columns: list[int] = field(default_factory=list)
    coordinate: Form | None = None
    points: np.ndarray = field(default_factory=lambda: np.zeros(0))
    codes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    factors: tuple[Form, list[tuple[float, Form]], float] | None = None
    units: Units = field(default_factory=Units.none)
    # what it holds
    bos: np.ndarray = field(default_factory=lambda: np.zeros(0))
    bound: np.ndarray = field(default_factory=lambda: np.zeros(0))
    error: np.ndarray = field(default_factory=lambda: np.zeros(0))
    relative: float = 0.0
    whole: bool = False
    slot: int = -1
    dims: tuple[int, ...] = ()

    @property
    def undefined(self) -> int | None:
        """The code of *undefined*, if it can occur."""
        return self.domain.codes.get(None)

    def ask(self, values: np.ndarray) -> Form:
        """Return a form equal to ``values[code]``, adding a column where none is there yet."""
        assert not self.settled and self.kind not in ("raw", "product"), f"{self.name} asked too late"
        rest = 0 if self.undefined is None else self.undefined
        const = float(values[rest]) if self.undefined is not None else 0.0
        column = values - const
        if column.min() == column.max():
            return Form({}, float(values[rest]))
        known = self.asked.get(column.tobytes())
        if known is not None:
            return Form({(self, known): 1.0}, const)
        for j, have in enumerate(self.columns[:FEW]):
            found = _multiple(have, column, offset=self.undefined is None)
            if found is not None:
                return Form({(self, j): found[0]}, const + found[1])
        self.asked[column.tobytes()] = len(self.columns)
        self.columns.append(column)
        return Form({(self, len(self.columns) - 1): 1.0}, const)

    def settle(self) -> None:
        """Choose the basis: the columns themselves, or one-hot when they are no fewer."""
        assert not self.settled
        self.settled = True
        values = self.domain.values
        assert values is not None
        wanted = np.array(self.columns) if self.columns else np.zeros((0, len(values)))
        classes = [i for i, v in enumerate(values) if v is not None]
        if len(self.columns) >= len(classes):
            self.basis = np.eye(len(values))[classes]
            self.expand = wanted[:, classes]
            self.labels = tuple(f"{self.name} = {values[i]!r}" for i in classes)
        else:
            self.basis, self.expand = wanted, np.eye(len(self.columns))
            self.labels = tuple(_label(self.name, c, self.domain) for c in wanted)


def _multiple(have: np.ndarray, want: np.ndarray, *, offset: bool) -> tuple[float, float] | None:
    """Return (a, b) with ``want == a * have + b``, ``b`` being 0 unless ``offset``."""
    i, j = int(have.argmin()), int(have.argmax())
    a = (want[j] - want[i]) / (have[j] - have[i])
    b = want[i] - a * have[i]
    if not offset and b:
        return None
    return (float(a), float(b)) if a and np.array_equal(a * have + b, want) else None


def _label(name: str, column: np.ndarray, domain: Domain) -> str:
    """Name a column: the number itself, a test, a polynomial, or its values in order."""
    assert domain.values is not None
    if domain.numeric and np.array_equal(column, domain.numbers):
        return name
    on = [v for v, c in zip(domain.values, column, strict=True) if c]
    if len(on) <= 4 and set(column.tolist()) <= {0.0, 1.0}:
        return f"{name} in {on!r}" if len(on) > 1 else f"{name} = {on[0]!r}"
    return _polynomial(name, column, domain) or f"{name} -> {', '.join(f'{c:.4g}' for c in column[:8])}"


def _polynomial(name: str, column: np.ndarray, domain: Domain) -> str | None:
    """Write a column as ``a x^2 + b x + c``, where it is one with whole coefficients."""
    if not domain.numeric or domain.undefined or len(column) < 4:
        return None
    coefficients = np.round(np.polyfit(domain.numbers, column, 2), 6)
    if (coefficients != np.round(coefficients)).any() or not np.allclose(
        np.polyval(coefficients, domain.numbers), column
    ):
        return None
    terms = [
        f"{int(c):+d}{power}"
        for c, power in zip(coefficients, (f" {name}^2", f" {name}", ""), strict=True)
        if c
    ]
    written = " ".join(terms).replace("+1 ", "+").replace("-1 ", "-").removeprefix("+")
    return written.replace(" +", " + ").replace(" -", " - ")


def bound(form: Form) -> float:
    """A bound on the size of a form, at whatever position."""
    return abs(form.const) + sum(
        abs(c) * float(np.abs(v.expand[j]) @ v.bound) for (v, j), c in form.terms.items()
    )


def at_bos(form: Form) -> float:
    """The value of a form at BOS."""
    return form.const + sum(c * float(v.expand[j] @ v.bos) for (v, j), c in form.terms.items())
