"""Growing a draft: add the units whose variable would lower the loss most, as gradient boosting adds a tree.

A candidate is a short chain of units, judged without fitting anything: with residuals r = onehot(y) - p, giving its codes
weights of their own lowers the loss, to second order, by a sum over codes and labels of slope and bend. Steps are taken on
one half of the inputs and judged on the other, so that many codes are no advantage in themselves. The same sums over the
joint codes of two variables say what a table of both would gain. Candidates are drawn, and the best are varied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from janiform.learn import motifs
from janiform.learn.draft import Bench, Copy, Draft, Frame, Table, Tally, Unit, size_of
from janiform.learn.motifs import PAIRS, SET, Ground, Motif
from janiform.learn.residuals import Residuals
from janiform.learn.search import State

CELLS = 700
"""The largest joint domain of two variables that is judged."""

LEAST = 0.5
"""The least gain that is worth a unit."""

COUNTED = 6
"""Of how many of the best tables of two variables the labels are counted."""

MOTIFS = 0.4
"""The share of candidates that are motifs."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chain of new units, and the earlier variable (or none) that a table joins to the last of them."""

    gain: float
    chain: tuple[Unit, ...]
    partner: int | None


class Growth:
    """One search for the units to add to a draft."""

    def __init__(
        self, at: State, bench: Bench, y: np.ndarray, weight: np.ndarray, rng: np.random.Generator
    ) -> None:
        self.draft, self.bench, self.values = at.draft, bench, at.values
        self.sizes = at.draft.sizes()
        self.left = Residuals(at, y, weight)
        self.known = [v[self.left.asked] for v in at.values]
        self.rng = rng
        self.ground = Ground(at.draft.frame, self.sizes)
        self.seen: dict[bytes, float] = {}
        self.pulls: dict[int, np.ndarray] = {}
        self.tried = 0

    def best(self, tries: int) -> Candidate | None:
        """Draw half of the tries, then vary the best ones; motifs apart, and those that are best as chains too."""
        led = int(MOTIFS * tries)
        tables = list(self.tables())
        found = [*tables, *self.counted(tables), *self.motifs(led)]
        for t in range(tries - led):
            if t < tries // 2 or not found:
                chain = self.drawn()
            else:
                chain = self.varied(found[int(min(self.rng.integers(min(len(found), 24), size=2)))].chain)
            if chain and (new := self.judged(chain)):
                found.append(new)
                if t % 16 == 15:
                    found = sorted(found, key=lambda c: -c.gain)[:48]
        found.sort(key=lambda c: -c.gain)
        return found[0] if found and found[0].gain > LEAST else None

    def counted(self, tables: list[Candidate]) -> Iterator[Candidate]:
        """What counting the places of each label that one of the best tables says would gain."""
        labels = np.arange(self.left.labels + 1)
        for c in sorted(tables, key=lambda c: -c.gain)[:COUNTED]:
            for label in labels[1:]:
                for mask in self.draft.frame.masks():
                    says = np.broadcast_to(labels == label, (self.sizes[0], len(labels))).copy()
                    if new := self.judged((*c.chain, Tally(len(self.sizes), 0, says, mask))):
                        yield new

    def motifs(self, tries: int) -> list[Candidate]:
        """The best motifs: half of the tries drawn, then the best ones varied in one of their parts."""
        found: list[tuple[Candidate, Motif]] = []
        for t in range(tries):
            if t < tries // 2 or not found:
                motif = motifs.drawn(self.ground, self.rng)
            else:
                best = found[int(min(self.rng.integers(min(len(found), 24), size=2)))][1]
                motif = motifs.varied(best, self.ground, self.rng)
            chain = motifs.laid(motif, self.ground) if motif else ()
            if motif and chain and (new := self.judged(chain)):
                found.append((new, motif))
                if t % 16 == 15:
                    found = sorted(found, key=lambda c: -c[0].gain)[:24]
        return [candidate for candidate, _ in found]

    def tables(self) -> Iterator[Candidate]:
        """What joining two variables that exist would gain."""
        for a in range(len(self.sizes)):
            for b in range(a + 1, len(self.sizes)):
                if 0 < self.sizes[a] * self.sizes[b] <= CELLS:
                    codes = self.known[a] * self.sizes[b] + self.known[b]
                    gain = self.left.gain(codes, self.sizes[a] * self.sizes[b])
                    if gain > 0:
                        cells = self.left.labels_for(codes, self.sizes[a] * self.sizes[b])
                        shape = (self.sizes[a], self.sizes[b])
                        yield Candidate(
                            gain, (Table(a, b, cells.reshape(shape), self.left.labels + 1),), None
                        )

    def judged(self, chain: tuple[Unit, ...]) -> Candidate | None:
        """What the last variable of a chain would gain, alone or joined to another."""
        self.tried += 1
        values, sizes = list(self.values), list(self.sizes)
        for u in chain:
            values.append(self.bench.unit(u, values))
            sizes.append(size_of(u, sizes, self.draft.frame))
        codes, size = values[-1][self.left.asked], sizes[-1]
        mark = codes.astype(np.uint8).tobytes()
        if mark in self.seen:
            return None
        gain, partner = self.left.gain(codes, size), None
        self.seen[mark] = gain
        others = {0, 1, int(self.rng.integers(len(self.sizes))), int(self.rng.integers(len(self.sizes)))}
        for v in others:
            if 0 < size * sizes[v] <= CELLS:
                joint = self.left.gain(codes * sizes[v] + self.known[v], size * sizes[v])
                if joint > 1.2 * gain:
                    gain, partner = joint, v
        return Candidate(gain * 0.93 ** (len(chain) + (partner is not None)), chain, partner)

    def joined(self, codes: np.ndarray, size: int, v: int, last: int) -> Table:
        """The table of a new variable and variable ``v``: arithmetic where it says nearly as much, else by labels."""
        shape = (size, self.sizes[v])
        joint = codes * shape[1] + self.known[v]
        goal = 0.9 * self.left.gain(joint, shape[0] * shape[1])
        for cells in arithmetic(*shape):
            if self.left.gain(cells.ravel()[joint], int(cells.max()) + 1) >= goal:
                return Table(last, v, cells, int(cells.max()) + 1)
        cells = self.left.labels_for(joint, shape[0] * shape[1]).reshape(shape)
        return Table(last, v, cells, self.left.labels + 1)

    def grown(self, c: Candidate) -> Draft:
        """Return the draft with the candidate's units, their weights zero."""
        units, values, sizes = list(self.draft.units), list(self.values), list(self.sizes)
        for u in c.chain:
            values.append(self.bench.unit(u, values))
            sizes.append(size_of(u, sizes, self.draft.frame))
            units.append(u)
        if c.partner is not None:
            table = self.joined(values[-1][self.left.asked], sizes[-1], c.partner, len(sizes) - 1)
            units.append(table)
            sizes.append(table.size)
        more = [np.zeros((max(s, 1), self.draft.frame.labels), np.float32) for s in sizes[len(self.sizes) :]]
        return replace(self.draft, units=tuple(units), weights=(*self.draft.weights, *more))

    # --- candidates ---------------------------------------------------------------------------------------------------

    def drawn(self) -> tuple[Unit, ...]:
        """A random head, now and then on top of a random head or function of its own."""
        sizes = list(self.sizes)
        chain: list[Unit] = []
        while self.rng.random() < 0.45 and len(chain) < 2:
            chain.append(self.function(sizes) if self.rng.random() < 0.6 else self.head(sizes))
            sizes.append(size_of(chain[-1], sizes, self.draft.frame))
        chain.append(self.head(sizes, fresh=len(chain)))
        return self.fitted(tuple(chain))

    def fitted(self, chain: tuple[Unit, ...]) -> tuple[Unit, ...]:
        """Now and then, give the copying head that ends a chain the relation that the residuals call for."""
        u = chain[-1]
        if not isinstance(u, Copy) or u.value >= len(self.sizes) or self.rng.random() < 0.4:
            return chain
        values = list(self.values)
        for v in chain[:-1]:
            values.append(self.bench.unit(v, values))
        if u.value not in self.pulls:
            self.pulls[u.value] = self.left.attraction(values[u.value], self.sizes[u.value], self.bench.valid)
        queries, keys = u.relation.shape
        first = (np.arange(len(self.bench.valid)) % 2 == 0)[:, None, None]
        pairs = first & self.bench.seen[u.mask] & self.bench.valid[:, None, :] & self.left.asked[:, :, None]
        cells = (values[u.query][:, :, None] * keys + values[u.key][:, None, :])[pairs]
        pull = np.bincount(cells, self.pulls[u.value][pairs], queries * keys)
        met = np.bincount(cells, minlength=queries * keys)
        relation = (pull / (met + 4.0)).reshape(queries, keys)
        relation = relation > np.maximum(0.05, 0.5 * relation.max(1, keepdims=True))
        return (*chain[:-1], replace(u, relation=relation)) if relation.any() else chain

    def varied(self, chain: tuple[Unit, ...]) -> tuple[Unit, ...]:
        """One unit of a chain drawn again, in one of its parts."""
        if self.rng.random() < 0.3 and len(chain) < 5:
            return self.wrapped(chain)
        i = int(self.rng.integers(len(chain)))
        sizes = list(self.sizes)
        for u in chain[:i]:
            sizes.append(size_of(u, sizes, self.draft.frame))
        u = chain[i]
        match u:
            case Table():
                new: Unit = self.function(sizes)
            case Copy() | Tally():
                other = self.head(sizes, fresh=i)
                parts = ["key", "query", "relation", "mask"] + (
                    ["value", "default"] if isinstance(u, Copy) else []
                )
                part = parts[int(self.rng.integers(len(parts)))]
                new = u
                if part in ("key", "query"):
                    v = getattr(other, part)
                    key, query = (v, u.query) if part == "key" else (u.key, v)
                    new = replace(u, key=key, query=query, relation=self.relation(sizes[query], sizes[key]))
                elif part == "relation":
                    new = replace(u, relation=self.relation(sizes[u.query], sizes[u.key]))
                elif part == "mask":
                    new = replace(u, mask=other.mask)
                elif isinstance(u, Copy):
                    value = self.pick(sizes, 0) if part == "value" else u.value
                    new = replace(u, value=value, default=int(self.rng.integers(sizes[value])))
            case _:
                return ()
        result = (*chain[:i], new, *chain[i + 1 :])
        return self.fitted(result) if consistent(result, self.sizes, self.draft.frame) else ()

    def wrapped(self, chain: tuple[Unit, ...]) -> tuple[Unit, ...]:
        """A chain whose last head reads a new function of what it read, or that counts where its last table says a code."""
        u = chain[-1]
        sizes = list(self.sizes)
        for v in chain[:-1]:
            sizes.append(size_of(v, sizes, self.draft.frame))
        if isinstance(u, Table):
            code = np.arange(u.size) == self.rng.integers(u.size)
            masks = self.draft.frame.masks()
            mask = masks[int(self.rng.integers(len(masks)))]
            return *chain, Tally(len(sizes), 0, np.broadcast_to(code, (sizes[0], u.size)).copy(), mask)
        if not isinstance(u, Copy | Tally):
            return ()
        read = u.key if self.rng.random() < 0.6 else u.query
        both = u.key == u.query or self.rng.random() < 0.2
        new = self.function(sizes, read) if self.rng.random() < 0.8 else self.head(sizes, len(chain) - 1)
        sizes.append(size_of(new, sizes, self.draft.frame))
        last = len(sizes) - 1
        key = last if both or read == u.key else u.key
        query = last if both or read != u.key else u.query
        shape = (sizes[query], sizes[key])
        relation = (
            u.relation
            if u.relation.shape == shape and self.rng.random() < 0.5
            else self.like(u.relation, *shape)
        )
        return self.fitted((*chain[:-1], new, replace(u, key=key, query=query, relation=relation)))

    def like(self, relation: np.ndarray, queries: int, keys: int) -> np.ndarray:
        """A relation of the same form over other domains where it is a comparison, else a drawn one."""
        apart = np.arange(keys)[None, :] - np.arange(queries)[:, None]
        old = np.arange(relation.shape[1])[None, :] - np.arange(relation.shape[0])[:, None]
        for test in (np.equal, np.less, np.less_equal, np.greater, np.greater_equal, np.not_equal):
            for c in (0, -1, 1):
                if (relation == test(old, c)).all():
                    return test(apart, c)
        return self.relation(queries, keys)

    def pick(self, sizes: list[int], fresh: int) -> int:
        """A variable: a new one of the chain most often, else an input, else any; of numbers none."""
        r = self.rng.random()
        if fresh and r < 0.6:
            return len(sizes) - 1 - int(self.rng.integers(fresh))
        v = int(self.rng.integers(2)) if r < 0.75 else int(self.rng.integers(len(sizes)))
        return v if sizes[v] else self.pick(sizes, fresh)

    def head(self, sizes: list[int], fresh: int = 0) -> Copy | Tally:
        key, query = self.pick(sizes, fresh), self.pick(sizes, fresh)
        if self.rng.random() < 0.35:
            query = key
        relation = self.relation(sizes[query], sizes[key])
        masks = self.draft.frame.masks()
        mask = masks[int(self.rng.integers(len(masks)))]
        if self.rng.random() < 0.5:
            return Tally(key, query, relation, mask)
        value = self.pick(sizes, 0)
        return Copy(key, query, value, relation, mask, int(self.rng.integers(sizes[value])))

    def relation(self, queries: int, keys: int) -> np.ndarray:
        """A printable relation: key == query most often, an order, an offset, or keys on one side of a constant."""
        apart = np.arange(keys)[None, :] - np.arange(queries)[:, None]
        c = int(self.rng.integers(keys))
        r = self.rng.random()
        if r < 0.3:
            return apart == 0
        if r < 0.5:
            return (apart < 0, apart <= 0, apart > 0, apart >= 0, apart != 0)[int(self.rng.integers(5))]
        if r < 0.65:
            return apart == (-1, 1, -2, 2)[int(self.rng.integers(4))]
        if r < 0.8:
            chosen = np.arange(keys) == c
        elif r < 0.87:
            chosen = np.arange(keys) <= c
        elif r < 0.94 and keys <= SET:
            chosen = self.rng.random(keys) < 0.5
        else:
            chosen = np.arange(keys) >= 0
        return np.broadcast_to(chosen, apart.shape).copy()

    def function(self, sizes: list[int], first: int | None = None) -> Table:
        """A function of two variables in arithmetic: difference, sum, order, or one where the other is c."""
        a, b = self.pick(sizes, 0) if first is None else first, self.pick(sizes, 0)
        while sizes[a] * sizes[b] > 4 * CELLS:
            if first is not None and sizes[first] * min(s for s in sizes if s) > 4 * CELLS:
                first = None  # nothing can be joined to it
            a, b = self.pick(sizes, 0) if first is None else first, self.pick(sizes, 0)
        x, y = np.arange(sizes[a])[:, None], np.arange(sizes[b])[None, :]
        c = (
            min(int(self.rng.geometric(0.4)) - 1, sizes[b] - 1)
            if self.rng.random() < 0.6
            else int(self.rng.integers(sizes[b]))
        )
        r = int(self.rng.integers(7))
        if r == 3 and sizes[a] * sizes[b] <= PAIRS:
            cells = x * sizes[b] + sizes[b] - 1 - y
        elif r == 0:
            cells = np.where(y == c, x + 1, 0)
        elif r == 1:
            cells = np.where(y <= c, x + 1, 0)
        elif r == 2 and sizes[a] * sizes[b] <= PAIRS:
            cells = x * sizes[b] + y
        else:
            several = list(arithmetic(sizes[a], sizes[b]))
            cells = several[int(self.rng.integers(len(several)))]
        return Table(a, b, cells, int(cells.max()) + 1)


def arithmetic(rows: int, columns: int) -> Iterator[np.ndarray]:
    """Functions of two codes that print as arithmetic: order, difference, sum, the larger."""
    x, y = np.arange(rows)[:, None], np.arange(columns)[None, :]
    yield np.sign(x - y) + 1
    yield np.maximum(x - y, -1) + 1
    yield np.maximum(y - x, -1) + 1
    yield np.minimum(x + y, max(rows, columns))
    yield np.maximum(x, y)


def consistent(chain: tuple[Unit, ...], sizes: list[int], frame: Frame) -> bool:
    """Whether every relation and table still fits the variables it reads."""
    sizes = list(sizes)
    for u in chain:
        match u:
            case Copy() | Tally():
                if u.relation.shape != (sizes[u.query], sizes[u.key]):
                    return False
                if isinstance(u, Copy) and u.default >= sizes[u.value]:
                    return False
            case Table():
                if u.cells.shape != (sizes[u.left], sizes[u.right]):
                    return False
        sizes.append(size_of(u, sizes, frame))
    return True
