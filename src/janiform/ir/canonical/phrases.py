"""Relations as selectors: comparisons of one thing at the key with one at the query, joined by ``and``, ``or``, ``not``.

A relation is the conjunction of what it says of parts of its variables wherever it can be; where only its complement is, that is
written and negated. What is neither goes case by case of the places, or compares numbers given to all combinations.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from janiform.ir.canonical.fitting import fit
from janiform.ir.canonical.mapped import mapped
from janiform.ir.canonical.mechanism import PAIR, PLACE
from janiform.ir.derived import compare, length, select_all
from janiform.ir.functions import Apply, Arg, Fn, Lit, substitute, table
from janiform.ir.nodes import And, Indices, Map, Not, Or, Select, Selector, Sequence, Value
from janiform.ir.quotient import Quotient, combine, reduced

if TYPE_CHECKING:
    from janiform.ir.canonical.writing import Writer

FEW = 6
"""Up to so many classes of places a relation is written case by case."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """Writes relations with the nodes of a writer."""

    writer: Writer

    def selector(self, relation: Quotient) -> Selector:
        """Return a selector of exactly the pairs in a relation."""
        return self.written(self.writer.extended(relation))

    def written(self, relation: Quotient) -> Selector:
        """Return a selector for a relation over what nodes hold."""
        if not relation.keys:
            return select_all() if int(relation.table) else Select(Lit(False), Indices(), Indices())
        relation = self.one_sided(relation)
        single = self.single(relation)
        if single is not None:
            return single
        parts = self.conjuncts(relation)
        if parts is not None:
            return reduce(And, parts)
        parts = self.conjuncts(relation.then(np.array([1, 0])))
        if parts is not None:
            return reduce(Or, map(_negated, parts))
        return self.by_place(relation) if PAIR in relation.keys else self.joint(relation)

    def one_sided(self, relation: Quotient) -> Quotient:
        """The relation with the place of one side where the place of the other does not matter."""
        g = self.writer.mechanism.grid
        classes = relation.map(PAIR)
        for side in ("query", "key") if classes is not None and len(relation.keys) > 1 else ():
            assert classes is not None
            at = np.zeros(len(g), np.int64)
            at[g.places(side)] = classes  # type: ignore[arg-type]
            if (at[g.places(side)] == classes).all():  # type: ignore[arg-type]
                keys = tuple((side, PLACE) if k is PAIR else k for k in relation.keys)
                maps = tuple(
                    at if k is PAIR else m for k, m in zip(relation.keys, relation.maps, strict=True)
                )
                return reduced(keys, maps, relation.table)
        return relation

    # --- one comparison -----------------------------------------------------------------------------------------------

    def single(self, relation: Quotient) -> Selector | None:
        """One comparison, where the relation is of places alone or of at most one source on either side."""
        sides = [k for k in relation.keys if k is not PAIR]
        if PAIR in relation.keys:
            return None if sides else self.placed(relation)
        if len({k[0] for k in sides}) < len(sides):
            return None
        key: Any = next((k for k in sides if k[0] == "key"), None)
        query: Any = next((k for k in sides if k[0] == "query"), None)
        readings = [
            None if k is None else self.writer.reading(k[1], relation.classes(k)) for k in (key, query)
        ]
        functions = [k for k in (key, query) if k is not None]
        known = [r for r in readings if r is not None]
        over = Quotient(tuple(functions), tuple(r.classes for r in known), _ordered(relation, functions))
        if any(self.selects_undefined(over, i, r.names) for i, r in enumerate(known)):
            return self.around_undefined(relation)
        kept = [r.names for r in known]
        f = fit(*_defined(over, kept), (False, True))
        where = tuple(Arg(i) for i, r in enumerate(readings) if r is not None)
        nodes = [Indices() if r is None else r.node for r in readings]
        return Select(_oriented(substitute(f, where)), nodes[0], nodes[1])

    def selects_undefined(self, over: Quotient, axis: int, names: tuple[Value, ...]) -> bool:
        if None not in names:
            return False
        at = over.at(over.keys[axis], np.array([names.index(None)]), "undefined")
        return bool(at.table.any())

    def around_undefined(self, relation: Quotient) -> Selector | None:
        """The complement negated, where an undefined value is selected and the complement selects none."""
        other = relation.then(np.array([1, 0]))
        for k, m in zip(relation.keys, relation.maps, strict=True):
            names = self.writer.reading(k[1], m).names
            if self.selects_undefined(other, other.keys.index(k), names):
                return self.joint(relation)
        inner = self.single(other)
        return None if inner is None else Not(inner)

    def placed(self, relation: Quotient) -> Selector:
        """A relation of places, as a comparison of the key's index with a number that the query knows."""
        g = self.writer.mechanism.grid
        wanted = relation.over([PAIR], [np.arange(len(g.keys))])
        k, q, n = g.indices[g.keys], g.indices[g.queries], g.lengths[g.queries]
        index, whole = Indices(), length()
        queries: list[tuple[Sequence, np.ndarray]] = [(index, q)]
        if not g.causal:
            queries += [(whole, n), (_from_end(), n - 1 - q), (_more(), n - q), (_two(), n - 2 - q)]
        for node, t in queries:
            f = _cells(k, t, wanted)
            if f is not None:
                return Select(f, index, node)
        if not g.causal:
            f = _cells(n - 1 - k, q, wanted)
            if f is not None:
                return Select(f, _from_end(), index)
        code = q * (g.max_len + 1) + n
        rows = {}
        for c in np.unique(code).tolist():
            rows[c] = tuple(k[(code == c) & (wanted == 1)].tolist())
        kinds = list(dict.fromkeys(rows.values()))
        where = table(
            [((c // (g.max_len + 1), c % (g.max_len + 1)), kinds.index(r)) for c, r in rows.items()],
            2,
            Lit(0),
        )
        pairs = [((i, j), True) for j, r in enumerate(kinds) for i in r]
        return Select(table(pairs, 2, Lit(False)), index, Map(where, (index, whole)))

    # --- several ------------------------------------------------------------------------------------------------------

    def conjuncts(self, relation: Quotient) -> list[Selector] | None:
        """Relations of fewer variables whose conjunction the relation is, the smallest that suffice."""
        parts = conjunction(relation)
        if parts is None:
            return None
        found = [self.single(p) or self.written(p) for p in parts]
        return found

    def by_place(self, relation: Quotient) -> Selector:
        """One case for each class of pairs of places; too many classes become numbers given to all combinations."""
        axis = relation.keys.index(PAIR)
        classes = relation.maps[axis]
        count = int(classes.max()) + 1
        if count > FEW:
            return self.joint(relation)
        cases = []
        for c in range(count):
            rest = relation.at(PAIR, np.flatnonzero(classes == c)[:1], "one")
            if not rest.keys and not int(rest.table):
                continue
            here = self.placed(Quotient.of([PAIR], (classes == c).astype(np.int64)))
            cases.append(here if not rest.keys else And(here, self.written(rest)))
        return reduce(Or, cases)

    def joint(self, relation: Quotient) -> Selector:
        """Number what stands at the key and what stands at the query, and list the pairs of numbers."""
        g = self.writer.mechanism.grid
        parts = {
            side: [k for k in relation.keys if k is not PAIR and k[0] == side] for side in ("key", "query")
        }
        nodes, numbers, codes = [], [], []
        for side in ("key", "query"):
            readings = [self.writer.reading(k[1], relation.classes(k)) for k in parts[side]]
            sizes = [int(r.classes.max()) + 1 for r in readings]
            where = [r.node for r in readings]
            readable: list[tuple[tuple[Value, ...], np.ndarray]] = [(r.names, r.classes) for r in readings]
            if PAIR in relation.keys:
                where = [Indices(), length(), *where] if not g.causal else [Indices(), *where]
                places = [(tuple(range(g.max_len)), np.arange(g.max_len))]
                if not g.causal:
                    places.append((tuple(range(1, g.max_len + 1)), np.arange(g.max_len)))
                readable = [*places, *readable]
                sizes = [g.max_len] * len(places) + sizes
            count = int(np.prod(sizes)) if sizes else 1
            cells = np.arange(count).reshape(sizes)
            keys = [str(i) for i in range(len(sizes))]
            function = (
                reduced(tuple(keys), tuple(c for _, c in readable), cells) if keys else Quotient.constant(0)
            )
            f = fit(function, [readable[int(k)][0] for k in function.keys], tuple(range(count)))  # type: ignore[call-overload]
            nodes.append(mapped(f, [where[int(k)] for k in function.keys]))  # type: ignore[call-overload]
            numbers.append(count)
            codes.append(sizes)
        rows = [((a, b), True) for a, b in self.listed(relation, parts, codes)]
        return Select(table(rows, 2, Lit(False)), nodes[0], nodes[1])

    def listed(
        self, relation: Quotient, parts: dict[str, list[Any]], sizes: list[list[int]]
    ) -> list[tuple[int, int]]:
        """The pairs of numbers that ``joint`` gives to what the relation selects."""
        g = self.writer.mechanism.grid
        where = [k for k in (PAIR, *parts["key"], *parts["query"]) if k in relation.keys]
        full = _ordered(relation, where)
        found = []
        inner = (
            [range(n) for n in full.shape[1:]] if PAIR in relation.keys else [range(n) for n in full.shape]
        )
        n_keys = len(parts["key"])
        for cell in itertools.product(*inner):
            key, query = list(cell[:n_keys]), list(cell[n_keys:])
            if PAIR not in relation.keys:
                if full[cell]:
                    found.append((_number(key, sizes[0]), _number(query, sizes[1])))
                continue
            chosen = full[(relation.map(PAIR), *cell)]
            for p in np.flatnonzero(chosen).tolist():
                at = []
                for place in (g.keys[p], g.queries[p]):
                    own = [int(g.indices[place])]
                    at.append(own if g.causal else [*own, int(g.lengths[place]) - 1])
                found.append((_number([*at[0], *key], sizes[0]), _number([*at[1], *query], sizes[1])))
        return sorted(set(found))


def conjunction(relation: Quotient) -> list[Quotient] | None:
    """Return relations of fewer variables whose conjunction is ``relation``, None where there are none."""
    n = len(relation.keys)
    known: list[Quotient] = []
    whole = relation.table.astype(bool)
    total = np.ones(whole.shape, bool)
    for width in range(1, n):
        for axes in itertools.combinations(range(n), width):
            rest = tuple(i for i in range(n) if i not in axes)
            shadow = whole.any(rest, keepdims=True)
            if (total <= shadow).all():
                continue
            total = total & shadow
            known.append(
                reduced(
                    tuple(relation.keys[i] for i in axes),
                    tuple(relation.maps[i] for i in axes),
                    np.asarray(whole.any(rest)).astype(np.int64),
                )
            )
        if (total == whole).all():
            return _needed(relation, known)
    return None


def _needed(relation: Quotient, parts: list[Quotient]) -> list[Quotient]:
    """Leave out what the other parts say already, the smaller first."""
    kept = list(parts)
    for p in parts:
        rest = [x for x in kept if x is not p]
        if rest and _same(combine(lambda *xs: reduce(np.minimum, xs), rest), relation):
            kept = rest
    return kept


def _same(a: Quotient, b: Quotient) -> bool:
    both = combine(lambda x, y: (x != y).astype(np.int64), [a, b])
    return not both.keys and not int(both.table)


def _ordered(relation: Quotient, keys: list[Any]) -> np.ndarray:
    return relation.table.transpose([relation.keys.index(k) for k in keys])


def _number(cell: list[int], sizes: list[int]) -> int:
    return int(np.ravel_multi_index(cell, sizes)) if sizes else 0


def _defined(over: Quotient, names: list[tuple[Value, ...]]) -> tuple[Quotient, list[tuple[Value, ...]]]:
    """Leave out undefined values, which no comparison selects."""
    kept = list(names)
    for i in range(len(over.keys)):
        if None in names[i]:
            rest = [j for j, v in enumerate(names[i]) if v is not None]
            maps = (*over.maps[:i], over.maps[i][rest], *over.maps[i + 1 :])
            over, kept[i] = Quotient(over.keys, maps, over.table), tuple(names[i][j] for j in rest)
    tidy = reduced(over.keys, over.maps, over.table)
    return _spread(tidy, over, kept)


def _spread(
    tidy: Quotient, over: Quotient, names: list[tuple[Value, ...]]
) -> tuple[Quotient, list[tuple[Value, ...]]]:
    if len(tidy.keys) == len(over.keys):
        return tidy, names
    maps, shape = [], []
    for i, k in enumerate(over.keys):
        m = tidy.map(k)
        maps.append(np.zeros(len(names[i]), np.int64) if m is None else m)
        shape.append(int(maps[-1].max()) + 1)
    return Quotient(over.keys, tuple(maps), tidy.table.reshape(shape)), names


def _cells(k: np.ndarray, t: np.ndarray, wanted: np.ndarray) -> Fn | None:
    """A comparison of two numbers that fits on the pairs that exist, if the relation is a function of them."""
    size = int(max(k.max(), t.max())) + 1
    low = int(min(0, t.min()))
    seen = np.full((size, size - low), -1)
    seen[k, t - low] = wanted
    if (seen[k, t - low] != wanted).any():
        return None
    for f, held in _comparisons(size, low):
        if ((held == seen) | (seen < 0)).all():
            return f
    on = sorted({(int(a), int(b)) for a, b, w in zip(k, t, wanted, strict=True) if w})
    return table([((a, b), True) for a, b in on], 2, Lit(False))


@lru_cache(maxsize=64)
def _comparisons(size: int, low: int) -> list[tuple[Fn, np.ndarray]]:
    """Comparisons of a key's number with a query's, the shorter first, as tables."""
    k = np.arange(size)[:, None]
    t = np.arange(low, size)[None, :]
    found: list[tuple[Fn, np.ndarray]] = []
    operators = {
        "==": np.equal,
        "!=": np.not_equal,
        "<": np.less,
        "<=": np.less_equal,
        ">": np.greater,
        ">=": np.greater_equal,
    }
    for op, run in operators.items():
        found.append((compare(op), run(k, t)))
    for op, run in operators.items():
        for c in range(size):
            found.append((Apply(op, (Arg(0), Lit(c))), run(k, c) & (t == t)))
    for op, run in operators.items():
        for c in range(low, size):
            found.append((Apply(op, (Arg(1), Lit(c))), run(t, c) & (k == k)))
    for c in range(1, size):
        for op, run in operators.items():
            found.append((Apply(op, (Arg(0), Apply("+", (Arg(1), Lit(c))))), run(k, t + c)))
            found.append((Apply(op, (Arg(0), Apply("-", (Arg(1), Lit(c))))), run(k, t - c)))
    return found


def _oriented(f: Fn) -> Fn:
    """Comparisons of two arguments name the key first."""
    turned = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
    if isinstance(f, Apply) and f.op in turned and f.args == (Arg(1), Arg(0)):
        return Apply(turned[f.op], (Arg(0), Arg(1)))
    return f


def _negated(s: Selector) -> Selector:
    return s.selector if isinstance(s, Not) else Not(s)


def _from_end() -> Sequence:
    return Map(Apply("-", (Apply("-", (Arg(0), Lit(1))), Arg(1))), (length(), Indices()))


def _more() -> Sequence:
    return Map(Apply("-", (Arg(0), Arg(1))), (length(), Indices()))


def _two() -> Sequence:
    return Map(Apply("-", (Apply("-", (Arg(0), Lit(2))), Arg(1))), (length(), Indices()))
