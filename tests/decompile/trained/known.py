"""Models of which is known what they do: the shipped ones, those of others, and some made by hand; each decompiled once."""

from dataclasses import asdict
from functools import cache
from pathlib import Path

import torch

from janiform.decompile.trained.pipeline import Decompiled, Settings, decompile
from janiform.model import Config, Transformer, read_model
from janiform.model.checkpoints import load_trained
from janiform.tasks import sampler

GIVEN = Path(__file__).resolve().parents[4] / "shared" / "data" / "trained_models"
FEW = Settings(inputs=60, interventions=100)


def task_of(name: str) -> str:
    """The task that a model is named after."""
    return name.split("-")[0]


@cache
def shipped(name: str) -> Decompiled:
    """A model that comes with Janiform, decompiled."""
    return decompile(load_trained(name), sampler(task_of(name)), FEW)


@cache
def given(name: str) -> Decompiled:
    """A model that others trained, decompiled."""
    return decompile(read_model(GIVEN / name), sampler(task_of(name)), FEW)


def untrained(name: str, seed: int, **sizes: int) -> Transformer:
    """A model of the shape of a shipped one with the weights that a training begins with."""
    model = Transformer(Config(**(asdict(load_trained(name).config) | sizes)), seed=None)
    model.initialize(seed, 0.02)
    model.requires_grad_(False)
    return model


def shortened(name: str, positions: int) -> Transformer:
    """A shipped model without its later positions."""
    model = load_trained(name)
    weights = model.weights()
    weights["pos_embed.W_pos"] = weights["pos_embed.W_pos"][:positions]
    return Transformer.from_weights(Config(**(asdict(model.config) | {"n_ctx": positions})), weights)


def forgetful(name: str, position: int) -> Transformer:
    """A shipped model that takes every position from one on for another token."""
    model = load_trained(name)
    weights = model.weights()
    weights["pos_embed.W_pos"] = weights["pos_embed.W_pos"].copy()
    weights["pos_embed.W_pos"][position:] = 10 * weights["embed.W_E"][0]
    return Transformer.from_weights(model.config, weights)


# --- three ways to answer tomita2, (10)*: by the token, by counts, by the token before ---------------------------------

TOMITA2 = sampler("tomita2")
TOKENS, POSITIONS = len(TOMITA2.vocab), TOMITA2.positions
ZERO, ONE, BOS, END = 0, 1, TOMITA2.bos, TOMITA2.eos


def by_token() -> Transformer:
    """After a 1 only 0 may follow; no head is used."""
    model, w = _empty(TOKENS, 1)
    w["embed.W_E"][:] = torch.eye(TOKENS)
    _answer(w, ONE, 1.0)
    w["unembed.b_U"][:] -= 0.5 * w["unembed.W_U"][ONE]
    return model


def by_counts() -> Transformer:
    """Only 0 may follow where there have been more 1 than 0: a head that averages over everything."""
    model, w = _empty(TOKENS + 1, 1)
    w["embed.W_E"][:, :TOKENS] = torch.eye(TOKENS)
    w["blocks.0.attn.W_V"][0, [ONE, ZERO], 0] = torch.tensor([1.0, -1.0])
    w["blocks.0.attn.W_O"][0, 0, TOKENS] = 1
    _answer(w, TOKENS, 100.0)
    w["unembed.b_U"][:] -= 0.003 * w["unembed.W_U"][TOKENS]
    return model


def by_previous() -> Transformer:
    """Only 0 may follow where a 0 or <bos> was before: a head that copies from one position back."""
    model, w = _empty(2 * TOKENS + POSITIONS, POSITIONS + TOKENS)
    places = slice(2 * TOKENS, 2 * TOKENS + POSITIONS)
    w["embed.W_E"][:, :TOKENS] = torch.eye(TOKENS)
    w["pos_embed.W_pos"][:, places] = torch.eye(POSITIONS)
    w["blocks.0.attn.W_Q"][0, places, :POSITIONS] = 1000 * torch.eye(POSITIONS)
    w["blocks.0.attn.W_K"][0, places, :POSITIONS] = torch.diag(torch.ones(POSITIONS - 1), 1)
    w["blocks.0.attn.W_V"][0, :TOKENS, POSITIONS:] = torch.eye(TOKENS)
    w["blocks.0.attn.W_O"][0, POSITIONS:, TOKENS : 2 * TOKENS] = torch.eye(TOKENS)
    for variable in (TOKENS + ONE, BOS):
        _answer(w, variable, -1.0)
    w["unembed.b_U"][:] -= 0.5 * w["unembed.W_U"][BOS]
    return model


def _empty(width: int, d_head: int) -> tuple[Transformer, dict[str, torch.Tensor]]:
    """A model whose weights are 0, and those by name."""
    shape = {"d_model": width, "d_vocab": TOKENS, "d_vocab_out": TOKENS, "n_ctx": POSITIONS}
    model = Transformer(Config(n_layers=1, n_heads=1, d_head=d_head, attention_dir="causal", **shape))
    model.requires_grad_(False)
    weights = dict(model.named_parameters())
    for weight in weights.values():
        weight.zero_()
    weights["unembed.b_U"][[BOS, TOMITA2.sep, TOMITA2.pad]] = -1
    return model, weights


def _answer(weights: dict[str, torch.Tensor], variable: int, much: float) -> None:
    """Let a variable speak for 0 and against 1 and the end."""
    weights["unembed.W_U"][variable, [ZERO, ONE, END]] = much * torch.tensor([1.0, -1.0, -1.0])
