"""Bounds on the rounding error of every variable, and the proof that no step or read-out can be missed.

Errors are followed from the embedding up with first-order rounding analysis: an embedding errs by its own rounding, a score
by its terms', a softmax by what leaks to keys a level down and by unequal levels, a step by the cancellation of its two
units. Whole numbers combined with whole weights are exact while they stay below 2^24 (2^53), and are counted as exact.
"""

from __future__ import annotations

import math

import numpy as np

from janiform.compile.emit import Emitter, bound, steps
from janiform.compile.plan import Output
from janiform.compile.variables import Form, Variable
from janiform.errors import CompileError


class Imprecise(CompileError):
    """The bound exceeds what the program can bear at this precision."""


UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}
"""Half the distance from 1 to the next number."""


def form_error(form: Form, unit: float) -> float:
    """Bound the error of a form as computed by a matrix product."""
    inherited = sum(
        abs(c) * float(np.abs(v.expand[j]) @ v.error) for (v, j), c in form.terms.items()
    )
    coefficients = [c * float(x) for (v, j), c in form.terms.items() for x in v.expand[j] if x]
    whole = inherited == 0 and all(_whole(c) for c in [*coefficients, form.const]) and bound(form) < 0.25 / unit
    return inherited if whole and all(_whole_basis(v) for v in form.variables()) else (
        inherited + (len(coefficients) + 2) * unit * bound(form)
    )


def _whole(x: float) -> bool:
    """Whether a number is a multiple of 1/16, so that small sums of it are exact."""
    return float(x * 16).is_integer()


def _whole_basis(v: Variable) -> bool:
    return bool((v.basis * 16 == np.round(v.basis * 16)).all()) and not v.error.any()


def set_errors(emitter: Emitter, dtype: str) -> None:
    """Set the error of every variable, in the order in which they are written; raise Imprecise where a step can be missed."""
    unit = UNIT[dtype]
    for v in emitter.schedule.variables:
        match v.kind:
            case "token" | "position":
                v.error = np.abs(v.basis.astype(dtype).astype(float) - v.basis).max(1, initial=0.0)
            case "copy" | "raw":
                _set_head_error(emitter, v, unit)
            case "product":
                assert v.factors is not None
                mean, gates, _ = v.factors
                shut = max((form_error(g, unit) for _, g in gates), default=0.0)
                largest = float(v.bound[0])
                widest = max((w for w, _ in gates), default=0.0)
                v.error = np.array([widest * form_error(mean, unit) + 4 * largest * (shut * len(gates) + 4 * unit)])
            case "steps":
                _set_step_error(v, unit)


def _set_head_error(emitter: Emitter, v: Variable, unit: float) -> None:
    assert v.head is not None
    head, scale = v.head, emitter.level_scale
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
    wobble *= 2.0 * scale
    leak = (emitter.signature.max_len + 1) * math.exp(min(0.0, -scale / 2 + 2 * wobble))
    unequal = math.expm1(min(2 * wobble, 1.0)) if head.many or head.mode == "count" else 0.0
    relative = leak + unequal + 8 * unit
    if leak > 1e-3:
        raise Imprecise(f"the scores of {v.name} err by {wobble / scale:.2g} of a level")
    if head.mode == "count":
        v.relative = relative
        v.error = np.array([relative])
    else:
        forms = [head.values[i][0] for i in v.head_columns]
        v.error = np.array([form_error(f, unit) + 2 * max(bound(f), b) * relative for f, b in zip(forms, v.bound, strict=True)])


def _set_step_error(v: Variable, unit: float) -> None:
    assert v.coordinate is not None
    s = steps(v)
    noise = form_error(v.coordinate, unit)
    exact = noise == 0.0
    points = np.abs(v.points)
    errors = np.full(len(points), noise)
    if len(v.coordinate.terms) == 1:
        (raw, _), slope = next(iter(v.coordinate.terms.items()))
        if raw.relative and slope == 1.0 and not v.coordinate.const:
            errors = points * (raw.relative + 4 * unit)
    worst = np.maximum(errors[s.at], errors[s.at + 1]) if s.at.size else np.zeros(0)
    if (worst >= s.gaps / 4).any():
        i = int((worst / s.gaps).argmax())
        raise Imprecise(
            f"{v.name} must tell {v.points[s.at[i]]:.6g} from {v.points[s.at[i] + 1]:.6g}, and errs by up to {worst[i]:.2g}"
        )
    if exact and all(map(_whole, (*v.points, *s.offset, *s.out.ravel(), *s.base, *s.slope))):
        v.error = np.zeros(len(v.basis))
        return
    ends = v.points[[0, -1]]  # a sum of rectified lines is convex, so it is largest at an end
    active = np.maximum(0.0, np.outer(ends, s.slope) + s.offset)
    v.error = 4 * unit * (active @ np.abs(s.out)).max(0, initial=0.0) + 2 * unit * v.bound


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
            if error >= margin:
                raise Imprecise(f"an output errs by up to {error:.2g}, and its values lie {out.gap:.2g} apart")
            if error / margin >= worst[0] / worst[1]:
                worst = (error, margin)
    return worst
