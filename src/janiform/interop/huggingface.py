"""Hugging Face folders: what ``save_pretrained`` of a GPT2LMHeadModel writes, and a tokenizer; written without that library.

A model has GPT-2's shape when it is causal, reads through LayerNorm, divides its stream among its heads, has one vocabulary
and no bias behind the unembedding: ``pair.to_gpt2()`` makes one of a compiled pair.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from janiform.interop.codec import codec_data, token_names
from janiform.interop.folder import write_folder
from janiform.model.gpt2_folder import gpt2_files

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
    bos, pad = pair.codec.bos, pair.codec.pad
    files = gpt2_files(model, bos_token_id=bos, eos_token_id=pad, pad_token_id=pad)
    words = token_names(pair)
    contents = {
        "model.safetensors": files["model.safetensors"],
        "tokenizer.json": _json(_tokenizer(pair, words)),
        "tokenizer_config.json": _json(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": words[bos],
                "pad_token": words[pad],
                "padding_side": "right",
                "model_max_length": model.config.n_ctx,
                "clean_up_tokenization_spaces": False,
            }
        ),
        "codec.json": _json(codec_data(pair)),
        "config.json": files["config.json"],
    }
    return write_folder(folder, contents)


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
