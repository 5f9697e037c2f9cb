"""The shape of a transformer: one frozen value with TransformerLens' field names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from janiform.errors import InputError

_CHOICES: dict[str, tuple[Any, ...]] = {
    "act_fn": ("relu", "gelu", "gelu_new"),
    "attention_dir": ("bidirectional", "causal"),
    "normalization_type": (None, "LN", "RMS"),
    "dtype": ("float32", "float64"),
}
_MAY_BE_ZERO = ("n_layers", "n_heads", "d_head", "d_mlp")
LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting of a ``Transformer``; ``gelu_new`` is GPT-2's tanh approximation.

    >>> config = Config(n_layers=0, d_model=4, d_vocab=5, d_vocab_out=3, n_ctx=6)
    >>> dict(config.shapes())["embed.W_E"]
    (5, 4)
    """

    n_layers: int
    d_model: int
    d_vocab: int
    d_vocab_out: int
    n_ctx: int
    n_heads: int = 0
    d_head: int = 0
    d_mlp: int = 0
    act_fn: Literal["relu", "gelu", "gelu_new"] = "relu"
    attention_dir: Literal["bidirectional", "causal"] = "bidirectional"
    normalization_type: Literal["LN", "RMS"] | None = None
    eps: float = 1e-5
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        for name in ("n_layers", "d_model", "d_vocab", "d_vocab_out", "n_ctx", "n_heads", "d_head", "d_mlp"):
            value, least = getattr(self, name), 0 if name in _MAY_BE_ZERO else 1
            if type(value) is not int or not least <= value <= LARGEST:
                raise InputError(f"{name} must be a whole number from {least} to {LARGEST}, got {value!r}")
        for name, known in _CHOICES.items():
            if not any(getattr(self, name) is k or getattr(self, name) == k for k in known):
                raise InputError(
                    f"{name} must be one of {', '.join(map(repr, known))}; got {getattr(self, name)!r}"
                )
        if type(self.eps) is not float or not 0 <= self.eps < 1:
            raise InputError(f"eps must be a number from 0 to 1, got {self.eps!r}")
        if self.n_heads and not self.d_head:
            raise InputError(f"{self.n_heads} heads need d_head of at least 1")

    @classmethod
    def gpt2(cls, layers: int, heads: int, width: int, *, vocab: int, positions: int) -> Config:
        """Return the shape of a GPT-2 of that size.

        >>> Config.gpt2(12, 12, 768, vocab=50257, positions=1024).d_head
        64
        """
        if heads < 1 or width % heads:
            raise InputError(f"a width of {width} cannot be divided among {heads} heads")
        return cls(
            n_layers=layers,
            n_heads=heads,
            d_model=width,
            d_head=width // heads,
            d_mlp=4 * width,
            d_vocab=vocab,
            d_vocab_out=vocab,
            n_ctx=positions,
            act_fn="gelu_new",
            attention_dir="causal",
            normalization_type="LN",
        )

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Config:
        """Make a config of plain data; ``InputError`` names what is unknown or missing."""
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(settings) - known, key=str):
            raise InputError(f"unknown settings {unknown}; known are {', '.join(sorted(known))}")
        if missing := sorted({"n_layers", "d_model", "d_vocab", "d_vocab_out", "n_ctx"} - set(settings)):
            raise InputError(f"the settings {', '.join(missing)} are missing")
        return cls(**settings)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data, such as JSON takes."""
        return asdict(self)

    def to_json(self) -> str:
        """Return the settings as one line of JSON."""
        return json.dumps(self.to_dict())

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield every parameter's name and shape, in the order of the network."""
        heads = (self.n_heads, self.d_model, self.d_head)
        yield "embed.W_E", (self.d_vocab, self.d_model)
        yield "pos_embed.W_pos", (self.n_ctx, self.d_model)
        for i in range(self.n_layers):
            yield from self._norm(f"blocks.{i}.ln1")
            for letter in "QKV":
                yield f"blocks.{i}.attn.W_{letter}", heads
                yield f"blocks.{i}.attn.b_{letter}", (self.n_heads, self.d_head)
            yield f"blocks.{i}.attn.W_O", (self.n_heads, self.d_head, self.d_model)
            yield f"blocks.{i}.attn.b_O", (self.d_model,)
            yield from self._norm(f"blocks.{i}.ln2")
            yield f"blocks.{i}.mlp.W_in", (self.d_model, self.d_mlp)
            yield f"blocks.{i}.mlp.b_in", (self.d_mlp,)
            yield f"blocks.{i}.mlp.W_out", (self.d_mlp, self.d_model)
            yield f"blocks.{i}.mlp.b_out", (self.d_model,)
        yield from self._norm("ln_final")
        yield "unembed.W_U", (self.d_model, self.d_vocab_out)
        yield "unembed.b_U", (self.d_vocab_out,)

    def _norm(self, name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
        if self.normalization_type is not None:
            yield f"{name}.w", (self.d_model,)
        if self.normalization_type == "LN":
            yield f"{name}.b", (self.d_model,)
