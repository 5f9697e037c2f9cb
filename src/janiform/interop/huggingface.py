"""Hugging Face folders: what ``save_pretrained`` of a GPT2LMHeadModel writes, and a tokenizer; written without that library.

A model has GPT-2's shape when it is causal, reads through LayerNorm, divides its stream among its heads, has one vocabulary
and no bias behind the unembedding: ``pair.to_gpt2()`` makes one of a compiled pair.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save

from janiform.errors import InputError
from janiform.interop.codec import codec_data, token_names
from janiform.interop.folder import write_folder
from janiform.model import Transformer

if TYPE_CHECKING:
    from janiform.pair import Pair


def save_gpt2(pair: Pair, folder: str | os.PathLike[str]) -> list[Path]:
    """Write ``config.json``, ``model.safetensors``, a tokenizer of words set apart by blanks, and ``codec.json``.

    GPT2LMHeadModel.from_pretrained, AutoTokenizer.from_pretrained and Transformer.from_pretrained read the folder. Raises
    InputError for a model of another shape.

    >>> import tempfile
    >>> from janiform import Transformer, programs
    >>> pair = programs.load("majority").compile(range(2), 4, causal=True).to_gpt2()
    >>> with tempfile.TemporaryDirectory() as place:
    ...     names = [f.name for f in save_gpt2(pair, place)]
    ...     same = Transformer.from_pretrained(place).weights()
    >>> names[:2], all((same[n] == w).all() for n, w in pair.model.weights().items())
    (['model.safetensors', 'tokenizer.json'], True)
    """
    model = pair.model
    refuse_other_shapes(model)
    weights = model.weights()
    tied = np.array_equal(weights["unembed.W_U"], weights["embed.W_E"].T)
    tensors = {name: np.ascontiguousarray(w) for name, w in _gpt2_weights(model, weights, tied)}
    words = token_names(pair)
    contents = {
        "model.safetensors": save(tensors, {"format": "pt"}),
        "tokenizer.json": _json(_tokenizer(pair, words)),
        "tokenizer_config.json": _json(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": words[pair.codec.bos],
                "pad_token": words[pair.codec.pad],
                "padding_side": "right",
                "model_max_length": model.config.n_ctx,
                "clean_up_tokenization_spaces": False,
            }
        ),
        "codec.json": _json(codec_data(pair)),
        "config.json": _json(_settings(pair, tied)),
    }
    return write_folder(folder, contents)


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


def _gpt2_weights(
    model: Transformer, w: dict[str, np.ndarray], tied: bool
) -> Iterator[tuple[str, np.ndarray]]:
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


def _settings(pair: Pair, tied: bool) -> dict[str, Any]:
    c = pair.model.config
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
        "bos_token_id": pair.codec.bos,
        "eos_token_id": pair.codec.pad,
        "pad_token_id": pair.codec.pad,
        "tie_word_embeddings": tied,
        "torch_dtype": c.dtype,
    }


def _tokenizer(pair: Pair, words: list[str]) -> dict[str, Any]:
    """Return a tokenizer of whole words that puts BOS in front, as the ``tokenizers`` library stores it."""
    bos, pad = pair.codec.bos, pair.codec.pad
    special = [
        {
            "id": i,
            "content": words[i],
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for i in (bos, pad)
    ]
    front = {"SpecialToken": {"id": words[bos], "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    second = {"Sequence": {"id": "B", "type_id": 0}}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [front, text],
            "pair": [front, text, second],
            "special_tokens": {words[bos]: {"id": words[bos], "ids": [bos], "tokens": [words[bos]]}},
        },
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {word: i for i, word in enumerate(words)},
            "unk_token": "not a token",  # it is none: an unknown word is an error
        },
    }


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode()
