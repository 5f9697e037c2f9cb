"""The node types: one graph for every producer and every consumer of programs.

A node is a frozen, *interned* value: two nodes built from equal parts are the same object, so
structural equality is identity, hashing is free and common subexpressions are shared by
construction. Sequence nodes hold one value a position; selector nodes hold one boolean a (query,
key) pair. Functions inside nodes are data (``ir.functions``), never Python callables.

Source: Weiss et al. 2021, section 3 (select, aggregate, selector width); Lindner et al. 2023.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from math import inf
from sys import float_info
from typing import Any, ClassVar, Literal, TypeVar, dataclass_transform
from weakref import WeakValueDictionary

from janiform.errors import ProgramError

IR_VERSION = 2

Value = bool | int | float | str | None
"""What a variable holds at a position; ``None`` is *undefined*."""

T = TypeVar("T")
Reduce = Literal["mean", "sum", "min", "max"]
Rule = Literal["leftmost", "rightmost", "closest", "largest", "smallest"]


def _key(part: Any) -> Any:
    """Tag scalars by type, so that ``True``, ``1`` and ``1.0`` stay three different parts."""
    if isinstance(part, tuple):
        return tuple(_key(p) for p in part)
    return (type(part).__name__, part) if part is None or isinstance(part, bool | int | float | str) else part


class Interned(type):
    """Metaclass that returns the one live object for given parts."""

    _live: ClassVar[WeakValueDictionary[Any, Any]] = WeakValueDictionary()

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        built = super().__call__(*args, **kwargs)
        key = (cls, *(_key(getattr(built, name)) for name in cls._parts()))
        return Interned._live.setdefault(key, built)

    def _parts(cls) -> tuple[str, ...]:
        names = cls.__dict__.get("_part_names")
        if names is None:
            names = tuple(f.name for f in fields(cls))  # type: ignore[arg-type]
            cls._part_names = names  # type: ignore[attr-defined]
        return names


class Node(metaclass=Interned):
    """Base of sequence and selector nodes."""

    __slots__ = ("__weakref__",)

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes this one reads, in order."""
        return ()

    def with_inputs(self, inputs: tuple[Any, ...]) -> Node:
        """Return this node reading ``inputs`` instead."""
        if inputs:
            raise ProgramError(f"{type(self).__name__} reads no inputs")
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, name) for name in type(self)._parts())


class Sequence(Node):
    """A node with one value at each position (an s-op)."""

    __slots__ = ()


class Selector(Node):
    """A node with one boolean for each (query, key) pair of positions."""

    __slots__ = ()


@dataclass_transform(frozen_default=True, eq_default=False)
def node(cls: type[T]) -> type[T]:
    """Make ``cls`` a frozen, slotted, interned node type compared by identity."""
    return dataclass(frozen=True, slots=True, eq=False)(cls)


def _need(what: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise ProgramError(f"{what} must be a {kind.__name__.lower()}, got {type(value).__name__}")


def _finite(row: tuple[int | float, ...]) -> None:
    for x in row:
        if isinstance(x, bool) or not isinstance(x, int | float) or not abs(x) <= float_info.max:
            raise ProgramError(f"a score is a finite number, not {x!r}")


def _once(what: str, values: tuple[Value, ...]) -> None:
    seen = set()
    for v in values:
        if isinstance(v, float) and not abs(v) < inf:
            raise ProgramError(f"{what} are finite, not {v!r}")
        if (isinstance(v, bool), v) in seen:
            raise ProgramError(f"{what} are listed once each, {v!r} is there twice")
        seen.add((isinstance(v, bool), v))


@node
class Tokens(Sequence):
    """The input tokens."""


@node
class Indices(Sequence):
    """The positions 0, 1, 2, ..."""


@node
class Const(Sequence):
    """The same value at every position."""

    value: Value


@node
class Map(Sequence):
    """A position-wise function of any arity: ``Arg(i)`` in ``fn`` is ``args[i]``."""

    fn: Any  # functions.Fn
    args: tuple[Sequence, ...]

    def __post_init__(self) -> None:
        if not self.args:
            raise ProgramError("a map reads at least one sequence; use Const for a constant")
        for a in self.args:
            _need("an argument of a map", a, Sequence)
        if self.fn.arity > len(self.args):
            raise ProgramError(f"the function takes {self.fn.arity} arguments, the map has {len(self.args)}")

    @property
    def inputs(self) -> tuple[Node, ...]:
        return self.args

    def with_inputs(self, inputs: tuple[Any, ...]) -> Node:
        return Map(self.fn, inputs)


@node
class Select(Selector):
    """Key ``k`` is selected for query ``q`` where ``pred(k, q)`` is true: ``Arg(0)`` is the key's value.

    An undefined key or query selects nothing.
    """

    pred: Any  # functions.Fn
    keys: Sequence
    queries: Sequence

    def __post_init__(self) -> None:
        _need("the keys of a select", self.keys, Sequence)
        _need("the queries of a select", self.queries, Sequence)
        if self.pred.arity > 2:
            raise ProgramError(f"a predicate takes (key, query), this one takes {self.pred.arity}")

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.keys, self.queries)

    def with_inputs(self, inputs: tuple[Any, ...]) -> Node:
        return Select(self.pred, *inputs)


@node
class And(Selector):
    """Pairs selected by both."""

    left: Selector
    right: Selector

    def __post_init__(self) -> None:
        _need("an operand of 'and'", self.left, Selector)
        _need("an operand of 'and'", self.right, Selector)

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.left, self.right)

    def with_inputs(self, inputs: tuple[Any, ...]) -> Node:
        return And(*inputs)


@node
class Or(Selector):
    """Pairs selected by either."""

    left: Selector
    right: Selector

    def __post_init__(self) -> None:
        _need("an operand of 'or'", self.left, Selector)
        _need("an operand of 'or'", self.right, Selector)

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.left, self.right)

    def with_inputs(self, inputs: tuple[Any, ...]) -> Node:
        return Or(*inputs)


@node
class Not(Selector):
    """Pairs not selected (among the pairs that exist: real positions, and past ones if causal)."""

    selector: Selector

    def __post_init__(self) -> None:
        _need("the operand of 'not'", self.selector, Selector)

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.selector,)

    def with_inputs(self, inputs: tuple[Any, ...]) -> Node:
        return Not(*inputs)


@node
class Best(Selector):
    """At most one key a query: of those selected, the leftmost, rightmost, closest, or that with the largest or
    smallest ``score``. Ties go to the leftmost.

    Source: Friedman et al. 2023, section 3 (closest match); D-RASP priority lists.
    """

    selector: Selector
    rule: Rule
    score: Sequence | None = None

    def __post_init__(self) -> None:
        _need("the selector of a best", self.selector, Selector)
        scored = self.rule in ("largest", "smallest")
        if not scored and self.rule not in ("leftmost", "rightmost", "closest"):
            raise ProgramError(
                f"unknown rule {self.rule!r}: leftmost, rightmost, closest, largest or smallest"
            )
        if scored != (self.score is not None):
            raise ProgramError(f"rule {self.rule!r} {'needs a' if scored else 'takes no'} score")

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.selector,) if self.score is None else (self.selector, self.score)

    def with_inputs(self, inputs: tuple[Any, ...]) -> Node:
        return Best(inputs[0], self.rule, inputs[1] if len(inputs) > 1 else None)


@node
class Aggregate(Sequence):
    """Reduce the values at the selected keys; ``default`` where none is selected.

    ``mean`` of numbers (of booleans too, as 0 and 1); of one distinct value of any kind it is that value, and of
    several different non-numbers it has no meaning. A selected undefined value makes the result undefined.
    """

    selector: Selector
    values: Sequence
    default: Value = None
    reduce: Reduce = "mean"

    def __post_init__(self) -> None:
        _need("the selector of an aggregate", self.selector, Selector)
        _need("the values of an aggregate", self.values, Sequence)
        if self.reduce not in ("mean", "sum", "min", "max"):
            raise ProgramError(f"unknown reduction {self.reduce!r}: mean, sum, min or max")

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.selector, self.values)

    def with_inputs(self, inputs: tuple[Any, ...]) -> Node:
        return Aggregate(inputs[0], inputs[1], self.default, self.reduce)


@node
class Count(Sequence):
    """How many keys are selected for each query (the selector width)."""

    selector: Selector

    def __post_init__(self) -> None:
        _need("the operand of a selector width", self.selector, Selector)

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.selector,)

    def with_inputs(self, inputs: tuple[Any, ...]) -> Node:
        return Count(*inputs)


class Weights(metaclass=Interned):
    """Base of what the terms of a readout add."""

    __slots__ = ("__weakref__",)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, name) for name in type(self)._parts())


@node
class Scores(Weights):
    """What each value of a categorical term adds to each label's score.

    A value that is not listed, undefined too, adds nothing. Values are told apart as the keys of a table are: ``True``
    is not ``1``, and a computed number finds the one listed that it equals up to the tolerance.
    """

    values: tuple[Value, ...]
    rows: tuple[tuple[int | float, ...], ...]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.rows):
            raise ProgramError(f"{len(self.values)} values need as many rows of scores, not {len(self.rows)}")
        _once("the values of a term", self.values)
        for row in self.rows:
            _finite(row)


@node
class Slope(Weights):
    """What a number of a numeric term is multiplied by for each label's score."""

    row: tuple[int | float, ...]

    def __post_init__(self) -> None:
        _finite(self.row)


@node
class Readout(Sequence):
    """The label of the highest score, a sum of terms: a linear read-out and its argmax; ties go to the first label.

    ``weights[i]`` says what ``args[i]`` adds. ``pooled`` averages the terms over the positions that a query sees before
    the bias is added. An undefined or non-numeric value under a ``Slope`` has no meaning.

    Source: Friedman et al. 2023, section 3 (the output of a Transformer Program).
    """

    args: tuple[Sequence, ...]
    weights: tuple[Scores | Slope, ...]
    bias: tuple[int | float, ...]
    labels: tuple[Value, ...]
    pooled: bool = False

    def __post_init__(self) -> None:
        if not self.labels or len(self.labels) != len(self.bias):
            raise ProgramError(f"{len(self.bias)} biases do not fit {len(self.labels)} labels (at least one)")
        _finite(self.bias)
        _once("the labels of a readout", self.labels)
        if len(self.args) != len(self.weights):
            raise ProgramError(f"{len(self.args)} terms need as many weights, not {len(self.weights)}")
        for a, w in zip(self.args, self.weights, strict=True):
            _need("a term of a readout", a, Sequence)
            if not isinstance(w, Scores | Slope):
                raise ProgramError(f"the weights of a term are Scores or a Slope, not {type(w).__name__}")
            for row in w.rows if isinstance(w, Scores) else (w.row,):
                if len(row) != len(self.labels):
                    raise ProgramError(f"a row of {len(row)} scores does not fit {len(self.labels)} labels")

    @property
    def inputs(self) -> tuple[Node, ...]:
        return self.args

    def with_inputs(self, inputs: tuple[Any, ...]) -> Node:
        return Readout(inputs, self.weights, self.bias, self.labels, self.pooled)


def walk(*roots: Node) -> Iterator[Node]:
    """Yield every node under ``roots`` once, inputs before the nodes that read them.

    >>> from janiform.ir.nodes import Count, Select, Tokens
    >>> from janiform.ir.functions import Arg, Apply
    >>> same = Apply("==", (Arg(0), Arg(1)))
    >>> [type(n).__name__ for n in walk(Count(Select(same, Tokens(), Tokens())))]
    ['Tokens', 'Select', 'Count']
    """
    done: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(r, False) for r in reversed(roots)]
    while stack:
        n, ready = stack.pop()
        if n in done:
            continue
        if ready:
            done.add(n)
            yield n
        else:
            stack.append((n, True))
            stack.extend((i, False) for i in reversed(n.inputs) if i not in done)
