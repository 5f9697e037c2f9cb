"""Bounds on the rounding error of every variable, and the proof that no step or read-out can be missed.

Errors are followed from the embedding up with first-order rounding analysis: an embedding errs by its own rounding, a score
by its terms', a softmax by what leaks to keys a level down and by unequal levels, a step by the cancellation of its two
units. Whole numbers combined with whole weights are exact while they stay below 2^24 (2^53), and are counted as exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from janiform.compile.outputs import Output
from janiform.compile.schedule import Schedule
from janiform.compile.units import GATE, ROUNDINGS, Imprecise, dyadic, realize
from janiform.compile.variables import Form, Variable, at_bos, bound

UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}
"""Half the distance from 1 to the next number."""

NORM = 32
"""Roundings of a normalization that all dimensions share: what its scale can be off by (docs/realistic.md)."""

ALONE = 5
"""Roundings of a normalization, and of the weights behind it, in each dimension by itself."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """How the model computes: its format, and whether it reads through normalizations and bends at GELUs.

    With ``copied``, what outputs read is copied by one MLP more.

    >>> Arithmetic("float32").reading, Arithmetic("float32", normal=True).reading < 3e-6
    (0.0, True)
    """

    dtype: str
    normal: bool = False
    copied: bool = False

    @property
    def unit(self) -> float:
        """Half the distance from 1 to the next number."""
        return UNIT[self.dtype]

    @property
    def reading(self) -> float:
        """The part of a value that is lost where it is read."""
        return (NORM + ALONE) * self.unit if self.normal else 0.0

    def score_unit(self, level: float, d_head: int) -> float:
        """What queries are multiplied by for a level of scores: a power of two, which keeps whole scores whole, in a plain one."""
        least = level * math.sqrt(max(d_head, 1))
        return least if self.normal else 2.0 ** math.ceil(math.log2(least))


def form_error(form: Form, arithmetic: Arithmetic) -> float:
    """Bound the error of a form as computed by a matrix product; a normal shape reads each dimension as two."""
    unit = arithmetic.unit
    inherited = sum(abs(c) * float(np.abs(v.expand[j]) @ v.error) for (v, j), c in form.terms.items())
    coefficients = [c * float(x) for (v, j), c in form.terms.items() for x in v.expand[j] if x]
    whole = not arithmetic.normal and inherited == 0 and all(v.whole for v, _ in form.terms)
    if (
        whole
        and all((16 * c).is_integer() for c in (*coefficients, form.const))
        and bound(form) < 0.25 / unit
    ):
        return 0.0
    products = (2 if arithmetic.normal else 1) * len(coefficients)
    return inherited + ((products + 2) * unit + arithmetic.reading) * bound(form)


def realize_all(schedule: Schedule, max_len: int, arithmetic: Arithmetic) -> float:
    """Choose units and bound sizes and errors of every variable, in the order in which they are written.

    Returns the scale of one level of attention. Raises Imprecise where a value could be missed.
    """
    unit = arithmetic.unit
    scale = 2.0 * (math.log(max_len + 2) - math.log(unit))
    for v in schedule.variables:
        match v.kind:
            case "token" | "position":
                v.bos = np.zeros(len(v.basis))
                v.error = np.abs(v.basis.astype(arithmetic.dtype).astype(float) - v.basis).max(1, initial=0.0)
            case "copy" | "raw":
                assert v.head is not None
                v.bos = np.array([v.head.values[i][1] for i in v.head_columns])
                v.bound = _size(v)
                _set_head_error(v, scale, max_len, arithmetic)
            case "product":
                _set_product(v, arithmetic)
            case "steps":
                assert v.coordinate is not None
                noise = _noise(v, v.coordinate, arithmetic)
                v.units = realize(v.name, v.points, v.basis[:, v.codes], noise, unit, bent=arithmetic.normal)
                v.bos, v.error = v.units.base, v.units.error
        if v.kind != "product":
            v.bound = _size(v)
            v.whole = not v.error.any() and dyadic(v.basis, unit)
    return scale


def _size(v: Variable) -> np.ndarray:
    return np.maximum(np.abs(v.basis).max(1, initial=0.0), np.abs(v.bos))


def _noise(v: Variable, coordinate: Form, arithmetic: Arithmetic) -> np.ndarray:
    """Bound the error of a coordinate at each of its points; a bare count errs in proportion."""
    if len(coordinate.terms) == 1 and not coordinate.const:
        (raw, _), slope = next(iter(coordinate.terms.items()))
        if raw.relative and slope == 1.0:
            alone = ALONE * arithmetic.unit if arithmetic.normal else 0.0
            return np.abs(v.points) * (raw.relative + 4 * arithmetic.unit + arithmetic.reading) + alone
    return np.full(len(v.points), form_error(coordinate, arithmetic))


def _set_product(v: Variable, arithmetic: Arithmetic) -> None:
    """One unit is open, and passes what its gate errs by; the others stay shut while gates err by less than a fifth."""
    assert v.factors is not None
    unit = arithmetic.unit
    mean, gates, lowest = v.factors
    widest = max((w for w, _ in gates), default=0.0)
    size = widest * (bound(mean) + abs(lowest))
    shut = max((form_error(g, arithmetic) for _, g in gates), default=0.0)
    if shut > 0.2:
        raise Imprecise(f"the gates of {v.name} err by {shut:.2g}")
    v.bos, v.bound = np.zeros(1), np.array([size])
    v.error = np.array([widest * form_error(mean, arithmetic) + GATE * 2 * size * (shut + 5 * unit)])


def _set_head_error(v: Variable, scale: float, max_len: int, arithmetic: Arithmetic) -> None:
    assert v.head is not None
    head, unit, reading = v.head, arithmetic.unit, arithmetic.reading
    wobble, whole, size = 0.0, True, 0.0
    for q, k in zip(head.queries, head.keys, strict=True):
        eq, ek = form_error(q, arithmetic), form_error(k, arithmetic) + reading * abs(at_bos(k))
        wobble += bound(q) * ek + bound(k) * eq + eq * ek
        size += bound(q) * bound(k)
        whole &= eq == 0 and ek == 0
    if head.needs_level:
        wobble += form_error(head.level, arithmetic) + reading * bound(head.level)
        size += bound(head.level)
    if not whole or 4 * size > 0.25 / unit:
        wobble += (len(head.queries) + 3) * unit * size
    # a power of two is up to twice this scale: a lower level then only falls further back, but unequal weights grow
    larger = 1 if arithmetic.normal else 2
    leak = (max_len + 1) * math.exp(min(0.0, -scale / 2 + larger * scale * wobble))
    unequal = math.expm1(min(2 * larger * scale * wobble, 1.0)) if head.many or head.mode == "count" else 0.0
    relative = leak + unequal + 8 * unit
    if leak > 1e-3:
        raise Imprecise(f"the scores of {v.name} err by {wobble:.2g} of a level")
    if head.mode == "count":
        v.relative = relative
        v.error = np.array([relative])
    else:
        forms = [head.values[i][0] for i in v.head_columns]
        v.error = np.array(
            [
                form_error(f, arithmetic) + 2 * max(bound(f), b) * (relative + reading)
                for f, b in zip(forms, v.bound, strict=True)
            ]
        )


def output_error(outputs: list[Output], arithmetic: Arithmetic) -> tuple[float, float]:
    """Return the largest error of any read-out beside the margin it must stay below; raise Imprecise where it does not."""
    unit = arithmetic.unit
    worst = (0.0, 0.5)
    for out in outputs:
        for form in out.forms:
            error = form_error(form, arithmetic)
            if arithmetic.copied:
                error += (arithmetic.reading + 2 * ROUNDINGS * unit) * bound(form)
            margin = out.gap / 2 if out.gap else math.inf
            if out.nearest:
                reach = max(abs(n - out.middle) for n in out.numbers)
                roundings = 8 + (4 * ALONE if arithmetic.normal else 0)
                error += roundings * unit * (reach * reach + 1.0) / out.gap
            if not error < margin:
                raise Imprecise(
                    f"an output errs by up to {error:.2g}, and its values lie {out.gap:.2g} apart"
                )
            if error / margin >= worst[0] / worst[1]:
                worst = (error, margin)
    return worst
