"""Files of weights: one ``.safetensors`` whose header holds everything else as JSON.

Reading runs no code: sizes are checked before anything is allocated, text is JSON and nothing but JSON, every number is
finite, and each fault is a ``FileError`` that names the file. Writing is atomic: a file appears whole or not at all.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as arrays

from janiform.errors import FileError, InputError
from janiform.files import write_whole
from janiform.model.config import Config
from janiform.model.transformer import Transformer

VERSION = 1
LARGEST_HEADER = 64 * 2**20
_KEY = "janiform"
_DTYPES = {"F32": "float32", "F64": "float64"}


def save(model: Transformer, path: str | os.PathLike[str]) -> None:
    """Write a model to one file, atomically."""
    write(path, "transformer", {"config": model.config.to_dict()}, model.weights())


def load(path: str | os.PathLike[str]) -> Transformer:
    """Read a model that ``save`` wrote; ``FileError`` on anything else."""
    metadata, weights = read(path, "transformer")
    return restore(path, metadata.get("config"), weights)


def write(
    path: str | os.PathLike[str], kind: str, metadata: Mapping[str, Any], weights: Mapping[str, np.ndarray]
) -> None:
    """Write weights and JSON-like ``metadata`` to a file of a ``kind``, atomically."""
    header = json.dumps(
        {"kind": kind, "version": VERSION, **metadata}, allow_nan=False, separators=(",", ":")
    )
    if len(header) > LARGEST_HEADER // 2:
        raise FileError(
            f"{path}: the description takes {len(header):,} bytes; at most {LARGEST_HEADER // 2:,} fit"
        )
    content = arrays.save({n: np.ascontiguousarray(w) for n, w in weights.items()}, {_KEY: header})
    write_whole(path, content)


def read(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the metadata and weights of a file of ``kind``, both checked to be what ``write`` writes."""
    try:
        content = Path(path).read_bytes()
    except OSError as e:
        raise FileError(f"{path} cannot be read: {e.strerror or e}") from None
    metadata = _metadata(path, content)
    if metadata.get("kind") != kind:
        raise FileError(f"{path} holds a {str(metadata.get('kind'))[:40]!r}, not a {kind!r}")
    if metadata.get("version") != VERSION:
        raise FileError(
            f"{path} is of version {str(metadata.get('version'))[:40]}; this release reads version {VERSION}"
        )
    try:
        weights = arrays.load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as e:
        raise FileError(f"{path} is corrupted: {e}") from None
    for name, w in weights.items():
        if not np.isfinite(w).all():
            raise FileError(f"{path}: {name} holds values that are not finite")
    return metadata, weights


def restore(path: str | os.PathLike[str], settings: Any, weights: Mapping[str, np.ndarray]) -> Transformer:
    """Make the model that a file describes, after comparing every weight with the settings."""
    if not isinstance(settings, dict):
        raise FileError(f"{path}: the settings of the model are missing")
    try:
        config = Config.from_dict(settings)
        # Layers are counted before their names are listed: a hostile count must cost nothing.
        if config.n_layers > len(weights):
            raise InputError(f"{config.n_layers} layers cannot be made of {len(weights)} weights")
        for name, w in weights.items():
            if w.dtype != config.dtype:
                raise InputError(f"{name} is of {w.dtype}, the settings say {config.dtype}")
        return Transformer.from_weights(config, weights)
    except InputError as e:
        raise FileError(f"{path}: {e}") from None


def _metadata(path: str | os.PathLike[str], content: bytes) -> dict[str, Any]:
    """Return what the header says, after checking it against the size of the file."""
    if len(content) < 8:
        raise FileError(f"{path} is no safetensors file: it has {len(content)} bytes")
    (size,) = struct.unpack("<Q", content[:8])
    if size > min(len(content) - 8, LARGEST_HEADER):
        raise FileError(f"{path} is no safetensors file, or cut off: its header claims {size:,} bytes")
    header = _json(path, content[8 : 8 + size])
    described = header.get("__metadata__")
    if not isinstance(described, dict) or not isinstance(described.get(_KEY), str):
        raise FileError(f"{path} was not written by Janiform: its header holds no {_KEY!r}")
    for name, entry in header.items():
        if name != "__metadata__" and (not isinstance(entry, dict) or entry.get("dtype") not in _DTYPES):
            raise FileError(f"{path}: weight {name[:80]!r} must be one of {', '.join(_DTYPES)}")
    return _json(path, described[_KEY].encode())


def _json(path: str | os.PathLike[str], text: bytes) -> dict[str, Any]:
    """Parse an object of finite numbers and distinct keys."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key is given twice")
        return found

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no JSON number")

    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=distinct, parse_constant=refuse)
    except (ValueError, RecursionError) as e:
        raise FileError(f"{path} is corrupted: its header is not JSON ({str(e)[:80]})") from None
    if not isinstance(value, dict):
        raise FileError(f"{path} is corrupted: its header is not a JSON object")
    return value
