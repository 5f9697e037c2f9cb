"""Pairs in files: one ``.safetensors`` with the weights, and in its header the program, the layout and the codec.

Reading builds the program by the JSON reader of the language and checks everything else against the weights, so a
stranger's file runs no code and cannot describe what it does not hold.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from janiform.compile.result import Bound, Place, Readout
from janiform.errors import FileError, JaniformError
from janiform.ir.nodes import Count, Node, Selector, Value
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.model import Config, Transformer, checkpoint
from janiform.text.json import from_json, to_json

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

KIND = "pair"
T = TypeVar("T")
Parts = tuple[Program, Transformer, Signature, tuple[Readout, ...], tuple[Place, ...], Bound, str]


def write(path: str | os.PathLike[str], pair: Pair) -> None:
    """Write a pair to one file, atomically."""
    s, b = pair.signature, pair.bound
    metadata = {
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
        "bound": [b.error, b.margin, b.dtype],
        "layout": pair.layout,
    }
    checkpoint.write(path, KIND, metadata, pair.model.weights())


def read(path: str | os.PathLike[str]) -> Parts:
    """Return the parts of the pair in a file; ``FileError`` says what is wrong with any other file."""
    metadata, weights = checkpoint.read(path, KIND)
    model = checkpoint.restore(path, metadata.get("config"), weights)
    try:
        return _Reader(metadata, model.config).parts(model)
    except FileError as e:
        raise FileError(f"{path}: {e}") from None
    except (JaniformError, RecursionError, OverflowError) as e:
        raise FileError(f"{path}: {e or type(e).__name__}") from None


def _place_out(p: Place) -> list[Any]:
    return [p.name, p.kind, p.layer, list(p.heads), list(p.units), list(p.dims), list(p.meaning)]


def _nodes_out(nodes: Sequence[Node]) -> dict[str, Any] | None:
    """Write nodes as the outputs of a program of their own; a selector goes as its width."""
    outputs = {str(i): Count(n) if isinstance(n, Selector) else n for i, n in enumerate(nodes)}
    selectors = [i for i, n in enumerate(nodes) if isinstance(n, Selector)]
    return {"program": to_json(Program(outputs)), "selectors": selectors} if nodes else None  # type: ignore[arg-type]


class _Reader:
    """Reads metadata field by field and refuses what does not fit the model."""

    def __init__(self, metadata: dict[str, Any], config: Config) -> None:
        self.metadata, self.config = metadata, config

    def parts(self, model: Transformer) -> Parts:
        program = from_json(self.field("program", dict))
        signature = self.signature()
        readouts = tuple(self.readout(r) for r in self.field("readouts", list))
        if [r.name for r in readouts] != list(program.outputs):
            raise FileError(f"its read-outs are not those of its program: {', '.join(program.outputs)}")
        error, margin, dtype = self.row(self.field("bound", list), "bound", (_real, _real, str))
        layout = self.field("layout", str)
        return program, model, signature, readouts, self.places(), Bound(error, margin, dtype), layout

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
        if (c.d_vocab, c.n_ctx, c.attention_dir == "causal") != (len(vocab) + 2, max_len + 1, causal):
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
                _whole_numbers(c.d_model),
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
