"""Compile Tracr expressions to transformers, for ``tracr.compiler.compiling``.

The compiler is Janiform's: the model has Janiform's layers and dimensions, and gives exactly the program's values. What
holds it has Tracr's shape: parameters by Haiku's names, activations after every half-layer, an encoder at each end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from janiform.errors import MeaningError
from janiform.interop.tracr import rasp
from janiform.interop.tracr.encoder import CategoricalEncoder, Encoder, EncodingError, NumericalEncoder
from janiform.interop.tracr.translate import Translation, UnsupportedError, to_program
from janiform.ir.nodes import Value
from janiform.ir.semantics import Signature
from janiform.model.haiku import Params, from_haiku, to_haiku
from janiform.pair import Pair
from janiform.pair.codec import classes

COMPILER_BOS = "compiler_bos"
COMPILER_PAD = "compiler_pad"


@dataclass(frozen=True)
class TransformerConfig:
    """The sizes of a model, by Tracr's names."""

    num_heads: int
    num_layers: int
    key_size: int
    mlp_hidden_size: int
    dropout_rate: float = 0.0
    activation_function: Callable[[torch.Tensor], torch.Tensor] = torch.relu
    layer_norm: bool = False
    causal: bool = False


@dataclass(frozen=True)
class TransformerOutput:
    """The activations of a run: two residuals and two outputs a layer, after attention and after the MLP."""

    residuals: list[Float[np.ndarray, "batch pos d_model"]]
    layer_outputs: list[Float[np.ndarray, "batch pos d_model"]]
    attn_logits: list[Float[np.ndarray, "batch head query key"]]
    output: Float[np.ndarray, "batch pos d_model"]
    input_embeddings: Float[np.ndarray, "batch pos d_model"]


@dataclass(frozen=True)
class CompiledTransformerModelOutput:
    """The activations of a run, and what is unembedded from the last: ids of values, or numbers."""

    transformer_output: TransformerOutput
    unembedded_output: np.ndarray


@dataclass(frozen=True)
class AssembledTransformerModelOutput:
    """What a model says about one input: ``decoded`` begins with the BOS token, as the input does."""

    decoded: list[Any]
    unembedded: np.ndarray
    layer_outputs: list[np.ndarray]
    residuals: list[np.ndarray]
    attn_logits: list[np.ndarray]
    transformer_output: np.ndarray
    input_embeddings: np.ndarray

    @property
    def unembedded_output(self) -> np.ndarray:
        """The other name of ``unembedded``."""
        return self.unembedded


@dataclass(frozen=True, eq=False)
class AssembledTransformerModel:
    """A compiled program; ``pair`` is the same in Janiform's form.

    >>> model = compile_rasp_to_model(rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens,
    ...     rasp.Comparison.EQ)), {"a", "b"}, 4)
    >>> model.apply(["compiler_bos", "a", "b", "a"]).decoded
    ['compiler_bos', 2, 1, 2]
    """

    pair: Pair
    input_encoder: CategoricalEncoder
    output_encoder: Encoder
    boxes: Mapping[Value, Any] = field(default_factory=dict)

    @property
    def params(self) -> Params:
        """A copy of every weight, by module and name as Haiku has them."""
        return to_haiku(self.pair.model.weights())

    @property
    def model_config(self) -> TransformerConfig:
        """The model's sizes."""
        c = self.pair.model.config
        causal = c.attention_dir == "causal"
        return TransformerConfig(c.n_heads, c.n_layers, c.d_head, c.d_mlp, causal=causal)

    @cached_property
    def residual_labels(self) -> list[str]:
        """What each dimension of the residual stream means; shared dimensions have several meanings."""
        meanings: list[list[str]] = [[] for _ in range(self.pair.model.config.d_model)]
        for place in self.pair.places:
            for dim, meaning in zip(place.dims, place.meaning, strict=False):
                meanings[dim].append(meaning)
        return ["; ".join(dict.fromkeys(m)) if m else f"d{i}" for i, m in enumerate(meanings)]

    def forward(self, params: Params, tokens: Int[np.ndarray, "batch pos"]) -> CompiledTransformerModelOutput:
        """Run the model with the given parameters on ids."""
        model = self.pair.model
        named = from_haiku(params, model.config.n_heads)
        weights = {name: torch.as_tensor(w).to(model.device) for name, w in named.items()}
        ids = torch.as_tensor(np.asarray(tokens), dtype=torch.int64, device=model.device)
        run = _Cached(model)
        with torch.no_grad():
            logits, cache = torch.func.functional_call(
                run, {f"model.{name}": w for name, w in weights.items()}, (ids,)
            )
        return self._shown(logits.cpu().numpy(), {name: x.cpu().numpy() for name, x in cache.items()})

    def apply(self, tokens: Sequence[Value]) -> AssembledTransformerModelOutput:
        """Run the model on one input, which begins with the BOS token and may end with padding."""
        ids = torch.tensor([self.input_encoder.encode(tokens)], device=self.pair.model.device)
        with torch.no_grad():
            logits, cache = self.pair.model.run_with_cache(ids)
        output = self._shown(logits.cpu().numpy(), {name: x.cpu().numpy() for name, x in cache.items()})
        ran = output.transformer_output
        decoded = self.output_encoder.decode(output.unembedded_output[0, 1:].tolist())
        return AssembledTransformerModelOutput(
            decoded=[self.input_encoder.bos_token, *(self.boxes.get(v, v) for v in decoded)],
            unembedded=output.unembedded_output,
            layer_outputs=ran.layer_outputs,
            residuals=ran.residuals,
            attn_logits=ran.attn_logits,
            transformer_output=ran.output,
            input_embeddings=ran.input_embeddings,
        )

    def _shown(
        self, logits: Float[np.ndarray, "batch pos logit"], cache: Mapping[str, np.ndarray]
    ) -> CompiledTransformerModelOutput:
        blocks = [f"blocks.{i}" for i in range(self.pair.model.config.n_layers)]
        halves = [(f"{b}.hook_resid_mid", f"{b}.hook_attn_out") for b in blocks]
        wholes = [(f"{b}.hook_resid_post", f"{b}.hook_mlp_out") for b in blocks]
        order = [half for both in zip(halves, wholes, strict=True) for half in both]
        embedded = cache["hook_embed"] + cache["hook_pos_embed"]
        return CompiledTransformerModelOutput(
            TransformerOutput(
                residuals=[cache[residual] for residual, _ in order],
                layer_outputs=[cache[out] for _, out in order],
                attn_logits=[cache[f"{b}.attn.hook_attn_scores"] for b in blocks],
                output=cache[order[-1][0]] if order else embedded,
                input_embeddings=embedded,
            ),
            _unembedded(self.pair, logits),
        )


class _Cached(torch.nn.Module):
    """A model whose call gives the activations too."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return self.model.run_with_cache(ids)


def compile_rasp_to_model(
    program: rasp.SOp,
    vocab: Iterable[Value],
    max_seq_len: int,
    causal: bool = False,
    compiler_bos: str = COMPILER_BOS,
    compiler_pad: str = COMPILER_PAD,
    mlp_exactness: int = 100,
) -> AssembledTransformerModel:
    """Compile ``program`` for inputs over ``vocab`` of at most ``max_seq_len`` tokens.

    ``mlp_exactness`` is accepted and has no effect: the MLPs are exact. Where the program has no meaning on some
    inputs (a function raises, different strings are averaged), the model computes it on all others.
    """
    known = set(vocab)
    for what, token in (("BOS", compiler_bos), ("PAD", compiler_pad)):
        if token in known:
            raise EncodingError(f"the {what} token {token!r} is in the vocabulary; choose another name")
    signature = Signature(known, max_seq_len, causal, compiler_bos, compiler_pad)
    try:
        translation = Translation.of(program, signature)
        pair = translation.program.compile(signature=signature)
    except (MeaningError, ArithmeticError):
        translation = Translation.of(program, signature, lenient=True)
        pair = translation.program.compile(signature=signature)
    tokens = (*pair.signature.vocab, compiler_bos, compiler_pad)
    (readout,) = pair.readouts
    if readout.kind == "number":
        output_encoder: Encoder = NumericalEncoder(readout.values)
    else:
        output_encoder = CategoricalEncoder(readout.values)
    input_encoder = CategoricalEncoder(tokens, compiler_bos, compiler_pad, max_seq_len + 1)
    return AssembledTransformerModel(pair, input_encoder, output_encoder, translation.boxes)


def _unembedded(pair: Pair, logits: Float[np.ndarray, "batch pos logit"]) -> np.ndarray:
    (readout,) = pair.readouts
    if readout.kind != "number":
        return classes(readout, logits)
    numbers = logits[..., readout.start]
    if readout.width == 1:
        return numbers
    return np.where(logits[..., readout.start + 1] > 0.5, numbers, np.nan)


__all__ = [
    "COMPILER_BOS",
    "COMPILER_PAD",
    "AssembledTransformerModel",
    "AssembledTransformerModelOutput",
    "EncodingError",
    "UnsupportedError",
    "compile_rasp_to_model",
    "to_program",
]
