"""From a Tracr expression to a Janiform program.

Every Python callable becomes an expression by tracing, checked against the callable on the values that its arguments
can take; where that fails it becomes a table over those values. An expression that several others read is translated
once. Values are Tracr's: undefined where an argument is undefined, except that a predicate written by hand does see
``None``, as it does in Tracr's evaluator.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from janiform.errors import CompileError, JaniformError, MeaningError
from janiform.interop.tracr import rasp
from janiform.ir import nodes
from janiform.ir.derived import length
from janiform.ir.domains import Facts
from janiform.ir.functions import Apply, Arg, Fn, Lit, same, table
from janiform.ir.nodes import Node, Value
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.text.trace import TraceError, as_value, passing_undefined, tabulate, trace

MAX_TABLE = 100_000
"""The largest table that a callable is written out as."""

MAX_CHECKED = 4_096
"""On so many combinations of arguments an expression is compared with its callable."""


class UnsupportedError(CompileError, NotImplementedError):
    """A Tracr expression that no transformer of the asked kind can compute."""


def to_program(expr: rasp.SOp, vocab: Iterable[Value], max_seq_len: int, causal: bool = False) -> Program:
    """Return the program that ``expr`` is, for inputs over ``vocab`` of at most ``max_seq_len`` tokens.

    >>> print(to_program(rasp.Map(lambda x: x / 2 if x > 2 else x, rasp.indices), "ab", 5), end="")
    output = map(indices / 2 if indices > 2 else indices);
    """
    signature = Signature(vocab, max_seq_len, causal)
    try:
        return Translation.of(expr, signature).program
    except (MeaningError, ArithmeticError):
        return Translation.of(expr, signature, lenient=True).program


@dataclass(frozen=True, slots=True, eq=False)
class Translation:
    """A program, and what the strings of its output stand for where the expression's values are no values of ours."""

    program: Program
    boxes: dict[Value, Any]

    @classmethod
    def of(cls, expr: rasp.SOp, signature: Signature, lenient: bool = False) -> Translation:
        """Translate ``expr``; if ``lenient``, what has no meaning on some inputs gets one there.

        A function is then undefined where it raises, and a mean with strings in it is the leftmost of its values. A
        function that raises everywhere is refused still, with its own error, unless all that is arithmetic.
        """
        translator = _Translator(Facts(signature), lenient)
        for e in rasp.descendants(expr):
            translator.add(e)
        output = translator.sequence(expr)
        program = Program(
            {_identifier(expr.name) if expr.name != expr.kind else "output": output}, translator.names
        )
        return cls(program, translator.boxes.get(output, {}))


def _identifier(name: str) -> str:
    plain = re.sub(r"\W+", "_", name).strip("_")
    return plain if plain and not plain[0].isdigit() else f"_{plain}"


def _leftmost_of_strings(
    selector: nodes.Selector, values: nodes.Sequence, default: Value, listed: Sequence[Value]
) -> Node:
    """The mean of numbers where no string is selected, else the leftmost of what is."""
    first = nodes.Aggregate(nodes.Best(selector, "leftmost"), values, default)
    if all(v is None or isinstance(v, str) for v in listed):
        return first
    number = table([((v,), 0 if isinstance(v, str) else v) for v in listed if v is not None], 1)
    string = table([((v,), isinstance(v, str)) for v in listed if v is not None], 1)
    strings = nodes.Count(
        nodes.And(selector, nodes.Select(Arg(0), nodes.Map(string, (values,)), nodes.Const(True)))
    )
    mean = nodes.Aggregate(selector, nodes.Map(number, (values,)), default)
    return nodes.Map(Apply("if", (Apply("==", (Arg(0), Lit(0))), Arg(1), Arg(2))), (strings, mean, first))


@dataclass(slots=True, eq=False)
class _Translator:
    """The nodes made so far, with what is known of their values."""

    facts: Facts
    lenient: bool
    made: dict[int, Node] = field(default_factory=dict)
    names: dict[Node, str] = field(default_factory=dict)
    boxes: dict[Node, dict[Value, Any]] = field(default_factory=dict)
    lost: bool = False

    def sequence(self, e: rasp.SOp) -> nodes.Sequence:
        n = self.made[id(e)]
        assert isinstance(n, nodes.Sequence)
        return n

    def selector(self, e: rasp.Selector) -> nodes.Selector:
        n = self.made[id(e)]
        assert isinstance(n, nodes.Selector)
        return n

    def add(self, e: rasp.RASPExpr) -> None:
        """Translate ``e``, whose children are translated."""
        n = self.made[id(e)] = self.translate(e)
        if e.name != e.kind:
            self.names.setdefault(n, _identifier(e.name))

    def translate(self, e: rasp.RASPExpr) -> Node:
        match e:
            case rasp.TokensType():
                return nodes.Tokens()
            case rasp.IndicesType():
                return nodes.Indices()
            case rasp.LengthType():
                return self.length()
            case rasp.Full(fill=v):
                return nodes.Const(as_value(v))
            case rasp.ConstantSOp(value=values):
                return self.constant(values)
            case rasp.Map(f=f, inner=x):
                return self.map(f, x)
            case rasp.SequenceMap(f=f, fst=x, snd=y):
                return self.map(f, x, y)
            case rasp.NaryMap(f=f, sops=xs):
                return self.map(f, *xs)
            case rasp.SelectorWidth(selector=s):
                return nodes.Count(self.selector(s))
            case rasp.Aggregate():
                return self.aggregate(e)
            case rasp.Select():
                return self.select(e)
            case rasp.ConstantSelector(value=rows):
                return self.constant_selector(rows)
            case rasp.SelectorAnd(fst=a, snd=b):
                return nodes.And(self.selector(a), self.selector(b))
            case rasp.SelectorOr(fst=a, snd=b):
                return nodes.Or(self.selector(a), self.selector(b))
            case rasp.SelectorNot(inner=a):
                return nodes.Not(self.selector(a))
        raise TypeError(f"unknown expression {type(e).__name__}")

    # --- expressions ------------------------------------------------------------------------------------------------------

    def length(self) -> Node:
        if self.facts.signature.causal:
            raise UnsupportedError(
                "a causal transformer cannot know the length of the input; lib.make_length() counts the tokens so far"
            )
        return length()

    def constant(self, values: Sequence[Any]) -> Node:
        rows = [((i,), as_value(v)) for i, v in enumerate(values[: self.facts.signature.max_len])]
        return nodes.Map(table(rows, 1, Lit(None)), (nodes.Indices(),))

    def constant_selector(self, rows: rasp.SelectorValue) -> Node:
        n = self.facts.signature.max_len
        pairs = [((k, q), bool(c)) for q, row in enumerate(rows[:n]) for k, c in enumerate(row[:n])]
        return nodes.Select(table(pairs, 2, Lit(False)), nodes.Indices(), nodes.Indices())

    def map(self, f: Callable[..., Any], *children: rasp.SOp) -> Node:
        args = tuple(self.sequence(c) for c in children)
        if not args:
            return nodes.Const(as_value(f()))
        boxes: dict[Value, Any] = {}
        fn = self.function(f, args, boxes)
        n = nodes.Map(fn, args)
        if boxes:
            self.boxes[n] = boxes
        return n

    def aggregate(self, e: rasp.Aggregate) -> Node:
        selector, values = self.selector(e.selector), self.sequence(e.sop)
        default, listed = as_value(e.default), self.values(values)
        kinds = {type(v) for v in (default, *(listed or ()))}
        if bool in kinds and kinds & {int, float} and str not in kinds:
            number = Apply("+", (Arg(0), Lit(0)))
            values, default = nodes.Map(number, (values,)), number(default) if default is not None else None
        n: Node = nodes.Aggregate(selector, values, default)
        if self.lenient and listed is not None and any(isinstance(v, str) for v in listed):
            self.facts.add(selector)
            if not self.facts.at_most_one[selector]:
                n = _leftmost_of_strings(selector, values, default, listed)
        if values in self.boxes:
            self.boxes[n] = self.boxes[values]
        return n

    def select(self, e: rasp.Select) -> Node:
        keys, queries = self.sequence(e.keys), self.sequence(e.queries)

        def holds(key: Any, query: Any) -> bool:
            return bool(e.predicate(key, query))

        domains = self.values(keys), self.values(queries)
        if domains[0] is not None and domains[1] is not None and None in (*domains[0], *domains[1]):
            seen = self.seeing_undefined(holds, (keys, queries), (domains[0], domains[1]))
            if seen is not None:
                return seen
        return nodes.Select(self.function(holds, (keys, queries), {}), keys, queries)

    def seeing_undefined(
        self,
        holds: Callable[[Any, Any], bool],
        sides: tuple[nodes.Sequence, nodes.Sequence],
        domains: tuple[Sequence[Value], Sequence[Value]],
    ) -> Node | None:
        """A select by a table in which a mark stands for undefined, or None where undefined selects nothing."""
        mark = "undefined"
        while mark in (*domains[0], *domains[1]):
            mark += "_"
        unboxed = self.unboxing(holds, sides)
        rows, needed = [], False
        for key, query in itertools.product(*domains):
            try:
                chosen = unboxed(key, query)
            except Exception:
                chosen = False
            needed |= chosen and (key is None or query is None)
            rows.append(((mark if key is None else key, mark if query is None else query), chosen))
        marking = Apply("if", (Apply("defined", (Arg(0),)), Arg(0), Lit(mark)))
        marked = [nodes.Map(marking, (s,)) if None in d else s for s, d in zip(sides, domains, strict=True)]
        return nodes.Select(table(rows, 2, Lit(False)), *marked) if needed else None

    # --- functions --------------------------------------------------------------------------------------------------------

    def values(self, n: nodes.Sequence) -> tuple[Value, ...] | None:
        """What a node can hold, or None where that cannot be listed."""
        if not self.lost:
            try:
                self.facts.add(n)
                return self.facts.domains[n].values
            except CompileError:
                self.lost = True
        return None

    def unboxing(self, f: Callable[..., Any], args: Sequence[Node]) -> Callable[..., Any]:
        boxes = [self.boxes.get(a) for a in args]
        if not any(boxes):
            return f
        return lambda *xs: f(*(b.get(x, x) if b else x for b, x in zip(boxes, xs, strict=True)))

    def function(self, f: Callable[..., Any], args: Sequence[nodes.Sequence], boxes: dict[Value, Any]) -> Fn:
        """Return ``f`` of ``args`` as an expression or a table; what it returns that is no value goes into ``boxes``."""
        domains = [self.values(a) for a in args]
        listed = [[v for v in d if v is not None] for d in domains if d is not None]
        known = len(listed) == len(domains)
        boxed = any(a in self.boxes for a in args)
        fn, refusal = None, None
        if not boxed:
            try:
                fn = trace(f, len(args))
            except TraceError as e:
                refusal = e
        if known and (fn is None or not self.faithful(fn, f, listed)):
            cells = math.prod(map(len, listed))
            if cells <= MAX_TABLE:
                fn = self.written_out(self.unboxing(f, args), listed, boxes)
            elif fn is None:
                raise UnsupportedError(
                    f"{refusal}; and its arguments have {cells:,} combinations of values"
                ) from refusal
        elif fn is None:
            raise UnsupportedError(f"{refusal}; and its arguments' values cannot be listed") from refusal
        undefined = not known or any(None in d for d in domains if d is not None)
        return passing_undefined(fn, len(args)) if undefined else fn  # type: ignore[arg-type]

    def faithful(self, fn: Fn, f: Callable[..., Any], domains: Sequence[Sequence[Value]]) -> bool:
        """Whether ``fn`` gives what ``f`` gives, on all combinations of values or on some across them."""
        cells = math.prod(map(len, domains))
        step = 1 + cells // MAX_CHECKED
        for args in itertools.islice(itertools.product(*domains), None, None, step):
            try:
                expected = as_value(f(*args))
            except Exception:
                if self.lenient:
                    return False
                continue
            try:
                if not same(fn(*args), expected):
                    return False
            except JaniformError:
                return False
        return True

    def written_out(
        self, f: Callable[..., Any], domains: Sequence[Sequence[Value]], boxes: dict[Value, Any]
    ) -> Fn:
        faults: list[Exception] = []

        def boxing(*args: Value) -> Value:
            try:
                result = f(*args)
            except Exception as e:
                faults.append(e)
                raise
            try:
                return as_value(result)
            except TraceError:
                if not isinstance(result, tuple | frozenset):
                    raise
            name = repr(result)
            boxes[name] = result
            return name

        for d in domains:
            if not d:
                return Lit(None)
        fn = tabulate(boxing, domains, Lit(None) if self.lenient else None)
        if fn.rows or not faults:
            return fn
        if self.lenient and all(isinstance(e, ArithmeticError) for e in faults):
            return Lit(None)
        raise faults[0]
