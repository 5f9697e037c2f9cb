"""Bounds on the rounding error of every variable, and the proof that no step or read-out can be missed.

Errors are followed from the embedding up with first-order rounding analysis: an embedding errs by its own rounding, a score
by its terms', a softmax by what leaks to keys a level down and by unequal levels, a step by the cancellation of its two
units. Whole numbers combined with whole weights are exact while they stay below 2^24 (2^53), and are counted as exact.
"""

from __future__ import annotations

import math

import numpy as np

from janiform.compile.outputs import Output
from janiform.compile.schedule import Schedule
from janiform.compile.units import GATE, Imprecise, dyadic, realize
from janiform.compile.variables import Form, Variable, bound

UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}
"""Half the distance from 1 to the next number."""


def form_error(form: Form, unit: float) -> float:
    """Bound the error of a form as computed by a matrix product."""
    inherited = sum(abs(c) * float(np.abs(v.expand[j]) @ v.error) for (v, j), c in form.terms.items())
    coefficients = [c * float(x) for (v, j), c in form.terms.items() for x in v.expand[j] if x]
    whole = inherited == 0 and all(v.whole for v, _ in form.terms)
    if (
        whole
        and all((16 * c).is_integer() for c in (*coefficients, form.const))
        and bound(form) < 0.25 / unit
    ):
        return 0.0
    return inherited + (len(coefficients) + 2) * unit * bound(form)


def realize_all(schedule: Schedule, max_len: int, dtype: str) -> float:
    """Choose units and bound sizes and errors of every variable, in the order in which they are written.

    Returns the scale of one level of attention. Raises Imprecise where a value could be missed.
    """
    unit = UNIT[dtype]
    scale = 2.0 * (math.log(max_len + 2) - math.log(unit))
    for v in schedule.variables:
        match v.kind:
            case "token" | "position":
                v.bos = np.zeros(len(v.basis))
                v.error = np.abs(v.basis.astype(dtype).astype(float) - v.basis).max(1, initial=0.0)
            case "copy" | "raw":
                assert v.head is not None
                v.bos = np.array([v.head.values[i][1] for i in v.head_columns])
                v.bound = _size(v)
                _set_head_error(v, scale, max_len, unit)
            case "product":
                _set_product(v, unit)
            case "steps":
                assert v.coordinate is not None
                noise = _noise(v, v.coordinate, unit)
                v.units = realize(v.name, v.points, v.basis[:, v.codes], noise, unit)
                v.bos, v.error = v.units.base, v.units.error
        if v.kind != "product":
            v.bound = _size(v)
            v.whole = not v.error.any() and dyadic(v.basis, unit)
    return scale


def _size(v: Variable) -> np.ndarray:
    return np.maximum(np.abs(v.basis).max(1, initial=0.0), np.abs(v.bos))


def _noise(v: Variable, coordinate: Form, unit: float) -> np.ndarray:
    """Bound the error of a coordinate at each of its points; a bare count errs in proportion."""
    if len(coordinate.terms) == 1 and not coordinate.const:
        (raw, _), slope = next(iter(coordinate.terms.items()))
        if raw.relative and slope == 1.0:
            return np.abs(v.points) * (raw.relative + 4 * unit)
    return np.full(len(v.points), form_error(coordinate, unit))


def _set_product(v: Variable, unit: float) -> None:
    """One unit is open, and passes what its gate errs by; the others stay shut while gates err by less than a fifth."""
    assert v.factors is not None
    mean, gates, lowest = v.factors
    widest = max((w for w, _ in gates), default=0.0)
    size = widest * (bound(mean) + abs(lowest))
    shut = max((form_error(g, unit) for _, g in gates), default=0.0)
    if shut > 0.2:
        raise Imprecise(f"the gates of {v.name} err by {shut:.2g}")
    v.bos, v.bound = np.zeros(1), np.array([size])
    v.error = np.array([widest * form_error(mean, unit) + GATE * 2 * size * (shut + 4 * unit)])


def _set_head_error(v: Variable, scale: float, max_len: int, unit: float) -> None:
    assert v.head is not None
    head = v.head
    wobble, whole, size = 0.0, True, 0.0
    for q, k in zip(head.queries, head.keys, strict=True):
        eq, ek = form_error(q, unit), form_error(k, unit)
        wobble += bound(q) * ek + bound(k) * eq + eq * ek
        size += bound(q) * bound(k)
        whole &= eq == 0 and ek == 0
    if head.needs_level:
        wobble += form_error(head.level, unit)
        size += bound(head.level)
    if not whole or 4 * size > 0.25 / unit:
        wobble += (len(head.queries) + 3) * unit * size
    # the scale emitted is up to twice this one: a lower level then only falls further back, but unequal weights grow
    leak = (max_len + 1) * math.exp(min(0.0, -scale / 2 + 2 * scale * wobble))
    unequal = math.expm1(min(4 * scale * wobble, 1.0)) if head.many or head.mode == "count" else 0.0
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
                form_error(f, unit) + 2 * max(bound(f), b) * relative
                for f, b in zip(forms, v.bound, strict=True)
            ]
        )


def output_error(outputs: list[Output], dtype: str) -> tuple[float, float]:
    """Return the largest error of any read-out beside the margin it must stay below; raise Imprecise where it does not."""
    unit = UNIT[dtype]
    worst = (0.0, 0.5)
    for out in outputs:
        for form in out.forms:
            error = form_error(form, unit)
            margin = out.gap / 2 if out.gap else math.inf
            if out.nearest:
                reach = max(abs(n - out.middle) for n in out.numbers)
                error += 8 * unit * (reach * reach + 1.0) / out.gap
            if not error < margin:
                raise Imprecise(
                    f"an output errs by up to {error:.2g}, and its values lie {out.gap:.2g} apart"
                )
            if error / margin >= worst[0] / worst[1]:
                worst = (error, margin)
    return worst
