"""A warm-up of zero tokens: the blocks of a compiled program, embedded in a wider model that is noise elsewhere.

The compiler's residual stream becomes a random subspace of the wider one, of mean zero as LayerNorm wants it, and its heads and
hidden units become the first of each block. The first two dimensions hold a constant, +C and -C, written with the positions, beside
which all else is small: every LayerNorm then divides by one number, and its gain multiplies by it again, but makes 1 of the
constant. With an ``amplitude`` above 1 the subspace, and the constant, are so many times larger than what is written elsewhere. With all its parts the wider model computes the program before it has seen a token; what is left of the program with fewer
of them is a question to experiments.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float

from janiform.compile import compile_program
from janiform.compile.precision import Arithmetic
from janiform.compile.result import Compiled
from janiform.errors import InputError
from janiform.ir.functions import identity
from janiform.ir.nodes import Value
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.model.transformer import Transformer
from janiform.procedural.transfer import FULL, Part

CONSTANT = 64.0
"""How many times the constant is larger than a stream whose entries are 1."""

SURE = 8.0
"""By how much the logit of what the program says is larger than others."""

Matrix = Float[np.ndarray, "..."]
Weights = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Subspace:
    """Where coordinates of a compiled model lie in a wider stream: ``write`` and ``read`` them, and read 1 off the constant by ``one``.

    >>> s = Subspace.draw(np.array([1.0, 20.0]), 8, seed=0)
    >>> bool(np.allclose(s.write @ s.read, np.eye(2))), bool(np.allclose(s.write.sum(1), 0))
    (True, True)
    """

    write: Matrix
    read: Matrix
    one: Matrix

    @classmethod
    def draw(cls, extent: Matrix, width: int, *, seed: int, amplitude: float = 1.0) -> Subspace:
        """Draw a subspace whose coordinates are at most the amplitude when each is at most its extent."""
        drawn = np.random.default_rng([seed, 7]).normal(size=(width - 2, len(extent) + 1))
        drawn[:, 0] = 1.0  # the mean, which LayerNorm takes away
        axes = np.pad(np.linalg.qr(drawn)[0].T[1:], ((0, 0), (2, 0)))
        scale = amplitude / np.maximum(extent, 2.0**-40)
        one = np.zeros(width)
        one[:2] = 0.5, -0.5
        return cls(scale[:, None] * axes, axes.T / scale, one)

    def without(self, w: Matrix) -> Matrix:
        """Return rows of the stream without what they hold in the subspace, or where the constant is."""
        rest = w - (w @ self.read) @ self.write
        rest[..., :2] = 0.0
        return rest


def embed(
    model: Transformer,
    program: Program,
    signature: Signature,
    *,
    parts: Iterable[str] = ("full",),
    spelling: Sequence[Value] = (),
    shuffle: bool = False,
    noise: float = 0.0,
    amplitude: float = 1.0,
    seed: int = 0,
) -> list[str]:
    """Put a program into some parts of a wider GPT-2, and return the names of the weights that hold it; the rest stays as it is.

    ``spelling[i]`` is the program's token that id i stands for; ids of none, None or a token that it does not know keep their
    embedding. Rows begin without BOS, at the program's first position. ``embeddings`` are those of tokens and the unembedding,
    ``positions`` hold the constant, which ``layernorm`` needs. As controls, ``shuffle`` permutes the entries of each matrix of a head
    or MLP, and ``noise`` adds normal numbers of that many times their deviation. ``amplitude`` is how large the program's coordinates
    are in the stream. ``InputError`` where there is no room.

    >>> from janiform import programs
    >>> from janiform.model import Config
    >>> signature = Signature("ab", 6, causal=True)
    >>> model = Transformer(Config.gpt2(3, 2, 32, vocab=2, positions=6), seed=None)
    >>> model.initialize(0, 0.02)
    >>> names = embed(model, programs.load("induction"), signature, spelling="ab")
    >>> model(torch.tensor([[0, 1, 1, 0]])).argmax(-1)[0, 2:].tolist()  # a b b a: behind b came b, behind a came b
    [1, 1]
    """
    wanted = set(FULL if "full" in (given := set(parts)) else ()) | (given - {"full"})
    if not amplitude > 0:
        raise InputError(f"the amplitude is above 0, got {amplitude}")
    if unknown := sorted(wanted - {*get_args(Part)}):
        raise InputError(
            f"a model has no part called {', '.join(unknown)!r}; parts are full, {', '.join(FULL)}"
        )
    if ("positions" in wanted) != bool({"layernorm", "ln1"} & wanted):
        raise InputError("positions hold the constant by which layernorm divides: take both or neither")
    if not signature.causal:
        raise InputError("a GPT-2 sees only what came before: compile the program with --causal")
    compiled = compile_program(program, signature, arithmetic=partial(Arithmetic, normal=True))
    _require_room(model, compiled)
    placing = _Placing(model, compiled, seed, shuffle, noise, amplitude)
    if "positions" in wanted:
        placing.positions()
    for i in range(model.config.n_layers):
        if "layernorm" in wanted or "ln1" in wanted:
            placing.norms([f"blocks.{i}.ln1"] + [f"blocks.{i}.ln2"] * ("layernorm" in wanted))
        if "attention" in wanted:
            placing.attention(i)
        if "mlp" in wanted:
            placing.mlp(i)
    if "layernorm" in wanted:
        placing.norms(["ln_final"])
    if "embeddings" in wanted:
        placing.embeddings(spelling)
    return placing.done()


class _Placing:
    """A model's weights while a program is put into them."""

    def __init__(
        self,
        model: Transformer,
        compiled: Compiled,
        seed: int,
        shuffle: bool,
        noise: float,
        amplitude: float,
    ) -> None:
        self.model, self.compiled = model, compiled
        self.shuffle, self.noise, self.constant = shuffle, noise, CONSTANT * amplitude
        self.old = {name: w.astype(np.float64) for name, w in compiled.weights.items()}
        self.new: Weights = {n: p.detach().numpy().astype(np.float64) for n, p in model.named_parameters()}
        self.subspace = Subspace.draw(compiled.extent, model.config.d_model, seed=seed, amplitude=amplitude)
        self.rng = np.random.default_rng([seed, 8])
        self.taken: dict[str, None] = {}

    def done(self) -> list[str]:
        """Write the weights into the model, and return the names of those that changed."""
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                p.copy_(torch.from_numpy(self.new[name]))
        return list(self.taken)

    def positions(self) -> None:
        """Write positions, the first behind BOS, and the constant."""
        w, s = self._change("pos_embed.W_pos"), self.subspace
        w[:] = s.without(w) + self.constant * math.sqrt(2 * w.shape[1]) * s.one
        known = self.old["pos_embed.W_pos"][1:]
        count = min(len(w), len(known))
        w[:count] += known[:count] @ s.write

    def norms(self, names: Sequence[str]) -> None:
        """Multiply by what a LayerNorm divides by, and make 1 of the constant."""
        for name in names:
            gain = self._change(f"{name}.w")
            gain[:] = self.constant
            gain[:2] = math.sqrt(2 / len(gain))

    def attention(self, i: int) -> None:
        """Write heads; those that are not the program's add nothing to its subspace."""
        at, s, config = f"blocks.{i}.attn", self.subspace, self.model.config
        out = self._change(f"{at}.W_O")
        out[:] = np.stack([s.without(head) for head in out])
        if i >= self.compiled.config["n_layers"]:
            return
        heads, width = self.compiled.config["n_heads"], self.compiled.config["d_head"]
        for letter in "QKV":
            # Scores are divided by the root of a wider head.
            factor = math.sqrt(config.d_head / max(width, 1)) if letter == "Q" else 1.0
            w, b = self._change(f"{at}.W_{letter}"), self._change(f"{at}.b_{letter}")
            w[:heads, :, :width] = self._control(s.read @ self.old[f"{at}.W_{letter}"] * factor)
            b[:heads, :width] = self.old[f"{at}.b_{letter}"] * factor
            w[:heads, :, width:], b[:heads, width:] = 0.0, 0.0
        out[:heads, :width] = self._control(self.old[f"{at}.W_O"] @ s.write)
        out[:heads, width:] = 0.0
        self._change(f"{at}.b_O")[:] = self.old[f"{at}.b_O"] @ s.write

    def mlp(self, i: int) -> None:
        """Write hidden units; those that are not the program's add nothing to its subspace."""
        at, s = f"blocks.{i}.mlp", self.subspace
        out = self._change(f"{at}.W_out")
        out[:] = s.without(out)
        if i >= self.compiled.config["n_layers"]:
            return
        units = self.compiled.config["d_mlp"]
        self._change(f"{at}.W_in")[:, :units] = self._control(s.read @ self.old[f"{at}.W_in"])
        self._change(f"{at}.b_in")[:units] = self.old[f"{at}.b_in"]
        out[:units] = self._control(self.old[f"{at}.W_out"] @ s.write)
        self._change(f"{at}.b_out")[:] = self.old[f"{at}.b_out"] @ s.write

    def embeddings(self, spelling: Sequence[Value]) -> None:
        """Write what tokens are embedded as, and how they are read off."""
        w, s = self._change("embed.W_E"), self.subspace
        w[:] = s.without(w)
        at = {identity(token): i for i, token in enumerate(self.compiled.signature.vocab)}
        for i, token in enumerate(spelling):
            if token is not None and identity(token) in at:
                w[i] += self.old["embed.W_E"][at[identity(token)]] @ s.write
        readout, columns = self.compiled.readouts[0], self.old["unembed.W_U"]
        bias, read = self.old["unembed.b_U"], self._change("unembed.W_U")
        classes = {identity(v): j for j, v in enumerate(readout.values)}
        read[:] = 0.0
        said = []
        for i, token in enumerate(spelling):
            if token is None or (j := classes.get(identity(token))) is None:
                continue
            if readout.kind == "number":
                column, constant = columns[:, readout.start], bias[readout.start]
                value = float(token)  # type: ignore[arg-type]
                # The nearest number: -(x - v)^2 without x^2 is linear in x.
                read[:, i] = 2 * value * (s.read @ column) + s.one * (2 * constant - value) * value
            else:
                j += readout.start
                read[:, i] = s.read @ columns[:, j] + s.one * bias[j]
            said.append(i)
        # Ids that the program never says are less likely than any that it does, whatever the stream holds.
        least = [2 * read[0, i] - self._most(read[:, i]) for i in said]
        read[:, [i for i in range(read.shape[1]) if i not in said]] = s.one[:, None] * (
            min(least, default=0) - 1
        )
        read *= SURE

    def _most(self, column: Matrix) -> float:
        """Return the most that a column of the unembedding can make of the subspace."""
        return float(self.compiled.extent @ abs(self.subspace.write @ column))

    def _change(self, name: str) -> np.ndarray:
        self.taken[name] = None
        return self.new[name]

    def _control(self, w: Matrix) -> Matrix:
        """Return a matrix with its entries permuted and noise on it, where that is asked for."""
        if self.shuffle:
            w = self.rng.permutation(w.ravel()).reshape(w.shape)
        noisy = self.noise and w.size
        return w + self.noise * w.std() * self.rng.normal(size=w.shape) if noisy else w


def _require_room(model: Transformer, compiled: Compiled) -> None:
    """Refuse a model that is too small for a program."""
    ours, theirs = model.config, compiled.config
    if ours.normalization_type != "LN" or ours.act_fn != "gelu_new":
        raise InputError("a program is embedded in a GPT-2, with LayerNorm and gelu_new")
    needed = {"n_layers": theirs["n_layers"], "n_heads": theirs["n_heads"], "d_head": theirs["d_head"]}
    needed |= {"d_model": theirs["d_model"] + 3, "d_mlp": theirs["d_mlp"]}
    if short := [
        f"{n} {m} or more, not {getattr(ours, n)}" for n, m in needed.items() if getattr(ours, n) < m
    ]:
        raise InputError(f"the program takes {'; '.join(short)}")
