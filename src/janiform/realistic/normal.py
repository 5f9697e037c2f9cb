"""The normal shape: what a compiled model computes with rectifiers and no normalization, with GELUs behind LayerNorm.

A constant pair (+C, -C), written by the position embedding, makes up all but 2^-24 of the variance (2^-53 in float64), so
that every LayerNorm divides by one known number at every position and layer; its gain multiplies by it again. Every
dimension becomes a pair (+x, -x) of at most 1: their mean is zero, and where they are read as (x - (-x)) / 2 what the
computed mean errs by cancels. Units come from the compiler steep enough for GELU. RMSNorm takes no mean: single dimensions
do. The alternative, filling dimensions up to a constant norm, sums as many squares as there are dimensions and rounds each.

Source: the zero-mean pairs are those of C-RASP's compiler (Yang & Chiang 2024); the bounds are derived in docs/realistic.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from janiform.compile.precision import UNIT
from janiform.compile.result import Compiled
from janiform.pair.basis import Basis
from janiform.realistic.answers import Answers

Norm = Literal["LN", "RMS"]
EPS = 1e-5
"""GPT-2's; against the variance of the constant pair it is nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """The residual stream of a normal shape: which of its dimensions are which.

    Coordinate ``i`` of the compiled model lies in dimensions ``at(i)``, with ``signs`` and scaled by ``scale[i]``; the constant
    in ``at(-1)``. Where the unembedding is tied, it reads a second constant, of size 1, behind the coordinates.
    """

    signs: tuple[float, ...]
    scale: Float[np.ndarray, " coordinates"]
    d_model: int
    constant: float

    @classmethod
    def of(
        cls, compiled: Compiled, norm: Norm, heads: int, d_head: int, *, tied: bool
    ) -> tuple[Stream, int, int]:
        """Choose scales, the constant, and a width that ``heads`` or more of ``d_head`` or more divide among themselves."""
        signs = (1.0, -1.0) if norm == "LN" else (1.0,)
        extent = np.maximum(compiled.extent, 2.0**-40)
        needed = len(signs) * (len(extent) + 1 + tied)
        options = [(h, max(d_head, -(-needed // h))) for h in range(heads, max(heads, needed) + 1)]
        heads, d_head = min(options, key=lambda option: (option[0] * option[1], option[0]))
        unit = UNIT[compiled.config["dtype"]]
        constant = 2.0 ** math.ceil(math.log2((len(extent) + 2) / unit) / 2)
        scale = 2.0 ** -np.ceil(np.log2(extent))
        return cls(signs, scale, heads * d_head, constant), heads, d_head

    def at(self, coordinate: int) -> slice:
        """The dimensions of a coordinate; -1 is the constant."""
        width = len(self.signs)
        return slice(width * (coordinate + 1), width * (coordinate + 2))

    @property
    def basis(self) -> Basis:
        """Where the coordinates of the compiled model lie."""
        n = len(self.scale)
        write = np.zeros((n, self.d_model))
        for i in range(n):
            write[i, self.at(i)] = self.scale[i] * np.array(self.signs)
        read = np.where(write, 1.0 / np.where(write, write, 1.0), 0.0).T / len(self.signs)
        return Basis(read, write)

    def unit(self, coordinate: int) -> Float[np.ndarray, " d_model"]:
        """The direction of a constant: +1 and -1 in its dimensions."""
        direction = np.zeros(self.d_model)
        direction[self.at(coordinate)] = self.signs
        return direction

    @property
    def deviation(self) -> float:
        """What every normalization divides by: the constant's part of the stream, and GPT-2's epsilon."""
        return math.sqrt(len(self.signs) * self.constant**2 / self.d_model + EPS)


def normal_shape(compiled: Compiled, answers: Answers, *, norm: Norm, tied: bool) -> tuple[Compiled, Basis]:
    """Return a compiled model with GELUs behind normalizations, and where its coordinates lie in the wider stream.

    ``compiled`` must come from an ``Arithmetic`` that is normal, and for a tied unembedding read its outputs from coordinates
    that no token writes (``ready``). Its bound holds for what is returned.
    """
    c = compiled.config
    stream, heads, d_head = Stream.of(compiled, norm, max(c["n_heads"], 1), max(c["d_head"], 1), tied=tied)
    basis = stream.basis
    plain = {name: w.astype(np.float64) for name, w in compiled.weights.items()}
    rows = answers.size
    embedding = np.zeros((rows, stream.d_model))
    embedding[: c["d_vocab"]] = plain["embed.W_E"] @ basis.write
    n = len(stream.scale)
    position = plain["pos_embed.W_pos"] @ basis.write + stream.constant * stream.unit(-1)
    if tied:
        position += stream.unit(n)
    w = {"embed.W_E": embedding, "pos_embed.W_pos": position}
    gain = np.full(stream.d_model, stream.deviation)
    gain[stream.at(-1)] /= stream.constant
    for i in range(c["n_layers"]):
        _block(w, plain, f"blocks.{i}", basis, heads, d_head)
        for place in ("ln1", "ln2"):
            _norm(w, f"blocks.{i}.{place}", gain, norm)
    columns, bias = answers.columns(plain["unembed.W_U"], plain["unembed.b_U"], compiled.extent)
    read = basis.read @ columns
    constant = -1 if not tied else n
    read += np.outer(stream.unit(constant) / len(stream.signs), bias)
    if tied:
        used = read.any(1)
        assert not embedding[:, used].any(), "a tied unembedding reads what tokens write"
        small = _small(read[used], UNIT[c["dtype"]])
        embedding += small * read.T
        read, gain = embedding.T, np.where(used, stream.deviation / small, 0.0)
    _norm(w, "ln_final", gain, norm)
    w |= {"unembed.W_U": read, "unembed.b_U": np.zeros(rows)}
    config = {
        **c,
        "d_model": stream.d_model,
        "n_heads": heads,
        "d_head": d_head,
        "d_vocab": rows,
        "d_vocab_out": rows,
        "act_fn": "gelu_new",
        "normalization_type": norm,
        "eps": EPS,
    }
    weights = {name: np.ascontiguousarray(x, dtype=c["dtype"]) for name, x in w.items()}
    return replace(compiled, config=config, weights=weights, readouts=answers.readouts), basis


def _block(
    w: dict[str, np.ndarray], plain: dict[str, np.ndarray], block: str, basis: Basis, heads: int, d_head: int
) -> None:
    """Write attention and MLP of a layer into the wider stream, with more heads and wider ones that add nothing."""
    old = plain[f"{block}.attn.W_Q"]
    sharper = math.sqrt(d_head / max(old.shape[2], 1))  # scores are divided by the root of a wider head
    for letter in "QKV":
        factor = sharper if letter == "Q" else 1.0
        read = np.einsum("mi,hid->hmd", basis.read, plain[f"{block}.attn.W_{letter}"])
        w[f"{block}.attn.W_{letter}"] = factor * _padded(read, (heads, read.shape[1], d_head))
        w[f"{block}.attn.b_{letter}"] = factor * _padded(plain[f"{block}.attn.b_{letter}"], (heads, d_head))
    out = plain[f"{block}.attn.W_O"] @ basis.write
    w[f"{block}.attn.W_O"] = _padded(out, (heads, d_head, basis.d_model))
    w[f"{block}.attn.b_O"] = plain[f"{block}.attn.b_O"] @ basis.write
    w[f"{block}.mlp.W_in"] = basis.read @ plain[f"{block}.mlp.W_in"]
    w[f"{block}.mlp.b_in"] = plain[f"{block}.mlp.b_in"]
    w[f"{block}.mlp.W_out"] = plain[f"{block}.mlp.W_out"] @ basis.write
    w[f"{block}.mlp.b_out"] = plain[f"{block}.mlp.b_out"] @ basis.write


def _padded(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array with zeros behind it up to a shape."""
    return np.pad(x, [(0, to - have) for have, to in zip(x.shape, shape, strict=True)])


def _norm(w: dict[str, np.ndarray], name: str, gain: np.ndarray, norm: Norm) -> None:
    w[f"{name}.w"] = gain
    if norm == "LN":
        w[f"{name}.b"] = np.zeros_like(gain)


def _small(read: Float[np.ndarray, "used logit"], unit: float) -> float:
    """How small the directions of the logits must be for their trace in a token's embedding to be lost in rounding.

    What the embedding of one token adds to the logit of another is a product of two directions, and this factor.
    """
    largest = np.abs(read).max(1)
    return 2.0 ** math.floor(math.log2(2.0**-10 * unit / max(1.0, float(largest @ largest))))
