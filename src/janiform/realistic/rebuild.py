"""A pair with other weights that compute the same: in which precision, and what is still proven of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from janiform.compile.result import Bound, Place
from janiform.model import Config, Transformer
from janiform.pair.basis import Basis, Origin

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

Dtype = Literal["float32", "float64"]
SHARE = 0.25
"""float32 is kept where a check sees at most this share of the margin used."""
TRIED = 1_000
"""How many inputs that check looks at."""


def rebuilt(
    pair: Pair,
    config: Config,
    weights: Mapping[str, np.ndarray],
    *,
    basis: Basis | None,
    origin: Origin,
    layout: str,
    places: tuple[Place, ...] | None = None,
    dtype: Literal["auto", "float32", "float64"] = "auto",
    same: bool = True,
) -> Pair:
    """Return ``pair`` with other weights; ``same`` says that but for rounding they compute what its own compute.

    With ``dtype="auto"`` what was float32 stays so where a check finds a good part of the margin left. In float64, whose
    rounding is 2^29 times finer than what a bound for float32 allows for, that bound still holds.
    """

    def made(kind: Dtype) -> Pair:
        model = Transformer.from_weights(replace(config, dtype=kind), weights)
        model.requires_grad_(False).to(pair.model.device)
        carried = same and kind == "float64" and pair.bound.dtype == "float32"
        return replace(
            pair,
            model=model,
            places=pair.places if places is None else places,
            bound=Bound(pair.bound.error if carried else math.inf, pair.bound.margin, kind),
            layout=layout,
            basis=basis,
            origin=origin,
        )

    if dtype != "auto":
        return made(dtype)
    found = made(config.dtype)
    if config.dtype == "float64" or not same:
        return found
    report = found.check(limit=TRIED, draws=TRIED)
    fine = report.mismatches == 0 and report.error <= SHARE * report.bound.margin
    return found if fine else made("float64")
