"""The network, top-down: norm, attention, MLP, block, transformer. It knows nothing of RASP.

Parameters and hook points have TransformerLens' names and shapes: ``W_Q`` is [head, d_model, d_head], scores are divided by
sqrt(d_head), positions are absolute. Without hooks inside of them, attention and LayerNorm are fused.

Compiled weights are exact only under honest arithmetic: every forward pass runs under ``model.precision``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, einsum, nn

from janiform.errors import InputError
from janiform.model.config import Config
from janiform.model.hooks import Hook, HookPoint, NameFilter, hook_points, hung, select
from janiform.model.precision import full_precision, honest_kernel

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
}
_ON_REQUEST = ("hook_result", "hook_q_input", "hook_k_input", "hook_v_input", "hook_mlp_in")
"""Hook points that cost memory, or that only patching needs: cached when asked for by name."""


class Norm(nn.Module):
    """LayerNorm or RMSNorm with a learned gain (and bias for LayerNorm)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.center, self.eps = config.normalization_type == "LN", config.eps
        self.w = _empty(config, config.d_model)
        if self.center:
            self.b = _empty(config, config.d_model)
        self.hook_scale = HookPoint()
        self.hook_normalized = HookPoint()

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        if self.center and not (self.hook_scale.watched or self.hook_normalized.watched):
            return F.layer_norm(x, self.w.shape, self.w, self.b, self.eps)
        if self.center:
            x = x - x.mean(-1, keepdim=True)
        scale = self.hook_scale((x.pow(2).mean(-1, keepdim=True) + self.eps).sqrt())
        normalized = x / scale * self.w
        return self.hook_normalized(normalized + self.b if self.center else normalized)


class Attention(nn.Module):
    """Multi-head attention whose heads read q, k and v from inputs of their own."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        heads, d_model, d_head = config.n_heads, config.d_model, config.d_head
        self.causal, self.scale = config.attention_dir == "causal", 1 / math.sqrt(max(d_head, 1))
        self.W_Q = _empty(config, heads, d_model, d_head)
        self.W_K = _empty(config, heads, d_model, d_head)
        self.W_V = _empty(config, heads, d_model, d_head)
        self.W_O = _empty(config, heads, d_head, d_model)
        self.b_Q = _empty(config, heads, d_head)
        self.b_K = _empty(config, heads, d_head)
        self.b_V = _empty(config, heads, d_head)
        self.b_O = _empty(config, d_model)
        self.hook_q, self.hook_k, self.hook_v = HookPoint(), HookPoint(), HookPoint()
        self.hook_attn_scores, self.hook_pattern = HookPoint(), HookPoint()
        self.hook_z, self.hook_result = HookPoint(), HookPoint()

    def forward(
        self,
        q_input: Float[Tensor, "batch pos *head d_model"],
        k_input: Float[Tensor, "batch pos *head d_model"],
        v_input: Float[Tensor, "batch pos *head d_model"],
    ) -> Float[Tensor, "batch pos d_model"]:
        q = self.hook_q(_project(q_input, self.W_Q) + self.b_Q)
        k = self.hook_k(_project(k_input, self.W_K) + self.b_K)
        v = self.hook_v(_project(v_input, self.W_V) + self.b_V)
        z = self.hook_z(self._explicit(q, k, v) if self._watched() else self._fused(q, k, v))
        if self.hook_result.watched:
            result = self.hook_result(einsum("bphd,hdm->bphm", z, self.W_O))
            return result.sum(dim=2) + self.b_O
        return einsum("bphd,hdm->bpm", z, self.W_O) + self.b_O

    def _watched(self) -> bool:
        return self.hook_attn_scores.watched or self.hook_pattern.watched

    def _explicit(
        self,
        q: Float[Tensor, "batch pos head d_head"],
        k: Float[Tensor, "batch pos head d_head"],
        v: Float[Tensor, "batch pos head d_head"],
    ) -> Float[Tensor, "batch pos head d_head"]:
        scores = einsum("bqhd,bkhd->bhqk", q, k) * self.scale
        if self.causal:
            future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
            scores = scores.masked_fill(future, -math.inf)
        pattern = self.hook_pattern(self.hook_attn_scores(scores).softmax(dim=-1))
        return einsum("bhqk,bkhd->bqhd", pattern, v)

    def _fused(
        self,
        q: Float[Tensor, "batch pos head d_head"],
        k: Float[Tensor, "batch pos head d_head"],
        v: Float[Tensor, "batch pos head d_head"],
    ) -> Float[Tensor, "batch pos head d_head"]:
        if not q.numel():
            return q
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        with honest_kernel(q.device):
            z = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal, scale=self.scale)
        return z.transpose(1, 2)


class MLP(nn.Module):
    """One hidden layer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.W_in, self.b_in = _empty(config, config.d_model, config.d_mlp), _empty(config, config.d_mlp)
        self.W_out, self.b_out = _empty(config, config.d_mlp, config.d_model), _empty(config, config.d_model)
        self.act_fn = _ACTIVATIONS[config.act_fn]
        self.hook_pre, self.hook_post = HookPoint(), HookPoint()

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        hidden = self.hook_post(self.act_fn(self.hook_pre(x @ self.W_in + self.b_in)))
        return hidden @ self.W_out + self.b_out


class Block(nn.Module):
    """Attention, then MLP, each adding to the residual stream."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads = config.n_heads
        self.ln1, self.attn = _norm(config), Attention(config)
        self.ln2, self.mlp = _norm(config), MLP(config)
        self.hook_q_input, self.hook_k_input, self.hook_v_input = HookPoint(), HookPoint(), HookPoint()
        self.hook_attn_out, self.hook_mlp_in, self.hook_mlp_out = HookPoint(), HookPoint(), HookPoint()
        self.hook_resid_pre, self.hook_resid_mid, self.hook_resid_post = HookPoint(), HookPoint(), HookPoint()

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        x = self.hook_resid_pre(x)
        x = self.hook_resid_mid(x + self.hook_attn_out(self.attn(*self._attention_inputs(x))))
        return self.hook_resid_post(x + self.hook_mlp_out(self.mlp(self.ln2(self.hook_mlp_in(x)))))

    def _attention_inputs(self, x: Float[Tensor, "batch pos d_model"]) -> list[Tensor]:
        """Return what q, k and v read: the normalized stream, or a copy for each head where one is hooked."""
        points = (self.hook_q_input, self.hook_k_input, self.hook_v_input)
        if not any(p.watched for p in points):
            return [self.ln1(x)] * 3
        copies = x.unsqueeze(2).expand(-1, -1, self.heads, -1)
        return [self.ln1(p(copies)) for p in points]


class Embed(nn.Module):
    """A vector for each token."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.W_E = _empty(config, config.d_vocab, config.d_model)

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        return F.embedding(tokens, self.W_E)


class PosEmbed(nn.Module):
    """A vector for each position: 0, 1, .. unless positions are given, of one sequence for all or of each."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.W_pos = _empty(config, config.n_ctx, config.d_model)

    def forward(
        self, tokens: Int[Tensor, "batch pos"], positions: Int[Tensor, "*batch pos"] | None = None
    ) -> Float[Tensor, "batch pos d_model"]:
        batch, pos = tokens.shape
        if positions is None:
            return self.W_pos[:pos].expand(batch, -1, -1)
        return F.embedding(positions, self.W_pos).expand(batch, -1, -1)


class Unembed(nn.Module):
    """Logits from the residual stream."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.W_U, self.b_U = (
            _empty(config, config.d_model, config.d_vocab_out),
            _empty(config, config.d_vocab_out),
        )

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_vocab_out"]:
        return x @ self.W_U + self.b_U


class Transformer(nn.Module):
    """A transformer of a given shape, with random weights drawn from ``seed``.

    >>> model = Transformer(Config(n_layers=1, d_model=8, n_heads=2, d_head=4, d_mlp=16, d_vocab=5, d_vocab_out=5, n_ctx=6))
    >>> logits, cache = model.run_with_cache(torch.tensor([[0, 1, 2]]))
    >>> logits.shape, cache["blocks.0.attn.hook_pattern"].shape
    (torch.Size([1, 3, 5]), torch.Size([1, 2, 3, 3]))
    """

    def __init__(self, config: Config, *, seed: int | None = 0) -> None:
        super().__init__()
        self.config = config
        self.embed, self.pos_embed = Embed(config), PosEmbed(config)
        self.hook_embed, self.hook_pos_embed = HookPoint(), HookPoint()
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.ln_final, self.unembed = _norm(config), Unembed(config)
        self.points = hook_points(self)
        for name, point in self.points.items():
            point.name = name
        if seed is not None:
            self.initialize(seed)

    def forward(
        self, tokens: Int[Tensor, "batch pos"], positions: Int[Tensor, "*batch pos"] | None = None
    ) -> Float[Tensor, "batch pos d_vocab_out"]:
        """Return logits for a batch of token ids that stand at 0, 1, .. or at ``positions``, [pos] or [batch, pos]."""
        with full_precision():
            return self.unembed(self.ln_final(self.stream(tokens, positions)))

    def stream(
        self, tokens: Int[Tensor, "batch pos"], positions: Int[Tensor, "*batch pos"] | None = None
    ) -> Float[Tensor, "batch pos d_model"]:
        """Return the residual stream after the last block, of which ``ln_final`` and ``unembed`` make logits."""
        self._check(tokens, positions)
        with full_precision():
            x = self.hook_embed(self.embed(tokens)) + self.hook_pos_embed(self.pos_embed(tokens, positions))
            for block in self.blocks:
                x = block(x)
            return x

    def run_with_cache(
        self,
        tokens: Int[Tensor, "batch pos"],
        names_filter: NameFilter = None,
        *,
        positions: Int[Tensor, "*batch pos"] | None = None,
    ) -> tuple[Float[Tensor, "batch pos d_vocab_out"], dict[str, Tensor]]:
        """Return logits and activations by hook name; all cheap ones, or those that ``names_filter`` picks."""
        cache: dict[str, Tensor] = {}

        def keep(value: Tensor, hook: HookPoint) -> None:
            cache[hook.name] = value

        if names_filter is None:
            names_filter = [n for n in self.points if not n.endswith(_ON_REQUEST)]
        hooks = [(select(list(self.points), names_filter), keep)]
        return self.run_with_hooks(tokens, hooks, positions=positions), cache

    def run_with_hooks(
        self,
        tokens: Int[Tensor, "batch pos"],
        fwd_hooks: Sequence[tuple[NameFilter, Hook]],
        *,
        positions: Int[Tensor, "*batch pos"] | None = None,
    ) -> Float[Tensor, "batch pos d_vocab_out"]:
        """Return logits of a run in which each ``fn(value, hook=point)`` may replace what passes its point."""
        with hung(self.points, fwd_hooks):
            return self(tokens) if positions is None else self(tokens, positions)

    @classmethod
    def from_weights(cls, config: Config, weights: Mapping[str, np.ndarray | Tensor]) -> Transformer:
        """Make a model of given weights; ``InputError`` names a weight that is missing, unknown or misshapen."""
        expected = dict(config.shapes())
        if missing := [n for n in expected if n not in weights]:
            raise InputError(f"the weights {', '.join(missing[:5])} are missing")
        if unknown := [n for n in weights if n not in expected]:
            raise InputError(f"unknown weights {', '.join(unknown[:5])}")
        for name, shape in expected.items():
            if tuple(weights[name].shape) != shape:
                raise InputError(f"{name} must have shape {list(shape)}, got {list(weights[name].shape)}")
        model = cls(config, seed=None)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(torch.as_tensor(weights[name]))
        return model

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> Transformer:
        """Read a model from a folder or file: Hugging Face's GPT-2, TransformerLens' or ours, as ``read_model`` does.

        Only files on this machine are read, and none of their contents is run. Raises ``FileError``.
        """
        from janiform.model.reading import read_model

        return read_model(folder)

    def weights(self) -> dict[str, np.ndarray]:
        """Return a copy of every weight by name."""
        return {name: p.detach().cpu().numpy().copy() for name, p in self.named_parameters()}

    def initialize(self, seed: int, deviation: float | None = None) -> None:
        """Draw weights for training: normal of a deviation, 0.8 / sqrt(d_model) unless given, biases 0, gains 1.

        What writes to the residual stream is scaled by 1 / sqrt(2 n_layers), so that its variance does not grow with depth.
        """
        draw = torch.Generator().manual_seed(seed)
        deviation = 0.8 / math.sqrt(self.config.d_model) if deviation is None else deviation
        written = deviation / math.sqrt(2 * max(self.config.n_layers, 1))
        with torch.no_grad():
            for name, p in self.named_parameters():
                last = name.rsplit(".", 1)[-1]
                if last.startswith("b"):
                    p.zero_()
                elif last == "w":
                    p.fill_(1)
                else:
                    std = written if last in ("W_O", "W_out") else deviation
                    p.copy_(torch.randn(p.shape, generator=draw, dtype=torch.float64) * std)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embed.W_E.device

    def _check(self, tokens: Tensor, positions: Tensor | None) -> None:
        if tokens.ndim != 2 or tokens.is_floating_point():
            raise InputError(
                f"tokens must be whole numbers of shape [batch, pos], got {tokens.dtype} {list(tokens.shape)}"
            )
        if tokens.shape[1] > self.config.n_ctx:
            raise InputError(f"{tokens.shape[1]} positions exceed the model's n_ctx of {self.config.n_ctx}")
        if (
            tokens.device.type == "cpu"
            and tokens.numel()
            and not 0 <= tokens.min() <= tokens.max() < self.config.d_vocab
        ):
            raise InputError(f"token ids must be from 0 to {self.config.d_vocab - 1}")
        if positions is None:
            return
        if positions.shape not in (tokens.shape, tokens.shape[1:]) or positions.is_floating_point():
            raise InputError(
                f"positions must be whole numbers of shape {list(tokens.shape)} or {list(tokens.shape[1:])}, "
                f"got {positions.dtype} {list(positions.shape)}"
            )
        if (
            positions.device.type == "cpu"
            and positions.numel()
            and not 0 <= positions.min() <= positions.max() < self.config.n_ctx
        ):
            raise InputError(f"positions must be from 0 to {self.config.n_ctx - 1}")


def _empty(config: Config, *shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape, dtype=getattr(torch, config.dtype)))


def _norm(config: Config) -> nn.Module:
    return nn.Identity() if config.normalization_type is None else Norm(config)


def _project(
    x: Float[Tensor, "batch pos *head d_model"], W: Float[Tensor, "head d_model d_head"]
) -> Float[Tensor, "batch pos head d_head"]:
    return einsum("bphm,hmd->bphd" if x.ndim == 4 else "bpm,hmd->bphd", x, W)
