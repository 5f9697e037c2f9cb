"""Pairs in files: one ``.safetensors`` with the weights, and in its header the program, the layout and the codec.

The pair that a pair was made from goes with it, its tensors under ``origin.``; so do the matrices of its basis, under ``basis.``.
Reading builds the program by the JSON reader of the language and checks everything else against the weights, so a
stranger's file runs no code and cannot describe what it does not hold.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from janiform.compile.result import Bound, Place, Readout
from janiform.errors import FileError, JaniformError
from janiform.ir.nodes import Count, Node, Selector, Value
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.model import Config, checkpoint
from janiform.pair.basis import Basis, Origin
from janiform.text.json import from_json, to_json

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

KIND = "pair"
T = TypeVar("T")
Tensors = dict[str, np.ndarray]


def write(path: str | os.PathLike[str], pair: Pair) -> None:
    """Write a pair to one file, atomically."""
    metadata, tensors = _parts_out(pair)
    checkpoint.write(path, KIND, metadata, tensors)


def _parts_out(pair: Pair) -> tuple[dict[str, Any], Tensors]:
    """Return a pair as JSON-like data and tensors."""
    s, b = pair.signature, pair.bound
    metadata: dict[str, Any] = {
        "config": pair.model.config.to_dict(),
        "program": to_json(pair.program),
        "signature": {
            "vocab": list(s.vocab),
            "max_len": s.max_len,
            "causal": s.causal,
            "bos": s.bos,
            "pad": s.pad,
        },
        "readouts": [[r.name, r.kind, r.start, r.stop, list(r.values), r.gap] for r in pair.readouts],
        "places": [_place_out(p) for p in pair.places],
        "nodes": _nodes_out([p.node for p in pair.places]),
        "bound": [b.error if math.isfinite(b.error) else None, b.margin, b.dtype],
        "layout": pair.layout,
    }
    tensors = pair.model.weights()
    if pair.basis is not None:
        tensors |= {"basis.read": pair.basis.read, "basis.write": pair.basis.write}
    if pair.origin is not None:
        inner, theirs = _parts_out(pair.origin.pair)
        heads = pair.origin.heads
        metadata["origin"] = {"heads": None if heads is None else list(map(list, heads)), "pair": inner}
        tensors |= {f"origin.{name}": w for name, w in theirs.items()}
    return metadata, tensors


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the parts of the pair in a file, by field; ``FileError`` says what is wrong with any other file."""
    metadata, tensors = checkpoint.read(path, KIND)
    try:
        return _parts(path, metadata, tensors)
    except FileError as e:
        raise e if str(e).startswith(str(path)) else FileError(f"{path}: {e}") from None
    except (JaniformError, RecursionError, OverflowError) as e:
        raise FileError(f"{path}: {e or type(e).__name__}") from None


def _parts(path: str | os.PathLike[str], metadata: dict[str, Any], tensors: Tensors) -> dict[str, Any]:
    """Return the parts of a pair and, within, of the pair that it was made from."""
    from janiform.pair.pair import Pair

    inner = _taken(tensors, "origin.")
    matrices = _taken(tensors, "basis.")
    model = checkpoint.restore(path, metadata.get("config"), tensors)
    basis = _basis(matrices, model.config)
    parts = _Reader(metadata, model.config, basis).parts()
    origin = metadata.get("origin")
    if origin is None and not inner:
        return {**parts, "model": model, "basis": basis, "origin": None}
    if type(origin) is not dict or type(origin.get("pair")) is not dict:
        raise FileError("the pair that it was made from is missing or damaged")
    pair = Pair(**_parts(path, origin["pair"], inner))
    pair.model.requires_grad_(False)
    heads = _heads(origin.get("heads"), model.config, pair.model.config)
    return {**parts, "model": model, "basis": basis, "origin": Origin(pair, heads)}


def _taken(tensors: Tensors, prefix: str) -> Tensors:
    """Take the tensors under a prefix out of others."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}


def _basis(matrices: Tensors, config: Config) -> Basis | None:
    if not matrices:
        return None
    if set(matrices) != {"read", "write"} or any(w.dtype != "float64" for w in matrices.values()):
        raise FileError("its basis must be two matrices of float64, read and write")
    basis = Basis(matrices["read"], matrices["write"])
    if basis.d_model != config.d_model:
        raise FileError(
            f"its basis is of a stream of {basis.d_model}, its weights of one of {config.d_model}"
        )
    return basis


def _heads(rows: Any, config: Config, theirs: Config) -> tuple[tuple[int | None, ...], ...] | None:
    """Read which head of the origin each head is: each of those exactly once."""
    if rows is None:
        return None
    good = type(rows) is list and len(rows) == config.n_layers == theirs.n_layers
    for row in rows if good else ():
        good = good and type(row) is list and len(row) == config.n_heads
        known = [h for h in row if h is not None] if good else []
        good = (
            good and _whole_numbers(theirs.n_heads)(known) and len(set(known)) == len(known) == theirs.n_heads
        )
    if not good:
        raise FileError("its heads are not those of the pair that it was made from")
    return tuple(map(tuple, rows))


def _place_out(p: Place) -> list[Any]:
    return [p.name, p.kind, p.layer, list(p.heads), list(p.units), list(p.dims), list(p.meaning)]


def _nodes_out(nodes: Sequence[Node]) -> dict[str, Any] | None:
    """Write nodes as the outputs of a program of their own; a selector goes as its width."""
    outputs = {str(i): Count(n) if isinstance(n, Selector) else n for i, n in enumerate(nodes)}
    selectors = [i for i, n in enumerate(nodes) if isinstance(n, Selector)]
    return {"program": to_json(Program(outputs)), "selectors": selectors} if nodes else None  # type: ignore[arg-type]


class _Reader:
    """Reads metadata field by field and refuses what does not fit the model."""

    def __init__(self, metadata: dict[str, Any], config: Config, basis: Basis | None) -> None:
        self.metadata, self.config = metadata, config
        self.dims = config.d_model if basis is None else basis.dims

    def parts(self) -> dict[str, Any]:
        program = from_json(self.field("program", dict))
        signature = self.signature()
        readouts = tuple(self.readout(r) for r in self.field("readouts", list))
        if [r.name for r in readouts] != list(program.outputs):
            raise FileError(f"its read-outs are not those of its program: {', '.join(program.outputs)}")
        kinds = (lambda v: v is None or _real(v), _real, str)
        error, margin, dtype = self.row(self.field("bound", list), "bound", kinds)
        return {
            "program": program,
            "signature": signature,
            "readouts": readouts,
            "places": self.places(),
            "bound": Bound(math.inf if error is None else error, margin, dtype),
            "layout": self.field("layout", str),
        }

    def field(self, name: str, kind: type[T]) -> T:
        value = self.metadata.get(name)
        if type(value) is not kind:
            raise FileError(f"its {name} is missing or damaged")
        return value  # type: ignore[return-value]

    def row(self, row: Any, what: str, kinds: Sequence[Callable[[Any], Any]]) -> list[Any]:
        """Check a list whose entries are each of a type, or pass a check of their own."""
        if type(row) is not list or len(row) != len(kinds):
            raise FileError(f"its {what} is damaged: {_brief(row)}")
        for value, kind in zip(row, kinds):
            if not (type(value) is kind if isinstance(kind, type) else kind(value)):
                raise FileError(f"its {what} is damaged: {_brief(value)}")
        return row

    def signature(self) -> Signature:
        s = self.field("signature", dict)
        names = ("vocab", "max_len", "causal", "bos", "pad")
        vocab, max_len, causal, bos, pad = self.row(
            [s.get(n) for n in names], "signature", (_values, int, bool, str, str)
        )
        signature = Signature(vocab, max_len, causal, bos, pad)
        c = self.config
        if list(map(repr, signature.vocab)) != list(map(repr, vocab)):
            raise FileError("its vocabulary is not in order")
        one = c.d_vocab == c.d_vocab_out >= len(vocab) + 2  # answers among the tokens, as in a language model
        fits = c.d_vocab == len(vocab) + 2 or one
        if not fits or (c.n_ctx, c.attention_dir == "causal") != (max_len + 1, causal):
            raise FileError("its signature does not fit its weights")
        return signature

    def readout(self, row: Any) -> Readout:
        if type(row) is list and len(row) == 5:
            row = [*row, 1.0]  # files from before read-outs had a gap
        name, kind, start, stop, values, gap = self.row(
            row, "read-out", (str, str, int, int, _values_or_undefined, _real)
        )
        width = len(values) if kind != "number" else stop - start
        numbers = all(isinstance(v, bool | int | float) and abs(v) < 1e300 for v in values)
        if (
            not 0 <= start < stop <= self.config.d_vocab_out
            or stop - start != width
            or not values
            or not gap > 0
            or kind not in ("category", "scores", "number")
            or (kind == "number" and not (numbers and width in (1, 2)))
        ):
            raise FileError(f"its read-out {_brief(name)} does not fit its weights")
        return Readout(name, kind, start, stop, tuple(values), gap)

    def places(self) -> tuple[Place, ...]:
        rows = self.field("places", list)
        nodes = self.nodes(len(rows))
        return tuple(self.place(row, n) for row, n in zip(rows, nodes))

    def nodes(self, count: int) -> list[Node]:
        if not count:
            return []
        stored = self.field("nodes", dict)
        if type(stored.get("program")) is not dict or not _whole_numbers(count)(stored.get("selectors")):
            raise FileError("its nodes are damaged")
        found: dict[str, Node] = dict(from_json(stored["program"]).outputs)
        if set(found) != set(map(str, range(count))):
            raise FileError("its nodes are not those of its places")
        for i in stored["selectors"]:
            width = found[str(i)]
            if not isinstance(width, Count):
                raise FileError("its nodes are damaged")
            found[str(i)] = width.selector
        return [found[str(i)] for i in range(count)]

    def place(self, row: Any, node: Node) -> Place:
        c = self.config
        layers = _whole_numbers(c.n_layers)
        name, kind, layer, heads, units, dims, meaning = self.row(
            row,
            "layout",
            (
                str,
                ("embed", "head", "mlp", "virtual").__contains__,
                lambda v: v is None or layers([v]),
                _whole_numbers(c.n_heads),
                _whole_numbers(c.d_mlp),
                _whole_numbers(self.dims),
                lambda v: type(v) is list and all(type(m) is str for m in v),
            ),
        )
        if (kind in ("head", "mlp")) != (layer is not None):
            raise FileError(f"its layout is damaged: {_brief(name)} is in no layer")
        return Place(node, name, kind, layer, tuple(heads), tuple(units), tuple(dims), tuple(meaning))


def _whole_numbers(below: int) -> Callable[[Any], bool]:
    return lambda v: type(v) is list and all(type(n) is int and 0 <= n < below for n in v)


def _real(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _value(value: Any) -> bool:
    return type(value) in (bool, str, int) or (type(value) is float and math.isfinite(value))


def _values(values: Any) -> bool:
    return type(values) is list and all(map(_value, values))


def _values_or_undefined(values: Any) -> bool:
    return type(values) is list and all(v is None or _value(v) for v in values)


def _brief(value: Value | Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:56] + " ..."
