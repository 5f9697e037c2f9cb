"""TransformerLens: a ``TransformerBridge`` around the weights of a pair, and the files from which one is made.

Weights and settings have TransformerLens' names already, so hooks such as ``blocks.0.attn.hook_pattern`` carry what they carry
here. Versions before 4 load the same file into a HookedTransformer. What its native network has no place for is refused: a
float64 RMSNorm, which it computes in float32.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.numpy import save

from janiform.errors import InputError
from janiform.interop.codec import codec_data
from janiform.interop.folder import write_folder
from janiform.model import Config, Transformer

if TYPE_CHECKING:
    from janiform.pair import Pair


def to_transformer_lens(model: Transformer) -> Any:
    """Return a ``TransformerBridge`` with the weights of a model, from ``TransformerBridge.boot_native``.

    Needs the extra ``lens``. Raises InputError for a float64 model with RMSNorm.
    """
    try:
        import transformer_lens.model_bridge.sources.native  # noqa: F401 - it gives the bridge its boot_native
        from transformer_lens.model_bridge import TransformerBridge
        from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint
    except ImportError:
        raise InputError(
            "a bridge needs the package transformer_lens from 4.3: pip install 'janiform[lens]'"
        ) from None
    config, state = exchanged(model)
    dtype = getattr(torch, model.config.dtype)
    bridge = TransformerBridge.boot_native({**_settings(config), "init_weights": False}, dtype=dtype)
    tensors = {name: torch.from_numpy(w) for name, w in state.items()}
    bridge.load_state_dict(convert_tl_checkpoint(tensors, bridge.cfg))
    return bridge.eval()


def save_transformer_lens(pair: Pair, folder: str | os.PathLike[str]) -> list[Path]:
    """Write ``model.safetensors`` by TransformerLens' names, its settings as ``config.json``, and ``codec.json``.

    ``load_transformer_lens`` makes a bridge of the folder, ``Transformer.from_pretrained`` a model.

    >>> import tempfile
    >>> from janiform import Transformer, programs
    >>> pair = programs.load("sort").compile(range(4), 5)
    >>> with tempfile.TemporaryDirectory() as place:
    ...     files = save_transformer_lens(pair, place)
    ...     Transformer.from_pretrained(place).config == pair.model.config
    True
    """
    config, state = exchanged(pair.model)
    contents = {
        "model.safetensors": save(state),
        "codec.json": json.dumps(codec_data(pair), indent=2, ensure_ascii=False).encode(),
        "config.json": json.dumps(_settings(config), indent=2).encode(),
    }
    return write_folder(folder, contents)


def load_transformer_lens(folder: str | os.PathLike[str]) -> Any:
    """Return a ``TransformerBridge`` of a folder that ``save_transformer_lens`` wrote; needs the extra ``lens``."""
    return to_transformer_lens(Transformer.from_pretrained(folder))


def exchanged(model: Transformer) -> tuple[Config, dict[str, np.ndarray]]:
    """Return settings and weights as TransformerLens takes them: layers without hidden units get one that does nothing."""
    config, state = model.config, model.weights()
    if config.normalization_type == "RMS" and config.dtype == "float64":
        raise InputError(
            "TransformerLens computes RMSNorm in float32, and this model needs float64; norm='LN' has no such limit"
        )
    if config.n_layers and not config.d_mlp:
        settings = {**config.to_dict(), "d_mlp": 1}
        config = Config.from_dict(settings)
        for name, shape in config.shapes():
            if "mlp" in name and state[name].shape != shape:
                state[name] = np.zeros(shape, state[name].dtype)
    return config, state


def _settings(config: Config) -> dict[str, Any]:
    """Return the settings by TransformerLens' names; its dtype is the weights' own."""
    return {name: value for name, value in config.to_dict().items() if name != "dtype"}
