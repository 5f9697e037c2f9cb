"""A program over known tokens as plain Python: comprehensions and tables, in Python's own operators.

What makes the general text long is that a value could be undefined, a float, or a boolean in place of a number. Where domain
inference shows that each variable holds words and whole numbers, or nothing but booleans, and that no function can fail, plain
operators compute the same.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from janiform.errors import CompileError
from janiform.ir import nodes
from janiform.ir.domains import Facts, infer
from janiform.ir.functions import Apply, Arg, Fn, Lit, Lookup
from janiform.ir.nodes import Node, Value
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.ir.values import MAX_CELLS
from janiform.text import idioms
from janiform.text.binding import ATOM, NOT, OR, SUM, infix, within
from janiform.text.choices import LONGEST, Choices, Place, conjunction, conjuncts
from janiform.text.lines import wrapped
from janiform.text.names import Names
from janiform.text.tables import Domain, Read, among, looked_up

INFIX = {"==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "//", "%"}
BOOLEAN = {"==", "!=", "<", "<=", ">", ">=", "in", "and", "or", "not"}
CALLED = {"min", "max", "abs", "int", "str"}
LARGEST = 2**53
BRIEF = 40
"""A condition of no more letters is written again where it is used again."""

WINNER = '''
def winner(labels, *scores):
    """Return the label of the highest sum of scores, the first of several."""
    totals = [sum(column) for column in zip(*scores)]
    return labels[totals.index(max(totals))]
'''

Rows = dict[tuple[Value, ...], str]


class Beyond(Exception):
    """Says within this module that a program needs the general text."""


def to_plain(program: Program, signature: Signature, name: str = "") -> str | None:
    """Write a program as one plain function of tokens of ``signature``, or return None where that is not surely right.

    >>> from janiform.text.rasp import parse
    >>> print(to_plain(parse("hist = selector_width(select(tokens, tokens, ==));"), Signature("ab", 4)), end="")
    def hist(tokens):
        span = range(len(tokens))
        return [tokens.count(tokens[i]) for i in span]
    """
    try:
        facts = infer(program, signature)
        failing = any(not isinstance(n, nodes.Readout) for n in facts.suspects)
        return None if failing else _Writer(program, facts).text(name)
    except (Beyond, CompileError):
        return None


def is_plain(v: Value) -> bool:
    """Whether a value is a word or a whole number."""
    return isinstance(v, str) or is_whole(v)


def is_whole(v: Value) -> bool:
    """Whether a value is a whole number."""
    return isinstance(v, int) and not isinstance(v, bool) and abs(v) < LARGEST


def are_booleans(values: Domain) -> bool:
    """Whether values are nothing but booleans."""
    return bool(values) and all(isinstance(v, bool) for v in values)


class _Writer:
    """Gives each variable a name and a statement; ``i`` is the position of the query, ``j`` that of the key."""

    def __init__(self, program: Program, facts: Facts) -> None:
        self.program, self.facts, self.causal = program, facts, facts.signature.causal
        self.fresh = Names(["tokens", "span", "near", "i", "j", "winner"]).fresh
        self.names: dict[Node, str] = {}
        self.tables: dict[str, str] = {}
        self.body: list[str] = []
        self.keys = "span[: i + 1]" if self.causal else "span"
        readers = [r for n in program.nodes() for r in n.inputs]
        self.shared = {n for n in readers if isinstance(n, nodes.Selector) and readers.count(n) > 1}
        self.read = set(readers)
        self.choices = Choices(facts.signature)

    def text(self, name: str) -> str:
        outputs, body = self.program.outputs, self.body
        function = self.fresh(name or (next(iter(outputs)) if len(outputs) == 1 else "program"))
        for n in self.program.nodes():
            if isinstance(n, nodes.Sequence):
                self.check(n)
        written = {key: _loop(self.output(n)) for key, n in outputs.items()}
        pairs = ", ".join(f"{key!r}: {value}" for key, value in written.items())
        body.append("return " + (written.popitem()[1] if len(outputs) == 1 else f"{{{pairs}}}"))
        near = [line.count("near[i]") for line in body]
        if self.causal and sum(near) == 1:
            body[near.index(1)] = body[near.index(1)].replace("near[i]", "span[i::-1]")
        elif any(near):
            order = "span[i::-1]" if self.causal else "sorted(span, key=lambda j: abs(j - i))"
            body.insert(0, f"near = {_loop(order)}")
        body.insert(0, "span = range(len(tokens))")
        tables = "\n".join(wrapped(f"{name} = {table}", 0) for table, name in self.tables.items())
        head = WINNER.strip() * any("winner(" in line for line in body)
        main = f"def {function}(tokens):\n    " + "\n    ".join(wrapped(line, 4) for line in body) + "\n"
        return "\n\n\n".join(part for part in (tables, head, main) if part)

    def state(self, n: Node, wanted: str, value: str) -> None:
        """Write a statement, which stands after those of what it reads."""
        self.names[n] = self.fresh(self.program.names.get(n) or wanted)
        self.body.append(f"{self.names[n]} = {_loop(value)}")

    def check(self, n: nodes.Sequence) -> None:
        """Refuse a variable that could hold anything but words and whole numbers, or booleans alone."""
        values = self.facts.domains[n].values
        if values is None or not (all(map(is_plain, values)) or are_booleans(values)):
            raise Beyond

    def domain(self, n: nodes.Sequence) -> Domain:
        return self.facts.domains[n].values or ()

    def at(self, n: Node, position: str) -> str:
        """The value of a variable at a position."""
        match n:
            case nodes.Tokens():
                return f"tokens[{position}]"
            case nodes.Indices():
                return position
            case nodes.Const(value=v):
                return repr(v)
        if n not in self.names:
            self.state(n, "x", self.value(n))
        return f"{self.names[n]}[{position}]"

    def output(self, n: nodes.Sequence) -> str:
        stated = n in self.read or isinstance(n, nodes.Tokens | nodes.Indices | nodes.Const)
        return self.at(n, "i") if stated else self.value(n)

    # --- variables --------------------------------------------------------------------------------------------------------

    def value(self, n: Node) -> str:
        """The expression of a variable at position ``i``."""
        if isinstance(n, nodes.Sequence) and (known := self.number(n)):
            return known
        match n:
            case nodes.Map(fn=fn, args=args):
                return self.function(fn, [(self.at(a, "i"), self.domain(a)) for a in args])
            case nodes.Count(selector=s):
                return self.count(s)
            case nodes.Aggregate():
                return self.aggregate(n)
            case nodes.Readout():
                return self.readout(n)
        raise Beyond

    def aggregate(self, n: nodes.Aggregate) -> str:
        best, keys = n.selector, self.keys
        if n.reduce == "mean" and (found := self.one_key(n)):
            return found
        s = best.selector if isinstance(best, nodes.Best) else best
        if isinstance(best, nodes.Best):
            orders = {"leftmost": keys, "rightmost": f"reversed({keys})", "closest": "near[i]"}
            keys = orders.get(best.rule) or self.ranked(best)
        condition = self.condition(s)
        found = f"{self.at(n.values, 'j')} for j in {keys}" + f" if {condition}" * (condition != "True")
        empty = not self.facts.nonempty[best]
        single = self.facts.at_most_one[best]
        match n.reduce:
            case "mean" if single or all(isinstance(v, str) for v in self.domain(n.values)):
                return f"next(({found}), {n.default!r})" if empty else f"next({found})"
            case "sum" if not empty or n.default == 0:
                return f"sum({found})"
            case "min" | "max" if are_booleans(self.domain(n.values)):
                raise Beyond
            case "min" | "max" if single or len(set(map(type, self.domain(n.values)))) == 1:
                return f"{n.reduce}(({found}), default={n.default!r})" if empty else f"{n.reduce}({found})"
        raise Beyond

    def number(self, n: nodes.Sequence) -> str | None:
        """A whole number that places alone decide, as arithmetic."""
        known = self.facts.positional[n] and self.facts.signature.max_len <= LONGEST
        whole = known and all(map(is_whole, self.domain(n)))
        return idioms.number(self.choices.standing(n)) if whole else None

    def place(self, s: nodes.Selector) -> Place | None:
        """Where the keys stand that a selector takes which looks at no tokens, where that is known of every input."""
        known = self.facts.positional[s] and self.facts.signature.max_len <= LONGEST
        return self.choices.place(s) if known else None

    def count(self, s: nodes.Selector) -> str:
        """How many keys are selected: of a list or a slice of it, those that equal something."""
        placed = [p for p in conjuncts(s) if self.facts.positional[p]]
        place = self.place(conjunction(placed)) if placed else Place("")
        match [p for p in conjuncts(s) if p not in placed]:
            case [nodes.Select(pred=Apply(op="==", args=(Arg(index=0), other)), keys=k, queries=q)] if place:
                others = place.name == "elsewhere" and k is q and other is Arg(1) and not self.causal
                keys = "" if others else idioms.part(place, self.causal)
                listed = not isinstance(k, nodes.Indices | nodes.Const)
                if keys is not None and listed and (other is Arg(1) or isinstance(other, Lit)):
                    sought = repr(other.value) if isinstance(other, Lit) else self.at(q, "i")
                    every = self.at(k, "i").removesuffix("[i]")
                    return f"{every}{keys}.count({sought}){' - 1' * others}"
        condition = self.condition(s)
        return f"sum({'1' if condition == 'True' else condition} for j in {self.keys})"

    def one_key(self, n: nodes.Aggregate) -> str | None:
        """What stands at the one key that is selected, where its position can be written."""
        best = n.selector
        s = best.selector if isinstance(best, nodes.Best) else best
        if (place := self.place(best)) is not None:
            if (reached := idioms.index(place, self.causal)) is None:
                return None
            position, exists = reached
            if n.values is nodes.Indices():
                position = position.replace("-1", "len(tokens) - 1")
        elif isinstance(s, nodes.Select) and s.keys is nodes.Indices() and (f := _equal_to(s.pred)):
            read = (self.at(s.queries, "i"), self.domain(s.queries))
            if not (numbers := self.reached(f, [("", (0,)), read])):
                return None
            position, low = self.function(f, [read, read]), "0 <= " * (numbers[0] < 0)
            exists = f"{low}{within(position, SUM)} {'<= i' if self.causal else '< len(tokens)'}"
        else:
            return None
        found = self.at(n.values, position)
        return found if self.facts.nonempty[best] else f"{found} if {exists} else {n.default!r}"

    def ranked(self, best: nodes.Best) -> str:
        """The keys by their scores, the best first, of equal ones the leftmost."""
        scores = best.score
        if scores is None or not all(map(is_whole, self.domain(scores))):
            raise Beyond
        sign = "-" * (best.rule == "largest")
        return f"sorted({self.keys}, key=lambda j: {sign}{self.at(scores, 'j')})"

    def readout(self, n: nodes.Readout) -> str:
        parts = [r for w in n.weights for r in (w.rows if isinstance(w, nodes.Scores) else (w.row,))]
        whole = all(isinstance(x, int) and is_plain(x) for row in (n.bias, *parts) for x in row)
        if n.pooled or not n.args or not whole or any(are_booleans(self.domain(a)) for a in n.args):
            raise Beyond
        at = [self.at(a, "i") for a in n.args]
        nothing = repr([0] * len(n.bias))
        nothing = self.table("NONE", nothing) if self.silent(n) else nothing
        scores = [self.table("BIAS", repr(list(n.bias)))] if any(n.bias) else []
        for a, x, w in zip(n.args, at, n.weights, strict=True):
            if isinstance(w, nodes.Slope):
                if not all(isinstance(v, int) for v in self.domain(a)):
                    raise Beyond
                scores.append(f"[{x} * s for s in {list(w.row)}]")
            else:
                rows: Rows = {
                    (v,): repr(list(r)) for v, r in zip(w.values, w.rows, strict=True) if is_plain(v)
                }
                scores.append(self.looked_up([(x, self.domain(a))], rows, nothing))
        labels = self.table("LABELS", repr(list(n.labels)))
        return f"winner({', '.join([labels, *scores])})"

    def silent(self, n: nodes.Readout) -> bool:
        """Whether some value that can occur gives no scores."""
        scores = [(set(self.domain(a)), w) for a, w in zip(n.args, n.weights, strict=True)]
        return any(isinstance(w, nodes.Scores) and not domain <= set(w.values) for domain, w in scores)

    # --- selectors --------------------------------------------------------------------------------------------------------

    def condition(self, s: Node) -> str:
        """Whether query ``i`` selects key ``j``."""
        if s in self.names:
            return f"{self.names[s]}[i][j]"
        condition = self.compared(s)
        if s in self.shared and len(condition) > BRIEF:
            self.state(s, "chosen", f"[{condition} for j in {self.keys}]")
            return self.condition(s)
        return condition

    def compared(self, s: Node) -> str:
        match s:
            case nodes.Select(pred=pred, keys=k, queries=q):
                read = [(self.at(k, "j"), self.domain(k)), (self.at(q, "i"), self.domain(q))]
                return self.function(pred, read)
            case nodes.And(left=a, right=b):
                return f"{within(self.condition(a), NOT)} and {within(self.condition(b), NOT)}"
            case nodes.Or(left=a, right=b):
                return f"{within(self.condition(a), NOT)} or {within(self.condition(b), NOT)}"
            case nodes.Not(selector=a):
                return f"not {within(self.condition(a), ATOM)}"
        raise Beyond

    # --- functions --------------------------------------------------------------------------------------------------------

    def function(self, f: Fn, args: Sequence[Read]) -> str:
        """A function of arguments, as an expression."""
        match f:
            case Arg(index=i):
                return args[i][0]
            case Lit(value=v) if is_plain(v) or isinstance(v, bool):
                return repr(v)
            case Lookup(args=parts, default=Lit(value=v)) if all(isinstance(p, Arg) for p in parts):
                read = [args[p.index] for p in parts if isinstance(p, Arg)]
                rows = {k: repr(v) for k, v in f.rows if all(map(is_plain, k))}
                if not all(is_plain(v) or isinstance(v, bool) for v in (v, *(v for _, v in f.rows))):
                    raise Beyond
                return self.looked_up(read, rows, repr(v))
            case Lookup(args=(Apply() as key,), rows=rows, default=Lit() as default):
                if not (numbers := self.reached(key, args)):
                    raise Beyond
                found = [(within(self.function(key, args), SUM), numbers)]
                return self.function(Lookup((Arg(0),), rows, default), found)
            case Lookup(args=(Arg(index=i),), default=Fn() as default):
                return self.excepted(args[i], f, self.function(default, args))
            case Apply(op="if", args=(test, yes, no)):
                chosen, tested = (within(self.function(p, args), OR) for p in (yes, test))
                return f"{chosen} if {tested} else {self.function(no, args)}"
            case Apply(op="and" | "or" as op, args=parts) if all(_is_boolean(p, args) for p in parts):
                return f" {op} ".join(within(self.function(p, args), NOT) for p in parts)
            case Apply(op="not", args=(Apply(op="in", args=(part, *others)),)):
                return f"{within(self.function(part, args), SUM)} not in {self.several(others, args)}"
            case Apply(op="not", args=(part,)):
                return f"not {within(self.function(part, args), ATOM)}"
            case Apply(op="neg", args=(part,)):
                return f"-{within(self.function(part, args), ATOM)}"
            case Apply(op="in", args=(part, *others)):
                return f"{within(self.function(part, args), SUM)} in {self.several(others, args)}"
            case Apply(op="==", args=(part, Lit(value=True))) if _is_boolean(part, args):
                return self.function(part, args)
            case Apply(op=op, args=(a, b)) if op in INFIX:
                return infix(op, self.function(a, args), self.function(b, args))
            case Apply(op=op, args=parts) if op in CALLED and len(parts) > (op in ("min", "max")):
                return f"{op}({', '.join(self.function(p, args) for p in parts)})"
        raise Beyond

    def several(self, parts: Sequence[Fn], args: Sequence[Read]) -> str:
        """Some functions of arguments as a tuple."""
        return f"({', '.join(self.function(p, args) for p in parts)}{',' * (len(parts) == 1)})"

    def reached(self, f: Fn, args: Sequence[Read]) -> list[int]:
        """The whole numbers that a function of arguments can be; none where it can be something else."""
        if math.prod(len(domain) for _, domain in args) > MAX_CELLS:
            return []
        found = {f(*values) for values in itertools.product(*(domain for _, domain in args))}
        return sorted(v for v in found if isinstance(v, int)) if all(map(is_whole, found)) else []

    def excepted(self, read: Read, f: Lookup, default: str) -> str:
        """A table of one value for some words or numbers, and what a function gives for the others."""
        x, domain = read
        rows = {key: value for (key,), value in f.rows if is_plain(key)}
        chosen = [v for v in domain if v in rows]
        found = {rows[v] for v in chosen}
        if not all(map(is_plain, [*domain, *found])) or len(found) != 1 or len(chosen) == len(domain):
            raise Beyond
        return f"{found.pop()!r} if {among(read, chosen)} else {default}"

    def looked_up(self, read: Sequence[Read], rows: Rows, default: str) -> str:
        """A table that is written for the values that can occur alone."""
        size = math.prod(len(domain) for _, domain in read)
        if size > MAX_CELLS or any(are_booleans(domain) for _, domain in read):
            raise Beyond
        cells = {k: rows.get(k, default) for k in itertools.product(*(domain for _, domain in read))}
        written = looked_up(read, cells, default, lambda table: self.table("TABLE", table))
        if written is None:
            raise Beyond
        return written

    def table(self, stem: str, written: str) -> str:
        """The name of a table that stands above the function."""
        if written not in self.tables:
            self.tables[written] = self.fresh(stem)
        return self.tables[written]


def _equal_to(pred: Fn) -> Fn | None:
    """What a predicate says that the key equals, where that is a function of the query alone."""
    match pred:
        case Apply(op="==", args=(Arg(index=0), f)) if not _reads_key(f):
            return f
    return None


def _reads_key(f: Fn) -> bool:
    return f is Arg(0) or any(map(_reads_key, f.parts))


def _is_boolean(f: Fn, args: Sequence[Read]) -> bool:
    """Whether a function of arguments is surely true or false."""
    if isinstance(f, Arg):
        return are_booleans(args[f.index][1])
    return isinstance(f, Apply) and f.op in BOOLEAN


def _loop(value: str) -> str:
    return f"[{value} for i in span]"
