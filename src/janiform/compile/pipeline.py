"""The compiler, stage by stage.

Source: Lindner et al. 2023 (Tracr), section 3, for the idea; the constructions are this project's (docs/compile.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from janiform.compile.emit import Emitter
from janiform.compile.layout import lay_out
from janiform.compile.plan import Plan
from janiform.compile.precision import UNIT, Arithmetic, output_error, realize_all
from janiform.compile.result import Bound, Compiled, Readout
from janiform.compile.schedule import schedule
from janiform.compile.settle import plan_program
from janiform.compile.units import Imprecise
from janiform.errors import CompileError
from janiform.ir.lower import lower, refuse_meaningless
from janiform.ir.program import Program
from janiform.ir.semantics import Signature

MAX_LENGTH = 2_000
"""What depends on positions alone is looked at for every length up to the longest, which takes its cube."""

MAX_WEIGHT = 1e30
"""Larger weights overflow float32 when they meet an activation."""

MAX_PARAMETERS = 200_000_000
"""More weights than this are refused before they are allocated."""


def compile_program(
    program: Program,
    signature: Signature,
    *,
    layout: Literal["separate", "reuse"] = "separate",
    dtype: Literal["auto", "float32", "float64"] = "auto",
    arithmetic: Callable[[str], Arithmetic] = Arithmetic,
) -> Compiled:
    """Compile a program into the weights of a transformer that computes it exactly.

    With ``dtype="auto"`` the weights are float32 where the error bound allows it, else float64. ``arithmetic`` says how a
    model in that format will compute: a normal one keeps the bound where it reads through normalizations and bends at GELUs.
    Raises CompileError for what cannot be, with its size and the remedy; MeaningError where some input has no meaning.

    >>> from janiform.ir.derived import histogram
    >>> from janiform.ir.program import program
    >>> compile_program(program(histogram()), Signature("abc", 5)).config["n_layers"]
    1
    """
    if layout not in ("separate", "reuse"):
        raise CompileError(f"unknown layout {layout!r}: separate or reuse")
    if dtype not in ("auto", *UNIT):
        raise CompileError(f"unknown dtype {dtype!r}: auto, float32 or float64")
    if signature.max_len > MAX_LENGTH:
        raise CompileError(
            f"the maximum length {signature.max_len:,} is more than {MAX_LENGTH:,}; use a smaller maximum length"
        )
    lowered, facts = lower(program, signature)
    refuse_meaningless(program, facts)
    attempts = [(d, tables) for d in (UNIT if dtype == "auto" else (dtype,)) for tables in (False, True)]
    refused: Imprecise | None = None
    for precision, tables in attempts:
        planned = plan_program(lowered, facts, tables=tables)
        scheduled = schedule(planned)
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # what overflows has no bound, and is refused
                computing = arithmetic(precision)
                level_scale = realize_all(scheduled, signature.max_len, computing)
                laid = lay_out(scheduled, reuse=layout == "reuse")
                emitter = Emitter(scheduled, signature, laid, level_scale, computing)
                return _emit(program, planned, emitter, layout)
        except Imprecise as e:
            refused = e
    last = attempts[-1][0]
    remedy = "use a smaller maximum length or coarser numbers" if last == "float64" else "use dtype='float64'"
    raise CompileError(f"not exact in {last}: {refused}; {remedy}")


def _emit(program: Program, planned: Plan, emitter: Emitter, layout: str) -> Compiled:
    outputs, signature, dtype = list(planned.outputs.values()), emitter.signature, emitter.arithmetic.dtype
    error, margin = output_error(outputs, emitter.arithmetic)
    sizes = emitter.sizes(outputs)
    parameters = emitter.parameters(sizes)
    if parameters > MAX_PARAMETERS:
        raise CompileError(
            f"the model would have {parameters:,} parameters, more than {MAX_PARAMETERS:,} "
            f"({sizes}); use a smaller vocabulary or maximum length"
        )
    weights = emitter.write(sizes, outputs)
    largest = max((float(np.abs(w).max(initial=0.0)) for w in weights.values()), default=0.0)
    if not largest < (MAX_WEIGHT if dtype == "float32" else math.inf):
        raise Imprecise(f"a weight of {largest:.2g} is beyond the format")
    config: dict[str, Any] = {
        **sizes,
        "act_fn": "relu",
        "attention_dir": "causal" if signature.causal else "bidirectional",
        "normalization_type": None,
        "dtype": dtype,
    }
    return Compiled(
        program=program,
        signature=signature,
        config=config,
        weights={name: np.ascontiguousarray(w, dtype=dtype) for name, w in weights.items()},
        readouts=_readouts(planned),
        places=emitter.places(planned),
        bound=Bound(error, margin, dtype),
        layout=layout,
        extent=emitter.sizes_of_dims(),
    )


def _readouts(planned: Plan) -> tuple[Readout, ...]:
    found, start = [], 0
    for name, out in planned.outputs.items():
        stop = start + out.width
        gap = out.gap if out.kind == "scores" else 1.0
        found.append(Readout(name, out.kind, start, stop, out.values, gap))
        start = stop
    return tuple(found)
