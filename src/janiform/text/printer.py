"""A program as RASP text that parses back to the very same nodes.

Shared nodes, nodes with names and long expressions become statements; the rest is written in place with no more parentheses
than needed (and some where the REPL's precedence of ``not``, ``and``, ``-``, ``%`` differs from Python's). A map of one operation is an infix
expression; one with a larger function is ``map(..)``, which keeps it one map.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping

from janiform.errors import ProgramError
from janiform.ir.functions import Apply, Arg, Fn, Lit, Lookup
from janiform.ir.nodes import (
    Aggregate,
    And,
    Best,
    Const,
    Count,
    Map,
    Node,
    Not,
    Or,
    Readout,
    Scores,
    Select,
    Selector,
    Sequence,
    Slope,
    Value,
)
from janiform.ir.program import Program
from janiform.text.builtins import BUILTINS, WORDS
from janiform.text.prelude import library, names
from janiform.text.values import key_identity

INLINE = 56
WIDTH = 100
KEYWORDS = frozenset(
    "and or not in if else for def return load where True False undefined key query out".split()
)
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z_0-9]*\Z")

Rendered = tuple[str, int]
"""A text and how tightly it binds."""

TERNARY, OR, AND, NOT, COMPARE, SUM, PRODUCT, SIGN, POWER, ATOM = range(10)
BINDING = {
    "or": OR,
    "and": AND,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), COMPARE),
    **dict.fromkeys("+-", SUM),
    **dict.fromkeys(("*", "/", "//", "%"), PRODUCT),
    "^": POWER,
}
COMPARISONS = frozenset(op for op, binding in BINDING.items() if binding == COMPARE)


def print_program(program: Program) -> str:
    """Write ``program`` as RASP.

    >>> from janiform.text.rasp import parse
    >>> print(print_program(parse("r = aggregate(select(indices, length - indices - 1, ==), tokens);")), end="")
    r = aggregate(select(indices, length - indices - 1, ==), tokens);
    """
    return _Printer(program).text()


def steps(program: Program) -> dict[Node, str]:
    """Write every node of ``program`` as ``print_program`` would: a statement, or an expression.

    >>> from janiform.text.rasp import parse
    >>> list(steps(parse("x = indices + 1; y = x * x;")).values())
    ['indices', 'x = indices + 1', 'x * x']
    """
    printer = _Printer(program)
    printer.text()
    return printer.written


def stated(program: Program) -> dict[Node, str]:
    """Return the nodes that ``print_program`` writes as statements of their own, with their names there.

    >>> from janiform.text.rasp import parse
    >>> list(stated(parse("x = indices + 1; y = x * x;")).values())
    ['x']
    """
    printer = _Printer(program)
    printer.text()
    return printer.stated


def reserved() -> set[str]:
    """Return the names that mean something in every program."""
    return set(KEYWORDS) | set(BUILTINS) | set(library().known())


class _Printer:
    """Decides which nodes get statements, and writes each node once."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.known = names()
        self.taken = reserved()
        self.done: dict[Node, Rendered] = {}
        self.written: dict[Node, str] = {}
        self.stated: dict[Node, str] = {}
        self.lines: list[str] = []
        self.counters: Counter[str] = Counter()

    def text(self) -> str:
        outputs = self.program.outputs
        order = self._order()
        uses = Counter(i for n in order for i in n.inputs) + Counter(outputs.values())
        wanted: dict[Node, str] = {
            n: name for name, n in reversed(list(outputs.items())) if self._legal(name)
        }
        self.taken |= set(wanted.values())
        for n in order:
            written, binding = self._node(n)
            self.written[n] = written
            if isinstance(n, Const) or n in self.known:
                self.done[n] = written, binding
            elif (
                uses[n] == 1 and n in outputs.values() and (len(outputs) == 1 or len(written) <= INLINE // 2)
            ):
                self.done[n] = written, binding
            elif uses[n] > 1 or len(written) > INLINE or self._given(n):
                name = wanted.get(n) or self._fresh(n)
                self.lines.append(_wrap(f"{name} = {written};"))
                self.done[n], self.written[n], self.stated[n] = (name, ATOM), f"{name} = {written}", name
            else:
                self.done[n] = written, binding
        targets = ", ".join(name if self._assignable(name) else literal(name) for name in outputs)
        self.lines.append(_wrap(f"{targets} = {', '.join(self.done[n][0] for n in outputs.values())};"))
        return "\n".join(self.lines) + "\n"

    # --- names --------------------------------------------------------------------------------------------------

    def _order(self) -> list[Node]:
        """The nodes to write, inputs first; what has a name already is not looked into."""
        done: dict[Node, None] = {}
        stack: list[tuple[Node, bool]] = [(n, False) for n in reversed(list(self.program.outputs.values()))]
        while stack:
            n, ready = stack.pop()
            if n in done:
                continue
            if ready or n in self.known:
                done[n] = None
            else:
                stack.append((n, True))
                stack.extend((i, False) for i in reversed(n.inputs))
        return list(done)

    def _legal(self, name: str) -> bool:
        return bool(IDENTIFIER.match(name)) and name not in self.taken

    def _assignable(self, name: str) -> bool:
        fixed = (
            KEYWORDS
            | {"select", "aggregate", "indices"}
            | {n for n in library().known() if n.startswith("tokens_")}
        )
        return bool(IDENTIFIER.match(name)) and name not in fixed or name in ("key", "query", "out")

    def _given(self, n: Node) -> bool:
        return bool(IDENTIFIER.match(self.program.names.get(n, "")))

    def _fresh(self, n: Node) -> str:
        given = self.program.names.get(n, "")
        stem = given if IDENTIFIER.match(given) else "s" if isinstance(n, Selector) else "x"
        name = stem
        while not self._legal(name) or (stem == name and not given):
            self.counters[stem] += 1
            name = f"{stem}{self.counters[stem] + (1 if given else 0)}"
        self.taken.add(name)
        return name

    # --- nodes --------------------------------------------------------------------------------------------------

    def _node(self, n: Node) -> Rendered:
        if n in self.known:
            return self.known[n], ATOM
        match n:
            case Const(value=v):
                return f"const({literal(v)})", ATOM
            case Map(fn=fn, args=args):
                if _plain(fn, args):
                    return formula(fn, [self.done[a] for a in args])
                return self._fused(fn, args), ATOM
            case Select(pred=pred, keys=keys, queries=queries):
                how = formula(pred, [("key", ATOM), ("query", ATOM)])[0]
                if isinstance(pred, Apply) and pred.op in COMPARISONS and pred.args == (Arg(0), Arg(1)):
                    how = pred.op
                return f"select({self._lifted(keys)}, {self._lifted(queries)}, {how})", ATOM
            case And(left=left, right=right):
                return infix("and", self.done[left], self.done[right])
            case Or(left=left, right=right):
                return infix("or", self.done[left], self.done[right])
            case Not(selector=s):
                return f"not {within(self.done[s], NOT)}", NOT
            case Best(selector=s, rule=rule, score=score):
                scored = "" if score is None else f", {self.done[score][0]}"
                return f'best({self.done[s][0]}, "{rule}"{scored})', ATOM
            case Aggregate(selector=s, values=values, default=default, reduce=reduce):
                name = "aggregate" if reduce == "mean" else f"aggregate_{reduce}"
                other = "" if default is None else f", {literal(default)}"
                return f"{name}({self.done[s][0]}, {self._lifted(values)}{other})", ATOM
            case Count(selector=s):
                return f"selector_width({self.done[s][0]})", ATOM
            case Readout(args=args, weights=weights, bias=bias, labels=labels, pooled=pooled):
                terms = [f"{self._lifted(a)}, {_weights(w)}" for a, w in zip(args, weights, strict=True)]
                listed = ", ".join(map(literal, labels))
                return f"readout{'_mean' * pooled}({', '.join([f'[{listed}]', _scores(bias), *terms])})", ATOM
        raise TypeError(f"RASP has no text for a {type(n).__name__} node")

    def _lifted(self, n: Sequence) -> str:
        """An argument that may be a bare value."""
        return literal(n.value) if isinstance(n, Const) else self.done[n][0]

    def _fused(self, fn: Fn, args: tuple[Sequence, ...]) -> str:
        written = [self.done[a] for a in args]
        if _in_order(fn, args) and all(IDENTIFIER.match(text) for text, _ in written):
            return f"map({formula(fn, written)[0]})"
        variables = [("xyz"[i] if len(args) <= 3 else f"x{i}", ATOM) for i in range(len(args))]
        where = ", ".join(f"{v} = {text}" for (v, _), (text, _) in zip(variables, written, strict=True))
        return f"map({formula(fn, variables)[0]} where {where})"


def _in_order(fn: Fn, args: tuple[Sequence, ...]) -> bool:
    """Whether reading ``fn`` meets exactly ``args``, each first in its place."""
    return list(dict.fromkeys(_met(fn))) == list(range(len(args))) and len(set(args)) == len(args)


def _met(fn: Fn) -> list[int]:
    """The arguments in the order in which the parser numbers them: an operation's own after those inside its operands."""
    if isinstance(fn, Arg):
        return [fn.index]
    inside = [i for p in fn.parts if not isinstance(p, Arg) for i in _met(p)]
    return inside + [p.index for p in fn.parts if isinstance(p, Arg)]


def _plain(fn: Fn, args: tuple[Sequence, ...]) -> bool:
    """Whether an infix expression outside ``map(..)`` means this map: one operation, read from left to right."""
    if not isinstance(fn, Apply | Lookup) or not all(isinstance(p, Arg | Lit) for p in fn.parts):
        return False
    match fn:
        case Apply(op="if", args=(test, _, _)) if isinstance(test, Lit):
            return False
        case Apply(op="min" | "max", args=parts) if len(parts) == 1:
            return False
        case Lookup(args=keys) if all(isinstance(k, Lit) for k in keys):
            return False
    return _in_order(fn, args)


# --- functions ------------------------------------------------------------------------------------------------------


def formula(fn: Fn, args: list[Rendered]) -> Rendered:
    """Write a function of arguments that are written ``args``.

    >>> formula(Apply("*", (Apply("+", (Arg(0), Lit(1))), Lit(-2))), [("x", ATOM)])
    ('(x + 1) * -2', 6)
    """
    match fn:
        case Arg(index=i):
            return args[i]
        case Lit(value=v):
            text = literal(v)
            return text, SIGN if text.startswith("-") else ATOM
        case Lookup(args=keys, rows=rows, default=default):
            where = ", ".join(formula(k, args)[0] for k in keys)
            other = "" if default is None else f" else {formula(default, args)[0]}"
            return f"{_table(rows, len(keys))}[{where}{other}]", ATOM
        case Apply(op=op, args=parts):
            return _apply(op, [formula(p, args) for p in parts], parts)
    raise TypeError(f"unknown function expression {type(fn).__name__}")


def _apply(op: str, written: list[Rendered], parts: tuple[Fn, ...]) -> Rendered:
    if op in BINDING and len(written) == 2:
        return infix(op, written[0], written[1])
    texts = [text for text, _ in written]
    match op:
        case "neg":
            loose = isinstance(parts[0], Lit) or written[0][1] == POWER
            return f"-({texts[0]})" if loose else f"-{within(written[0], SIGN)}", SIGN
        case "not":
            return f"not {within(written[0], NOT if written[0][1] == NOT else ATOM)}", NOT
        case "in":
            return f"{within(written[0], SUM)} in [{', '.join(texts[1:])}]", COMPARE
        case "if" if parts[1] is Lit(1) and parts[2] is Lit(0):
            return f"indicator({texts[0]})", ATOM
        case "if":
            return f"{within(written[1], OR)} if {within(written[0], OR)} else {texts[2]}", TERNARY
    return f"{WORDS.get(op, op)}({', '.join(texts)})", ATOM


def infix(op: str, left: Rendered, right: Rendered) -> Rendered:
    """Join two operands with as few parentheses as Python's precedence and the REPL's both allow."""
    binding = BINDING[op]
    if binding == COMPARE:
        low, high = SUM, SUM
    elif binding == POWER:
        low, high = ATOM, SIGN
    else:
        low, high = binding, binding + 1
    mixed = (binding == OR and left[1] == AND) or (
        binding == PRODUCT == left[1] and ("%" in left[0]) != (op == "%")
    )
    before = f"({left[0]})" if mixed else within(left, low)
    after = f"({right[0]})" if binding == OR and right[1] == AND else within(right, high)
    return f"{before} {op} {after}", binding


def within(written: Rendered, binding: int) -> str:
    """Put parentheses around what binds less tightly."""
    text, own = written
    return text if own >= binding else f"({text})"


def _table(rows: tuple[tuple[tuple[Value, ...], Value], ...], width: int) -> str:
    distinct: Mapping[object, tuple[tuple[Value, ...], Value]] = {key_identity(k): (k, v) for k, v in rows}
    if not width or any(len(k) != width for k, _ in distinct.values()):
        raise ProgramError(f"a table of {width} key(s) has rows with other numbers of keys")
    pairs = (
        (f"({', '.join(map(literal, k))})" if width > 1 else literal(k[0]), literal(v))
        for k, v in distinct.values()
    )
    return "{" + ", ".join(f"{k}: {v}" for k, v in pairs) + "}"


def _weights(w: Scores | Slope) -> str:
    if isinstance(w, Slope):
        return _scores(w.row)
    return (
        "{"
        + ", ".join(f"{literal(v)}: {_scores(row)}" for v, row in zip(w.values, w.rows, strict=True))
        + "}"
    )


def _scores(row: tuple[int | float, ...]) -> str:
    return f"[{', '.join(map(literal, row))}]"


def literal(value: Value) -> str:
    r"""Write a value as the language reads it.

    >>> print(literal('say "hi"\n'), literal(-0.5), literal(None), literal(True))
    "say \"hi\"\n" -0.5 undefined True
    """
    if value is None:
        return "undefined"
    if isinstance(value, str):
        return f'"{"".join(map(_escape, value))}"'
    if isinstance(value, float) and not math.isfinite(value):
        raise ProgramError(f"{value} is not a value; numbers are finite")
    return repr(value)


def _escape(c: str) -> str:
    named = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    if c in named:
        return named[c]
    return c if c.isprintable() or ord(c) > 0xFFFF else f"\\u{ord(c):04x}"


def _wrap(statement: str) -> str:
    """Break a long statement after commas and before 'and', 'or', 'else' outside strings."""
    if len(statement) <= WIDTH:
        return statement
    pieces = re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^" ])+ ?| ', statement)
    lines, line = [], ""
    for piece in pieces:
        if line and len(line) + len(piece.rstrip()) > WIDTH:
            lines.append(line.rstrip())
            line = "    "
        line += piece
    return "\n".join([*lines, line])
