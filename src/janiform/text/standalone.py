"""A program as stand-alone Python: one function that computes the same, one statement a node, and nothing to install.

The operations and the runtime that a program uses are copied out of the modules that define them (``ir.operations``,
``text.runtime``), with what these use in turn; so each has one definition, and a file holds no more than it needs.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from functools import cache

from janiform.ir import nodes, operations
from janiform.ir.functions import Apply, Arg, Fn, Lit, Lookup
from janiform.ir.nodes import Node, Value
from janiform.ir.operations import OPERATIONS, canonical, identity, is_number
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.ir.totality import surely_whole
from janiform.text import runtime
from janiform.text.names import Names
from janiform.text.plain import to_plain

WORDS = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "//": "divide_down",
    "%": "modulo",
    "^": "power",
    "==": "equal",
    "!=": "differ",
    "<": "less",
    "<=": "at_most",
    ">": "more",
    ">=": "at_least",
    "neg": "negative",
}
"""Operations that are no names in Python; the others are called by their own names and an underscore."""

LAZY = {"and": "every", "or": "some"}


def to_python(
    program: Program, name: str = "", *, causal: bool = False, signature: Signature | None = None
) -> str:
    """Write a program as Python source with one function, from a list of tokens to the list of values.

    ``name`` is the function's, by default that of the only output. A program of several outputs returns a dict.
    For inputs of a known ``signature`` the text is plain Python where all values are words and whole numbers.

    >>> from janiform.text.rasp import parse
    >>> source = to_python(parse("reverse = aggregate(select(indices, length - indices - 1, ==), tokens);"))
    >>> print(source[source.index("def reverse"):], end="")
    def reverse(tokens):
        tokens = [canonical(v) for v in tokens]
        indices = list(range(len(tokens)))
        x = [1 for _ in tokens]
        s = select(equal, x, x)
        x2 = count(s)
        x3 = [subtract(a, b) for a, b in zip(x2, indices)]
        x4 = [subtract(a, 1) for a in x3]
        s2 = select(equal, indices, x4)
        output = aggregate(s2, tokens)
        return output
    """
    plain = to_plain(program, signature, name) if signature is not None else None
    return plain or _Writer(program, signature.causal if signature is not None else causal).text(name)


class _Writer:
    """Gives each node a name and a statement, and collects what the statements call."""

    def __init__(self, program: Program, causal: bool) -> None:
        self.program, self.causal = program, causal
        self.names: dict[Node, str] = {nodes.Tokens(): "tokens"}
        self.called: dict[str, None] = {"canonical": None}
        self.tables: dict[str, str] = {}
        self.fresh = Names([*_definitions(), "tokens", "math"]).fresh

    def text(self, name: str) -> str:
        outputs = self.program.outputs
        function = self.fresh(name or (next(iter(outputs)) if len(outputs) == 1 else "program"))
        body = ["tokens = [canonical(v) for v in tokens]"]
        for n in self.program.nodes():
            if n not in self.names:
                written = self.expression(n)
                only = len(outputs) == 1 and n is self.program.output
                self.names[n] = self.fresh("output" if only else self.program.names.get(n) or _stem(n))
                body.append(f"{self.names[n]} = {written}")
        pairs = ", ".join(f"{key!r}: {self.names[n]}" for key, n in outputs.items())
        body.append(
            f"return {self.names[self.program.output]}" if len(outputs) == 1 else f"return {{{pairs}}}"
        )
        tables = "".join(f"\n{t} = {rows}\n" for rows, t in self.tables.items())
        return (
            _copied(self.called) + tables + f"\n\ndef {function}(tokens):\n    " + "\n    ".join(body) + "\n"
        )

    def call(self, word: str, *args: str) -> str:
        self.called[word] = None
        return f"{word}({', '.join(args)})"

    # --- nodes ------------------------------------------------------------------------------------------------------------

    def expression(self, n: Node) -> str:
        inputs = [self.names[i] for i in n.inputs]
        match n:
            case nodes.Indices():
                return "list(range(len(tokens)))"
            case nodes.Const(value=v):
                return f"[{canonical(v)!r} for _ in tokens]"
            case nodes.Map(fn=fn):
                return self.map(fn, inputs)
            case nodes.Select(pred=pred):
                return self.call("select", self.predicate(pred), *inputs, *["causal=True"] * self.causal)
            case nodes.And():
                return self.call("both", *inputs)
            case nodes.Or():
                return self.call("either", *inputs)
            case nodes.Not():
                return self.call("negation", *inputs)
            case nodes.Best(rule=rule):
                return self.call(rule, *inputs)
            case nodes.Count():
                return self.call("count", *inputs)
            case nodes.Aggregate(default=default, reduce=reduce):
                word = "aggregate" if reduce == "mean" else f"aggregate_{reduce}"
                return self.call(word, *inputs, *([] if default is None else [repr(canonical(default))]))
            case nodes.Readout():
                return self.readout(n, inputs)
        raise TypeError(f"no Python is known for a {type(n).__name__} node")

    def readout(self, n: nodes.Readout, inputs: list[str]) -> str:
        terms = []
        for a, x, w in zip(n.args, inputs, n.weights, strict=True):
            if isinstance(w, nodes.Slope):
                terms.append(self.call("slope", x, repr(list(w.row))))
            else:
                terms.append(self.scores(a, x, w, [0] * len(n.labels)))
        labels = [canonical(v) for v in n.labels]
        if not terms:
            return f"[{labels[n.bias.index(max(n.bias))]!r} for _ in tokens]"
        if n.pooled:
            last = ["causal=True"] * self.causal
            return self.call("read_out_mean", repr(labels), repr(list(n.bias)), *terms, *last)
        return self.call("read_out", repr(labels), repr(list(n.bias)), *terms)

    def scores(self, a: nodes.Sequence, x: str, w: nodes.Scores, nothing: list[int]) -> str:
        """A term by its values; computed numbers find theirs up to the tolerance, as in other tables."""
        rows = {identity(v): list(row) for v, row in zip(w.values, w.rows, strict=True)}
        numbers = [v for v in w.values if is_number(v)]
        if not numbers or (surely_whole(a) and not any(isinstance(v, float) for v in numbers)):
            return self.call("scored", x, self.constant(repr(rows)), repr(nothing))
        table = self.constant(repr({(k,): row for k, row in ({None: nothing} | rows).items()}))
        return f"[{self.call('look_up', table, '(v,)', f'lambda: {nothing}')} for v in {x}]"

    def constant(self, written: str) -> str:
        """The name of a table that stands above the function."""
        return self.tables.setdefault(written, f"TABLE_{len(self.tables) + 1}")

    def map(self, fn: Fn, inputs: list[str]) -> str:
        names = [chr(ord("a") + i) if len(inputs) <= 8 else f"a{i}" for i in range(len(inputs))]
        over = inputs[0] if len(inputs) == 1 else f"zip({', '.join(inputs)})"
        written = self.function(fn, names)
        if not isinstance(fn, Apply):
            written = f"canonical({written})"
        return f"[{written} for {', '.join(names)} in {over}]"

    def predicate(self, pred: Fn) -> str:
        match pred:
            case Apply(op=op, args=(Arg(index=0), Arg(index=1))) if op not in LAZY:
                return self.operation(op)
        return f"lambda key, query: {self.function(pred, ['key', 'query'])}"

    # --- functions --------------------------------------------------------------------------------------------------------

    def operation(self, op: str) -> str:
        word = _word(op)
        self.called[word] = None
        return word

    def function(self, f: Fn, args: list[str]) -> str:
        match f:
            case Arg(index=i):
                return args[i]
            case Lit(value=v):
                return repr(v)
            case Lookup(args=parts, default=default):
                table = self.constant(_rows(f))
                keys = "".join(f"{self.function(p, args)}, " for p in parts)
                last = [] if default is None else [f"lambda: {self.function(default, args)}"]
                return self.call("look_up", table, f"({keys.rstrip()})", *last)
            case Apply(op="if", args=(test, yes, no)):
                branches = (f"lambda: {self.function(b, args)}" for b in (yes, no))
                return self.call("choose", self.function(test, args), *branches)
            case Apply(op="and" | "or" as op, args=parts):
                return self.call(LAZY[op], *(f"lambda: {self.function(p, args)}" for p in parts))
            case Apply(op="defined", args=(x,)):
                return f"({self.function(x, args)} is not None)"
            case Apply(op=op, args=parts):
                return f"{self.operation(op)}({', '.join(self.function(p, args) for p in parts)})"
        raise TypeError(f"unknown function expression {type(f).__name__}")


def _stem(n: Node) -> str:
    return "indices" if n is nodes.Indices() else "x" if isinstance(n, nodes.Sequence) else "s"


def _word(op: str) -> str:
    return WORDS.get(op, f"{op}_")


def _rows(f: Lookup) -> str:
    """A table as a dict by the identities of its keys, under which ``True`` is not ``1``."""
    rows: dict[tuple[object, ...], Value] = {tuple(map(identity, keys)): v for keys, v in f.rows}
    return repr(rows)


# --- copying definitions ----------------------------------------------------------------------------------------------------


class _Bare(ast.NodeTransformer):
    """Drops type annotations and all but the first line of docstrings."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        summary = ast.get_docstring(node)
        if summary:
            node.body[0] = ast.Expr(ast.Constant(summary.splitlines()[0]))
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        assert node.value is not None
        return ast.copy_location(ast.Assign([node.target], self.visit(node.value)), node)


@cache
def _definitions() -> dict[str, ast.stmt]:
    """What can be copied, by name, in an order in which each comes after what it uses when it is defined."""
    found: dict[str, ast.stmt] = {"FunctionError": ast.parse("FunctionError = ValueError").body[0]}
    operated: list[ast.stmt] = []
    for module in (operations, runtime):
        for statement in ast.parse(inspect.getsource(module)).body:
            match statement:
                case ast.FunctionDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
                    found[name] = _Bare().visit(statement)
                case ast.AnnAssign(
                    target=ast.Name(id="OPERATIONS"), value=ast.Dict(keys=keys, values=values)
                ):
                    for key, operation in zip(keys, values, strict=True):
                        assert isinstance(key, ast.Constant) and isinstance(operation, ast.Call)
                        made = f"{_word(str(key.value))} = strict({ast.unparse(operation.args[0])})"
                        operated.append(ast.parse(made).body[0])
    for statement in operated:
        assert isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
        found[statement.targets[0].id] = statement
    assert len(operated) == len(OPERATIONS)
    return found


def _copied(called: Iterable[str]) -> str:
    """The source of the named definitions and of all that they use."""
    known = _definitions()
    needed, waiting = set(), list(called)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            used = (n.id for n in ast.walk(known[name]) if isinstance(n, ast.Name))
            waiting.extend(u for u in used if u in known)
    parts = [(s, ast.unparse(ast.fix_missing_locations(s))) for name, s in known.items() if name in needed]
    text = "".join(f"\n\n{t}\n" if isinstance(s, ast.FunctionDef) else f"\n{t}\n" for s, t in parts)
    return ("import math\n" if "math." in text else "") + text


__all__ = ["to_python"]
