"""Write GPT-2 checkpoints in Hugging Face's format: what ``read_gpt2`` reads, and ``save_pretrained`` of that library writes.

A model has GPT-2's shape when it is causal, reads through LayerNorm, divides its stream among its heads, has one vocabulary
and no bias behind the unembedding. Weights keep their values.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from janiform.errors import FileError, InputError
from janiform.files import write_whole
from janiform.model.transformer import Transformer


def write_gpt2(model: Transformer, folder: str | os.PathLike[str]) -> Path:
    """Write ``config.json`` and ``model.safetensors``, which GPT2LMHeadModel.from_pretrained reads, and return the folder.

    >>> import tempfile
    >>> from janiform.model import Config, read_gpt2
    >>> model = Transformer(Config.gpt2(1, 2, 8, vocab=5, positions=6))
    >>> with tempfile.TemporaryDirectory() as place:
    ...     again = read_gpt2(write_gpt2(model, place))
    >>> all((again.weights()[n] == w).all() for n, w in model.weights().items())
    True

    Raises InputError for a model of another shape.
    """
    place, contents = Path(folder), gpt2_files(model)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise FileError(f"{place} cannot be a folder: {e.strerror or e}") from None
    for name, content in contents.items():
        write_whole(place / name, content)
    return place


def gpt2_files(model: Transformer, **settings: Any) -> dict[str, bytes]:
    """Return the files of a model by name, with further ``settings`` in ``config.json``."""
    refuse_other_shapes(model)
    weights = model.weights()
    tied = np.array_equal(weights["unembed.W_U"], weights["embed.W_E"].T)
    tensors = {name: np.ascontiguousarray(w) for name, w in _tensors(model, weights, tied)}
    described = json.dumps(_settings(model, tied) | settings, indent=2, ensure_ascii=False)
    return {"model.safetensors": save(tensors, {"format": "pt"}), "config.json": described.encode()}


def refuse_other_shapes(model: Transformer) -> None:
    """Raise InputError where a model is no GPT-2, with all that keeps it from being one."""
    c = model.config
    reasons = [
        (c.normalization_type != "LN", f"normalization is {c.normalization_type}, not LN"),
        (c.attention_dir != "causal", "attention goes both ways"),
        (c.d_model != c.n_heads * c.d_head, f"d_model {c.d_model} is not {c.n_heads} heads of {c.d_head}"),
        (c.d_vocab != c.d_vocab_out, f"{c.d_vocab} ids go in and {c.d_vocab_out} come out"),
        (bool(model.unembed.b_U.any()), "there is a bias behind the unembedding"),
        (not c.n_layers, "there are no layers"),
        (not c.d_mlp, "there are no hidden units"),
    ]
    if found := [reason for is_so, reason in reasons if is_so]:
        raise InputError(
            f"this model is no GPT-2: {'; '.join(found)}. pair.to_gpt2() makes one of a compiled pair"
        )


def _tensors(model: Transformer, w: dict[str, np.ndarray], tied: bool) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every weight by Hugging Face's name, in its layout: [in, out], heads side by side."""
    d = model.config.d_model
    yield "transformer.wte.weight", w["embed.W_E"]
    yield "transformer.wpe.weight", w["pos_embed.W_pos"]
    for i in range(model.config.n_layers):
        ours, theirs = f"blocks.{i}", f"transformer.h.{i}"
        for norm in ("1", "2"):
            yield f"{theirs}.ln_{norm}.weight", w[f"{ours}.ln{norm}.w"]
            yield f"{theirs}.ln_{norm}.bias", w[f"{ours}.ln{norm}.b"]
        read = [w[f"{ours}.attn.W_{c}"].transpose(1, 0, 2).reshape(d, d) for c in "QKV"]
        yield f"{theirs}.attn.c_attn.weight", np.concatenate(read, 1)
        yield f"{theirs}.attn.c_attn.bias", np.concatenate([w[f"{ours}.attn.b_{c}"].ravel() for c in "QKV"])
        yield f"{theirs}.attn.c_proj.weight", w[f"{ours}.attn.W_O"].reshape(d, d)
        yield f"{theirs}.attn.c_proj.bias", w[f"{ours}.attn.b_O"]
        yield f"{theirs}.mlp.c_fc.weight", w[f"{ours}.mlp.W_in"]
        yield f"{theirs}.mlp.c_fc.bias", w[f"{ours}.mlp.b_in"]
        yield f"{theirs}.mlp.c_proj.weight", w[f"{ours}.mlp.W_out"]
        yield f"{theirs}.mlp.c_proj.bias", w[f"{ours}.mlp.b_out"]
    yield "transformer.ln_f.weight", w["ln_final.w"]
    yield "transformer.ln_f.bias", w["ln_final.b"]
    if not tied:
        yield "lm_head.weight", w["unembed.W_U"].T


def _settings(model: Transformer, tied: bool) -> dict[str, Any]:
    c = model.config
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": c.d_vocab,
        "n_positions": c.n_ctx,
        "n_embd": c.d_model,
        "n_layer": c.n_layers,
        "n_head": c.n_heads,
        "n_inner": c.d_mlp,
        "activation_function": c.act_fn,
        "layer_norm_epsilon": c.eps,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "tie_word_embeddings": tied,
        "torch_dtype": c.dtype,
    }
