"""Weights that look trained and compute the same: another basis of the residual stream, other gauges, company that does nothing.

Each change is exact up to rounding, noise aside: what writes to the stream is turned by a matrix and what reads from it by
the inverse; queries and keys, values and outputs are mixed within a head by a matrix and its inverse; heads and units are
put in another order; a unit behind a relu is scaled by a positive number; new heads and units write where nobody reads.
All of it is kept in the pair's basis, places and origin, so what the weights do stays known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float

from janiform.compile.result import Place
from janiform.errors import InputError
from janiform.model import Config
from janiform.pair.basis import Basis, Origin
from janiform.realistic.distractors import add_distractors
from janiform.realistic.extents import READING, WRITING, evening, extents
from janiform.realistic.rebuild import rebuilt
from janiform.realistic.turnable import passing_rotation

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

Residual = Literal["orthogonal", "invertible"]
CONDITION = 4.0
"""The ratio of the largest to the smallest stretch of a random invertible matrix."""


@dataclass(slots=True)
class Weights:
    """Weights being changed, in float64, with what has become of coordinates, heads and units.

    ``extents`` says how large each axis of the stream gets; ``heads[layer][new]`` and ``units[layer][new]`` number those of before, None what is new.
    """

    config: Config
    w: dict[str, np.ndarray]
    extents: Float[np.ndarray, " d_model"]
    basis: Basis
    heads: list[list[int | None]]
    units: list[list[int | None]]


def disguise(
    pair: Pair,
    seed: int = 0,
    *,
    residual: Residual | None = "orthogonal",
    even: bool = True,
    heads: bool = True,
    units: bool = True,
    noise: float = 0.0,
    distractors: tuple[int, int] = (0, 0),
    dtype: Literal["auto", "float32", "float64"] = "auto",
) -> Pair:
    """Return a pair of the same program, circuit and answers whose weights look trained.

    ``residual`` changes the basis of the stream, whose axes are scaled before where ``even``; ``heads`` changes gauges and
    order of heads; ``units`` order and, behind a relu, scale of hidden units. ``noise`` changes every weight by a normal
    share of itself, before all else, so that it makes no edge. ``distractors`` are so many heads and hidden units more in
    each layer, for which the stream becomes wider; where there are any, idle heads or units get work too.

    With ``dtype="auto"`` a float32 model stays one where a check finds a good part of the margin left, else it becomes
    float64, whose rounding is so much finer that the bound proven for float32 still holds. InputError where a change would
    not be exact.

    >>> from janiform import programs
    >>> plain = programs.load("hist").compile("abc", 4)
    >>> hidden = disguise(plain, seed=1, distractors=(1, 4))
    >>> hidden("abca"), hidden.check().good, plain.model.config.n_heads, hidden.model.config.n_heads
    ([2, 1, 1, 2], True, 1, 2)
    """
    config = pair.model.config
    _refuse(config, seed, residual, noise, distractors)
    rng = np.random.default_rng([seed, 5])
    state = Weights(
        config,
        {name: w.astype(np.float64) for name, w in pair.model.weights().items()},
        extents(pair) if residual is not None or any(distractors) else np.ones(config.d_model),
        Basis.axes(config.d_model) if pair.basis is None else pair.basis,
        [list(range(config.n_heads)) for _ in range(config.n_layers)],
        [list(range(config.d_mlp)) for _ in range(config.n_layers)],
    )
    if noise:
        state.w = {
            name: w * (1 + noise * rng.standard_normal(w.shape)) for name, w in sorted(state.w.items())
        }
    if any(distractors):
        add_distractors(state, rng, *distractors)
    if heads:
        gauge_heads(state, rng)
    if units:
        shuffle_units(state, rng)
    if residual is not None and config.normalization_type is not None:
        turn_between_norms(state, rng)
    elif residual is not None:
        if even:
            even_stream(state)
        turn_stream(state, rng, residual)
    return rebuilt(
        pair,
        state.config,
        state.w,
        basis=None if np.array_equal(state.basis.read, np.eye(config.d_model)) else state.basis,
        origin=_origin(pair, state),
        layout="disguised",
        places=tuple(_moved(p, state) for p in pair.places),
        dtype=dtype,
        same=not noise,
    )


def even_stream(state: Weights) -> None:
    """Scale the axes of the stream by powers of two, so that large reading weights do not drown others in rounding once mixed."""
    scale = 2.0 ** np.round(np.log2(evening(state.w, state.extents)))
    _change_basis(state, np.diag(scale), np.diag(1 / scale))


def turn_stream(state: Weights, rng: np.random.Generator, kind: Residual) -> None:
    """Turn what is written to the stream by a matrix, and what reads from it by the inverse."""
    d = state.config.d_model
    turn = rotation(rng, d) if kind == "orthogonal" else invertible(rng, d)
    _change_basis(state, turn, turn.T if kind == "orthogonal" else np.linalg.inv(turn))


def turn_between_norms(state: Weights, rng: np.random.Generator) -> None:
    """Turn the stream as far as every normalization passes it on; an unembedding that is tied stays so."""
    tied = np.array_equal(state.w["unembed.W_U"], state.w["embed.W_E"].T)
    turn = passing_rotation(state.config, state.w, rng)
    _change_basis(state, turn, turn.T)
    if tied:
        state.w["unembed.W_U"] = state.w["embed.W_E"].T.copy()


def _change_basis(state: Weights, turn: np.ndarray, back: np.ndarray) -> None:
    for name in state.w:
        kind = name.rsplit(".", 1)[-1]
        if kind in WRITING:
            state.w[name] = state.w[name] @ turn
        elif kind in READING:
            state.w[name] = back @ state.w[name]
    state.basis = Basis(back @ state.basis.read, state.basis.write @ turn)


def gauge_heads(state: Weights, rng: np.random.Generator) -> None:
    """Mix queries with keys and values with outputs within each head, their sizes evened out, and shuffle the heads."""
    for i in range(state.config.n_layers):
        names = {key: f"blocks.{i}.attn.{key}" for key in ("W_Q", "b_Q", "W_K", "b_K", "W_V", "b_V", "W_O")}
        q, bq, k, bk, v, bv, o = (state.w[name] for name in names.values())
        drawn = invertible_all(rng, 2 * state.config.n_heads, state.config.d_head)
        mix = drawn[::2] * _evened_all(k, q)[:, None, None]
        undo = np.linalg.inv(mix).transpose(0, 2, 1)
        q[:], bq[:], k[:], bk[:] = q @ mix, _rows(bq, mix), k @ undo, _rows(bk, undo)
        mix = drawn[1::2] * _evened_all(o, v)[:, None, None]
        v[:], bv[:], o[:] = v @ mix, _rows(bv, mix), np.linalg.inv(mix) @ o
        order = rng.permutation(state.config.n_heads)
        for name in names.values():
            state.w[name] = state.w[name][order]
        state.heads[i] = [state.heads[i][h] for h in order]


def shuffle_units(state: Weights, rng: np.random.Generator) -> None:
    """Scale hidden units, reading and writing about evened out, and shuffle them."""
    for i in range(state.config.n_layers):
        read, bias, out = (state.w[f"blocks.{i}.mlp.{key}"] for key in ("W_in", "b_in", "W_out"))
        if state.config.act_fn == "relu":
            scale = _evened_all(out, read.T) * np.exp(0.3 * rng.standard_normal(len(bias)))
            read, bias, out = read * scale, bias * scale, out / scale[:, None]
        order = rng.permutation(len(bias))
        for key, w in (("W_in", read[:, order]), ("b_in", bias[order]), ("W_out", out[order])):
            state.w[f"blocks.{i}.mlp.{key}"] = w
        state.units[i] = [state.units[i][u] for u in order]


def rotation(rng: np.random.Generator, n: int) -> Float[np.ndarray, "n n"]:
    """Draw an orthogonal matrix, all alike likely.

    >>> turn = rotation(np.random.default_rng(0), 3)
    >>> np.allclose(turn @ turn.T, np.eye(3))
    True
    """
    return _rotations(rng.standard_normal((n, n)))


def invertible(rng: np.random.Generator, n: int) -> Float[np.ndarray, "n n"]:
    """Draw an invertible matrix of determinant 1 or -1 whose condition number is at most ``CONDITION``."""
    return invertible_all(rng, 1, n)[0]


def invertible_all(rng: np.random.Generator, count: int, n: int) -> Float[np.ndarray, "count n n"]:
    """Draw so many invertible matrices, one after another, and make them together."""
    stretch, normal = np.empty((count, 1, n)), np.empty((count, 2, n, n))
    for i in range(count):
        logs = rng.uniform(-0.5, 0.5, n) * math.log(CONDITION)
        stretch[i] = np.exp((logs - logs.mean()) / 2) if n else logs
        normal[i] = rng.standard_normal((2, n, n))
    turns = _rotations(normal)
    return turns[:, 0] * stretch @ turns[:, 1]


def _rotations(normal: np.ndarray) -> np.ndarray:
    """Orthogonal matrices, all alike likely, from matrices of normal numbers."""
    q, r = np.linalg.qr(normal)
    return q * np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)[..., None, :]


def _rows(vectors: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Each vector times its matrix."""
    return (vectors[:, None] @ matrices)[:, 0]


def _evened_all(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The factors for ``others``, and divisors for ``some``, that make both equally large; 1 where one of them is nothing."""
    a, b = (np.sqrt(np.square(x).sum(tuple(range(1, x.ndim)))) for x in (some, others))
    there = (a > 0) & (b > 0)
    return np.sqrt(np.divide(a, b, out=np.ones_like(a), where=there))


def _refuse(
    config: Config, seed: int, residual: Residual | None, noise: float, distractors: tuple[int, int]
) -> None:
    if seed < 0:
        raise InputError(f"seed must be 0 or more, got {seed}")
    if residual not in (None, "orthogonal", "invertible"):
        raise InputError(f"residual must be 'orthogonal', 'invertible' or None, got {residual!r}")
    if not 0 <= noise < 1:
        raise InputError(f"noise is a share of each weight, from 0 to below 1; got {noise}")
    if len(distractors) != 2 or min(distractors) < 0:
        raise InputError(f"distractors are two numbers, of heads and of units a layer; got {distractors}")
    if config.normalization_type is not None and (residual == "invertible" or any(distractors)):
        raise InputError(
            f"a model with {config.normalization_type} normalization depends on the norm and the width of its stream; "
            "disguise it with residual='orthogonal' or None, and without distractors"
        )


def _moved(place: Place, state: Weights) -> Place:
    """Renumber the heads and units that write a node."""
    if place.layer is None:
        return place
    heads, units = state.heads[place.layer], state.units[place.layer]
    return replace(
        place,
        heads=tuple(sorted(heads.index(h) for h in place.heads)),
        units=tuple(sorted(units.index(u) for u in place.units)),
    )


def _origin(pair: Pair, state: Weights) -> Origin:
    """Name the pair that has the mechanism without any disguise, and which of its heads are which."""
    if pair.origin is None or pair.origin.heads is None:
        return Origin(pair, tuple(map(tuple, state.heads)))
    before = pair.origin.heads
    heads = [[None if h is None else row[h] for h in now] for row, now in zip(before, state.heads)]
    return Origin(pair.origin.pair, tuple(map(tuple, heads)))
