"""Pairs of input and target from a file of JSON lines: what a user has who wants a program for data of their own.

Each line is ``{"input": [..], "target": [..]}`` or ``[input, target]``; inputs and targets are lists, or strings whose
characters are the tokens, of equal length. ``null`` in a target asks nothing there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from janiform.errors import FileError
from janiform.ir.functions import identity, order
from janiform.ir.nodes import Value
from janiform.ir.semantics import Signature
from janiform.tasks.examples import Data, Examples

EXPECTED = 'expected one JSON pair a line, such as {"input": ["a", "b"], "target": ["b", "a"]}'


def read_pairs(path: str | Path, *, causal: bool = False, seed: int = 0) -> Data:
    """Read pairs, and split them 81 % to train, 9 % to validate and 10 % to test.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "pairs.jsonl"
    >>> _ = path.write_text('["ab", "ba"]\\n' * 10)
    >>> read_pairs(path).labels
    ('a', 'b')
    """
    pairs = list(_pairs(Path(path)))
    if len(pairs) < 10:
        raise FileError(f"{path} holds {len(pairs)} pairs; three sets of examples need at least 10")
    vocab = {identity(t): t for x, _ in pairs for t in x}
    labels = {identity(t): t for _, y in pairs for t in y if t is not None}
    if not labels:
        raise FileError(f"{path} asks nothing: every target is null")
    signature = Signature(vocab.values(), max(len(x) for x, _ in pairs), causal)
    ordered = tuple(sorted(labels.values(), key=order))
    codes = {identity(v): i for i, v in enumerate(signature.vocab)}
    answers = {identity(v): i for i, v in enumerate(ordered)}
    x = np.full((len(pairs), signature.max_len), -1, np.int32)
    y = np.full_like(x, -1)
    for i, (given, asked) in enumerate(pairs):
        x[i, : len(given)] = [codes[identity(t)] for t in given]
        y[i, : len(asked)] = [-1 if t is None else answers[identity(t)] for t in asked]
    rows = np.random.default_rng(seed).permutation(len(pairs))
    train, test = len(rows) * 81 // 100, len(rows) - -(-len(rows) // 10)
    parts = [Examples(x[r], y[r]) for r in (rows[:train], rows[train:test], rows[test:])]
    return Data(Path(path).stem, signature, ordered, False, parts[0], parts[1], parts[2])


def _pairs(path: Path) -> Iterator[tuple[list[Value], list[Value]]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise FileError(f"{path} cannot be read as text: {e}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            pair = json.loads(line)
        except (ValueError, RecursionError):
            raise FileError(f"{where}: {line[:60]!r} is not JSON; {EXPECTED}") from None
        if isinstance(pair, dict):
            pair = [pair.get("input"), pair.get("target")]
        if not isinstance(pair, list) or len(pair) != 2:
            raise FileError(f"{where}: {line[:60]!r} is no pair; {EXPECTED}")
        given, asked = (_values(side, where) for side in pair)
        if len(given) != len(asked) or not given:
            raise FileError(f"{where}: {len(given)} tokens and {len(asked)} targets; {EXPECTED}")
        if None in given:
            raise FileError(f"{where}: an input holds null; only a target may")
        yield given, asked


def _values(side: Any, where: str) -> list[Value]:
    values = list(side) if isinstance(side, str | list) else None
    if values is None or not all(v is None or isinstance(v, bool | int | float | str) for v in values):
        raise FileError(f"{where}: {str(side)[:60]!r} is no list of tokens; {EXPECTED}")
    return values
