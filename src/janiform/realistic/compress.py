"""Give a pair a narrower residual stream: exactly, or by a learned projection with the compiled weights frozen.

Source: Lindner et al. 2023 (Tracr), section 5. What is learned here are the projection's matrices only, like there; the losses
(shortfall), the way down from the exact width (narrowing) and the method (levenberg) are other ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from janiform.errors import FileError, InputError
from janiform.pair.basis import Basis, Origin
from janiform.realistic.exact import compress_exactly, narrowest
from janiform.realistic.extents import evening, extents
from janiform.realistic.folder import agree, asked_of
from janiform.realistic.levenberg import Descent
from janiform.realistic.narrowing import Learning, Narrowing, Point
from janiform.realistic.projection import Matrices, Projection, project
from janiform.realistic.rebuild import rebuilt
from janiform.realistic.shortfall import Shortfall
from janiform.train.log import Log
from janiform.train.state import load_state, save_state

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

Tell = Callable[[int, int], None]
SAVED = 20.0
"""Seconds after which the state is saved."""
FACTS = ("width", "stage", "step", "loss", "before")
"""What of a point is numbers."""


def compress(
    pair: Pair,
    d_model: int | None = None,
    method: Literal["exact", "orthogonal", "linear", "autoencoder"] = "exact",
    *,
    settings: Narrowing | None = None,
    out: str | PathLike[str] | None = None,
    tell: Tell | None = None,
) -> Pair:
    """Return the pair with a residual stream of ``d_model``.

    *exact* loses nothing, and by default takes the least width at which that can be. The others learn a projection: with
    orthonormal rows, of any one matrix, or of two; at a width at which nothing need be lost they are the exact one. A
    learning is kept in the folder ``out``, and goes on where it was when it is asked for again.

    >>> from janiform import programs
    >>> from janiform.realistic.narrowing import Narrowing
    >>> pair = programs.load("frac_prevs").compile(range(2), 3)
    >>> small = compress(pair, 5, "linear", settings=Narrowing(starts=4))
    >>> pair.model.config.d_model, small.model.config.d_model, small.faithfulness(inputs=100).faithful
    (7, 5, True)
    """
    if method not in ("exact", "orthogonal", "linear", "autoencoder"):
        raise InputError(f"method must be exact, orthogonal, linear or autoencoder, got {method!r}")
    if d_model is not None and d_model < 1:
        raise InputError(f"a stream has a width of 1 or more, got d_model={d_model}")
    if method == "exact":
        return compress_exactly(pair, d_model)
    if d_model is None:
        raise InputError(
            f"method={method!r} needs a width of 1 or more, d_model=...; only exact finds its own"
        )
    if d_model >= narrowest(pair):
        return compress_exactly(pair, d_model)
    base = compress_exactly(pair)
    scale = evening(base.model.weights(), extents(base))
    projection = Projection(method, torch.from_numpy(scale).to(pair.model.device))
    learning = Learning(Shortfall(base, projection), settings or Narrowing())
    asked = asked_of(pair, method=method, **asdict(learning.settings))
    point = _learn(learning, d_model, None if out is None else Path(out), asked, tell)
    return narrowed(pair, base, projection.matrices(point.found, point.width), method)


def _learn(
    learning: Learning, d_model: int, out: Path | None, asked: dict[str, Any], tell: Tell | None
) -> Point:
    """Go down to a width, keeping what is learned in a folder."""
    begin = learning.begin()
    if out is None:
        *_, end = _points(learning, begin, d_model, tell)
        return end
    agree(out, asked)
    if (kept := load_state(out)) is not None:
        begin = _restored(*kept)
    if begin.width < d_model:
        raise InputError(
            f"{out} holds a learning that is at a width of {begin.width} already; choose another folder"
        )
    point = begin
    log, saved = Log.open(out / "log.jsonl", step=learning.full - begin.width), time.monotonic()
    for point in _points(learning, begin, d_model, tell):
        if point.done:
            log.append(learning.full - point.width, width=point.width, short=point.loss)
        if point.done or time.monotonic() - saved > SAVED:
            save_state(out, *_kept(point))
            saved = time.monotonic()
    return point


def _points(learning: Learning, point: Point, d_model: int, tell: Tell | None) -> Iterator[Point]:
    """Yield the points from here to the end of a width, telling how far each is."""
    steps = learning.settings.steps
    while point.width > d_model or not point.done:
        point = learning.advance(point)
        if tell is not None:
            here = steps if point.done else sum(s[1] for s in learning.stages[: point.stage]) + point.step
            tell((learning.full - point.width - 1) * steps + here, (learning.full - d_model) * steps)
        yield point


def narrowed(pair: Pair, base: Pair, matrices: Matrices, layout: str) -> Pair:
    """Fold a projection of ``base``, which is ``pair`` or made from it, into weights: float32 if it answers as many inputs as float64.

    >>> from janiform import programs
    >>> pair = programs.load("hist").compile("ab", 3)
    >>> eye = torch.eye(pair.model.config.d_model, dtype=torch.float64)
    >>> narrowed(pair, pair, (eye, eye, 0 * eye[0]), "linear").check().good
    True
    """
    encode, decode, _ = (m.detach().cpu().numpy() for m in matrices)
    basis = Basis.axes(len(encode)) if base.basis is None else base.basis
    frozen = {n: torch.from_numpy(w).to(matrices[0]) for n, w in base.model.weights().items()}
    found = {
        dtype: rebuilt(
            pair,
            replace(base.model.config, d_model=encode.shape[1]),
            {n: w.detach().cpu().numpy() for n, w in project(frozen, matrices).items()},
            basis=Basis(decode @ basis.read, basis.write @ encode),
            origin=Origin(pair),
            layout=layout,
            dtype=dtype,
            same=False,
        )
        for dtype in ("float32", "float64")
    }
    if pair.model.config.dtype == "float64":
        return found["float64"]
    wrong = {dtype: p.check(limit=1_000, draws=1_000).mismatches for dtype, p in found.items()}
    return found["float32" if wrong["float32"] <= wrong["float64"] else "float64"]


# --- the folder of a run ----------------------------------------------------------------------------------------------


def _kept(point: Point) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors = {"found": point.found}
    if point.descent is not None:
        tensors |= {"theta": point.descent.theta, "damping": point.descent.damping}
    return tensors, {n: getattr(point, n) for n in FACTS}


def _restored(tensors: dict[str, Tensor], facts: dict[str, Any]) -> Point:
    try:
        descent = Descent(tensors["theta"], tensors["damping"]) if "theta" in tensors else None
        return Point(found=tensors["found"], descent=descent, **{n: facts[n] for n in FACTS})
    except KeyError as error:
        raise FileError(
            f"the saved state is none of a compression: {error} is missing; delete it to begin anew"
        ) from None
