"""The pair: a program beside the transformer that computes it, and the correspondence between them.

Law: ``pair(x) == pair.program(x)`` for every input of the signature, at any length and with any padding; ``check``
verifies it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from janiform.compile.result import Bound, Compiled, Place, Readout
from janiform.errors import InputError
from janiform.ir.nodes import Value
from janiform.ir.program import Program, answer
from janiform.ir.semantics import Signature
from janiform.model import Config, Transformer
from janiform.pair.basis import Basis, Origin
from janiform.pair.check import Report, check
from janiform.pair.circuit import Ablation, Circuit, Granularity, circuit
from janiform.pair.codec import Codec, Outputs
from janiform.pair.file import read, write
from janiform.pair.show import data, facts, show

if TYPE_CHECKING:
    from janiform.realistic.faithfulness import Faithfulness
    from janiform.realistic.narrowing import Narrowing
    from janiform.realistic.retrain import Retraining

_BUDGET = 2**24
"""How many numbers the widest activation of one batch may take."""


@dataclass(frozen=True, eq=False, repr=False)
class Pair:
    """A program, a model, and which part of one is which part of the other.

    ``basis`` says which directions of the stream the dimensions of ``places`` are, where they are not its axes; ``origin``
    is the pair that this one was made from, where it was not compiled.

    >>> import janiform as jf
    >>> pair = jf.parse("reverse = aggregate(select(indices, length - indices - 1, ==), tokens);").compile("abc", 5)
    >>> pair("cab"), pair.check().good
    ('bac', True)
    """

    program: Program
    model: Transformer
    signature: Signature
    readouts: tuple[Readout, ...]
    places: tuple[Place, ...]
    bound: Bound
    layout: str = "separate"
    basis: Basis | None = None
    origin: Origin | None = None

    @classmethod
    def of(cls, compiled: Compiled) -> Pair:
        """Put the weights that the compiler made into a model."""
        model = Transformer.from_weights(Config.from_dict(compiled.config), compiled.weights)
        model.requires_grad_(False)
        return cls(
            compiled.program,
            model,
            compiled.signature,
            compiled.readouts,
            compiled.places,
            compiled.bound,
            compiled.layout,
        )

    @cached_property
    def codec(self) -> Codec:
        """What turns tokens into ids and logits into values."""
        return Codec(self.signature, self.readouts)

    def __call__(self, tokens: str | Sequence[Value]) -> Any:
        """Return what the weights compute, in the form in which the program itself returns it."""
        outputs = {name: rows[0] for name, rows in self.run([tokens]).items()}
        return answer(outputs, isinstance(tokens, str))

    def run(self, inputs: Sequence[str | Sequence[Value]]) -> Outputs:
        """Return the outputs of a batch of inputs, by name, as ``evaluate`` does."""
        for x in inputs:
            if not isinstance(x, str | list | tuple):
                raise InputError(f"an input is a string or a list of tokens, got {type(x).__name__} {x!r}")
        return self.codec.decode(self.logits(self.codec.encode(inputs)), map(len, inputs))

    def encode(self, *inputs: str | Sequence[Value], pad_to: int | None = None) -> Int[Tensor, "batch pos"]:
        """Return ids for the model: BOS, the tokens, and padding to the longest input or to ``pad_to`` tokens."""
        return torch.from_numpy(self.codec.encode(inputs, pad_to)).to(self.model.device)

    def decode(
        self, logits: Float[Tensor, "batch pos logit"], lengths: Sequence[int] | None = None
    ) -> Outputs:
        """Return each output's values; without ``lengths``, at every position after BOS."""
        batch, pos = logits.shape[:2]
        return self.codec.decode(
            logits.detach().cpu().numpy(), [pos - 1] * batch if lengths is None else lengths
        )

    def logits(self, ids: Int[np.ndarray, "batch pos"]) -> Float[np.ndarray, "batch pos logit"]:
        """Run the model on ids in batches that fit into memory."""
        size = self.batch_size(ids.shape[1])
        parts = []
        with torch.no_grad():
            for start in range(0, len(ids), size):
                parts.append(
                    self.model(torch.from_numpy(ids[start : start + size]).to(self.model.device))
                    .cpu()
                    .numpy()
                )
        shape = (0, ids.shape[1], self.model.config.d_vocab_out)
        return np.concatenate(parts) if parts else np.zeros(shape, self.model.config.dtype)

    def batch_size(self, pos: int) -> int:
        """Return how many inputs of ``pos`` positions go through the model at once."""
        c = self.model.config
        return max(
            1, _BUDGET // (pos * max(c.d_model, c.d_mlp, c.d_vocab_out, c.n_heads * max(c.d_head, pos)))
        )

    def check(
        self,
        *,
        limit: int = 100_000,
        draws: int = 10_000,
        seed: int = 0,
        tick: Callable[[int, int], None] | None = None,
    ) -> Report:
        """Compare weights and program on every input if there are at most ``limit``, else on drawn ones."""
        return check(self, limit=limit, draws=draws, seed=seed, tick=tick)

    def circuit(
        self,
        ablation: Ablation = "resample",
        granularity: Granularity = "component",
        *,
        positions: bool = False,
        embeddings: Literal["joint", "split"] = "joint",
        inputs: Sequence[str | Sequence[Value]] | None = None,
        limit: int = 10_000,
        draws: int = 1_000,
        seed: int = 0,
    ) -> Circuit:
        """Return the edges that carry anything under an ablation: the truth that discovery methods look for."""
        return circuit(
            self,
            ablation,
            granularity,
            positions=positions,
            embeddings=embeddings,
            inputs=inputs,
            limit=limit,
            draws=draws,
            seed=seed,
        )

    def subspace(self, place: Place) -> Basis:
        """Return the directions of the residual stream in which a node lives, and those by which it is read."""
        basis = Basis.axes(self.model.config.d_model) if self.basis is None else self.basis
        return basis.part(place.dims)

    def disguise(
        self,
        seed: int = 0,
        *,
        residual: Literal["orthogonal", "invertible"] | None = "orthogonal",
        even: bool = True,
        heads: bool = True,
        units: bool = True,
        noise: float = 0.0,
        distractors: tuple[int, int] = (0, 0),
        dtype: Literal["auto", "float32", "float64"] = "auto",
    ) -> Pair:
        """Return a pair that computes the same by weights that look trained, and still knows where everything is."""
        from janiform.realistic.disguise import disguise

        return disguise(
            self,
            seed,
            residual=residual,
            even=even,
            heads=heads,
            units=units,
            noise=noise,
            distractors=distractors,
            dtype=dtype,
        )

    def compress(
        self,
        d_model: int | None = None,
        method: Literal["exact", "orthogonal", "linear", "autoencoder"] = "exact",
        *,
        settings: Narrowing | None = None,
        out: str | os.PathLike[str] | None = None,
        tell: Callable[[int, int], None] | None = None,
    ) -> Pair:
        """Return a pair of the same program with a narrower residual stream: as narrow as loses nothing, or learned."""
        from janiform.realistic.compress import compress

        return compress(self, d_model, method, settings=settings, out=out, tell=tell)

    def retrain(
        self,
        settings: Retraining | None = None,
        *,
        out: str | os.PathLike[str] | None = None,
        tell: Callable[[int, int], None] | None = None,
    ) -> Pair:
        """Return a pair whose wider gelu model was trained, by strict interchange interventions, to the same mechanism."""
        from janiform.realistic.retrain import retrain

        return retrain(self, settings, out=out, tell=tell)

    def faithfulness(self, *, inputs: int = 1_000, seed: int = 0) -> Faithfulness:
        """Judge the pair by its answers and by each of its variables: is it right for the right reason?"""
        from janiform.realistic.faithfulness import faithfulness

        return faithfulness(self, inputs=inputs, seed=seed)

    def to_gpt2(
        self,
        *,
        tied: bool = False,
        norm: Literal["LN", "RMS"] = "LN",
        causal: bool = True,
        dtype: Literal["auto", "float32", "float64"] = "auto",
    ) -> Pair:
        """Return a pair of the same program whose model is a stock GPT-2: LayerNorm, GELU, one vocabulary, causal."""
        from janiform.realistic.gpt2 import to_gpt2

        return to_gpt2(self, tied=tied, norm=norm, causal=causal, dtype=dtype)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights, program, layout and codec to one ``.safetensors`` file, whole or not at all."""
        write(path, self)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Pair:
        """Read a pair that ``save`` wrote, running none of its contents; ``FileError`` on anything else."""
        pair = cls(**read(path))
        pair.model.requires_grad_(False)
        return pair

    def facts(self) -> dict[str, Any]:
        """Return the pair's sizes and its bound as plain data."""
        return facts(self)

    def data(self) -> dict[str, Any]:
        """Return the facts, and where every node of the program lives, as plain data."""
        return data(self)

    def show(self) -> str:
        """Return the program beside its layers: which head, units and dimensions hold which node."""
        return show(self)

    def __repr__(self) -> str:
        c = self.model.config
        return (
            f"<Pair {', '.join(self.program.outputs)}: {len(self.signature.vocab)} tokens, length {self.signature.max_len}; "
            f"{c.n_layers} layers, {c.n_heads} heads, d_model {c.d_model}, {c.dtype}>"
        )


def load(path: str | os.PathLike[str]) -> Pair:
    """Read a pair that ``Pair.save`` wrote."""
    return Pair.load(path)
