"""What may be given to decompile: pairs, models, arrays by name, and files of any of these."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from janiform.decompile.assembled import Assembled, is_assembled, names
from janiform.decompile.compiled.roles import Roles
from janiform.decompile.subject import Subject
from janiform.decompile.unnamed import unnamed
from janiform.errors import FileError, InputError
from janiform.ir.nodes import Value
from janiform.model import Config, Transformer, checkpoint, read_model
from janiform.model.haiku import from_haiku
from janiform.pair import Pair


def subject(
    given: Pair | Transformer | Assembled | Mapping[str, np.ndarray] | str | os.PathLike[str],
    *,
    vocab: Iterable[Value] | None = None,
    classes: Iterable[Value] | None = None,
    causal: bool | None = None,
) -> Subject:
    """Return what is to be decompiled.

    ``vocab`` names the tokens in the order of their ids, and ``classes`` the classes of the output. ``causal`` is asked of
    bare weights alone. Raises InputError where names and weights do not fit, FileError for files that are no weights.

    >>> import janiform as jf
    >>> pair = jf.parse("copy = tokens;").compile("abc", 4)
    >>> subject(pair).signature.vocab, subject(pair.model).signature.vocab
    (('a', 'b', 'c'), (0, 1, 2))
    """
    if isinstance(given, str | os.PathLike):
        given = _read(given)
    if isinstance(given, Pair):
        if vocab is not None or classes is not None:
            raise InputError("a pair has names of its own; give its model where others are meant")
        model, signature = given.model, given.signature
        return Subject(model, Roles.last_two(model.config.d_vocab), signature, given.readouts)
    if isinstance(given, Transformer):
        if causal is not None and causal != (given.config.attention_dir == "causal"):
            raise InputError(f"the model's attention is {given.config.attention_dir}")
        return unnamed(given, vocab, classes)
    if isinstance(given, Mapping):
        return unnamed(_model(given, causal=bool(causal)), vocab, classes)
    if not is_assembled(given):
        raise InputError(
            f"a pair, a model, its weights or a file can be decompiled; got {type(given).__name__}"
        )
    arrays = from_haiku(given.params, given.model_config.num_heads)
    own = names(given)
    return unnamed(_model(arrays, causal=bool(given.model_config.causal)), vocab or own[0], classes or own[1])


def _read(path: str | os.PathLike[str]) -> Pair | Transformer | dict[str, np.ndarray]:
    """Read a pair, a model, or plain arrays; none of them runs any code."""
    if str(path).endswith(".npz"):
        try:
            with np.load(Path(path), allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except (OSError, EOFError, ValueError, BadZipFile, KeyError) as e:
            raise FileError(f"{path} cannot be read as arrays of weights: {e}") from None
    if not Path(path).is_dir() and _holds_pair(path):
        return Pair.load(path)
    return read_model(path)


def _holds_pair(path: str | os.PathLike[str]) -> bool:
    try:
        checkpoint.read(path, "pair")
    except FileError:
        return False
    return True


def _model(arrays: Mapping[str, np.ndarray], *, causal: bool) -> Transformer:
    """Make a model of weights in TransformerLens' names; biases that are missing are zero, and so is an unembedding."""

    def shape(name: str, rank: int) -> tuple[int, ...]:
        found = arrays.get(name)
        if found is None or found.ndim != rank:
            seen = "missing" if found is None else f"of shape {list(found.shape)}"
            raise InputError(f"the weight {name} is {seen}; it must have {rank} axes")
        return found.shape

    (d_vocab, d_model), (n_ctx, _) = shape("embed.W_E", 2), shape("pos_embed.W_pos", 2)
    n_layers = 0
    while any(n.startswith(f"blocks.{n_layers}.") for n in arrays):
        n_layers += 1
    heads = shape("blocks.0.attn.W_Q", 3) if n_layers else (0, 0, 0)
    has_mlp = "blocks.0.mlp.W_in" in arrays
    settings: dict[str, Any] = {
        "n_layers": n_layers,
        "d_model": d_model,
        "d_vocab": d_vocab,
        "n_ctx": n_ctx,
        "d_vocab_out": shape("unembed.W_U", 2)[1] if "unembed.W_U" in arrays else 1,
        "n_heads": heads[0],
        "d_head": heads[2],
        "d_mlp": shape("blocks.0.mlp.W_in", 2)[1] if has_mlp else 0,
        "attention_dir": "causal" if causal else "bidirectional",
        "dtype": "float64" if arrays["embed.W_E"].dtype == np.float64 else "float32",
    }
    config = Config.from_dict(settings)
    whole = dict(arrays)
    for name, expected in config.shapes():
        optional = name.rsplit(".", 1)[-1].startswith("b_") or name == "unembed.W_U" or ".mlp." in name
        if name not in whole and optional:
            whole[name] = np.zeros(expected)
    return Transformer.from_weights(config, {n: np.asarray(w, config.dtype) for n, w in whole.items()})
