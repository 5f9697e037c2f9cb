"""One way through a tiny transformer and back, of sequences that go side by side.

The last block, the logits and the loss are computed from the first target on only; before it, keys and values are enough. The
equations are those of ``model.transformer``, with matrices as outputs by inputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from janiform.model.config import Config

Floats = NDArray[np.float32]
Weights = dict[str, Floats]

BY = 4
"""Kernels take so many features at a time."""
PLACES = 1024
"""About how many places there are: enough for long loops, few enough for a core's cache."""
OF_A_BLOCK = (
    *("ln1.w", "ln1.b", "ln2.w", "ln2.b", "attn.W_Q", "attn.W_K", "attn.W_V", "attn.W_O", "attn.b_Q"),
    *("attn.b_K", "attn.b_V", "attn.b_O", "mlp.W_in", "mlp.W_out", "mlp.b_in", "mlp.b_out"),
)


@dataclass(frozen=True, slots=True)
class Group:
    """Sequences side by side: ``tokens`` (position, lane), and by place the target and its weight in the loss.

    Targets are predicted at positions from ``first`` to before ``last``.
    """

    tokens: NDArray[np.int32]
    targets: NDArray[np.int32]
    weights: Floats
    first: int
    last: int

    @property
    def lanes(self) -> int:
        return self.tokens.shape[1]


@dataclass(frozen=True, slots=True)
class Block:
    """What the way back reads of a block, features by places; attention is heads by distance by places."""

    X: Floats
    H1: Floats
    R1: Floats
    Z1: Floats
    Q: Floats
    K: Floats
    V: Floats
    P: Floats
    S: Floats
    Y: Floats
    mid: Floats
    H2: Floats
    R2: Floats
    Z2: Floats
    pre: Floats
    post: Floats


@dataclass(frozen=True, slots=True)
class Tape:
    """Room for the activations of ``lanes`` sequences of ``width`` positions, and for gradients on the way back."""

    width: int
    lanes: int
    blocks: tuple[Block, ...]
    X: Floats
    H: Floats
    R: Floats
    Z: Floats
    logits: Floats
    dX: Floats
    dZ: Floats
    dQ: Floats
    dK: Floats
    dV: Floats
    dY: Floats
    dA: Floats
    none: Floats

    @classmethod
    def of(cls, config: Config, width: int) -> Tape:
        """Make room for a model."""
        heads, lanes = config.n_heads, max(PLACES // width, 1)
        D, A, F = config.d_model, heads * config.d_head, config.d_mlp
        vocab = config.d_vocab + -config.d_vocab % BY

        def room(*features: int) -> Floats:
            return np.zeros((*features, width * lanes), np.float32)

        def block() -> Block:
            first, second = ((room(D), room(), room(D)) for _ in range(2))
            attention = room(A), room(A), room(A), room(heads, width), room(heads), room(A)
            return Block(room(D), *first, *attention, room(D), *second, room(F), room(F))

        blocks = tuple(block() for _ in range(config.n_layers))
        ahead = room(D), room(D), room(), room(D), room(vocab)
        back = room(D), room(D), room(A), room(A), room(A), room(A), room(F)
        return cls(width, lanes, blocks, *ahead, *back, np.zeros(max(D, A, F, vocab), np.float32))


@dataclass(frozen=True, slots=True)
class Network:
    """A model's weights at work: ``k`` are the kernels, ``gradients`` what is added to, if anything."""

    k: ModuleType
    config: Config
    tape: Tape
    weights: Weights
    gradients: Weights | None
    tied: bool

    def run(self, group: Group) -> tuple[float, float]:
        """Return the loss and how many targets have the largest logit alone; add to the gradients where there are any."""
        k, t, w, g = self.k, self.tape, self.weights, self.gradients
        start, stop = group.first * group.lanes, group.last * group.lanes
        streams = [*(b.X for b in t.blocks), t.X]
        k.embed(group.tokens, w["embed.W_E"], w["pos_embed.W_pos"], streams[0])
        for i, block in enumerate(t.blocks):
            self._forward(i, block, streams[i + 1], group)
        k.norm(t.X, w["ln_final.w"], w["ln_final.b"], self._eps, start, stop, t.H, t.R, t.Z)
        W = w["embed.W_E" if self.tied else "unembed.W_U"]
        _begin(t.logits, t.none if self.tied else w["unembed.b_U"], start, stop)
        k.multiply(W, t.Z, t.logits, start, stop)
        found = k.cross_entropy(t.logits, self.config.d_vocab, group.targets, group.weights, start, stop)
        if g is not None:
            dW, db = (g["embed.W_E"], t.none.copy()) if self.tied else (g["unembed.W_U"], g["unembed.b_U"])
            k.multiply_back(t.Z, t.logits, start, stop, dW, db)
            _begin(t.dZ, t.none, start, stop)
            k.multiply(W.T, t.logits, t.dZ, start, stop)
            _begin(t.dX, t.none, 0, stop)
            final = g["ln_final.w"], g["ln_final.b"]
            k.norm_back(t.H, t.R, w["ln_final.w"], t.dZ, start, stop, t.dX, *final)
            for i, block in reversed(list(enumerate(t.blocks))):
                self._backward(i, block, group)
            k.embed_back(group.tokens, t.dX, g["embed.W_E"], g["pos_embed.W_pos"])
        return found

    @property
    def _eps(self) -> np.float32:
        return np.float32(self.config.eps)

    @property
    def _scale(self) -> np.float32:
        return np.float32(1 / math.sqrt(self.config.d_head))

    def _places(self, i: int, group: Group) -> tuple[int, int, int]:
        """Return the first position where the i-th block is needed beyond keys and values, and its places."""
        first = group.first if i == self.config.n_layers - 1 else 0
        return first, first * group.lanes, group.last * group.lanes

    def _forward(self, i: int, b: Block, out: Floats, group: Group) -> None:
        k, w = self.k, _of_block(self.weights, i)
        first, start, stop = self._places(i, group)
        k.norm(b.X, w["ln1.w"], w["ln1.b"], self._eps, 0, stop, b.H1, b.R1, b.Z1)
        for letter, made, begin in (("Q", b.Q, start), ("K", b.K, 0), ("V", b.V, 0)):
            _begin(made, w[f"attn.b_{letter}"], begin, stop)
            k.multiply(w[f"attn.W_{letter}"], b.Z1, made, begin, stop)
        k.attend(b.Q, b.K, b.V, b.P, b.S, b.Y, group.lanes, first, group.last, self._scale)
        np.add(b.X[:, start:stop], w["attn.b_O"][:, None], out=b.mid[:, start:stop])
        k.multiply(w["attn.W_O"], b.Y, b.mid, start, stop)
        k.norm(b.mid, w["ln2.w"], w["ln2.b"], self._eps, start, stop, b.H2, b.R2, b.Z2)
        _begin(b.pre, w["mlp.b_in"], start, stop)
        k.multiply(w["mlp.W_in"], b.Z2, b.pre, start, stop)
        k.gelu(b.pre, b.post, start, stop)
        np.add(b.mid[:, start:stop], w["mlp.b_out"][:, None], out=out[:, start:stop])
        k.multiply(w["mlp.W_out"], b.post, out, start, stop)

    def _backward(self, i: int, b: Block, group: Group) -> None:
        """Turn the gradient of what the block gave, in ``dX``, into that of what it read."""
        assert self.gradients is not None
        k, t = self.k, self.tape
        w, g = _of_block(self.weights, i), _of_block(self.gradients, i)
        first, start, stop = self._places(i, group)
        k.multiply_back(b.post, t.dX, start, stop, g["mlp.W_out"], g["mlp.b_out"])
        _begin(t.dA, t.none, start, stop)
        k.multiply(w["mlp.W_out"].T, t.dX, t.dA, start, stop)
        k.gelu_back(b.pre, t.dA, start, stop)
        k.multiply_back(b.Z2, t.dA, start, stop, g["mlp.W_in"], g["mlp.b_in"])
        _begin(t.dZ, t.none, start, stop)
        k.multiply(w["mlp.W_in"].T, t.dA, t.dZ, start, stop)
        k.norm_back(b.H2, b.R2, w["ln2.w"], t.dZ, start, stop, t.dX, g["ln2.w"], g["ln2.b"])
        k.multiply_back(b.Y, t.dX, start, stop, g["attn.W_O"], g["attn.b_O"])
        _begin(t.dY, t.none, start, stop)
        k.multiply(w["attn.W_O"].T, t.dX, t.dY, start, stop)
        back = t.dY, t.dQ, t.dK, t.dV, group.lanes, first, group.last, self._scale
        k.attend_back(b.Q, b.K, b.V, b.P, b.S, b.Y, *back)
        _begin(t.dZ, t.none, 0, stop)
        for letter, d, begin in (("Q", t.dQ, start), ("K", t.dK, 0), ("V", t.dV, 0)):
            k.multiply_back(b.Z1, d, begin, stop, g[f"attn.W_{letter}"], g[f"attn.b_{letter}"])
            k.multiply(w[f"attn.W_{letter}"].T, d, t.dZ, begin, stop)
        k.norm_back(b.H1, b.R1, w["ln1.w"], t.dZ, 0, stop, t.dX, g["ln1.w"], g["ln1.b"])


def _of_block(weights: Weights, i: int) -> Weights:
    return {name: weights[f"blocks.{i}.{name}"] for name in OF_A_BLOCK}


def _begin(Y: Floats, b: Floats, start: int, stop: int) -> None:
    """Begin a sum with a bias."""
    Y[:, start:stop] = b[: len(Y), None]
